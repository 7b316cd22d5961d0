//! Tokens as pure decisions, and configurations that are refused. `cases/` tries every algorithm with
//! hostile tokens.

use super::*;
use crate::token::decode;
use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(crate::config::Fields);

const SECRET: &str = "a secret of more than 32 bytes for tests";
const NOW: u64 = 1_000_000;

fn settings(more: &str) -> Settings {
    let text = format!("{{\"keys\": [{{\"secret\": \"{SECRET}\"}}]{more}}}");
    let config = <Config as gatewright::Configuration>::from_bytes(text.as_bytes());
    config.and_then(Config::settings).unwrap()
}

fn sign(header: &str, claims: &str) -> String {
    let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    let message = format!("{}.{}", encode(header), encode(claims));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    let signature = Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes());
    format!("{message}.{signature}")
}

fn hs256(claims: &str) -> String {
    sign(r#"{"alg":"HS256"}"#, claims)
}

/// What comes of a request, and its headers after that.
fn admit(settings: &Settings, headers: &[(&str, &str)]) -> (Result<(), Denied>, HeaderList) {
    let mut list: HeaderList = headers.iter().copied().collect();
    let decision = settings.admit(&mut list, NOW);
    (decision, list)
}

fn check(more: &str, token: &str, expected: Result<(), Refusal>) {
    let bearer = format!("Bearer {token}");
    let (decision, list) = admit(&settings(more), &[("authorization", &bearer)]);
    assert_eq!(decision, expected.map_err(Denied::Refused), "{token}");
    // What does not pass is not changed either.
    assert_eq!(list.contains("authorization"), expected.is_err());
}

#[test]
fn time_is_checked_to_the_second() {
    let strict = r#", "leeway_seconds": 0"#;
    for (claims, expected) in [
        (r#"{"exp":1000001}"#, Ok(())),
        (r#"{"exp":1000000.5}"#, Ok(())),
        (r#"{"exp":1000000}"#, Err(Refusal::Expired)),
        (r#"{"exp":-1}"#, Err(Refusal::Expired)),
        (r#"{"exp":1e300}"#, Ok(())),
        (r#"{"exp":1e999}"#, Err(Refusal::Claims)),
        (r#"{"exp":1000001,"nbf":1000000}"#, Ok(())),
        (
            r#"{"exp":1000001,"nbf":1000001}"#,
            Err(Refusal::NotYetValid),
        ),
        (r#"{"nbf":1}"#, Err(Refusal::NoExpiry)),
        (r#"{"exp":1000001,"exp":1000002}"#, Err(Refusal::Claims)),
        (r#"{"exp":"1000001"}"#, Err(Refusal::Claims)),
        (r#"{"exp":1000001"#, Err(Refusal::Claims)),
    ] {
        check(strict, &hs256(claims), expected);
    }
    let lenient = r#", "leeway_seconds": 10"#;
    check(lenient, &hs256(r#"{"exp":999991}"#), Ok(()));
    check(lenient, &hs256(r#"{"exp":999990}"#), Err(Refusal::Expired));
}

#[test]
fn the_header_cannot_choose_how_it_is_checked() {
    let claims = r#"{"exp":2000000}"#;
    for (header, expected) in [
        (r#"{"alg":"HS256","typ":"JWT","kid":"any"}"#, Ok(())),
        (r#"{"alg":"none"}"#, Err(Refusal::Algorithm)),
        (r#"{"alg":"hs256"}"#, Err(Refusal::Algorithm)),
        (r#"{"alg":"RS256"}"#, Err(Refusal::Algorithm)),
        (r#"{"alg":"HS256","crit":["exp"]}"#, Err(Refusal::Critical)),
        (r#"{"alg":"HS256","crit":null}"#, Ok(())),
        (r#"{"alg":"HS256","alg":"none"}"#, Err(Refusal::Malformed)),
        (r#"{"alg":7}"#, Err(Refusal::Malformed)),
        (r#"{}"#, Err(Refusal::Malformed)),
        (r#"["HS256"]"#, Err(Refusal::Malformed)),
    ] {
        check("", &sign(header, claims), expected);
    }
}

#[test]
fn no_part_of_a_token_can_be_changed() {
    let token = hs256(r#"{"exp":2000000,"sub":"alice"}"#);
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        let byte = bytes.get_mut(index).unwrap();
        *byte = if *byte == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let bearer = format!("Bearer {changed}");
        let (decision, _) = admit(&settings(""), &[("authorization", &bearer)]);
        assert!(decision.is_err(), "{changed}");
    }
    for end in 0..token.len() {
        let bearer = format!("Bearer {}", token.get(..end).unwrap());
        assert!(
            admit(&settings(""), &[("authorization", &bearer)])
                .0
                .is_err()
        );
    }
}

#[test]
fn base64url_has_one_spelling() {
    assert_eq!(decode(b"_-8"), Some(vec![0xff, 0xef]));
    for text in ["_-9", "_-8=", "/+8", "_", "_ -8", "_-8\n"] {
        assert_eq!(decode(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn the_first_place_with_a_token_decides_and_all_are_cleared() {
    let settings = settings(r#", "tokens_in": [{"header": "x-token"}, {"query": "jwt"}]"#);
    let (good, bad) = (hs256(r#"{"exp":2000000}"#), hs256(r#"{"exp":1}"#));
    let path = |token: &str| format!("/a?jwt={token}&b=1");
    let (decision, list) = admit(&settings, &[("x-token", &good), (":path", &path(&bad))]);
    assert_eq!(decision, Ok(()));
    assert_eq!(list, [(":path", "/a?b=1")].into_iter().collect());
    let (decision, _) = admit(&settings, &[("x-token", &bad), (":path", &path(&good))]);
    assert_eq!(decision, Err(Denied::Refused(Refusal::Expired)));
    let twice = format!("/?jwt={good}&jwt={good}");
    assert_eq!(
        admit(&settings, &[(":path", &twice)]).0,
        Err(Denied::Several)
    );
    assert_eq!(admit(&settings, &[(":path", "/")]).0, Err(Denied::Missing));
}

#[test]
fn credentials_of_another_scheme_are_not_ours() {
    let settings = settings(
        r#", "tokens_in": [{"header": "authorization", "scheme": "Bearer"}, {"query": "t"}]"#,
    );
    let path = format!("/?t={}", hs256(r#"{"exp":2000000}"#));
    let (decision, list) = admit(
        &settings,
        &[("authorization", "Basic YTpi"), (":path", &path)],
    );
    assert_eq!(decision, Ok(()));
    assert_eq!(list.get("authorization"), Some(&b"Basic YTpi"[..]));
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (configuration, expected) in [
        ("", "`keys`: must have a key; `jwks` has none either"),
        (
            r#"{"keys": [{"pem": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}]}"#,
            "`keys[0].pem`: must be a public key in PEM: RSA, P-256 or Ed25519 at line 1 column 19",
        ),
        (
            "-----BEGIN PUBLIC KEY-----",
            "must be a public key in PEM: RSA, P-256 or Ed25519",
        ),
        (
            r#"{"keys": [{"kid": "a"}]}"#,
            "`keys[0]`: must have one of `pem`, `secret` and `secret_base64url` at line 1 column 11",
        ),
        (
            r#"{"keys": [{"secret_base64url": "AA=="}]}"#,
            "`keys[0].secret_base64url`: must be base64url without padding at line 1 column 32",
        ),
        (
            r#"{"jwks": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}}"#,
            "`jwks.keys[0]`: is no RSA key at line 1 column 20",
        ),
        (
            r#"{"keys": [{"secret": "a secret of more than 32 bytes for tests"}], "status": 200}"#,
            "`status`: must be 401 or 403 at line 1 column 78",
        ),
        (
            r#"{"keys": [{"secret": "a secret of more than 32 bytes for tests"}], "tokens_in": []}"#,
            "`tokens_in`: must name a place at line 1 column 81",
        ),
        (
            r#"{"keys": [{"secret": "a secret of more than 32 bytes for tests"}], "max_token_bytes": 1}"#,
            "`max_token_bytes`: must be from 64 to 16384 at line 1 column 87",
        ),
    ] {
        let refused = gatewright::testing::TestPlugin::<JwtAuth>::configure(configuration);
        let (_, message) = refused.unwrap_err().logs.pop().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}

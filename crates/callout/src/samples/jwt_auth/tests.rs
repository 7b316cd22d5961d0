//! A token that is valid, and what is wrong with others.

use super::*;
use crate::Headers;

const KEY: &[u8] = include_bytes!("key.pem");

/// John Doe's, until 2035, with the claims of the token that Google's sample names. The key that signed it
/// is gone.
const TOKEN: &str = include_str!("token.jwt");

/// In 2026.
const NOW: Duration = Duration::from_secs(1_780_000_000);

fn key() -> PublicKey {
    PublicKey::from_pem(KEY).expect("a key")
}

#[test]
fn a_token_is_taken_while_it_is_valid() {
    let token = TOKEN.trim();
    let claims = key().claims(token, NOW).expect("it is valid");
    let texts: Vec<_> = claims
        .iter()
        .map(|(name, value)| format!("{name}={}", text(value)))
        .collect();
    for claim in [
        "sub=1234567890",
        "name=John Doe",
        "admin=True",
        "exp=2075658261",
    ] {
        assert!(texts.iter().any(|text| text == claim), "{texts:?}");
    }
    for (seconds, valid) in [
        (2_075_658_260, true),
        (2_075_658_261, false),
        // Before it was made.
        (1_712_173_460, false),
    ] {
        let claims = key().claims(token, Duration::from_secs(seconds));
        assert_eq!(claims.is_some(), valid, "{seconds}");
    }
}

#[test]
fn a_token_that_was_touched_is_not_taken() {
    let token = TOKEN.trim();
    let (signed, signature) = token.rsplit_once('.').expect("a token");
    let (header, payload) = signed.split_once('.').expect("a token");
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let admin = URL_SAFE_NO_PAD.encode(r#"{"admin":true}"#);
    for bad in [
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{header}.{admin}.{signature}"),
        format!("{header}.{payload}.{}", &signature[1..]),
        format!("{header}.{payload}"),
        "a.b.c".to_owned(),
        String::new(),
    ] {
        assert_eq!(key().claims(&bad, NOW), None, "{bad}");
    }
}

#[test]
fn the_token_comes_with_or_without_a_word_before_it() {
    let of = |value: &str| {
        let headers: Headers = [("Authorization", value)].into_iter().collect();
        let head = Head { headers, end: true };
        token(&head).map(str::to_owned)
    };
    assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
    assert_eq!(of("abc").as_deref(), Some("abc"));
    assert_eq!(token(&Head::default()), None);
}

#[test]
fn what_is_no_rsa_key_is_refused() {
    let ed25519 = b"-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    assert!(PublicKey::from_pem(ed25519).is_err_and(|error| error.contains("no RSA key")));
    assert!(PublicKey::from_pem(b"nothing").is_err());
    assert_eq!(element(&[0x30, 0x82, 0xff], 0x30), None);
    assert_eq!(element(&[0x30, 0x05, 1], 0x30), None);
}

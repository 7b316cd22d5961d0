//! Each scheme with good, forged, truncated, expired and oversized tokens.

use super::*;
use core::time::Duration;
use gatewright::testing::{Seen, TestPlugin, set_clock};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

/// The MACs below are of this secret; `openssl dgst -sha256 -hmac` makes more.
const SECRET: &str = "your_secret_key";
const NOW: u64 = 1_735_614_000;

fn request(scheme: &str, headers: &[(&str, &str)]) -> Seen {
    let configuration = format!("{{\"secret\": \"{SECRET}\", {scheme}}}");
    let plugin = TestPlugin::<HmacAuth>::configure(configuration).unwrap();
    set_clock(Duration::from_secs(NOW));
    plugin.stream().request_headers(headers.iter().copied())
}

/// The status and the text, which is also what is logged.
fn refusal(seen: &Seen) -> Option<(u32, String)> {
    let reply = seen.reply.as_ref()?;
    let text = String::from_utf8_lossy(&reply.body).trim_end().to_owned();
    assert_eq!(seen.messages(), [format!("hmac-auth: {text}")]);
    Some((reply.status, text))
}

fn check(scheme: &str, headers: &[(&str, &str)], expected: Option<(u32, &str)>) {
    let seen = request(scheme, headers);
    let refusal = refusal(&seen);
    let refusal = refusal
        .as_ref()
        .map(|(status, text)| (*status, text.as_str()));
    assert_eq!(refusal, expected, "{headers:?}");
    assert_eq!(seen.goes_on(), expected.is_none());
}

const GOOD_COOKIE: &str = "MTI3LjAuMC4xLDE3MzU3MDA0MDAwMDAwMDAwMDA.MThmNzliYzBhMzA3YzhiMmI4OTFiMTQ0NzNhMmFhNjljYWVkNGVmMzYwY2NiNTRjZTU3YWY0MTczZGMwMGZkNA";

#[test]
fn a_cookie_is_good_for_its_client_until_it_ends() {
    let scheme = r#""cookie": {}"#;
    let with = |cookie: &str, forwarded: &str, expected: Option<&str>| {
        let cookie = format!("a=b; Authorization={cookie}");
        let headers = [("cookie", cookie.as_str()), ("x-forwarded-for", forwarded)];
        check(scheme, &headers, expected.map(|text| (403, text)));
    };
    with(GOOD_COOKIE, "127.0.0.1,10.0.0.1", None);
    with(GOOD_COOKIE, "evil, 127.0.0.1 , 10.0.0.1", None);
    let other = Some("Access forbidden - invalid client IP.");
    with(GOOD_COOKIE, "127.0.0.1, 127.0.0.2, 10.0.0.1", other);
    with(GOOD_COOKIE, "::1,10.0.0.1", other);
    let none = Some("Access forbidden - missing client IP.");
    with(GOOD_COOKIE, "127.0.0.1", none);
    with(GOOD_COOKIE, "not-an-ip,10.0.0.1", none);
    let ended = "MTI3LjAuMC4xLDE3MzU1Mjc2MDAwMDAwMDAwMDA.NWFlODcwYjBlMGNmM2JmODM1NjQwNjgyZjZhNWUyZTI4MDc5MGQ3ODgwMjBmOWI5NGQwYThhYzIxODc3YWM1Yg";
    with(
        ended,
        "127.0.0.1,10.0.0.1",
        Some("Access forbidden - hash expired."),
    );
    let truncated = GOOD_COOKIE.trim_end_matches("NA");
    let forged = Some("Access forbidden - invalid HMAC hash.");
    with(truncated, "127.0.0.1,10.0.0.1", forged);
    // Another address before the same hash.
    with(
        &GOOD_COOKIE.replacen("MTI3", "MTI4", 1),
        "128.0.0.1,10.0.0.1",
        forged,
    );
    let malformed = Some("Access forbidden - invalid HMAC cookie.");
    for cookie in [
        "",
        "abc",
        "!!.??",
        &"a".repeat(1025),
        &format!("{GOOD_COOKIE}="),
    ] {
        with(cookie, "127.0.0.1,10.0.0.1", malformed);
    }
    let missing = (403, "Access forbidden - missing HMAC cookie.");
    check(
        scheme,
        &[("x-forwarded-for", "127.0.0.1,10.0.0.1")],
        Some(missing),
    );
}

const PATH: &str = "/somepage/otherpage?param1=value1&param2=value2";
const PATH_MAC: &str = "48277f04685e364e0e3f3c4bfa78cb91293d304bbf196829334cb1c4a741d6b0";

#[test]
fn a_url_is_good_as_it_was_signed_and_loses_its_token() {
    let scheme = r#""query": {}"#;
    for path in [
        format!("{PATH}&token={PATH_MAC}"),
        format!("/somepage/otherpage?token={PATH_MAC}&param1=value1&param2=value2"),
    ] {
        let seen = request(scheme, &[(":path", path.as_str())]);
        assert!(seen.goes_on(), "{path}");
        assert_eq!(seen.headers.get(":path"), Some(PATH.as_bytes()));
    }
    let missing = "Access forbidden - missing token.";
    let invalid = "Access forbidden - invalid token.";
    let broken = "Bad request - invalid path.";
    let truncated = PATH_MAC.get(..62).unwrap();
    for (path, status, text) in [
        (PATH.to_owned(), 403, missing),
        (format!("{PATH}&token="), 403, invalid),
        (format!("{PATH}&token={truncated}"), 403, invalid),
        (format!("{PATH}&token=zz{truncated}"), 403, invalid),
        (format!("{PATH}&a=1&token={PATH_MAC}"), 403, invalid),
        (
            format!("{PATH}&token={PATH_MAC}&token={PATH_MAC}"),
            403,
            invalid,
        ),
        (format!("{PATH}&token={}", "a".repeat(2000)), 403, invalid),
        ("/a b".to_owned(), 400, broken),
        ("/%zz?token=1".to_owned(), 400, broken),
        ("http://[".to_owned(), 400, broken),
    ] {
        check(scheme, &[(":path", &path)], Some((status, text)));
    }
}

#[test]
fn a_url_may_end() {
    let scheme = r#""query": {"expires": "until"}"#;
    let later = format!("/a?until={}", NOW + 1);
    let over = format!("/a?until={NOW}");
    let never = "/a".to_owned();
    let sign = |path: &str| {
        use ::hmac::{KeyInit, Mac as _};
        let mut mac = ::hmac::Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(path.as_bytes());
        let bytes = mac.finalize().into_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mark = if path.contains('?') { '&' } else { '?' };
        format!("{path}{mark}token={hex}")
    };
    let expired = Some((403, "Access forbidden - token expired."));
    check(scheme, &[(":path", &sign(&later))], None);
    check(scheme, &[(":path", &sign(&over))], expired);
    check(scheme, &[(":path", &sign(&never))], expired);
    check(
        scheme,
        &[(":path", &sign("/a?until=1735614001&until=9"))],
        expired,
    );
}

#[test]
fn a_header_is_good_for_one_request_and_some_minutes() {
    // HMAC-MD5 and HMAC-SHA256 of `GET/api1735613900`, and of `GET\n/api\n1735613900`.
    let (sample, ours) = (
        r#""hash": "md5", "header": {"separator": ""}"#,
        r#""header": {}"#,
    );
    let request = |value: &str| {
        [
            (":method", "GET"),
            (":path", "/api"),
            ("authorization", value),
        ]
        .map(|(a, b)| (a, b.to_owned()))
    };
    let with = |scheme: &str, value: &str, expected: Option<(u32, &str)>| {
        let headers = request(value);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        check(scheme, &headers, expected);
    };
    let md5 = "HMAC 1735613900:a1ed55950e78b7b2d5c768b3921dcc37";
    let sha = "hmac 1735613900:8e553a392cc98d15fc50244298182738344c43773a9f7b274f025b8a57000ebe";
    with(sample, md5, None);
    with(ours, sha, None);
    with(ours, md5, Some((403, "Invalid HMAC")));
    with(sample, sha, Some((403, "Invalid HMAC")));
    with(sample, md5.get(..40).unwrap(), Some((403, "Invalid HMAC")));
    with(sample, "HMAC 1735613699:00", Some((403, "Token expired")));
    with(sample, "HMAC 1735614301:00", Some((403, "Token expired")));
    with(
        sample,
        "HMAC invalid",
        Some((400, "Invalid token format: expected 'timestamp:hmac'")),
    );
    with(sample, "HMAC -1:00", Some((400, "Invalid timestamp")));
    with(
        sample,
        "HMAC 99999999999999999999:00",
        Some((400, "Invalid timestamp")),
    );
    with(
        sample,
        "Bearer x",
        Some((400, "Invalid Authorization scheme. Use 'HMAC'")),
    );
    with(sample, "", Some((401, "Missing Authorization header")));
    let long = format!("HMAC 1735613900:{}", "a".repeat(2000));
    with(sample, &long, Some((400, "Invalid Authorization header")));
    let twice = [("authorization", md5), ("authorization", md5)];
    check(sample, &twice, Some((400, "Invalid Authorization header")));
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (configuration, expected) in [
        ("", "must have one of `secret` and `secret_hex`"),
        (
            r#"{"secret": "short", "query": {}}"#,
            "`secret`: must have at least 15 bytes; 32 random ones are good at line 1 column 12",
        ),
        (
            r#"{"secret_hex": "0g", "query": {}}"#,
            "`secret_hex`: must be pairs of hexadecimal digits at line 1 column 16",
        ),
        (
            r#"{"secret": "0123456789abcdef", "query": {}, "cookie": {}}"#,
            "must have one of `cookie`, `query` and `header`",
        ),
        (
            r#"{"secret": "0123456789abcdef", "query": {"expires": "token"}}"#,
            "`query.parameter`: must name a parameter, another than `expires` does",
        ),
        (
            r#"{"secret": "0123456789abcdef", "header": {"validity_seconds": 0}}"#,
            "`header.validity_seconds`: must be from 1 to 86400 at line 1 column 63",
        ),
    ] {
        let refused = TestPlugin::<HmacAuth>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}

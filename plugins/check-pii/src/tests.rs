//! Numbers in text, in every split of its chunks, and configurations that are refused.

use super::*;
use gatewright::testing::{TestPlugin, TestStream};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

fn stream(configuration: &str) -> TestStream {
    TestPlugin::<CheckPii>::configure(configuration)
        .unwrap()
        .stream()
}

fn check(configuration: &str, body: &str, expected: &str) {
    for size in 1..=body.len() {
        let mut stream = stream(configuration);
        let mut seen = Vec::new();
        for chunk in body.as_bytes().chunks(size) {
            seen.extend(stream.response_body(chunk, false).body);
        }
        seen.extend(stream.response_body("", true).body);
        assert_eq!(String::from_utf8_lossy(&seen), expected, "chunks of {size}");
    }
}

#[test]
fn numbers_are_masked_wherever_they_stand_and_chunks_are_cut() {
    for (body, expected) in [
        ("1234-5678-9123-4567", "XXXX-XXXX-XXXX-4567"),
        ("a1234-5678-9123-4567b", "aXXXX-XXXX-XXXX-4567b"),
        ("1234567890", "XXXXXXX890"),
        ("x1234567890,1234567890x", "xXXXXXXX890,XXXXXXX890x"),
        ("123456789012", "XXXXXXX89012"),
        (
            "1234-5678-9123-45678901234567",
            "XXXX-XXXX-XXXX-XXXXXXX1234567",
        ),
        ("11234-5678-9123-4567", "1XXXX-XXXX-XXXX-4567"),
        (
            "1234-5678-1234-5678-9123-4567",
            "XXXX-XXXX-XXXX-5678-9123-4567",
        ),
        ("123456789", "123456789"),
        ("1234-5678-9123-456", "1234-5678-9123-456"),
        ("1234 5678 9123 4567", "1234 5678 9123 4567"),
    ] {
        check("", body, expected);
    }
}

#[test]
fn other_patterns_can_be_masked() {
    let ssn = r#"{"patterns": ["XXX-XX-9999", "+XXXXX9"]}"#;
    check(
        ssn,
        "id 123-45-6789, tel +123456",
        "id XXX-XX-6789, tel +XXXXX6",
    );
}

#[test]
fn headers_are_masked_value_by_value() {
    let mut stream = stream("");
    let headers = [
        (":status", "200"),
        ("x-card", "1234-5678-9123-4567"),
        ("x-card", "none"),
        ("x-code", "id=1234567890"),
        ("content-length", "1234567890"),
    ];
    let seen = stream.response_headers(headers);
    let expected = [
        (":status", "200"),
        ("x-card", "XXXX-XXXX-XXXX-4567"),
        ("x-card", "none"),
        ("x-code", "id=XXXXXXX890"),
    ];
    // The length goes with the rest of what a changed body makes wrong.
    let mut left: Vec<_> = seen.headers.iter().collect();
    left.sort();
    assert_eq!(left, expected.map(|(a, b)| (a.as_bytes(), b.as_bytes())));
}

#[test]
fn upstreams_are_asked_not_to_compress() {
    let seen = stream("").request_headers([("accept-encoding", "gzip, br")]);
    assert_eq!(seen.headers.get("accept-encoding"), Some(&b"identity"[..]));
}

#[test]
fn a_body_that_cannot_or_need_not_be_looked_into_passes() {
    let card = "1234-5678-9123-4567";
    let mut encoded = stream("");
    let seen = encoded.response_headers([("content-encoding", "gzip")]);
    assert_eq!(
        seen.messages(),
        ["check-pii: the body is encoded and was not looked into"]
    );
    assert_eq!(encoded.response_body(card, true).body, card.as_bytes());

    let text_only = r#"{"content_types": ["text/", "application/json"]}"#;
    let mut image = stream(text_only);
    image.response_headers([("content-type", "image/png")]);
    assert_eq!(image.response_body(card, true).body, card.as_bytes());
    let mut json = stream(text_only);
    json.response_headers([("content-type", "Application/JSON; charset=utf-8")]);
    assert_eq!(json.response_body(card, true).body, b"XXXX-XXXX-XXXX-4567");
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (configuration, expected) in [
        (
            r#"{"patterns": []}"#,
            "`patterns`: must have 1 to 8 patterns at line 1 column 14",
        ),
        (
            r#"{"patterns": ["9999"]}"#,
            "`patterns[0]`: must have 4 to 64 places, one of them `X` at line 1 column 15",
        ),
        (
            r#"{"patterns": ["XXXX", "XXX1"]}"#,
            "`patterns[1]`: must have `X` for a digit that is masked and `9` for one that stays at line 1 column 23",
        ),
    ] {
        let refused = TestPlugin::<CheckPii>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}

//! The plugin run natively, from configuration to reply.

use super::*;
use gatewright::testing::{SentReply, TestPlugin};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

fn reply(configuration: &str) -> SentReply {
    let plugin = TestPlugin::<Answer>::configure(configuration).unwrap();
    let seen = plugin.stream().request_headers([(":path", "/any")]);
    assert!(seen.logs.is_empty() && !seen.goes_on());
    seen.reply.unwrap()
}

fn check_refused(configuration: &str, expected: &str) {
    let refused = TestPlugin::<Answer>::configure(configuration).unwrap_err();
    let (_, message) = refused.logs.last().unwrap();
    assert_eq!(
        message.strip_prefix("configuration refused: "),
        Some(expected)
    );
}

#[test]
fn without_configuration_it_says_hello() {
    let reply = reply("");
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.headers,
        [("content-type", "text/plain")].into_iter().collect()
    );
    assert_eq!(reply.body, b"Hello World");
    assert_eq!((reply.details, reply.grpc_status), (Vec::new(), -1));
}

#[test]
fn status_headers_and_body_are_configurable() {
    let reply = reply(
        r#"{
            "status": 503,
            "headers": [
                {"name": "Retry-After", "value": "120"},
                {"name": "set-cookie", "value": "a=1"},
                {"name": "set-cookie", "value": "b=2"}
            ],
            "body": "bientôt"
        }"#,
    );
    assert_eq!(reply.status, 503);
    assert_eq!(
        reply.headers,
        [
            ("retry-after", "120"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2")
        ]
        .into_iter()
        .collect()
    );
    assert_eq!(reply.body, "bientôt".as_bytes());
}

#[test]
fn fields_left_out_keep_their_defaults() {
    let only_status = reply(r#"{"status": 404}"#);
    assert_eq!(only_status.body, b"Hello World");
    assert!(only_status.headers.contains("content-type"));
    let no_headers = reply(r#"{"headers": [], "body": ""}"#);
    assert!(no_headers.headers.is_empty() && no_headers.body.is_empty());
}

#[test]
fn a_bad_configuration_is_refused_by_field_and_place() {
    check_refused(
        r#"{"stauts": 200}"#,
        "`stauts`: unknown field `stauts`, expected one of `status`, `headers`, `body` \
         at line 1 column 2",
    );
    check_refused(
        "{\n  \"status\": 101\n}",
        "`status`: must be a final HTTP status, from 200 to 599 at line 2 column 13",
    );
    check_refused(
        r#"{"headers": [{"name": ":status", "value": "1"}]}"#,
        "`headers[0].name`: must be a header name (a pseudo-header is none) at line 1 column 23",
    );
    check_refused(
        r#"{"headers": [{"name": "Content-Length", "value": "1"}]}"#,
        "`headers[0].name`: is set by the load balancer; remove it at line 1 column 23",
    );
    check_refused(
        r#"{"headers": [{"name": "a", "value": "1"}, {"name": "b", "value": "1\r\nc: 2"}]}"#,
        "`headers[1].value`: must not contain control characters at line 1 column 66",
    );
}

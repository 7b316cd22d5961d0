//! Replies by status, traces, and configurations that are refused.

use super::*;
use gatewright::testing::{Seen, TestPlugin};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

fn exchange(configuration: &str, request: &[(&str, &str)], status: &str) -> Seen {
    let plugin = TestPlugin::<ErrorPage>::configure(configuration).unwrap();
    let mut stream = plugin.stream();
    assert!(stream.request_headers(request.iter().copied()).goes_on());
    stream.response_headers([(":status", status), ("content-type", "application/json")])
}

fn page(request: &[(&str, &str)], status: &str) -> String {
    let reply = exchange("", request, status).reply.unwrap();
    assert_eq!(reply.status.to_string(), status);
    String::from_utf8_lossy(&reply.body).into_owned()
}

#[test]
fn a_failure_gets_a_page_and_a_success_does_not() {
    for status in ["400", "404", "500", "599"] {
        assert!(page(&[], status).contains(&format!("<h1>Error {status}</h1>")));
    }
    for status in ["200", "204", "301", "399"] {
        assert!(exchange("", &[], status).goes_on(), "{status}");
    }
}

#[test]
fn the_page_names_the_trace() {
    let w3c = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (request, trace) in [
        (&[("x-cloud-trace-context", "abc123/456;o=1")][..], "abc123"),
        (
            &[("x-cloud-trace-context", "trace-without-span-id")],
            "trace-without-span-id",
        ),
        (&[("traceparent", w3c)], "4bf92f3577b34da6a3ce929d0e0e4736"),
        (
            &[("traceparent", w3c), ("x-cloud-trace-context", "abc/1")],
            "abc",
        ),
        (
            &[("traceparent", w3c), ("x-cloud-trace-context", "")],
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        (&[("traceparent", "00-nothex-1-01")], "not-available"),
        (
            &[("x-cloud-trace-context", "<script>alert(1)</script>")],
            "not-available",
        ),
        (&[], "not-available"),
    ] {
        let expected = format!("<code>{trace}</code>");
        assert!(page(request, "500").contains(&expected), "{request:?}");
    }
}

#[test]
fn a_failure_may_become_a_redirect() {
    let configuration = r#"{"rules": [{"from": 500, "to": 599, "status": 302, "body": "",
        "headers": [{"name": "location", "value": "https://a.example/$$"},
                    {"name": "origin-status", "value": "${status}"}]}]}"#;
    let reply = exchange(configuration, &[], "503").reply.unwrap();
    assert_eq!((reply.status, reply.body.len()), (302, 0));
    let expected = [
        ("location", "https://a.example/$"),
        ("origin-status", "503"),
    ];
    assert_eq!(reply.headers, expected.into_iter().collect());
    assert!(exchange(configuration, &[], "404").goes_on());
}

#[test]
fn the_first_rule_that_fits_decides_and_no_trace_is_read_in_vain() {
    let configuration = r#"{"rules": [{"from": 404, "to": 404, "body": "gone"},
        {"from": 400, "to": 499, "body": "yours", "status": 400}]}"#;
    let body = |status| exchange(configuration, &[], status).reply.unwrap().body;
    assert_eq!(
        (body("404"), body("418")),
        (b"gone".to_vec(), b"yours".to_vec())
    );
    let plugin = TestPlugin::<ErrorPage>::configure(configuration).unwrap();
    assert!(
        plugin
            .stream()
            .request_headers([("x", "y")])
            .calls
            .is_empty()
    );
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (rule, expected) in [
        (
            r#"{"from": 200, "to": 599}"#,
            "`rules[0]`: must have statuses `from` 300 `to` 599, in order at line 1 column 12",
        ),
        (
            r#"{"from": 500, "to": 400}"#,
            "`rules[0]`: must have statuses `from` 300 `to` 599, in order at line 1 column 12",
        ),
        (
            r#"{"from": 500, "to": 599, "status": 100}"#,
            "`rules[0].status`: must be a final HTTP status, from 200 to 599 at line 1 column 47",
        ),
        (
            r#"{"from": 500, "to": 599, "body": "${path}"}"#,
            "`rules[0].body`: has a `$` that is neither `${status}`, `${trace}` nor `$$` at line 1 column 45",
        ),
        (
            r#"{"from": 500, "to": 599, "headers": [{"name": "Content-Length", "value": "1"}]}"#,
            "`rules[0].headers[0].name`: must be a header name, and not that of the body's length at line 1 column 58",
        ),
    ] {
        let configuration = format!("{{\"rules\": [{rule}]}}");
        let refused = TestPlugin::<ErrorPage>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}

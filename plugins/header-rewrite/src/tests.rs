//! Rules, templates and patterns as pure functions, and the plugin run natively.

use super::*;
use gatewright::testing::{Seen, TestPlugin, TestStream};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

fn list(headers: &[(&str, &str)]) -> HeaderList {
    headers.iter().copied().collect()
}

fn plugin(configuration: &str) -> TestPlugin<HeaderRewrite> {
    TestPlugin::configure(configuration).unwrap()
}

fn stream(configuration: &str) -> TestStream {
    plugin(configuration).stream()
}

/// Runs rules of the request on headers and compares what is left.
fn check(rules: &str, before: &[(&str, &str)], after: &[(&str, &str)]) -> Seen {
    let seen =
        stream(&format!("{{\"request\": [{rules}]}}")).request_headers(before.iter().copied());
    assert_eq!(seen.headers, list(after), "{rules}");
    assert!(seen.goes_on() && seen.logs.is_empty());
    seen
}

fn check_refused(configuration: &str, expected: &str) {
    let refused = TestPlugin::<HeaderRewrite>::configure(configuration).unwrap_err();
    let (_, message) = refused.logs.last().unwrap();
    assert_eq!(
        message.strip_prefix("configuration refused: "),
        Some(expected)
    );
}

#[test]
fn without_rules_nothing_is_touched() {
    let mut stream = stream("");
    let seen = stream.request_headers([("a", "1")]);
    assert_eq!((seen.headers, seen.calls), (list(&[("a", "1")]), vec![]));
    let seen = stream.response_headers([("a", "1")]);
    assert_eq!((seen.headers, seen.calls), (list(&[("a", "1")]), vec![]));
}

#[test]
fn each_operation_does_what_it_says() {
    let before = &[("a", "1"), ("b", "2"), ("a", "3")];
    check(
        r#"{"set": "A", "value": "x"}"#,
        before,
        &[("a", "x"), ("b", "2")],
    );
    check(
        r#"{"append": "A", "value": "x"}"#,
        before,
        &[("a", "1"), ("b", "2"), ("a", "3"), ("a", "x")],
    );
    check(r#"{"remove": "A"}"#, before, &[("b", "2")]);
    check(
        r#"{"rename": "A", "to": "C"}"#,
        before,
        &[("b", "2"), ("c", "1"), ("c", "3")],
    );
}

#[test]
fn operations_run_in_order_on_what_those_before_left() {
    check(
        r#"{"rename": "a", "to": "b"}, {"append": "b", "value": "2"}, {"set": "c", "value": "${b}"},
           {"remove": "b", "if": {"equals": {"name": "b", "value": "2"}}}"#,
        &[("a", "1")],
        &[("c", "1, 2")],
    );
}

#[test]
fn rules_that_look_at_nothing_read_nothing() {
    let seen = check(
        r#"{"set": "a", "value": "x"}, {"append": "b", "value": ""}, {"remove": "c"}"#,
        &[("a", "1"), ("c", "2")],
        &[("a", "x"), ("b", "")],
    );
    assert_eq!(
        seen.calls,
        [
            "proxy_replace_header_map_value",
            "proxy_add_header_map_value",
            "proxy_remove_header_map_value"
        ]
    );
}

#[test]
fn the_direct_way_and_the_list_agree() {
    // The same rules, once alone and once beside one that forces the list and changes nothing.
    let rules = r#"{"append": "a", "value": "2"}, {"set": "B", "value": "x"}, {"remove": "c"},
        {"append": "d", "value": "3"}, {"set": "a", "value": "y"}, {"append": "a", "value": "z"}"#;
    let never = r#"{"remove": "a", "if": {"present": "not-there"}}"#;
    let before = [("a", "1"), ("c", "2"), ("c", "3"), ("b", "4"), ("b", "5")];
    let headers = |rules: &str| {
        let configuration = format!("{{\"request\": [{rules}]}}");
        let mut left = stream(&configuration).request_headers(before).headers;
        // Headers of different names have no order.
        let mut pairs: Vec<_> = left.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        left = pairs.into_iter().collect();
        left
    };
    assert_eq!(headers(rules), headers(&format!("{rules}, {never}")));
}

#[test]
fn every_condition_must_hold() {
    let rule = r#"{"set": "x", "value": "1", "if": {
        "path_prefix": "/api/", "method": ["GET", "HEAD"], "present": "a", "absent": "b",
        "equals": {"name": "c", "value": "2"}, "matches": {"name": "d", "value": "*.com"}}}"#;
    let good = [
        (":method", "HEAD"),
        (":path", "/api/x?y"),
        ("a", ""),
        ("c", "1"),
        ("c", "2"),
        ("d", "example.com"),
    ];
    let runs = |headers: &[(&str, &str)]| {
        let configuration = format!("{{\"request\": [{rule}]}}");
        let seen = stream(&configuration).request_headers(headers.iter().copied());
        seen.headers.contains("x")
    };
    assert!(runs(&good));
    for (without, with) in [
        (":method", Some((":method", "head"))),
        (":path", Some((":path", "/api"))),
        ("a", None),
        ("b", Some(("b", ""))),
        ("c", Some(("c", "3"))),
        ("d", Some(("d", "example.org"))),
    ] {
        let mut headers = good.to_vec();
        headers.retain(|(name, _)| *name != without);
        headers.extend(with);
        assert!(!runs(&headers), "{headers:?}");
    }
}

#[test]
fn a_response_rule_may_ask_about_the_request_as_it_arrived() {
    let configuration = r#"{
        "request": [{"set": "x-id", "value": "changed"}, {"set": ":path", "value": "/new"}],
        "response": [
            {"set": "x-echo", "value": "${request:x-id} ${request::path} ${:status} $$5",
             "if": {"path_prefix": "/old", "method": ["GET"]}}
        ]
    }"#;
    let mut stream = stream(configuration);
    let seen = stream.request_headers([(":method", "GET"), (":path", "/old"), ("x-id", "7")]);
    assert_eq!(
        seen.headers,
        list(&[(":method", "GET"), (":path", "/new"), ("x-id", "changed")])
    );
    let seen = stream.response_headers([(":status", "200")]);
    assert_eq!(
        seen.headers,
        list(&[(":status", "200"), ("x-echo", "7 /old 200 $5")])
    );
}

#[test]
fn without_a_request_phase_conditions_on_it_do_not_hold() {
    let configuration = r#"{"response": [{"set": "x", "value": "1", "if": {"path_prefix": "/"}}]}"#;
    let seen = stream(configuration).response_headers([(":status", "200")]);
    assert!(!seen.headers.contains("x"));
}

#[test]
fn quoting_a_header_that_is_absent_gives_nothing_and_bytes_stay_bytes() {
    check(
        r#"{"set": "x", "value": "<${gone}>"}"#,
        &[("a", "1")],
        &[("a", "1"), ("x", "<>")],
    );
    let seen = stream(r#"{"request": [{"set": "x", "value": "${a}!"}]}"#)
        .request_headers([(&b"a"[..], &b"\xff\xfe"[..])]);
    assert_eq!(seen.headers.get("x"), Some(&b"\xff\xfe!"[..]));
}

#[test]
fn patterns_match_the_whole_value() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("*", "anything", true),
        ("a*", "a", true),
        ("a*", "ba", false),
        ("*.com", "a.com.com", true),
        ("*.com", "a.com.", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("**a", "ba", true),
        ("text/*;*", "text/html; charset=utf-8", true),
        ("a.c", "abc", false),
    ] {
        assert_eq!(
            glob::matches(pattern.as_bytes(), text.as_bytes()),
            expected,
            "{pattern} {text}"
        );
    }
}

#[test]
fn a_bad_configuration_is_refused_by_field_and_place() {
    let kinds = "must be one of: `set` with `value`, `append` with `value`, `remove` alone, \
                 `rename` with `to`";
    for operation in [
        r#"{}"#,
        r#"{"set": "a"}"#,
        r#"{"set": "a", "remove": "b", "value": "c"}"#,
        r#"{"remove": "a", "value": "b"}"#,
        r#"{"rename": "a"}"#,
        r#"{"set": "a", "value": "b", "to": "c"}"#,
    ] {
        check_refused(
            &format!("{{\"request\": [{operation}]}}"),
            &format!("`request[0]`: {kinds} at line 1 column 14"),
        );
    }
    for (configuration, expected) in [
        (
            r#"{"requests": []}"#,
            "`requests`: unknown field `requests`, expected `request` or `response` at line 1 column 2",
        ),
        (
            r#"{"response": [{"set": ":path", "value": "/"}]}"#,
            "`response[0].set`: must be a header name or `:status` at line 1 column 23",
        ),
        (
            r#"{"request": [{"remove": ":path"}]}"#,
            "`request[0].remove`: must be a header name; a pseudo-header can only be `set` at line 1 column 25",
        ),
        (
            r#"{"request": [{"set": "a", "value": "${b"}]}"#,
            "`request[0].value`: has a `$` that is neither `${name}` nor `$$` at line 1 column 36",
        ),
        (
            r#"{"request": [{"set": "a", "value": "${b c}"}]}"#,
            "`request[0].value`: quotes what is no header; write `$$` for a dollar sign at line 1 column 36",
        ),
        (
            r#"{"request": [{"set": "a", "value": "\n"}]}"#,
            "`request[0].value`: must not contain control characters at line 1 column 36",
        ),
        (
            r#"{"request": [{"remove": "a", "if": {}}]}"#,
            "`request[0].if`: must have a condition at line 1 column 36",
        ),
        (
            r#"{"request": [{"remove": "a", "if": {"path_prefix": "x"}}]}"#,
            "`request[0].if.path_prefix`: must begin with `/` at line 1 column 52",
        ),
        (
            r#"{"request": [{"remove": "a", "if": {"equals": {"name": "b"}}}]}"#,
            "`request[0].if.equals`: missing field `value` at line 1 column 47",
        ),
    ] {
        check_refused(configuration, expected);
    }
}

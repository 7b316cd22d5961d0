//! Cases in our format.

use crate::plugins::{messages, run_text};

/// Runs a file of one case and says what failed.
fn check(case: &str, expected: &[&str]) {
    let text = format!("cases:\n  - name: c\n{}", indent(case));
    let reports = run_text("x.yaml", &text);
    assert_eq!(reports.len(), 1);
    assert_eq!(messages(&reports[0]), expected, "{text}");
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

#[test]
fn a_whole_exchange_passes() {
    check(
        r#"
properties: {a.b: c}
request:
  path: /x
  headers: ["A: 1", "a: 2", {name: bin, hex: "ff 00"}]
  body: {repeat: ab, times: 3}
  chunks: [1, 2, 0]
response:
  status: 404
  body: {hex: "61"}
expect:
  request_headers:
    has: ["x-a: 1", "a: 2", {name: bin, hex: ff00}, {name: ":PATH", matches: "/."}]
    lacks: [x-b]
    exact: [":method: GET", ":scheme: https", ":authority: example.com", ":path: /x",
            "a: 1", "a: 2", {name: bin, hex: ff00}, "x-a: 1"]
    logs: [request, {contains: que}, {matches: "r.*"}, {level: info}, {level: INFO, text: request}]
    no_logs: [chunk]
    findings: []
  request_body: {body: "a!ba!bab!", logs: [chunk]}
  response_headers: {has: [":status: 404", "x-b: 2"]}
  response_body: {body: {matches: "a."}}
  done: {logs: [bye]}
  no_reply: true
  logs: [open, request, chunk, bye]
  no_logs: [nothing]
  findings: []
"#,
        &[],
    );
}

#[test]
fn each_expectation_that_does_not_hold_is_told() {
    check(
        r#"
request: {body: a}
expect:
  request_headers:
    has: ["x-a: 2", "x-c: 1"]
    lacks: [x-a]
    exact: ["x-a: 1"]
    reply: {status: 200}
    logs: [{level: warn}, chunk]
    no_logs: [request]
    findings: [pause-ignored]
  request_body: {body: a}
  reply: {status: 200}
  logs: [nothing]
  trap: {contains: x}
"#,
        &[
            "request_headers: header `x-a` has another value",
            "request_headers: there is no header `x-c`",
            "request_headers: there should be no header `x-a`; it is `1`",
            "request_headers: the headers are others",
            "request_headers: expected a local reply in this phase; there was none",
            "request_headers: no log message matches",
            "request_headers: no log message matches",
            "request_headers: expected no log message like request; there is `request`",
            "request_headers: the findings are others",
            "request_body: the body is another",
            "exchange: expected a trap: something with `x`; there was none",
            "exchange: expected a local reply; the request was passed on",
            "exchange: no log message matches",
        ],
    );
}

#[test]
fn a_reply_ends_the_exchange() {
    check(
        r#"
config_text: r
request: {body: never seen}
response: {status: 200}
expect:
  request_headers: {reply: {status: 418}}
  reply: {status: 418, has: ["x-r: 1"], lacks: [y], exact: ["x-r: 1"], body: hello, grpc_status: -1}
  no_logs: [chunk]
"#,
        &[],
    );
    check(
        "config_text: r\nrequest: {}\nexpect: {reply: {status: 200, body: bye}, no_reply: true}",
        &[
            "exchange: the reply has another status",
            "exchange: in the reply: the body is another",
            "exchange: expected no local reply; there was one of status 418, body `hello`",
        ],
    );
}

#[test]
fn a_reply_from_a_body_is_seen() {
    check(
        "config_text: b\nrequest: {body: x}\nexpect: {request_body: {reply: {status: 418}}}",
        &[],
    );
}

#[test]
fn a_trap_fails_the_case_unless_it_is_expected() {
    check(
        "config_text: t\nrequest: {body: x}\nexpect: {request_headers: {has: [\"x-a: 1\"]}, request_body: {body: x!}}",
        &[
            "request_headers: the plugin failed: trap in proxy_on_request_headers: unreachable code reached, as by a panic",
        ],
    );
    check(
        "config_text: t\nrequest: {}\nexpect: {trap: {contains: unreachable}, reply: {status: 500}, logs: [request]}",
        &[],
    );
    check(
        "config_text: t\nrequest: {}\nexpect: {trap: {contains: overflow}}",
        &["request_headers: the trap is another"],
    );
}

#[test]
fn a_configuration_may_be_expected_to_fail() {
    check(
        "config_text: x\nconfigure: {fails: true, logs: [no such thing]}",
        &[],
    );
    check(
        "config_text: y\nconfigure: {fails: true}",
        &["configure: the plugin was expected to refuse to start, and it started"],
    );
    check(
        "config_text: x\nrequest: {}\nexpect: {logs: [request]}",
        &[
            "configure: the plugin failed: configure-refused in proxy_on_configure: `proxy_on_configure` returned false",
        ],
    );
}

#[test]
fn exchanges_share_one_vm_and_findings_are_named() {
    check(
        r#"
config_text: p
exchanges:
  - request: {}
    expect: {request_headers: {findings: [pause-ignored]}, findings: [pause-ignored]}
  - request: {}
    expect: {findings: []}
"#,
        &[
            "exchange: the findings are others: pause-ignored: the callback returned 1 in proxy_on_request_headers",
        ],
    );
}

#[test]
fn trailers_are_delivered_where_the_platform_does() {
    check(
        r#"
profile: envoy
request: {body: x, trailers: ["x-t: 1"]}
response: {trailers: ["x-u: 1"]}
expect:
  request_trailers: {exact: ["x-t: 1"]}
  response_trailers: {has: ["x-u: 1"]}
"#,
        &[],
    );
}

#[test]
fn the_example_in_the_reference_is_read() {
    let page = include_str!("../../CASES.md");
    let file = std::path::Path::new("CASES.yaml");
    let examples: Vec<_> = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(example, _)| {
            gatewright_harness::load_text(example, file).unwrap_or_else(|error| panic!("{error}"))
        })
        .collect();
    let [suite, around] = &examples[..] else {
        panic!("{} examples", examples.len());
    };
    assert_eq!(around.cases[0].exchanges.len(), 3);
    assert_eq!(around.cases[0].world.plugins.len(), 2);
    assert_eq!(suite.cases.len(), 5);
    assert_eq!(suite.cases[0].exchanges[0].steps.len(), 5);
}

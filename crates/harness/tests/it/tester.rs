//! Google's format, with the tester's semantics.

use crate::plugins::{messages, run_text};

/// Runs a suite of one test and says what failed.
fn check(body: &str, expected: &[&str]) {
    let text = format!("test {{ name: \"t\" {body} }}");
    let reports = run_text("x.textpb", &text);
    assert_eq!(messages(&reports[0]), expected, "{text}");
}

#[test]
fn phases_windows_and_merged_headers() {
    check(
        r#"
        plugin_init { log { regex: ".*" invert: true } }
        stream_init { log { exact: "open" } }
        request_headers {
            input { header { key: "X-A" value: "0" } header { key: "b" value: "" } }
            result {
                has_header { key: "x-a" value: "0, 1" }
                has_header { key: "B" value: "" }
                no_header { key: "c" }
                headers { exact: "X-A: 0, 1" }
                headers { regex: "c:.*" invert: true }
                log { regex: "req[a-z]+" }
                log { exact: "open" invert: true }
            }
        }
        stream_destroy { log { exact: "bye" } log { exact: "request" invert: true } }
        "#,
        &[],
    );
}

#[test]
fn bodies_are_cut_by_the_plan_and_joined_again() {
    check(
        r#"num_chunks: 3
        request_body { input { content: "abcdefgh" } result { body { exact: "ab!cd!efgh!" } } }
        response_body { input { content: "xyz" } result { body { exact: "x!y!z!" } log { exact: "chunk" } } }"#,
        &[],
    );
    check(
        r#"chunk_size: 3
        request_body { input { content: "abcdefgh" } result { body { exact: "abc!def!gh!" } } }"#,
        &[],
    );
    check(
        r#"
        request_body { input { content: "a" } result { body { exact: "a!" } } }
        request_body { result { body { exact: "!" } } }"#,
        &[],
    );
}

#[test]
fn header_expectations_never_hold_in_a_body_phase() {
    check(
        r#"request_body { input { content: "a" } result {
            has_header { key: "x-a" value: "1" } no_header { key: "x" } immediate { } } }"#,
        &[
            "request_body: there is no header `x-a`",
            "request_body: expected a local reply in this phase; there was none",
        ],
    );
}

#[test]
fn a_mismatch_is_told_with_its_phase() {
    check(
        r#"request_headers { result {
            has_header { key: "x-a" value: "2" }
            body { exact: "x" }
            immediate { http_status: 200 }
            log { exact: "nothing" } } }
        stream_destroy { log { exact: "request" } }"#,
        &[
            "request_headers: header `x-a` has another value",
            "request_headers: there is no body",
            "request_headers: expected a local reply in this phase; there was none",
            "request_headers: no log message matches",
            "done: no log message matches",
        ],
    );
}

/// The same with the worker's mode in the configuration.
fn check_mode(mode: &str, body: &str, expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, mode).unwrap();
    let text = format!(
        "env {{ config_path: {:?} }} test {{ name: \"t\" {body} }}",
        config.to_str().unwrap()
    );
    let reports = run_text("x.textpb", &text);
    assert_eq!(messages(&reports[0]), expected, "{text}");
}

#[test]
fn after_a_reply_only_empty_expectations_pass() {
    check_mode(
        "r",
        r#"request_headers { result {
            immediate { http_status: 418 grpc_status: 4294967295 details: "" }
            has_header { key: "X-R" value: "1" } no_header { key: "x-a" }
            body { regex: "h.*o" } } }
        response_headers { result { no_header { key: "x-b" } } }"#,
        &[],
    );
    check_mode(
        "r",
        r#"request_headers { }
        response_headers { result { has_header { key: "x-b" value: "2" } } }"#,
        &[
            "request_headers: expected no local reply; there was one of status 418, body `hello`",
            "response_headers: there is no header `x-b`",
        ],
    );
}

#[test]
fn a_reply_from_a_body_is_invisible() {
    check_mode(
        "b",
        r#"num_chunks: 2
        request_body { input { content: "ab" } result { body { exact: "a" } log { regex: ".*" invert: true } } }
        response_body { input { content: "ab" } result { body { exact: "" } } }"#,
        &[],
    );
}

#[test]
fn a_pause_without_a_reply_fails() {
    check_mode(
        "p",
        "request_headers { }",
        &["request_headers: the callback paused (it returned 1) without a local reply"],
    );
}

#[test]
fn a_configuration_that_is_refused_fails_the_test() {
    check_mode(
        "x",
        "request_headers { }",
        &[
            "configure: the plugin failed: configure-refused in proxy_on_configure: `proxy_on_configure` returned false",
        ],
    );
}

#[test]
fn both_forms_mean_the_same() {
    let yaml = "
test:
  - name: t
    benchmark: 'true'
    num_chunks: '2'
    request_headers:
      input: {header: [{key: X-A, value: 5}]}
      result:
        has_header: [{key: x-a, value: '5, 1'}]
        log: [{regex: req.*}]
    request_body:
      - input: {content: 1234}
        result: {body: [{exact: 12!34!}]}
";
    let reports = run_text("x.yaml", yaml);
    assert_eq!(messages(&reports[0]), [""; 0]);
}

//! Rewritten paths, and configurations that are refused.

use super::*;
use gatewright::testing::TestPlugin;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

fn check(rules: &str, before: &str, after: &str) {
    let configuration = format!("{{\"rules\": [{rules}]}}");
    let plugin = TestPlugin::<RegexRewrite>::configure(configuration).unwrap();
    let seen = plugin.stream().request_headers([(":path", before)]);
    let path = seen.headers.get(":path").unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(path), after, "{rules}");
    // What does not change is not written.
    assert_eq!(seen.calls.len(), if before == after { 1 } else { 2 });
}

#[test]
fn the_first_match_is_replaced_or_all() {
    let first = r#"{"pattern": "/foo-([^/]+)/", "replacement": "/$1/"}"#;
    check(
        first,
        "/pre/foo-one/foo-two/post?a=b",
        "/pre/one/foo-two/post?a=b",
    );
    check(first, "/one/two?three=four", "/one/two?three=four");
    check(first, "/x?y=/foo-one/", "/x?y=/foo-one/");
    let all = r#"{"pattern": "foo-", "replacement": "", "all": true}"#;
    check(all, "/foo-one/foo-two", "/one/two");
}

#[test]
fn groups_have_numbers_and_names() {
    let swap = r#"{"pattern": "^/(?<a>\\w+)/(\\d+)$", "replacement": "/$2/${a}x$$"}"#;
    check(swap, "/user/42", "/42/userx$");
    check(swap, "/user/4\u{0662}", "/user/4\u{0662}");
}

#[test]
fn the_query_is_matched_where_it_is_asked_for() {
    let query = r#"{"pattern": "\\?id=(\\d+)$", "replacement": "/$1", "query": true}"#;
    check(query, "/item?id=7", "/item/7");
}

#[test]
fn rules_run_in_order_until_the_last() {
    let rules = r#"{"pattern": "a", "replacement": "b"},
        {"pattern": "b", "replacement": "c", "last": true},
        {"pattern": "c", "replacement": "d"}"#;
    check(rules, "/a", "/c");
    check(rules, "/c", "/d");
}

#[test]
fn what_comes_out_must_be_a_path_and_what_goes_in_must_be_short() {
    check(r#"{"pattern": "^/+", "replacement": ""}"#, "/a", "/a");
    let long = format!("/{}", "a".repeat(8192));
    check(r#"{"pattern": "a", "replacement": "b"}"#, &long, &long);
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    let group = "refers to a group that the pattern does not have; write `${1}a` for group 1 before a letter, `$$` for a dollar sign";
    for (rule, expected) in [
        (
            r#"{"pattern": "(", "replacement": ""}"#,
            "`rules[0].pattern`: must be a regular expression: unclosed group at line 1 column 24".to_owned(),
        ),
        (
            r#"{"pattern": "\\pL", "replacement": ""}"#,
            "`rules[0].pattern`: must be a regular expression: Unicode not allowed here at line 1 column 24".to_owned(),
        ),
        (
            r#"{"pattern": "(a{1000}){1000}", "replacement": ""}"#,
            "`rules[0].pattern`: must be a regular expression: Compiled regex exceeds size limit of 262144 bytes. at line 1 column 24".to_owned(),
        ),
        (
            r#"{"pattern": "(a)", "replacement": "$1a"}"#,
            format!("`rules[0].replacement`: {group} at line 1 column 46"),
        ),
        (
            r#"{"pattern": "(a)", "replacement": "$2"}"#,
            format!("`rules[0].replacement`: {group} at line 1 column 46"),
        ),
        (
            r#"{"pattern": "a", "replacement": " "}"#,
            "`rules[0].replacement`: must not contain spaces or control characters at line 1 column 44".to_owned(),
        ),
    ] {
        let configuration = format!("{{\"rules\": [{rule}]}}");
        let refused = TestPlugin::<RegexRewrite>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(message.strip_prefix("configuration refused: "), Some(expected.as_str()));
    }
}

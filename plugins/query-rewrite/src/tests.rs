//! Operations, and configurations that are refused.

use super::*;
use gatewright::testing::{Seen, TestPlugin, set_attribute};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

fn check(operations: &str, before: &str, after: &str) -> Seen {
    let configuration = format!("{{\"operations\": [{operations}]}}");
    let plugin = TestPlugin::<QueryRewrite>::configure(configuration).unwrap();
    set_attribute("source.client_region", "US");
    set_attribute("source.empty", "");
    let seen = plugin.stream().request_headers([(":path", before)]);
    let path = seen.headers.get(":path").unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(path), after, "{operations}");
    assert!(seen.goes_on());
    seen
}

#[test]
fn each_operation_does_what_it_says() {
    check(
        r#"{"set": "a", "value": "x y"}"#,
        "/?a=1&b=2&a=3",
        "/?a=x+y&b=2",
    );
    check(
        r#"{"append": "a", "value": "&"}"#,
        "/?a=1#f",
        "/?a=1&a=%26#f",
    );
    check(r#"{"remove": "a"}"#, "/?a=1&b=2&a", "/?b=2");
    check(
        r#"{"rename": "a", "to": "c"}"#,
        "/?a=1&c=9&b=2&a=3",
        "/?b=2&c=1&c=3",
    );
}

#[test]
fn operations_run_in_order_on_what_those_before_left() {
    check(
        r#"{"remove": "key"}, {"append": "key", "value": "new val"}"#,
        "/foo?key=val&a=b",
        "/foo?a=b&key=new+val",
    );
}

#[test]
fn an_attribute_cannot_be_forged() {
    let set = r#"{"set": "country", "attribute": "source.client_region"}"#;
    check(set, "/?country=XX&a", "/?country=US&a");
    let none = r#"{"set": "country", "attribute": "source.empty"}"#;
    check(none, "/?country=XX&a", "/?a");
    let otherwise = r#"{"set": "c", "attribute": "no.such", "otherwise": "unknown"}"#;
    check(otherwise, "", "?c=unknown");
    check(
        r#"{"append": "c", "attribute": "no.such"}"#,
        "/?c=1",
        "/?c=1",
    );
}

#[test]
fn a_logged_value_is_decoded_and_its_absence_told() {
    let log = r#"{"log": "token"}"#;
    let seen = check(log, "/?token=so%20special", "/?token=so%20special");
    assert_eq!(seen.messages(), ["token: so special"]);
    let seen = check(log, "/?Token=1", "/?Token=1");
    assert_eq!(seen.messages(), ["token: <missing>"]);
}

#[test]
fn what_does_not_change_is_not_written() {
    let seen = check(r#"{"remove": "a"}"#, "/?%62=1&&", "/?%62=1&&");
    assert_eq!(seen.calls, ["proxy_get_header_map_value"]);
}

#[test]
fn without_a_path_nothing_is_done() {
    let configuration = r#"{"operations": [{"set": "a", "value": "1"}, {"log": "a"}]}"#;
    let plugin = TestPlugin::<QueryRewrite>::configure(configuration).unwrap();
    let seen = plugin.stream().request_headers([("x", "y")]);
    assert!(!seen.headers.contains(":path") && seen.logs.is_empty());
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    let kinds = "must be one of: `set` or `append` with `value` or `attribute`, `remove` alone, \
                 `rename` with `to`, `log` alone";
    let values = "must have one of `value` and `attribute`; `otherwise` is for the latter";
    for (operation, expected) in [
        ("{}", kinds),
        (r#"{"set": "a"}"#, kinds),
        (r#"{"remove": "a", "log": "a"}"#, kinds),
        (r#"{"rename": "a"}"#, kinds),
        (r#"{"set": "a", "value": "b", "attribute": "c"}"#, values),
        (r#"{"set": "a", "value": "b", "otherwise": "c"}"#, values),
        (
            r#"{"set": "a", "attribute": "b."}"#,
            "must have an `attribute` such as `source.client_region`",
        ),
    ] {
        let configuration = format!("{{\"operations\": [{operation}]}}");
        let refused = TestPlugin::<QueryRewrite>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            *message,
            format!("configuration refused: `operations[0]`: {expected} at line 1 column 17")
        );
    }
}

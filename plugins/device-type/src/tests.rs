//! Classes by rules, and configurations that are refused.

use super::*;
use gatewright::testing::TestPlugin;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

fn class(configuration: &str, headers: &[(&str, &str)]) -> String {
    let plugin = TestPlugin::<DeviceType>::configure(configuration).unwrap();
    let seen = plugin.stream().request_headers(headers.iter().copied());
    assert!(seen.goes_on() && seen.logs.is_empty());
    let class = seen.headers.get("x-device-type").unwrap_or_default();
    String::from_utf8_lossy(class).into_owned()
}

#[test]
fn devices_are_told_apart_by_default() {
    for (agent, expected) in [
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", "bot"),
        (
            "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) Mobile/15E148",
            "tablet",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) Mobile Safari/537.36",
            "phone",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0", "desktop"),
        ("curl/8.5.0", "other"),
        ("", "other"),
    ] {
        assert_eq!(class("", &[("User-Agent", agent)]), expected, "{agent}");
    }
    assert_eq!(class("", &[(":path", "/")]), "other");
}

#[test]
fn what_a_client_says_of_itself_is_overwritten() {
    let spoofed = [("x-device-type", "bot"), ("x-device-type", "tablet")];
    assert_eq!(class("", &spoofed), "other");
}

#[test]
fn the_first_rule_that_fits_decides_and_each_header_is_read_once() {
    let configuration = r#"{"otherwise": "z", "rules": [
        {"type": "hint", "header": "Sec-CH-UA-Mobile", "equals": ["?1"]},
        {"type": "a", "contains": ["AA"]},
        {"type": "b", "contains": ["b"], "equals": ["exact"]}
    ]}"#;
    for (headers, expected) in [
        (
            &[("sec-ch-ua-mobile", "?1"), ("user-agent", "aa")][..],
            "hint",
        ),
        (&[("sec-ch-ua-mobile", "?10"), ("user-agent", "baa")], "a"),
        (&[("user-agent", "ab")], "b"),
        (&[("user-agent", "Exact")], "b"),
        (&[("user-agent", "exactly")], "z"),
    ] {
        assert_eq!(class(configuration, headers), expected);
    }
    let plugin = TestPlugin::<DeviceType>::configure(configuration).unwrap();
    let seen = plugin.stream().request_headers([("user-agent", "c")]);
    let reads = seen.calls.iter().filter(|call| call.contains("_get_"));
    assert_eq!(reads.count(), 2);
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (configuration, expected) in [
        (
            r#"{"header": "a b"}"#,
            "`header`: must be a header name at line 1 column 12",
        ),
        (
            r#"{"otherwise": ""}"#,
            "`otherwise`: must be a header value at line 1 column 15",
        ),
        (
            r#"{"rules": [{"type": "a"}]}"#,
            "`rules[0]`: must have `contains` or `equals` at line 1 column 12",
        ),
        (
            r#"{"rules": [{"type": "a", "contains": [""]}]}"#,
            "`rules[0].contains`: has an empty text, which is in all at line 1 column 38",
        ),
    ] {
        let refused = TestPlugin::<DeviceType>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}

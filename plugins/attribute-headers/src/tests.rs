//! Headers from attributes, and configurations that are refused.

use super::*;
use gatewright::testing::{TestPlugin, set_attribute};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

fn check(configuration: &str, attributes: &[(&str, &str)], expected: &[(&str, &str)]) {
    let plugin = TestPlugin::<AttributeHeaders>::configure(configuration).unwrap();
    for (path, value) in attributes {
        set_attribute(path, value);
    }
    let spoofed = [("x-country-code", "XX"), ("x-other", "1")];
    let seen = plugin.stream().request_headers(spoofed);
    assert_eq!(seen.headers, expected.iter().copied().collect());
    assert!(seen.goes_on());
}

#[test]
fn the_country_replaces_what_the_client_says() {
    let expected = [("x-country-code", "GB"), ("x-other", "1")];
    check("", &[("source.client_region", "GB")], &expected);
}

#[test]
fn without_a_country_the_clients_own_goes() {
    check("", &[], &[("x-other", "1")]);
    check("", &[("source.client_region", "")], &[("x-other", "1")]);
}

#[test]
fn a_header_may_have_a_value_where_there_is_no_attribute() {
    let configuration = r#"{"headers": [
        {"header": "x-country-code", "attribute": "source.client_region", "otherwise": "ZZ"},
        {"header": "x-city", "attribute": "source.client_city"}
    ]}"#;
    let expected = [
        ("x-country-code", "ZZ"),
        ("x-other", "1"),
        ("x-city", "Rome"),
    ];
    check(configuration, &[("source.client_city", "Rome")], &expected);
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (configuration, expected) in [
        (
            r#"{"headers": []}"#,
            "`headers`: must name a header at line 1 column 13",
        ),
        (
            r#"{"headers": [{"header": ":path", "attribute": "a"}]}"#,
            "`headers[0].header`: must be a header name at line 1 column 25",
        ),
        (
            r#"{"headers": [{"header": "a", "attribute": "a..b"}]}"#,
            "`headers[0].attribute`: must be a path such as `source.client_region` at line 1 column 43",
        ),
    ] {
        let refused = TestPlugin::<AttributeHeaders>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}

//! Tests of configuration: what is accepted, and where an error is said to be.

use super::*;
use serde::Deserialize;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Config {
    rate: u32,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    #[serde(default)]
    kind: Kind,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Set,
    Append,
}

fn refusal(text: &str) -> String {
    Config::from_bytes(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn an_empty_configuration_is_an_empty_object() {
    for text in ["", " \n", "{}"] {
        assert_eq!(Config::from_bytes(text.as_bytes()), Ok(Config::default()));
    }
    let missing = Rule::from_bytes(b"").unwrap_err();
    assert_eq!(
        missing.to_string(),
        "missing field `name` at line 1 column 1"
    );
}

#[test]
fn a_wrong_type_is_found_where_the_value_stands() {
    assert_eq!(
        refusal("{\n  \"rules\": [\n    {\"name\": \"a\"},\n    {\"name\": 7}\n  ]\n}"),
        "`rules[1].name`: invalid type: integer `7`, expected a string at line 4 column 14"
    );
    assert_eq!(
        refusal(r#"{"rate": -1}"#),
        "`rate`: invalid value: integer `-1`, expected u32 at line 1 column 10"
    );
    assert_eq!(
        refusal(r#"{"rate": 1.5, "rules": []}"#),
        "`rate`: invalid type: floating point `1.5`, expected u32 at line 1 column 10"
    );
}

#[test]
fn an_unknown_field_is_found_where_its_name_stands() {
    assert_eq!(
        refusal("{\"rules\": [{\"name\": \"a\",\n \"nmae\": 1}]}"),
        "`rules[0].nmae`: unknown field `nmae`, expected `name` or `kind` at line 2 column 2"
    );
}

#[test]
fn an_unknown_variant_is_found_where_it_stands() {
    assert_eq!(
        refusal(r#"{"rules": [{"kind": "add", "name": "a"}]}"#),
        "`rules[0].kind`: unknown variant `add`, expected `set` or `append` at line 1 column 21"
    );
}

#[test]
fn a_missing_field_is_found_at_its_object() {
    assert_eq!(
        refusal("{\"rules\": [{\"name\": \"a\"},\n            {\"kind\": \"set\"}, {}]}"),
        "`rules[1]`: missing field `name` at line 2 column 13"
    );
}

#[test]
fn a_duplicate_field_is_found_where_it_stands_again() {
    assert_eq!(
        refusal("{\"rate\": 1,\n\"rate\": 2}"),
        "`rate`: duplicate field `rate` at line 2 column 1"
    );
}

#[test]
fn a_text_that_is_no_json_is_refused_where_reading_stopped() {
    assert_eq!(
        refusal("{\"rate\": 1,}"),
        "trailing comma at line 1 column 12"
    );
    assert_eq!(
        refusal("{\"rate\""),
        "EOF while parsing an object at line 1 column 7"
    );
    assert_eq!(refusal("{} x"), "trailing characters at line 1 column 4");
    assert!(refusal("\u{1}\"{[").contains("at line 1 column 1"));
}

#[test]
fn keys_and_strings_with_quotes_and_brackets_do_not_lead_astray() {
    assert_eq!(
        refusal(r#"{"rules": [{"name": "a\"]},{"}, {"name": "\\", "kind": "x"}]}"#)
            .split(':')
            .next(),
        Some("`rules[1].kind`")
    );
}

#[test]
fn a_field_that_the_plugin_names_gets_its_line_and_column() {
    let text = b"{\"a\": {\"b\": [1,\n  22]}}";
    let error = ConfigError::new("too big").field("a.b[1]").locate(text);
    assert_eq!(error.to_string(), "`a.b[1]`: too big at line 2 column 3");
    assert_eq!(error.position(), Some((2, 3)));
    let absent = ConfigError::new("is required").field("c").locate(text);
    assert_eq!(absent.to_string(), "`c`: is required");
}

#[test]
fn no_configuration_is_held_to_its_word() {
    for text in ["", "\n", "{}", " { } "] {
        assert_eq!(NoConfig::from_bytes(text.as_bytes()), Ok(NoConfig));
    }
    for text in ["x", "{\"a\":1}", "{}{}", "{"] {
        assert!(NoConfig::from_bytes(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn raw_bytes_arrive_as_they_are() {
    let raw = RawConfig::from_bytes(b"\xff\n").unwrap();
    assert_eq!(raw.0, b"\xff\n");
}

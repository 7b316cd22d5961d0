//! The API server's structural messages, which are not in the CRDs, in one table with where each
//! was seen in public output.
//!
//! | message | seen |
//! |---|---|
//! | `F: Required value` | cluster-api and Loki operator transcripts of `kubectl apply` |
//! | `F: Unsupported value: "v": supported values: "a", "b"` | Gateway API's CRD tests |
//! | `F: Invalid value: "v": F in body should match 'p'` | Gateway API issues; `should match` is go-openapi's |
//! | `F: Invalid value: n: F in body should be less than or equal to N` | go-openapi's, in autoscaler issues |
//! | `F: Invalid value: n: F in body should be greater than or equal to N` | the same |
//! | `F: Invalid value: "": F in body should be at least N chars long` | Gateway API's CRD tests |
//! | `F: Invalid value: 0: F in body should have at least N items` | Gateway API's CRD tests |
//! | `F: Too many: n: must have at most N items` | Envoy Gateway's CRD tests, maps as well since 1.27 |
//! | `F: Too long: may not be more than N bytes` | Argo CD issues on 1.32 and later |
//! | `F: Invalid value: "string": F in body must be of type integer: "string"` | kubectl-validate transcripts |
//! | `<nil>: Invalid value: "null": some validation rules were not checked …` | Envoy Gateway's CRD tests, kueue logs of April 2025; without the quotes from 1.34 on |
//! | `strict decoding error: unknown field "F"` | the enhancement on pod supplemental groups, 1.25 and later |
//! | `no such key: K evaluating rule: M` | the source of apiextensions, for rules that fail to evaluate |

use crate::node::{Node, Value};
use crate::profile::Profile;
use crate::schema::{Pattern, Schema, Shape};

/// A structural fault: what the server says after the field, and whether it keeps the rules from
/// running.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) blocks: bool,
}

fn fault(blocks: bool, message: String) -> Fault {
    Fault { message, blocks }
}

pub(crate) fn required(field: &str) -> Fault {
    fault(true, format!("{field}: Required value"))
}

pub(crate) fn unsupported(field: &str, value: &Node, values: &[&str]) -> Fault {
    let list: Vec<String> = values.iter().map(|value| quote(value)).collect();
    fault(
        true,
        format!(
            "{field}: Unsupported value: {}: supported values: {}",
            go_value(value),
            list.join(", ")
        ),
    )
}

pub(crate) fn too_long(field: &str, max: usize) -> Fault {
    fault(
        true,
        format!("{field}: Too long: may not be more than {max} bytes"),
    )
}

pub(crate) fn too_many(field: &str, count: usize, max: usize) -> Fault {
    fault(
        true,
        format!("{field}: Too many: {count}: must have at most {max} items"),
    )
}

pub(crate) fn too_few(field: &str, count: usize, min: usize) -> Fault {
    fault(
        false,
        format!(
            "{field}: Invalid value: {count}: {field} in body should have at least {min} items"
        ),
    )
}

pub(crate) fn too_short(field: &str, value: &str, min: usize) -> Fault {
    fault(
        false,
        format!(
            "{field}: Invalid value: {}: {field} in body should be at least {min} chars long",
            quote(value)
        ),
    )
}

pub(crate) fn no_match(field: &str, value: &str, pattern: &Pattern) -> Fault {
    fault(
        false,
        format!(
            "{field}: Invalid value: {}: {field} in body should match '{}'",
            quote(value),
            pattern.source
        ),
    )
}

pub(crate) fn too_small(field: &str, value: &Node, min: i64) -> Fault {
    fault(
        false,
        format!(
            "{field}: Invalid value: {}: {field} in body should be greater than or equal to {min}",
            go_value(value)
        ),
    )
}

pub(crate) fn too_big(field: &str, value: &Node, max: i64) -> Fault {
    fault(
        false,
        format!(
            "{field}: Invalid value: {}: {field} in body should be less than or equal to {max}",
            go_value(value)
        ),
    )
}

/// A value of another type than the schema's. For an integer with a format, what is neither text
/// nor a list is compared with the format, whose name the message then has.
pub(crate) fn wrong_type(field: &str, schema: &Schema, value: &Value) -> Fault {
    let (expected, found) = expectation(schema, value);
    fault(
        true,
        format!(
            "{field}: Invalid value: {found:?}: {field} in body must be of type {expected}: {found:?}"
        ),
    )
}

/// The same for Kubernetes' own kinds, which are decoded into Go's structs: the server names the
/// struct as well, which is not known here.
pub(crate) fn cannot_unmarshal(kind: &str, field: &str, schema: &Schema, value: &Value) -> Fault {
    let (expected, _) = expectation(schema, value);
    fault(
        true,
        format!(
            "{kind} cannot be handled as a {kind}: json: cannot unmarshal {} into {field} of type {expected}",
            value.type_name()
        ),
    )
}

fn expectation(schema: &Schema, value: &Value) -> (&'static str, &'static str) {
    let found = value.type_name();
    match &schema.shape {
        Shape::Text(_) => ("string", found),
        Shape::Integer {
            format: Some(format),
            ..
        } if matches!(value, Value::Bool(_) | Value::Map(_)) => (*format, ""),
        Shape::Integer { .. } => ("integer", found),
        Shape::Bool => ("boolean", found),
        Shape::List { .. } => ("array", found),
        Shape::Map { .. } | Shape::Object(_) => ("object", found),
        Shape::IntegerOrText => ("integer,string", found),
        Shape::Open => ("object", found),
    }
}

/// What the server adds when structural faults kept its rules from running.
pub(crate) fn rules_not_checked(profile: Profile) -> String {
    format!(
        "<nil>: Invalid value: {}: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
        profile.admits().null
    )
}

pub(crate) fn unknown_field(path: &str) -> String {
    format!("strict decoding error: unknown field {}", quote(path))
}

/// What is wrong with an object's name: Services are DNS labels that start with a letter, other
/// kinds DNS subdomains.
pub(crate) fn bad_name(name: &str, service: bool) -> Option<String> {
    let max = if service { 63 } else { 253 };
    if name.len() > max {
        return Some(format!(
            "Invalid value: {}: must be no more than {max} bytes",
            quote(name)
        ));
    }
    let word = |part: &str| {
        let ends =
            |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = part.as_bytes();
        ends(bytes.first())
            && ends(bytes.last())
            && bytes
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    if service {
        let fine = word(name) && name.starts_with(|c: char| c.is_ascii_lowercase());
        return (!fine).then(|| {
            format!(
                "Invalid value: {}: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
                quote(name)
            )
        });
    }
    (!name.split('.').all(word)).then(|| {
        format!(
            "Invalid value: {}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            quote(name)
        )
    })
}

/// A value as Go prints it in these messages.
fn go_value(node: &Node) -> String {
    match &node.value {
        Value::String(text) => quote(text),
        Value::Null => "\"null\"".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::List(_) | Value::Map(_) => node.to_json().to_string(),
    }
}

/// Text in quotes as Go's `%q` writes it.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                quoted.push_str(&format!("\\x{:02x}", c as u32));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_as_go_quotes_it() {
        assert_eq!(quote("a\"b\\\n\u{1}é“"), "\"a\\\"b\\\\\\n\\x01é“\"");
    }

    #[test]
    fn names_follow_the_rules_of_their_kind() {
        assert_eq!(bad_name("a.b-c", false), None);
        assert!(bad_name("a.b", true).is_some());
        assert!(bad_name("1a", true).is_some());
        assert_eq!(bad_name("1a", false), None);
        assert!(bad_name("A", false).is_some());
        assert!(bad_name("", false).is_some());
    }
}

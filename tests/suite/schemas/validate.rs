//! As much of JSON Schema as the plugins' schemas use. A word that is not known here is an error,
//! so that no part of a schema is passed over.

use serde_json::Value;

/// What of a value a schema does not allow, with the place; none if it allows all.
pub(super) fn problem(schema: &Value, value: &Value) -> Option<String> {
    Validator { root: schema }.check(schema, value, "")
}

/// Words that say nothing of what is valid.
const NOTES: [&str; 7] = [
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    // Of integers; their bounds are written out.
    "format",
    "$ref",
];

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn check(&self, schema: &Value, value: &Value, place: &str) -> Option<String> {
        let words = match schema {
            Value::Bool(true) => return None,
            Value::Object(words) => words,
            _ => return Some(format!("{place}: no schema allows it: {schema}")),
        };
        if let Some(Value::String(target)) = words.get("$ref") {
            let pointer = target
                .strip_prefix('#')
                .and_then(|at| self.root.pointer(at));
            match pointer {
                None => return Some(format!("{place}: `{target}` leads nowhere")),
                Some(target) => {
                    if let Some(problem) = self.check(target, value, place) {
                        return Some(problem);
                    }
                }
            }
        }
        let mut words = words.iter().filter(|(word, _)| !NOTES.contains(&&word[..]));
        words.find_map(|(word, rule)| self.word(schema, word, rule, value, place))
    }

    fn word(
        &self,
        schema: &Value,
        word: &str,
        rule: &Value,
        value: &Value,
        place: &str,
    ) -> Option<String> {
        let holds = match word {
            "type" => match rule {
                Value::Array(names) => names.iter().any(|name| is_of(name, value)),
                name => is_of(name, value),
            },
            "enum" => rule.as_array().is_some_and(|all| all.contains(value)),
            "const" => rule == value,
            "anyOf" | "oneOf" => {
                let branches = rule.as_array().into_iter().flatten();
                let fitting = branches.filter(|one| self.check(one, value, place).is_none());
                match word {
                    "oneOf" => fitting.count() == 1,
                    _ => fitting.count() > 0,
                }
            }
            "minimum" => compare(value.as_f64(), rule, |value, bound| value >= bound),
            "maximum" => compare(value.as_f64(), rule, |value, bound| value <= bound),
            "minLength" => compare(length(value), rule, |value, bound| value >= bound),
            "maxLength" => compare(length(value), rule, |value, bound| value <= bound),
            "minItems" => compare(items(value), rule, |value, bound| value >= bound),
            "maxItems" => compare(items(value), rule, |value, bound| value <= bound),
            "required" => {
                let names = rule.as_array().into_iter().flatten();
                let mut names = names.filter_map(Value::as_str);
                value
                    .as_object()
                    .is_none_or(|object| names.all(|name| object.contains_key(name)))
            }
            "items" => {
                let mut items = value.as_array().into_iter().flatten().enumerate();
                return items
                    .find_map(|(at, item)| self.check(rule, item, &format!("{place}[{at}]")));
            }
            "properties" => {
                return value.as_object()?.iter().find_map(|(name, value)| {
                    self.check(rule.get(name)?, value, &format!("{place}.{name}"))
                });
            }
            "additionalProperties" => {
                let known =
                    |name: &str| schema.pointer("/properties").and_then(|all| all.get(name));
                return value
                    .as_object()?
                    .iter()
                    .find_map(|(name, value)| match known(name) {
                        Some(_) => None,
                        None => self.check(rule, value, &format!("{place}.{name}")),
                    });
            }
            _ => return Some(format!("{place}: `{word}` is no word that is known here")),
        };
        (!holds).then(|| format!("{place}: `{word}`: {rule} does not allow {value}"))
    }
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        _ => false,
    }
}

/// Bounds speak of values of their kind only.
fn compare(value: Option<f64>, bound: &Value, holds: fn(f64, f64) -> bool) -> bool {
    match (value, bound.as_f64()) {
        (Some(value), Some(bound)) => holds(value, bound),
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

fn length(value: &Value) -> Option<f64> {
    value.as_str().map(|text| text.chars().count() as f64)
}

fn items(value: &Value) -> Option<f64> {
    value.as_array().map(|items| items.len() as f64)
}

#[test]
fn the_validator_says_what_is_wrong_and_passes_over_nothing() {
    use serde_json::json;

    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["a"],
        "properties": {
            "a": {"type": "integer", "minimum": 1, "maximum": 3},
            "b": {"type": ["string", "null"], "minLength": 2},
            "c": {"type": "array", "items": {"$ref": "#/$defs/C"}, "maxItems": 2},
        },
        "$defs": {"C": {"oneOf": [{"const": "x"}, {"enum": ["y", "z"]}]}},
    });
    assert_eq!(
        problem(&schema, &json!({"a": 1, "b": null, "c": ["x", "z"]})),
        None
    );
    for (value, part) in [
        (json!([]), "`type`"),
        (json!({}), "`required`"),
        (json!({"a": 0}), ".a: `minimum`"),
        (json!({"a": 4}), ".a: `maximum`"),
        (json!({"a": 1.5}), ".a: `type`"),
        (json!({"a": 1, "b": "x"}), ".b: `minLength`"),
        (json!({"a": 1, "c": ["w"]}), ".c[0]: `oneOf`"),
        (json!({"a": 1, "c": ["x", "x", "x"]}), ".c: `maxItems`"),
        (json!({"a": 1, "d": 1}), ".d: no schema allows it"),
    ] {
        let found = problem(&schema, &value).unwrap_or_default();
        assert!(found.contains(part), "{value}: {found}");
    }
    let unknown = problem(&json!({"pattern": "a"}), &json!("a")).unwrap_or_default();
    assert!(unknown.contains("`pattern` is no word"), "{unknown}");
}

//! The oracle: a schema's structure walked as it is written, and its rules run by a CEL interpreter.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Program, Value};
use regex::Regex;
use serde_json::Value as Json;

pub(crate) type Faults = BTreeSet<(String, String)>;

pub(crate) struct Oracle<'a> {
    schema: &'a Json,
    programs: HashMap<&'a str, Program>,
    patterns: HashMap<&'a str, Regex>,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(schema: &'a Json) -> Self {
        Self {
            schema,
            programs: HashMap::new(),
            patterns: HashMap::new(),
        }
    }

    /// All faults of a document, as `(path, fault)`.
    pub(crate) fn faults(&mut self, document: &Json) -> Faults {
        let mut faults = Faults::new();
        let mut document = document.clone();
        let schema = self.schema;
        decode(&mut document, schema, "", &mut faults);
        let mut structural = Faults::new();
        self.structure(&document, schema, "", &mut structural);
        let blocked = structural.iter().any(|(_, fault)| {
            ["required", "enum", "maxLength", "maxItems", "type"].contains(&fault.as_str())
        });
        faults.extend(structural);
        if blocked {
            faults.insert((String::new(), "rules not checked".to_owned()));
        } else {
            self.rules(&document, schema, "", &mut faults);
        }
        faults
    }

    fn structure(&mut self, value: &Json, schema: &'a Json, path: &str, faults: &mut Faults) {
        let mut add = |fault: &str| {
            faults.insert((path.to_owned(), fault.to_owned()));
        };
        let right_type = match schema["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
            Some("boolean") => value.is_boolean(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => true,
        };
        if !right_type {
            add("type");
        }
        if schema["enum"]
            .as_array()
            .is_some_and(|values| !values.contains(value))
        {
            add("enum");
        }
        match value {
            Json::String(text) if right_type => {
                let length = text.chars().count() as u64;
                if schema["maxLength"].as_u64().is_some_and(|max| length > max) {
                    add("maxLength");
                } else if schema["minLength"].as_u64().is_some_and(|min| length < min) {
                    add("minLength");
                } else if let Some(pattern) = schema["pattern"].as_str() {
                    let regex = self
                        .patterns
                        .entry(pattern)
                        .or_insert_with(|| Regex::new(pattern).unwrap());
                    if !regex.is_match(text) {
                        add("pattern");
                    }
                }
            }
            Json::Number(number) if right_type => {
                let number = number.as_f64().unwrap();
                if schema["maximum"].as_f64().is_some_and(|max| number > max) {
                    add("maximum");
                }
                if schema["minimum"].as_f64().is_some_and(|min| number < min) {
                    add("minimum");
                }
            }
            Json::Array(items) if right_type => {
                let count = items.len() as u64;
                if schema["maxItems"].as_u64().is_some_and(|max| count > max) {
                    add("maxItems");
                }
                if schema["minItems"].as_u64().is_some_and(|min| count < min) {
                    add("minItems");
                }
                for (index, item) in items.iter().enumerate() {
                    self.structure(item, &schema["items"], &format!("{path}[{index}]"), faults);
                }
            }
            Json::Object(map) if right_type => {
                // The server words too many properties as too many items.
                if schema["maxProperties"]
                    .as_u64()
                    .is_some_and(|max| map.len() as u64 > max)
                {
                    add("maxItems");
                    return;
                }
                for name in schema["required"].as_array().into_iter().flatten() {
                    let name = name.as_str().unwrap();
                    if !map.contains_key(name) {
                        faults.insert((join(path, name), "required".to_owned()));
                    }
                }
                for (name, value) in map {
                    let schema = match schema["properties"].get(name) {
                        Some(schema) => schema,
                        None if schema["additionalProperties"].is_object() => {
                            &schema["additionalProperties"]
                        }
                        None => continue,
                    };
                    self.structure(value, schema, &join(path, name), faults);
                }
            }
            _ => {}
        }
    }

    fn rules(&mut self, value: &Json, schema: &'a Json, path: &str, faults: &mut Faults) {
        for rule in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let source = rule["rule"].as_str().unwrap();
            let message = rule["message"].as_str().unwrap();
            let program = self
                .programs
                .entry(source)
                .or_insert_with(|| Program::compile(source).unwrap());
            let mut context = Context::default();
            context.add_variable_from_value("self", to_cel(value));
            let result = program.execute(&context);
            let fault = match result {
                // The interpreter's durations end at the last unit that it knows and ignore what
                // follows; those of Go, which the server has, are refused.
                Ok(_) if source.contains("duration(self.timeout)") && !go_duration(value) => {
                    format!("error: {message}")
                }
                Ok(Value::Bool(true)) => continue,
                Ok(Value::Bool(false)) => message.to_owned(),
                Err(_) => format!("error: {message}"),
                Ok(other) => panic!("{source} gave {other:?}"),
            };
            faults.insert((path.to_owned(), fault));
        }
        match value {
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.rules(item, &schema["items"], &format!("{path}[{index}]"), faults);
                }
            }
            Json::Object(map) => {
                for (name, value) in map {
                    if let Some(schema) = schema["properties"].get(name) {
                        self.rules(value, schema, &join(path, name), faults);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether Go would parse the timeout of an extension, if it has one.
fn go_duration(extension: &Json) -> bool {
    static DURATION: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$").unwrap()
    });
    extension["timeout"]
        .as_str()
        .is_none_or(|timeout| DURATION.is_match(timeout))
}

/// Unknown fields are faults and go; nulls go; defaults come.
fn decode(value: &mut Json, schema: &Json, path: &str, faults: &mut Faults) {
    match value {
        Json::Object(map) => {
            let Some(properties) = schema["properties"].as_object() else {
                return;
            };
            map.retain(|name, value| {
                if !properties.contains_key(name) {
                    faults.insert((join(path, name), "unknown".to_owned()));
                    return false;
                }
                !value.is_null()
            });
            for (name, schema) in properties {
                if let Some(default) = schema.get("default")
                    && !map.contains_key(name)
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in map {
                decode(value, &properties[name], &join(path, name), faults);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                decode(item, &schema["items"], &format!("{path}[{index}]"), faults);
            }
        }
        _ => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn to_cel(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Json::Object(map) => Value::Map(Map {
            map: Arc::new(
                map.iter()
                    .map(|(key, value)| (Key::String(Arc::new(key.clone())), to_cel(value)))
                    .collect(),
            ),
        }),
    }
}

/// Every fault that the structure and the rules of a schema can find, the status left out.
pub(crate) fn possible(schema: &Json) -> Faults {
    let mut faults = Faults::new();
    sites(&schema["properties"]["spec"], "spec", &mut faults);
    faults
}

fn sites(schema: &Json, path: &str, faults: &mut Faults) {
    let mut add = |fault: &str| {
        faults.insert((path.to_owned(), fault.to_owned()));
    };
    add("type");
    for keyword in [
        "enum",
        "maxLength",
        "minLength",
        "pattern",
        "maximum",
        "minimum",
        "maxItems",
        "minItems",
    ] {
        if schema.get(keyword).is_some() {
            add(keyword);
        }
    }
    if schema.get("maxProperties").is_some() {
        add("maxItems");
    }
    // A pattern that one character already breaks cannot be reached behind minLength alone.
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        add(rule["message"].as_str().unwrap());
    }
    if schema["properties"].is_object() {
        faults.insert((format!("{path}.bogus"), "unknown".to_owned()));
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let needed = schema["required"]
            .as_array()
            .is_some_and(|names| names.contains(&name.as_str().into()));
        if needed && inner.get("default").is_none() {
            faults.insert((path.clone(), "required".to_owned()));
        }
        sites(inner, &path, faults);
    }
    if schema["items"].is_object() {
        sites(&schema["items"], &format!("{path}[]"), faults);
    }
}

/// `spec.a[3].b` as `spec.a[].b`.
pub(crate) fn without_indexes(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|c| {
            let keep = !inside || *c == ']';
            inside = (inside || *c == '[') && *c != ']';
            keep
        })
        .collect()
}

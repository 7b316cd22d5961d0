//! Objects as JSON, and the few fields of them that a server looks at.

use std::fmt;

use serde_json::{Map, Value};

use crate::kinds::Kind;

/// Which object: kind, namespace (empty for kinds without), name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for kinds without.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// The key of an object of a kind; a namespaced one without a namespace is in `default`.
    #[must_use]
    pub fn of(kind: Kind, object: &Value) -> Self {
        let namespace = match (kind.info().namespaced, meta_text(object, "namespace")) {
            (false, _) => "",
            (true, "") => "default",
            (true, namespace) => namespace,
        };
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: meta_text(object, "name").to_owned(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}/{}",
            self.kind.info().name,
            self.namespace,
            self.name
        )
    }
}

/// A field of `metadata`.
#[must_use]
pub fn meta<'v>(object: &'v Value, field: &str) -> Option<&'v Value> {
    object.get("metadata")?.get(field)
}

/// A text of `metadata`; empty if it is not there.
#[must_use]
pub fn meta_text<'v>(object: &'v Value, field: &str) -> &'v str {
    meta(object, field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// `metadata`, which is made if it is not there.
pub fn meta_mut(object: &mut Value) -> &mut Map<String, Value> {
    entry(object, "metadata")
}

/// The map at a field, which is made if it is not there or is none.
pub fn entry<'v>(object: &'v mut Value, field: &str) -> &'v mut Map<String, Value> {
    as_map(as_map(object).entry(field).or_insert(Value::Null))
}

/// The value as a map; anything else becomes an empty one.
pub fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        // It was made one just above.
        _ => unreachable!("a value that was made a map is one"),
    }
}

/// The number of the write that made this version of the object.
#[must_use]
pub fn revision(object: &Value) -> u64 {
    meta_text(object, "resourceVersion").parse().unwrap_or(0)
}

/// Follows a path of fields separated by dots.
#[must_use]
pub fn at<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .try_fold(object, |value, field| value.get(field))
}

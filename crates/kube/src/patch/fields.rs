//! Who manages which field: sets of fields, and `managedFields` as the API writes them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::lists::{ListKind, list_at};
use crate::kinds::Kind;
use crate::object::meta;

/// The way to a field in the words of `fieldsV1`: `f:spec`, `k:{"name":"http"}`, `v:"x"`.
pub type Path = Vec<String>;

/// A set of fields: leaves, and items of keyed lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeSet<Path>);

impl Fields {
    /// The fields that an object has, without those that say which object it is or that only the
    /// server writes.
    #[must_use]
    pub fn of(kind: Kind, object: &Value) -> Self {
        let mut fields = Self::default();
        let mut names = Vec::new();
        fields.walk(kind, object, &mut Vec::new(), &mut names);
        fields.0.retain(|path| !is_the_servers(path));
        fields
    }

    fn walk<'v>(&mut self, kind: Kind, value: &'v Value, at: &mut Path, names: &mut Vec<&'v str>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    at.push(format!("f:{key}"));
                    names.push(key);
                    self.walk(kind, value, at, names);
                    names.pop();
                    at.pop();
                }
            }
            Value::Array(items) => match list_at(kind, names) {
                ListKind::Keyed(keys) => {
                    for item in items {
                        at.push(item_key(item, keys));
                        self.0.insert(at.clone());
                        self.walk(kind, item, at, names);
                        at.pop();
                    }
                }
                ListKind::Set => {
                    for item in items {
                        at.push(format!("v:{item}"));
                        self.0.insert(at.clone());
                        at.pop();
                    }
                }
                ListKind::Atomic => {
                    self.0.insert(at.clone());
                }
            },
            _ => {
                self.0.insert(at.clone());
            }
        }
    }

    /// The fields of `fieldsV1`.
    #[must_use]
    pub fn read(value: &Value) -> Self {
        fn walk(value: &Value, at: &mut Path, into: &mut BTreeSet<Path>) {
            let map = value.as_object().filter(|map| !map.is_empty());
            let Some(map) = map else {
                if !at.is_empty() {
                    into.insert(at.clone());
                }
                return;
            };
            for (key, value) in map {
                if key == "." {
                    into.insert(at.clone());
                } else {
                    at.push(key.clone());
                    walk(value, at, into);
                    at.pop();
                }
            }
        }
        let mut fields = BTreeSet::new();
        walk(value, &mut Vec::new(), &mut fields);
        Self(fields)
    }

    /// The set as `fieldsV1`.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut root = Value::Object(Map::new());
        for path in &self.0 {
            let mut node = &mut root;
            for part in path {
                node = crate::object::as_map(node)
                    .entry(part.clone())
                    .or_insert_with(|| json!({}));
            }
            let longer = self.0.range(path.clone()..).nth(1);
            if longer.is_some_and(|next| next.starts_with(path)) {
                crate::object::as_map(node).insert(".".to_owned(), json!({}));
            }
        }
        root
    }

    /// The fields, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a field is among them.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        self.0.contains(path)
    }

    /// Whether a field, or one inside it, or one that it is inside of, is among them.
    #[must_use]
    pub fn touches(&self, path: &[String]) -> bool {
        self.0
            .iter()
            .any(|own| own.starts_with(path) || path.starts_with(own))
    }

    /// Adds the fields of another set.
    pub fn add(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Removes one field.
    pub fn take(&mut self, path: &[String]) {
        self.0.remove(path);
    }

    /// Removes the fields of another set.
    pub fn remove(&mut self, other: &Self) {
        self.0.retain(|path| !other.0.contains(path));
    }

    /// The fields in which two versions of an object differ, as the later one has them.
    #[must_use]
    pub fn changed(kind: Kind, before: &Value, after: &Value) -> Self {
        let old = Self::of(kind, before);
        let mut changed = Self::of(kind, after);
        changed
            .0
            .retain(|path| !old.has(path) || value_at(before, path) != value_at(after, path));
        changed
    }

    /// Those of the fields that an object still has.
    #[must_use]
    pub fn present(&self, object: &Value) -> Self {
        let there = self
            .0
            .iter()
            .filter(|path| value_at(object, path).is_some());
        Self(there.cloned().collect())
    }
}

/// An item's key, in the form of `fieldsV1`.
fn item_key(item: &Value, keys: &[&str]) -> String {
    let key: Map<String, Value> = keys
        .iter()
        .filter_map(|key| match (item.get(key), *key) {
            (Some(value), _) => Some(((*key).to_owned(), value.clone())),
            // The one key that the server fills in.
            (None, "protocol") => Some(("protocol".to_owned(), "TCP".into())),
            (None, _) => None,
        })
        .collect();
    format!("k:{}", Value::Object(key))
}

/// Whether an item of a list is the one that a part of a path names.
fn is_item(item: &Value, part: &str) -> bool {
    if let Some(key) = part.strip_prefix("k:") {
        let Ok(Value::Object(key)) = serde_json::from_str(key) else {
            return false;
        };
        return key.iter().all(|(name, wanted)| match item.get(name) {
            Some(value) => value == wanted,
            None => name == "protocol" && wanted == "TCP",
        });
    }
    part.strip_prefix("v:")
        .is_some_and(|value| serde_json::from_str::<Value>(value).is_ok_and(|v| v == *item))
}

/// The value of a field.
#[must_use]
pub fn value_at<'v>(object: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter()
        .try_fold(object, |value, part| match part.strip_prefix("f:") {
            Some(field) => value.get(field),
            None => value.as_array()?.iter().find(|item| is_item(item, part)),
        })
}

/// Removes a field, and what is empty without it.
pub(super) fn remove_at(object: &mut Value, path: &[String]) {
    let Some((part, rest)) = path.split_first() else {
        return;
    };
    if let Some(field) = part.strip_prefix("f:") {
        let Value::Object(map) = object else { return };
        if rest.is_empty() {
            map.remove(field);
        } else if let Some(value) = map.get_mut(field) {
            remove_at(value, rest);
            let is_empty = match value {
                Value::Object(map) => map.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => false,
            };
            if is_empty {
                map.remove(field);
            }
        }
    } else if let Value::Array(items) = object
        && let Some(at) = items.iter().position(|item| is_item(item, part))
    {
        if rest.is_empty() {
            items.remove(at);
        } else {
            remove_at(&mut items[at], rest);
        }
    }
}

/// Fields that say which object it is, or that only the server writes.
fn is_the_servers(path: &Path) -> bool {
    let mut parts = path.iter().map(String::as_str);
    match parts.next() {
        Some("f:apiVersion" | "f:kind") | None => true,
        Some("f:metadata") => !matches!(
            parts.next(),
            Some("f:labels" | "f:annotations" | "f:finalizers" | "f:ownerReferences")
        ),
        _ => false,
    }
}

/// The path as messages have it: `.spec.listeners[name="http"].port`.
#[must_use]
pub fn printed(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        if let Some(field) = part.strip_prefix("f:") {
            text.push('.');
            text.push_str(field);
        } else if let Some(key) = part.strip_prefix("k:") {
            let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
            let parts: Vec<_> = key
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            text.push_str(&format!("[{}]", parts.join(",")));
        } else if let Some(value) = part.strip_prefix("v:") {
            text.push_str(&format!("[={value}]"));
        }
    }
    text
}

/// Who wrote, how, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// Its name.
    pub name: String,
    /// Whether it applied; otherwise it updated.
    pub applies: bool,
    /// `status` for writes of the status alone.
    pub subresource: String,
}

/// An entry of `managedFields`.
#[derive(Clone, Debug, PartialEq)]
pub struct Managed {
    /// Whose it is.
    pub manager: Manager,
    /// In which apiVersion.
    pub api_version: String,
    /// Since when.
    pub time: String,
    /// What.
    pub fields: Fields,
}

/// The entries of an object.
#[must_use]
pub fn managed(object: &Value) -> Vec<Managed> {
    let entries = meta(object, "managedFields").and_then(Value::as_array);
    let text = |entry: &Value, field: &str| {
        let text = entry.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let read = |entry: &Value| Managed {
        manager: Manager {
            name: text(entry, "manager"),
            applies: text(entry, "operation") == "Apply",
            subresource: text(entry, "subresource"),
        },
        api_version: text(entry, "apiVersion"),
        time: text(entry, "time"),
        fields: Fields::read(entry.get("fieldsV1").unwrap_or(&Value::Null)),
    };
    entries.into_iter().flatten().map(read).collect()
}

/// Writes entries to an object; those without fields are left out.
pub fn set_managed(object: &mut Value, entries: &[Managed]) {
    let entries: Vec<Value> = entries
        .iter()
        .filter(|entry| !entry.fields.is_empty())
        .map(|entry| {
            let mut json = json!({
                "apiVersion": entry.api_version,
                "fieldsType": "FieldsV1",
                "fieldsV1": entry.fields.json(),
                "manager": entry.manager.name,
                "operation": if entry.manager.applies { "Apply" } else { "Update" },
                "time": entry.time,
            });
            if !entry.manager.subresource.is_empty() {
                json["subresource"] = entry.manager.subresource.clone().into();
            }
            json
        })
        .collect();
    let metadata = crate::object::meta_mut(object);
    if entries.is_empty() {
        metadata.remove("managedFields");
    } else {
        metadata.insert("managedFields".to_owned(), entries.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_and_read_in_the_apis_form() {
        let object = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "a", "labels": {"x": "y"}, "finalizers": ["f"]},
            "spec": {"ports": [{"port": 80, "name": "http"}], "externalIPs": ["a"], "empty": {}},
        });
        let fields = Fields::of(Kind::Service, &object);
        let json = fields.json();
        let expected = json!({
            "f:metadata": {"f:labels": {"f:x": {}}, "f:finalizers": {"v:\"f\"": {}}},
            "f:spec": {
                "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}}},
                "f:externalIPs": {},
                "f:empty": {},
            },
        });
        assert_eq!(json, expected);
        assert_eq!(Fields::read(&json), fields);
        let printed: Vec<_> = fields.paths().map(|path| printed(path)).collect();
        assert!(
            printed.contains(&".spec.ports[port=80,protocol=\"TCP\"].name".to_owned()),
            "{printed:?}"
        );
    }

    #[test]
    fn what_is_removed_takes_what_is_empty_along() {
        let mut object =
            json!({"spec": {"ports": [{"port": 80, "protocol": "TCP"}], "x": {"y": 1}}});
        let path = |text: &[&str]| -> Path { text.iter().map(|t| (*t).to_owned()).collect() };
        remove_at(&mut object, &path(&["f:spec", "f:x", "f:y"]));
        remove_at(
            &mut object,
            &path(&["f:spec", "f:ports", "k:{\"port\":80,\"protocol\":\"TCP\"}"]),
        );
        assert_eq!(object, json!({}));
    }
}

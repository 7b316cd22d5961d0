//! Server-side apply: a manager says what it wants, and fields that it no longer wants go.

use serde_json::Value;

use super::fields::{Fields, Managed, Manager, managed, printed, remove_at, set_managed, value_at};
use super::lists::{ListKind, list_at};
use crate::failure::{Cause, Failure};
use crate::kinds::Kind;

/// Who applies, and how.
#[derive(Clone, Debug)]
pub struct Applier<'a> {
    /// The manager.
    pub manager: Manager,
    /// Whether it takes fields from others.
    pub force: bool,
    /// The apiVersion of the request.
    pub api_version: &'a str,
    /// Now.
    pub time: &'a str,
}

/// The object that is to be when a manager applies what it wants to the one that is there.
///
/// # Errors
/// A conflict that names each field that another manager has and wants otherwise.
pub fn apply(
    kind: Kind,
    before: &Value,
    wanted: &Value,
    applier: &Applier<'_>,
) -> Result<Value, Failure> {
    let fields = Fields::of(kind, wanted);
    let mut entries = managed(before);
    let own = |entry: &Managed| entry.manager == applier.manager;
    let mut causes = Vec::new();
    for entry in entries.iter().filter(|entry| !own(entry)) {
        for path in fields.paths() {
            let same = value_at(before, path) == value_at(wanted, path);
            if !same && entry.fields.has(path) && !is_item(path) {
                causes.push((path.clone(), entry.clone()));
            }
        }
    }
    if !causes.is_empty() && !applier.force {
        let causes: Vec<_> = causes
            .iter()
            .map(|(path, entry)| Cause {
                reason: "FieldManagerConflict".to_owned(),
                field: printed(path),
                message: conflict(entry),
            })
            .collect();
        return Err(Failure::apply_conflict(&causes));
    }
    let mut object = before.clone();
    merge(kind, &mut Vec::new(), &mut object, wanted);
    let old = entries.iter().find(|entry| own(entry));
    let mut given_up = old.map(|entry| entry.fields.clone()).unwrap_or_default();
    given_up.remove(&fields);
    for path in given_up.paths() {
        let wanted_by_others = entries
            .iter()
            .any(|entry| !own(entry) && entry.fields.touches(path));
        if !wanted_by_others && !fields.touches(path) {
            remove_at(&mut object, path);
        }
    }
    for entry in entries
        .iter_mut()
        .filter(|entry| entry.manager != applier.manager)
    {
        for (path, other) in &causes {
            if other.manager == entry.manager {
                entry.fields.take(path);
            }
        }
        entry.fields = entry.fields.present(&object);
    }
    // What is applied a second time leaves the time of the first.
    if old_fields(&entries, &applier.manager) != Some(&fields) {
        note(&mut entries, applier, fields);
    }
    set_managed(&mut object, &entries);
    Ok(object)
}

/// Notes the fields of a manager, as of now.
fn note(entries: &mut Vec<Managed>, applier: &Applier<'_>, fields: Fields) {
    let own = |entry: &Managed| entry.manager == applier.manager;
    let noted = Managed {
        manager: applier.manager.clone(),
        api_version: applier.api_version.to_owned(),
        time: applier.time.to_owned(),
        fields,
    };
    match entries.iter_mut().find(|entry| own(entry)) {
        Some(entry) => *entry = noted,
        None => entries.push(noted),
    }
}

fn old_fields<'e>(entries: &'e [Managed], manager: &Manager) -> Option<&'e Fields> {
    let own = entries.iter().find(|entry| entry.manager == *manager);
    own.map(|entry| &entry.fields)
}

/// An item of a list is nobody's alone: only what stands in it can differ.
fn is_item(path: &[String]) -> bool {
    path.last().is_some_and(|part| !part.starts_with("f:"))
}

fn conflict(entry: &Managed) -> String {
    let with = match entry.manager.subresource.as_str() {
        "" => format!("conflict with {:?}", entry.manager.name),
        sub => format!(
            "conflict with {:?} with subresource {sub:?}",
            entry.manager.name
        ),
    };
    // An apply's entry is known by its manager; an update's by how it was written as well.
    if entry.manager.applies {
        with
    } else {
        format!("{with} using {}", entry.api_version)
    }
}

/// Notes who changed what: the manager gets the fields that an update changed, and nobody else
/// keeps them.
pub fn note_update(kind: Kind, before: Option<&Value>, after: &mut Value, applier: &Applier<'_>) {
    let nothing = Value::Null;
    let changed = Fields::changed(kind, before.unwrap_or(&nothing), after);
    let mut entries = before.map(managed).unwrap_or_default();
    for entry in &mut entries {
        entry.fields = entry.fields.present(after);
        if entry.manager != applier.manager {
            entry.fields.remove(&changed);
        }
    }
    if !changed.is_empty() {
        let mut fields = old_fields(&entries, &applier.manager)
            .cloned()
            .unwrap_or_default();
        fields.add(&changed);
        note(&mut entries, applier, fields);
    }
    set_managed(after, &entries);
}

fn merge<'w>(kind: Kind, path: &mut Vec<&'w str>, target: &mut Value, wanted: &'w Value) {
    match (target, wanted) {
        (Value::Object(target), Value::Object(wanted)) => {
            for (key, value) in wanted {
                path.push(key);
                merge(kind, path, target.entry(key).or_insert(Value::Null), value);
                path.pop();
            }
        }
        (Value::Array(items), Value::Array(wanted)) => match list_at(kind, path) {
            ListKind::Keyed(keys) => {
                for item in wanted {
                    let same = |other: &&mut Value| {
                        keys.iter().all(|key| {
                            let value = |item: &Value| match (item.get(key), *key) {
                                (None, "protocol") => Some(Value::from("TCP")),
                                (value, _) => value.cloned(),
                            };
                            value(other) == value(item)
                        })
                    };
                    match items.iter_mut().find(same) {
                        Some(target) => merge(kind, path, target, item),
                        None => items.push(item.clone()),
                    }
                }
            }
            ListKind::Set => {
                for item in wanted {
                    if !items.contains(item) {
                        items.push(item.clone());
                    }
                }
            }
            ListKind::Atomic => items.clone_from(wanted),
        },
        (target, wanted) => target.clone_from(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn by(name: &str, force: bool) -> Applier<'_> {
        Applier {
            manager: Manager {
                name: name.to_owned(),
                applies: true,
                subresource: String::new(),
            },
            force,
            api_version: "gateway.networking.k8s.io/v1",
            time: "2025-08-08T20:16:13Z",
        }
    }

    fn gateway(spec: Value) -> Value {
        json!({"metadata": {"name": "a"}, "spec": spec})
    }

    fn spec(object: &Value) -> &Value {
        &object["spec"]
    }

    #[test]
    fn what_a_manager_no_longer_wants_goes_and_what_others_want_stays() {
        let empty = gateway(json!({}));
        let first =
            gateway(json!({"a": 1, "b": {"c": 2}, "listeners": [{"name": "x", "port": 1}]}));
        let one = apply(Kind::Gateway, &empty, &first, &by("one", false)).unwrap();
        let other = gateway(json!({"b": {"c": 2}, "listeners": [{"name": "y", "port": 2}]}));
        let two = apply(Kind::Gateway, &one, &other, &by("two", false)).unwrap();
        assert_eq!(
            spec(&two)["listeners"],
            json!([{"name": "x", "port": 1}, {"name": "y", "port": 2}])
        );
        let less = gateway(json!({"a": 1}));
        let three = apply(Kind::Gateway, &two, &less, &by("one", false)).unwrap();
        assert_eq!(
            spec(&three),
            &json!({"a": 1, "b": {"c": 2}, "listeners": [{"name": "y", "port": 2}]})
        );
    }

    #[test]
    fn a_field_that_another_has_is_a_conflict_unless_it_is_forced() {
        let empty = gateway(json!({}));
        let one = apply(
            Kind::Gateway,
            &empty,
            &gateway(json!({"a": 1})),
            &by("one", false),
        )
        .unwrap();
        let wants = gateway(json!({"a": 2}));
        let failure = apply(Kind::Gateway, &one, &wants, &by("two", false)).unwrap_err();
        assert_eq!(
            failure.message,
            "Apply failed with 1 conflict: conflict with \"one\": .spec.a"
        );
        let two = apply(Kind::Gateway, &one, &wants, &by("two", true)).unwrap();
        assert_eq!(spec(&two), &json!({"a": 2}));
        let managers: Vec<_> = managed(&two)
            .into_iter()
            .map(|entry| entry.manager.name)
            .collect();
        assert_eq!(managers, ["two"]);
        // The same value is no conflict, and is then shared.
        let three = apply(Kind::Gateway, &two, &wants, &by("one", false)).unwrap();
        assert_eq!(managed(&three).len(), 2);
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let empty = gateway(json!({}));
        let wants = gateway(json!({"a": 1}));
        let one = apply(Kind::Gateway, &empty, &wants, &by("one", false)).unwrap();
        let later = Applier {
            time: "2026-01-01T00:00:00Z",
            ..by("one", false)
        };
        assert_eq!(apply(Kind::Gateway, &one, &wants, &later).unwrap(), one);
    }

    #[test]
    fn an_update_takes_the_fields_that_it_changes() {
        let empty = gateway(json!({}));
        let one = apply(
            Kind::Gateway,
            &empty,
            &gateway(json!({"a": 1, "b": 1})),
            &by("one", false),
        )
        .unwrap();
        let mut after = one.clone();
        after["spec"]["a"] = 2.into();
        let mut updater = by("edit", false);
        updater.manager.applies = false;
        note_update(Kind::Gateway, Some(&one), &mut after, &updater);
        let failure = apply(
            Kind::Gateway,
            &after,
            &gateway(json!({"a": 1, "b": 1})),
            &by("one", false),
        )
        .unwrap_err();
        assert!(
            failure
                .message
                .contains("conflict with \"edit\" using gateway.networking.k8s.io/v1: .spec.a"),
            "{}",
            failure.message
        );
    }
}

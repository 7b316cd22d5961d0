//! Strategic merge patches, which only kinds of Kubernetes' own types take.

use serde_json::{Map, Value};

use super::lists::{ListKind, list_at};
use crate::failure::Failure;
use crate::kinds::Kind;

/// Merges a patch into an object of a kind.
///
/// # Errors
/// [`Failure`] for a directive that is none, or a list item without its key.
pub fn strategic(kind: Kind, target: &mut Value, patch: &Value) -> Result<(), Failure> {
    map(kind, &mut Vec::new(), target, patch)
}

fn map<'p>(
    kind: Kind,
    path: &mut Vec<&'p str>,
    target: &mut Value,
    patch: &'p Value,
) -> Result<(), Failure> {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return Ok(());
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = plain(&Value::Object(patch.clone()));
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(bad(format!("`{other}` is no value of `$patch`"))),
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return Ok(());
    };
    if let Some(Value::Array(kept)) = patch.get("$retainKeys") {
        target.retain(|key, _| kept.iter().any(|keep| keep == key));
    }
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/")
            && let (Some(Value::Array(items)), Value::Array(gone)) = (target.get_mut(list), value)
        {
            items.retain(|item| !gone.contains(item));
        }
    }
    for (key, value) in patch {
        if key.starts_with('$') {
            continue;
        }
        if value.is_null() {
            target.remove(key);
            continue;
        }
        path.push(key);
        let done = match value {
            Value::Array(items) => {
                let current = target
                    .entry(key)
                    .or_insert_with(|| Value::Array(Vec::new()));
                list(kind, path, current, items)
            }
            _ => map(kind, path, target.entry(key).or_insert(Value::Null), value),
        };
        path.pop();
        done?;
    }
    for (key, order) in patch {
        if let Some(list) = key.strip_prefix("$setElementOrder/")
            && let (Some(Value::Array(items)), Value::Array(order)) = (target.get_mut(list), order)
        {
            path.push(list);
            let keys = list_at(kind, path);
            path.pop();
            sort(items, order, keys);
        }
    }
    Ok(())
}

fn list<'p>(
    kind: Kind,
    path: &mut Vec<&'p str>,
    target: &mut Value,
    patch: &'p [Value],
) -> Result<(), Failure> {
    let replaces = |item: &Value| item.get("$patch").and_then(Value::as_str) == Some("replace");
    let Value::Array(items) = target else {
        *target = Value::Array(patch.iter().map(plain).collect());
        return Ok(());
    };
    match list_at(kind, path) {
        _ if patch.iter().any(replaces) => {
            let marker =
                |item: &&Value| !replaces(item) || item.as_object().is_some_and(|m| m.len() > 1);
            *items = patch.iter().filter(marker).map(plain).collect();
        }
        ListKind::Atomic => *items = patch.iter().map(plain).collect(),
        ListKind::Set => {
            for item in patch {
                if !items.contains(item) {
                    items.push(item.clone());
                }
            }
        }
        ListKind::Keyed(keys) => {
            let key = keys[0];
            for item in patch {
                let Some(wanted) = item.get(key) else {
                    let at = path.join(".");
                    return Err(bad(format!("an item of `{at}` has no `{key}`")));
                };
                let found = items.iter().position(|item| item.get(key) == Some(wanted));
                if item.get("$patch").and_then(Value::as_str) == Some("delete") {
                    items.retain(|item| item.get(key) != Some(wanted));
                    continue;
                }
                let at = match found {
                    Some(at) => at,
                    None => {
                        items.push(Value::Null);
                        items.len() - 1
                    }
                };
                map(kind, path, &mut items[at], item)?;
            }
        }
    }
    Ok(())
}

/// The order that a client asks for; what it does not name stays after what stood before it.
fn sort(items: &mut Vec<Value>, order: &[Value], keys: ListKind) {
    let rank = |item: &Value| {
        order.iter().position(|wanted| match keys {
            ListKind::Keyed(keys) => {
                wanted.get(keys[0]).is_some() && wanted.get(keys[0]) == item.get(keys[0])
            }
            _ => wanted == item,
        })
    };
    let mut last = 0;
    let mut ranked: Vec<(usize, Value)> = std::mem::take(items)
        .into_iter()
        .map(|item| {
            last = rank(&item).unwrap_or(last);
            (last, item)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    items.extend(ranked.into_iter().map(|(_, item)| item));
}

/// A value without directives, as it is put where nothing was.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect(),
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn bad(what: String) -> Failure {
    Failure::bad_request(format!("invalid strategic merge patch: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(target: Value, patch: Value, expected: Value) {
        let mut patched = target;
        strategic(Kind::Service, &mut patched, &patch).unwrap();
        assert_eq!(patched, expected, "{patch}");
    }

    #[test]
    fn items_with_a_key_are_merged_and_others_replaced() {
        let ports = |ports: Value| json!({"spec": {"ports": ports}});
        check(
            ports(json!([{"port": 80, "name": "a"}, {"port": 81}])),
            ports(json!([{"port": 80, "name": "b"}, {"port": 82}])),
            ports(json!([{"port": 80, "name": "b"}, {"port": 81}, {"port": 82}])),
        );
        check(
            ports(json!([{"port": 80}, {"port": 81}])),
            ports(json!([{"port": 80, "$patch": "delete"}])),
            ports(json!([{"port": 81}])),
        );
        check(
            ports(json!([{"port": 80}, {"port": 81}])),
            ports(json!([{"port": 82}, {"$patch": "replace"}])),
            ports(json!([{"port": 82}])),
        );
        check(
            json!({"spec": {"externalIPs": ["a", "b"]}}),
            json!({"spec": {"externalIPs": ["c"]}}),
            json!({"spec": {"externalIPs": ["c"]}}),
        );
    }

    #[test]
    fn directives_order_remove_and_retain() {
        check(
            json!({"spec": {"ports": [{"port": 80}, {"port": 81}]}}),
            json!({"spec": {"ports": [{"port": 82}], "$setElementOrder/ports": [{"port": 82}, {"port": 81}, {"port": 80}]}}),
            json!({"spec": {"ports": [{"port": 82}, {"port": 81}, {"port": 80}]}}),
        );
        check(
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}}),
            json!({"metadata": {"finalizers": ["b", "c"]}}),
        );
        check(
            json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"x": 1}}}}),
            json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
            json!({"spec": {"strategy": {"type": "Recreate"}}}),
        );
        check(
            json!({"a": {"b": 1}}),
            json!({"a": {"$patch": "replace", "c": 2}}),
            json!({"a": {"c": 2}}),
        );
        check(json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2}));
    }

    #[test]
    fn faults_of_a_patch_are_told() {
        let fault = |patch: Value| {
            strategic(Kind::Service, &mut json!({}), &patch)
                .unwrap_err()
                .message
        };
        assert!(fault(json!({"$patch": "explode"})).contains("`explode`"));
        assert!(fault(json!({"spec": {"ports": [{"name": "a"}]}})).contains("has no `port`"));
    }
}

//! JSON Patch, RFC 6902.

use serde_json::Value;

use crate::failure::Failure;

/// Applies operations in order.
///
/// # Errors
/// [`Failure`] for an operation that cannot be read or done; the object is then of no use.
pub fn json_patch(target: &mut Value, patch: &Value) -> Result<(), Failure> {
    let operations = patch
        .as_array()
        .ok_or_else(|| Failure::bad_request("a JSON patch is a list of operations"))?;
    for operation in operations {
        one(target, operation)?;
    }
    Ok(())
}

fn one(target: &mut Value, operation: &Value) -> Result<(), Failure> {
    let text = |field: &str| {
        operation.get(field).and_then(Value::as_str).ok_or_else(|| {
            Failure::bad_request(format!("an operation of the patch has no `{field}`"))
        })
    };
    let value = || {
        operation
            .get("value")
            .cloned()
            .ok_or_else(|| Failure::bad_request("an operation of the patch has no `value`"))
    };
    let (op, path) = (text("op")?, text("path")?);
    match op {
        "add" => add(target, path, value()?),
        "remove" => remove(target, path).map(drop),
        "replace" => {
            *found(target, path)? = value()?;
            Ok(())
        }
        "move" => {
            let moved = remove(target, text("from")?)?;
            add(target, path, moved)
        }
        "copy" => {
            let copied = found(target, text("from")?)?.clone();
            add(target, path, copied)
        }
        "test" => {
            if *found(target, path)? == value()? {
                return Ok(());
            }
            let what = format!("testing value {path} failed: test failed");
            Err(unprocessable(what))
        }
        other => Err(Failure::bad_request(format!(
            "`{other}` is no operation of a JSON patch"
        ))),
    }
}

fn unprocessable(message: String) -> Failure {
    let mut failure = Failure::bad_request(
        "the server rejected our request due to an error in our request: ".to_owned() + &message,
    );
    failure.code = 422;
    failure.reason = "Invalid";
    failure
}

fn missing(path: &str) -> Failure {
    unprocessable(format!("the patch names `{path}`, which is not there"))
}

fn found<'v>(target: &'v mut Value, path: &str) -> Result<&'v mut Value, Failure> {
    target.pointer_mut(path).ok_or_else(|| missing(path))
}

/// The container of what a path names, and the last part of the path.
fn parent<'v>(target: &'v mut Value, path: &str) -> Result<(&'v mut Value, String), Failure> {
    let (before, last) = path.rsplit_once('/').ok_or_else(|| missing(path))?;
    let last = last.replace("~1", "/").replace("~0", "~");
    Ok((found(target, before)?, last))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), Failure> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    let (container, last) = parent(target, path)?;
    match container {
        Value::Object(map) => {
            map.insert(last, value);
            Ok(())
        }
        Value::Array(items) => {
            let index = match last.as_str() {
                "-" => items.len(),
                number => number.parse().map_err(|_| missing(path))?,
            };
            if index > items.len() {
                return Err(missing(path));
            }
            items.insert(index, value);
            Ok(())
        }
        _ => Err(missing(path)),
    }
}

fn remove(target: &mut Value, path: &str) -> Result<Value, Failure> {
    let (container, last) = parent(target, path)?;
    let removed = match container {
        Value::Object(map) => map.remove(&last),
        Value::Array(items) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => Some(items.remove(index)),
            _ => None,
        },
        _ => None,
    };
    removed.ok_or_else(|| missing(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_do_what_the_specification_shows() {
        let check = |mut target: Value, patch: Value, expected: Option<Value>| {
            let done = json_patch(&mut target, &patch);
            match expected {
                Some(expected) => assert_eq!(done.map(|()| target), Ok(expected), "{patch}"),
                None => assert!(done.is_err(), "{patch}"),
            }
        };
        let op =
            |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
        check(
            json!({"a": 1}),
            op("add", "/b", json!(2)),
            Some(json!({"a": 1, "b": 2})),
        );
        check(
            json!({"a": [1, 3]}),
            op("add", "/a/1", json!(2)),
            Some(json!({"a": [1, 2, 3]})),
        );
        check(
            json!({"a": [1]}),
            op("add", "/a/-", json!(2)),
            Some(json!({"a": [1, 2]})),
        );
        check(json!({"a": [1]}), op("add", "/a/3", json!(2)), None);
        check(
            json!({"a/b": {"~": 1}}),
            op("replace", "/a~1b/~0", json!(2)),
            Some(json!({"a/b": {"~": 2}})),
        );
        check(json!({"a": 1}), op("replace", "/b", json!(2)), None);
        check(
            json!({"a": 1}),
            op("remove", "/a", Value::Null),
            Some(json!({})),
        );
        check(json!({"a": 1}), op("remove", "/b", Value::Null), None);
        check(
            json!({"a": 1}),
            op("test", "/a", json!(1)),
            Some(json!({"a": 1})),
        );
        check(json!({"a": 1}), op("test", "/a", json!(2)), None);
        check(json!({"a": 1}), op("frobnicate", "/a", json!(2)), None);
        check(
            json!({"a": {"b": 1}, "c": 2}),
            json!([{"op": "move", "from": "/a/b", "path": "/c"}]),
            Some(json!({"a": {}, "c": 1})),
        );
        check(
            json!({"a": 1}),
            json!([{"op": "copy", "from": "/a", "path": "/b"}]),
            Some(json!({"a": 1, "b": 1})),
        );
        check(json!({"a": 1}), json!({"op": "add"}), None);
        check(json!({"a": 1}), json!([{"op": "add", "path": "/b"}]), None);
    }
}

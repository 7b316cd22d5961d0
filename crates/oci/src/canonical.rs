//! JSON with one spelling for one value: keys sorted, no spaces.
//!
//! The specification's types keep annotations in hash maps, and whether `serde_json` sorts
//! depends on a feature that any other crate of a build may switch on. A digest must hang on
//! neither.

use serde::Serialize;
use serde_json::Value;

/// Writes `value` with sorted keys.
pub(crate) fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::new();
    write(&serde_json::to_value(value)?, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| key.as_str());
            out.push(b'{');
            for (i, (key, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key)?;
                out.push(b':');
                write(member, out)?;
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            serde_json::to_writer(out, value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = serde_json::json!({"b": [{"z": 1, "a": null}], "a": "\u{e9}\n"});
        assert_eq!(
            to_vec(&value)
                .map(String::from_utf8)
                .ok()
                .and_then(Result::ok)
                .as_deref(),
            Some("{\"a\":\"\u{e9}\\n\",\"b\":[{\"a\":null,\"z\":1}]}")
        );
    }
}

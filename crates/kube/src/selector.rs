//! Label and field selectors: which objects a list or watch is about.

use serde_json::Value;

use crate::failure::Failure;
use crate::object::{at, meta};

/// What a list or a watch asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<(String, Test)>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`; empty texts select everything.
    ///
    /// # Errors
    /// [`Failure`] with the text that cannot be read.
    pub fn parse(labels: &str, fields: &str) -> Result<Self, Failure> {
        Ok(Self {
            labels: split(labels)
                .into_iter()
                .map(label)
                .collect::<Result<_, _>>()?,
            fields: split(fields)
                .into_iter()
                .map(field)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether an object is selected.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        let labels = meta(object, "labels");
        self.labels.iter().all(|(key, test)| {
            let value = labels
                .and_then(|labels| labels.get(key))
                .and_then(Value::as_str);
            match test {
                Test::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
                Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
            }
        }) && self.fields.iter().all(|(path, equal, wanted)| {
            let value = match at(object, path) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            };
            (value == *wanted) == *equal
        })
    }
}

/// Cuts at commas that are not inside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (index, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn label(text: &str) -> Result<(String, Test), Failure> {
    let text = text.trim();
    let made = |key: &str, test| Ok((key.trim().to_owned(), test));
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, value)) = text.split_once("!=") {
        return made(key, Test::NotIn(one(value)));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return made(key, Test::In(one(value)));
    }
    if let Some(key) = text.strip_prefix('!') {
        return made(key, Test::Absent);
    }
    if let Some((key, list)) = text.split_once('(') {
        let list = list
            .strip_suffix(')')
            .ok_or_else(|| unreadable("label", text))?;
        let values = list.split(',').map(|v| v.trim().to_owned()).collect();
        let key = key.trim();
        if let Some(key) = key.strip_suffix(" notin") {
            return made(key, Test::NotIn(values));
        }
        if let Some(key) = key.strip_suffix(" in") {
            return made(key, Test::In(values));
        }
        return Err(unreadable("label", text));
    }
    if text.contains(char::is_whitespace) {
        return Err(unreadable("label", text));
    }
    made(text, Test::Exists)
}

fn field(text: &str) -> Result<(String, bool, String), Failure> {
    let (key, equal, value) = if let Some((key, value)) = text.split_once("!=") {
        (key, false, value)
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, true, value)
    } else {
        return Err(unreadable("field", text));
    };
    Ok((key.trim().to_owned(), equal, value.trim().to_owned()))
}

fn unreadable(what: &str, text: &str) -> Failure {
    Failure::bad_request(format!("unable to parse {what} selector: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_and_fields_select() {
        let object = json!({
            "metadata": {"name": "a", "labels": {"app": "store", "tier": "back"}},
            "status": {"phase": "Running"},
        });
        let check = |labels, fields, expected| {
            let selector = Selector::parse(labels, fields).unwrap();
            assert_eq!(selector.matches(&object), expected, "{labels} {fields}");
        };
        check("", "", true);
        check("app=store", "", true);
        check("app==store,tier!=front", "", true);
        check("app in (store, other),tier", "", true);
        check("app notin (store)", "", false);
        check("!app", "", false);
        check("missing", "", false);
        check("missing!=x", "", true);
        check("", "metadata.name=a", true);
        check("", "metadata.name!=a", false);
        check("", "status.phase=Running,metadata.name=a", true);
        check("", "metadata.namespace=", true);
        assert!(Selector::parse("a b", "").is_err());
        assert!(Selector::parse("a in (x", "").is_err());
        assert!(Selector::parse("", "metadata.name").is_err());
    }
}

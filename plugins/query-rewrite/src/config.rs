//! The configuration as users write it, and its translation into operations.

use crate::operations::{Operation, Value};
use gatewright::ConfigError;
use serde::Deserialize;

/// The whole configuration; `README.md` documents it for users.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    operations: Vec<Field>,
}

/// One operation. Exactly one of the first five says which.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    set: Option<String>,
    append: Option<String>,
    remove: Option<String>,
    rename: Option<String>,
    log: Option<String>,
    value: Option<String>,
    attribute: Option<String>,
    otherwise: Option<String>,
    to: Option<String>,
}

impl Config {
    pub(crate) fn operations(self) -> Result<Vec<Operation>, ConfigError> {
        let mut operations = Vec::with_capacity(self.operations.len());
        for (index, field) in self.operations.into_iter().enumerate() {
            let place = ["operations[", &index.to_string(), "]"].concat();
            let wrong = |message: &str| ConfigError::new(message).field(&place);
            operations.push(field.operation().map_err(wrong)?);
        }
        Ok(operations)
    }
}

impl Field {
    fn operation(self) -> Result<Operation, &'static str> {
        let value = match (self.value, self.attribute, self.otherwise) {
            (None, None, None) => None,
            (Some(text), None, None) => Some(Value::Text(text)),
            (None, Some(path), _) if path.split('.').any(str::is_empty) => {
                return Err("must have an `attribute` such as `source.client_region`");
            }
            (None, Some(path), otherwise) => Some(Value::Attribute { path, otherwise }),
            _ => {
                return Err(
                    "must have one of `value` and `attribute`; `otherwise` is for the latter",
                );
            }
        };
        let names = (self.set, self.append, self.remove, self.rename, self.log);
        let operation = match (names, value, self.to) {
            ((Some(name), None, None, None, None), Some(value), None) => {
                Operation::Set(name, value)
            }
            ((None, Some(name), None, None, None), Some(value), None) => {
                Operation::Append(name, value)
            }
            ((None, None, Some(name), None, None), None, None) => Operation::Remove(name),
            ((None, None, None, Some(name), None), None, Some(to)) => Operation::Rename(name, to),
            ((None, None, None, None, Some(name)), None, None) => Operation::Log(name),
            _ => {
                return Err(
                    "must be one of: `set` or `append` with `value` or `attribute`, `remove` alone, `rename` with `to`, `log` alone",
                );
            }
        };
        Ok(operation)
    }
}

//! The configuration as users write it, and its translation into operations.

use crate::operations::{Operation, Value};
use gatewright::ConfigError;
use serde::Deserialize;

/// What is done to the query.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Run in order on what those before left.
    operations: Vec<Field>,
}

/// One operation. Exactly one of the first five says which.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct Field {
    /// Makes the value the only one of this parameter.
    set: Option<String>,
    /// Adds the value at the end.
    append: Option<String>,
    /// Removes all values of this parameter.
    remove: Option<String>,
    /// Moves all values to the parameter `to`.
    rename: Option<String>,
    /// Logs the parameter.
    log: Option<String>,
    /// The value, not encoded.
    value: Option<String>,
    /// The attribute that has the value, such as `source.client_region`.
    attribute: Option<String>,
    /// The value where that is missing or empty.
    otherwise: Option<String>,
    /// The other name of `rename`.
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

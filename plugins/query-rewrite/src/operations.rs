//! What to do to a query.

use gatewright::{HostError, PathAndQuery, attributes};
use std::borrow::Cow;

/// One operation.
#[derive(Debug)]
pub(crate) enum Operation {
    Set(String, Value),
    Append(String, Value),
    Remove(String),
    Rename(String, String),
    Log(String),
}

/// What a parameter gets.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    /// What the load balancer knows, by a path with dots.
    Attribute {
        path: String,
        otherwise: Option<String>,
    },
}

impl Operation {
    pub(crate) fn run(&self, path: &mut PathAndQuery) -> Result<(), HostError> {
        match self {
            Self::Set(name, value) => match value.get()? {
                Some(value) => path.set_param(name, value),
                // Whoever reads the parameter must not read the client's own.
                None => _ = path.remove_param(name),
            },
            Self::Append(name, value) => {
                if let Some(value) = value.get()? {
                    path.append_param(name, value);
                }
            }
            Self::Remove(name) => _ = path.remove_param(name),
            Self::Rename(from, to) => rename(path, from, to),
            Self::Log(name) => log(path, name),
        }
        Ok(())
    }
}

impl Value {
    fn get(&self) -> Result<Option<Cow<'_, [u8]>>, HostError> {
        match self {
            Self::Text(text) => Ok(Some(Cow::Borrowed(text.as_bytes()))),
            Self::Attribute { path, otherwise } => {
                let value = attributes::raw(path.split('.'))?.filter(|value| !value.is_empty());
                Ok(match value {
                    Some(value) => Some(Cow::Owned(value)),
                    None => otherwise
                        .as_ref()
                        .map(|text| Cow::Borrowed(text.as_bytes())),
                })
            }
        }
    }
}

/// The values move to the end, in order, instead of those that the other name had.
fn rename(path: &mut PathAndQuery, from: &str, to: &str) {
    let values: Vec<Vec<u8>> = path.param_all(from).map(Cow::into_owned).collect();
    if values.is_empty() || from == to {
        return;
    }
    path.remove_param(from);
    path.remove_param(to);
    for value in values {
        path.append_param(to, value);
    }
}

fn log(path: &PathAndQuery, name: &str) {
    match path.param(name) {
        Some(value) => gatewright::log::info!("{name}: {}", String::from_utf8_lossy(&value)),
        None => gatewright::log::info!("{name}: <missing>"),
    }
}

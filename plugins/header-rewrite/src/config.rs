//! The configuration as users write it, and its translation into rules.

use crate::rules::{Action, Condition, Rule, Rules, Side, Test};
use crate::template::Template;
use gatewright::{ConfigError, is_header_name};
use serde::Deserialize;

/// What is done to headers.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Run in order on the request's headers.
    request: Vec<Operation>,
    /// Run in order on the response's headers.
    response: Vec<Operation>,
}

/// One operation. Exactly one of the first four says which.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct Operation {
    /// Makes `value` the only value of this header, or of this pseudo-header.
    set: Option<String>,
    /// Adds `value` beside those that are there.
    append: Option<String>,
    /// Removes all values.
    remove: Option<String>,
    /// Gives all values the name `to`, in place of those that it had.
    rename: Option<String>,
    /// May quote `${name}`, `${request:name}` and `$$`.
    value: Option<String>,
    /// The other name of `rename`.
    to: Option<String>,
    /// Conditions that must all hold.
    #[serde(rename = "if")]
    when: Option<When>,
}

/// Conditions that must all hold.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct When {
    /// The request's path, as it arrived, begins with it.
    path_prefix: Option<String>,
    /// The request's method, as it arrived, is one of them.
    #[cfg_attr(test, schemars(length(min = 1)))]
    method: Option<Vec<String>>,
    /// The message has a header of this name by now.
    present: Option<String>,
    /// The message has no header of this name by now.
    absent: Option<String>,
    /// One of the header's values is this one, byte for byte.
    equals: Option<Header>,
    /// One of the header's values matches as a whole, where `*` stands for any bytes.
    matches: Option<Header>,
}

/// A header and a value.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct Header {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

impl Config {
    /// Checks everything and makes the rules that streams run.
    pub(crate) fn rules(self) -> Result<Rules, ConfigError> {
        let mut captured = Vec::new();
        let request = translate(Side::Request, self.request, &mut captured)?;
        let response = translate(Side::Response, self.response, &mut captured)?;
        Ok(Rules::new(request, response, captured))
    }
}

fn translate(
    side: Side,
    operations: Vec<Operation>,
    captured: &mut Vec<String>,
) -> Result<Vec<Rule>, ConfigError> {
    let mut rules = Vec::with_capacity(operations.len());
    for (index, operation) in operations.into_iter().enumerate() {
        let place = Place { side, index };
        rules.push(Rule {
            when: operation.when.map_or(Ok(Condition::default()), |when| {
                place.condition(when, captured)
            })?,
            action: place.action(
                operation.set,
                operation.append,
                operation.remove,
                operation.rename,
                (operation.value, operation.to),
                captured,
            )?,
        });
    }
    Ok(rules)
}

/// The operation that is being translated, for naming what is wrong with it.
#[derive(Clone, Copy)]
struct Place {
    side: Side,
    index: usize,
}

impl Place {
    fn wrong<T>(self, field: &str, message: &str) -> Result<T, ConfigError> {
        let mut path = [self.side.name(), "[", &self.index.to_string(), "]"].concat();
        if !field.is_empty() {
            path = [&path, ".", field].concat();
        }
        Err(ConfigError::new(message).field(path))
    }

    fn action(
        self,
        set: Option<String>,
        append: Option<String>,
        remove: Option<String>,
        rename: Option<String>,
        (value, to): (Option<String>, Option<String>),
        captured: &mut Vec<String>,
    ) -> Result<Action, ConfigError> {
        match (set, append, remove, rename, value, to) {
            (Some(name), None, None, None, Some(value), None) => {
                self.known_name("set", &name)?;
                Ok(Action::Set(name, self.template(&value, captured)?))
            }
            (None, Some(name), None, None, Some(value), None) => {
                self.plain_name("append", &name)?;
                Ok(Action::Append(name, self.template(&value, captured)?))
            }
            (None, None, Some(name), None, None, None) => {
                self.plain_name("remove", &name)?;
                Ok(Action::Remove(name))
            }
            (None, None, None, Some(name), None, Some(to)) => {
                self.plain_name("rename", &name)?;
                self.plain_name("to", &to)?;
                Ok(Action::Rename(name, to))
            }
            _ => self.wrong(
                "",
                "must be one of: `set` with `value`, `append` with `value`, `remove` alone, `rename` with `to`",
            ),
        }
    }

    fn condition(self, when: When, captured: &mut Vec<String>) -> Result<Condition, ConfigError> {
        let mut tests = Vec::new();
        if let Some(prefix) = when.path_prefix {
            if !prefix.starts_with('/') {
                return self.wrong("if.path_prefix", "must begin with `/`");
            }
            tests.push(Test::PathPrefix(capture(captured, ":path"), prefix));
        }
        if let Some(methods) = when.method {
            if methods.is_empty() {
                return self.wrong("if.method", "must name a method");
            }
            tests.push(Test::Method(capture(captured, ":method"), methods));
        }
        if let Some(name) = when.present {
            self.known_name("if.present", &name)?;
            tests.push(Test::Present(name));
        }
        if let Some(name) = when.absent {
            self.known_name("if.absent", &name)?;
            tests.push(Test::Absent(name));
        }
        if let Some(Header { name, value }) = when.equals {
            self.known_name("if.equals.name", &name)?;
            tests.push(Test::Equals(name, value));
        }
        if let Some(Header { name, value }) = when.matches {
            self.known_name("if.matches.name", &name)?;
            tests.push(Test::Matches(name, value));
        }
        if tests.is_empty() {
            return self.wrong("if", "must have a condition");
        }
        Ok(Condition(tests))
    }

    fn template(self, text: &str, captured: &mut Vec<String>) -> Result<Template, ConfigError> {
        if text
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t')
        {
            return self.wrong("value", "must not contain control characters");
        }
        let parsed = Template::parse(text, |from_request, name| {
            let side = if from_request {
                Side::Request
            } else {
                self.side
            };
            if !is_header_name(name) && !side.has_pseudo_header(name) {
                return Err("quotes what is no header; write `$$` for a dollar sign");
            }
            Ok(from_request.then(|| capture(captured, name)))
        });
        parsed.or_else(|message| self.wrong("value", message))
    }

    /// A header, pseudo-headers included.
    fn known_name(self, field: &str, name: &str) -> Result<(), ConfigError> {
        if is_header_name(name) || self.side.has_pseudo_header(name) {
            return Ok(());
        }
        self.wrong(field, self.side.expected_name())
    }

    /// A header that may come and go.
    fn plain_name(self, field: &str, name: &str) -> Result<(), ConfigError> {
        if is_header_name(name) {
            return Ok(());
        }
        self.wrong(
            field,
            "must be a header name; a pseudo-header can only be `set`",
        )
    }
}

/// The index under which the request's own value of a header is kept.
fn capture(captured: &mut Vec<String>, name: &str) -> usize {
    let known = captured
        .iter()
        .position(|other| other.eq_ignore_ascii_case(name));
    known.unwrap_or_else(|| {
        captured.push(name.to_owned());
        captured.len() - 1
    })
}

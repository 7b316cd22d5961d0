//! The configuration as users write it, compiled.

use crate::rules::Rule;
use gatewright::ConfigError;
use regex::bytes::RegexBuilder;
use serde::Deserialize;

/// Bytes that a compiled pattern may take. A VM has 16 MiB in production.
const MAX_COMPILED: usize = 256 * 1024;

/// Regular expressions that rewrite the path.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Tried in order, each on what those before left.
    rules: Vec<RuleField>,
}

/// A pattern and what takes its place.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct RuleField {
    /// In the syntax of the `regex` crate, on bytes.
    pattern: String,
    /// With `$1`, `${name}` and `$$`.
    replacement: String,
    /// Whether every match is replaced, or the first.
    #[serde(default)]
    all: bool,
    /// Whether the query is matched along with the path.
    #[serde(default)]
    query: bool,
    /// Whether no later rule is tried after a match.
    #[serde(default)]
    last: bool,
}

impl Config {
    pub(crate) fn rules(self) -> Result<Vec<Rule>, ConfigError> {
        let mut rules = Vec::with_capacity(self.rules.len());
        for (index, field) in self.rules.into_iter().enumerate() {
            let wrong = |name: &str, message: &str| {
                let place = ["rules[", &index.to_string(), "].", name].concat();
                ConfigError::new(message).field(place)
            };
            // Bytes, not characters: a path is ASCII, and the tables of Unicode are 500 KB.
            let pattern = RegexBuilder::new(&field.pattern)
                .unicode(false)
                .size_limit(MAX_COMPILED)
                .build()
                .map_err(|error| wrong("pattern", &one_line(&error.to_string())))?;
            let groups = pattern.captures_len();
            let names: Vec<&str> = pattern.capture_names().flatten().collect();
            check_replacement(&field.replacement, groups, &names)
                .map_err(|message| wrong("replacement", message))?;
            rules.push(Rule {
                pattern,
                replacement: field.replacement,
                all: field.all,
                query: field.query,
                last: field.last,
            });
        }
        Ok(rules)
    }
}

/// The parser draws the pattern and points below it; a log line has no room for that.
fn one_line(error: &str) -> String {
    let last = error.lines().rev().find(|line| !line.trim().is_empty());
    let reason = last.unwrap_or_default().trim();
    [
        "must be a regular expression: ",
        reason.strip_prefix("error: ").unwrap_or(reason),
    ]
    .concat()
}

/// A reference to a group that is not there would silently be replaced by nothing.
fn check_replacement(text: &str, groups: usize, names: &[&str]) -> Result<(), &'static str> {
    if text
        .bytes()
        .any(|byte| byte.is_ascii_control() || byte == b' ')
    {
        return Err("must not contain spaces or control characters");
    }
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let (name, after) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or("has a `${` without `}`")?,
            None => {
                let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                let end = after.bytes().position(|byte| !is_name(byte));
                after
                    .split_at_checked(end.unwrap_or(after.len()))
                    .unwrap_or_default()
            }
        };
        let is_group = match name.parse::<usize>() {
            Ok(number) => number < groups,
            Err(_) => names.contains(&name),
        };
        if !is_group {
            return Err(
                "refers to a group that the pattern does not have; write `${1}a` for group 1 before a letter, `$$` for a dollar sign",
            );
        }
        rest = after;
    }
    Ok(())
}

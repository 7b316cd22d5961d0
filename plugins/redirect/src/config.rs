//! The configuration as users write it: JSON, or lines of two hosts.

use crate::target::Targets;
use gatewright::{ConfigError, Configuration};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A configuration in either form.
#[derive(Debug)]
pub(crate) struct Config(Fields);

/// Where requests are sent. Two hosts a line are read as well.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fields {
    /// The status of a redirect.
    #[cfg_attr(test, schemars(extend("enum" = [301, 302, 303, 307, 308])))]
    status: u16,
    /// Hosts and those that they lead to, without regard to case and port.
    hosts: BTreeMap<String, String>,
    /// Prefixes of paths; the first that fits is taken.
    paths: Vec<Move>,
}

/// A prefix and what takes its place.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct Move {
    /// The prefix.
    from: String,
    /// A path or a URL.
    to: String,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            status: 301,
            hosts: BTreeMap::new(),
            paths: Vec::new(),
        }
    }
}

impl Configuration for Config {
    fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        match bytes.trim_ascii_start().first() {
            None | Some(b'{') => Fields::from_bytes(bytes).map(Self),
            Some(_) => lines(bytes).map(Self),
        }
    }
}

/// Two hosts a line; empty lines and those that begin with `#` are skipped.
fn lines(bytes: &[u8]) -> Result<Fields, ConfigError> {
    let mut fields = Fields::default();
    let text = core::str::from_utf8(bytes).map_err(|_| ConfigError::new("must be UTF-8"))?;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(from), Some(to), None) = (words.next(), words.next(), words.next()) else {
            let place = ["line ", &(index + 1).to_string()].concat();
            return Err(ConfigError::new("must be two hosts").field(place));
        };
        fields.hosts.insert(from.to_owned(), to.to_owned());
    }
    Ok(fields)
}

impl Config {
    /// The redirects and their status.
    pub(crate) fn targets(self) -> Result<(Targets, u16), ConfigError> {
        let Fields {
            status,
            hosts,
            paths,
        } = self.0;
        let wrong = |field: &str, message: &str| Err(ConfigError::new(message).field(field));
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return wrong("status", "must be 301, 302, 303, 307 or 308");
        }
        if hosts.is_empty() && paths.is_empty() {
            return wrong("", "must have `hosts` or `paths`");
        }
        let mut targets = Targets::default();
        for (from, to) in hosts {
            let place = ["hosts.", &from].concat();
            if !is_authority(&from) || from.contains(':') || !is_authority(&to) {
                return wrong(
                    &place,
                    "must lead from a host to a host, perhaps with a port",
                );
            }
            if from.eq_ignore_ascii_case(&to) {
                return wrong(&place, "leads to itself");
            }
            targets.hosts.insert(from.to_ascii_lowercase(), to);
        }
        for (index, Move { from, to }) in paths.into_iter().enumerate() {
            let place = ["paths[", &index.to_string(), "]"].concat();
            if !from.starts_with('/') {
                return wrong(&[&place, ".from"].concat(), "must begin with `/`");
            }
            if !is_target(&to) {
                let message = "must be a path, or a URL with `http://` or `https://`";
                return wrong(&[&place, ".to"].concat(), message);
            }
            if to.starts_with(&from) {
                return wrong(&place, "leads to itself");
            }
            targets.paths.push((from, to));
        }
        Ok((targets, status))
    }
}

fn is_authority(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

fn is_target(text: &str) -> bool {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    visible && (is_path || is_url)
}

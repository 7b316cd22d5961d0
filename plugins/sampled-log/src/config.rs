//! The configuration as users write it, checked.

use crate::sampling::{ALL, Flag, Sampler};
use gatewright::ConfigError;
use serde::Deserialize;

/// Headers whose values never reach a log.
const ALWAYS_REDACTED: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
];
/// Every one of them may be written with every line.
const MAX_NAMES: usize = 64;

/// Which exchanges are logged, and what of them.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// How many of a million exchanges are in the sample.
    #[cfg_attr(test, schemars(range(max = 1_000_000)))]
    rate: u32,
    /// What the `sampled` flag of `traceparent` means.
    traceparent_flag: Flag,
    /// Responses with this status or a higher one are always logged.
    #[cfg_attr(test, schemars(range(min = 100, max = 599)))]
    always_from_status: Option<u16>,
    /// Headers of the request to log.
    #[cfg_attr(test, schemars(length(max = 64)))]
    request_headers: Vec<String>,
    /// Headers of the response to log.
    #[cfg_attr(test, schemars(length(max = 64)))]
    response_headers: Vec<String>,
    /// Headers of which only the presence is logged.
    #[cfg_attr(test, schemars(length(max = 64)))]
    redact: Vec<String>,
    /// Whether the path is logged with its query, which often carries tokens.
    query: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rate: ALL,
            traceparent_flag: Flag::Ignore,
            always_from_status: None,
            request_headers: Vec::new(),
            response_headers: Vec::new(),
            redact: Vec::new(),
            query: false,
        }
    }
}

/// A configuration that is good.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) sampler: Sampler,
    /// Responses from this status up are logged whatever the sampler says.
    pub(crate) always_from_status: Option<u16>,
    pub(crate) request_headers: Vec<String>,
    pub(crate) response_headers: Vec<String>,
    redact: Vec<String>,
    /// Whether a path is logged with its query.
    pub(crate) query: bool,
}

impl Settings {
    pub(crate) fn is_redacted(&self, name: &str) -> bool {
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        ALWAYS_REDACTED.into_iter().any(is) || self.redact.iter().any(|other| is(other))
    }
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        if self.rate > ALL {
            return Err(
                ConfigError::new("must be at most 1000000, which is every exchange").field("rate"),
            );
        }
        if self
            .always_from_status
            .is_some_and(|status| !(100..=599).contains(&status))
        {
            let message = "must be an HTTP status, from 100 to 599";
            return Err(ConfigError::new(message).field("always_from_status"));
        }
        check_names("request_headers", &self.request_headers)?;
        check_names("response_headers", &self.response_headers)?;
        check_names("redact", &self.redact)?;
        Ok(Settings {
            sampler: Sampler {
                rate: self.rate,
                flag: self.traceparent_flag,
            },
            always_from_status: self.always_from_status,
            request_headers: self.request_headers,
            response_headers: self.response_headers,
            redact: self.redact,
            query: self.query,
        })
    }
}

fn check_names(field: &str, names: &[String]) -> Result<(), ConfigError> {
    if names.len() > MAX_NAMES {
        return Err(ConfigError::new("must have at most 64 names").field(field));
    }
    let bad = names.iter().position(|name| {
        let token = name.strip_prefix(':').unwrap_or(name);
        token.is_empty()
            || !token
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b':')
    });
    match bad {
        Some(index) => {
            let place = [field, "[", &index.to_string(), "]"].concat();
            Err(ConfigError::new("must be a header name").field(place))
        }
        None => Ok(()),
    }
}

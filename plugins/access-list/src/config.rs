//! The configuration as users write it: JSON, or lines of denied values.

use crate::decision::Rules;
use gatewright::{ConfigError, Configuration, is_header_name, is_header_value};
use serde::Deserialize;
use std::collections::BTreeSet;

/// A configuration in either form.
#[derive(Debug)]
pub(crate) struct Config(Fields);

/// Which requests pass, by the value of a header. One denied value a line is read as well.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fields {
    /// Whose value decides.
    header: String,
    /// Values that do not pass.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    deny: BTreeSet<String>,
    /// Values that pass; others then do not.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    allow: BTreeSet<String>,
    /// The value must be a URL of one of these hosts or of a subdomain.
    allow_url_hosts: Vec<String>,
    /// What comes of a request without the header.
    missing: Missing,
    /// A header that requests which pass get, in place of the client's own.
    mark: Option<Mark>,
    /// Of a refusal.
    #[cfg_attr(test, schemars(range(min = 400, max = 599)))]
    status: u16,
    /// The body of a refusal for a value.
    denied_text: String,
    /// The body of a refusal for want of one.
    missing_text: String,
    /// Whether a refusal gets a random id in its body and in the log.
    request_id: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(rename_all = "lowercase")]
enum Missing {
    Allow,
    Deny,
}

/// A header that tells backends that a request was let through.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            header: "user-token".to_owned(),
            deny: BTreeSet::new(),
            allow: BTreeSet::new(),
            allow_url_hosts: Vec::new(),
            missing: Missing::Deny,
            mark: None,
            status: 403,
            denied_text: "Access forbidden.\n".to_owned(),
            missing_text: "Access forbidden - token missing.\n".to_owned(),
            request_id: false,
        }
    }
}

/// A configuration that is good.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) header: String,
    pub(crate) rules: Rules,
    pub(crate) mark: Option<Mark>,
    pub(crate) status: u16,
    pub(crate) denied_text: String,
    pub(crate) missing_text: String,
    /// Whether a refusal gets an id, by which the client's message is found in the log.
    pub(crate) request_id: bool,
}

impl Configuration for Config {
    fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.trim_ascii_start().starts_with(b"{") {
            return Fields::from_bytes(bytes).map(Self);
        }
        let text = core::str::from_utf8(bytes).map_err(|_| ConfigError::new("must be UTF-8"))?;
        let lines = text.lines().map(str::trim_ascii);
        Ok(Self(Fields {
            deny: lines
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect(),
            ..Fields::default()
        }))
    }
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        let fields = self.0;
        let wrong = |field: &str, message: &str| Err(ConfigError::new(message).field(field));
        if !is_header_name(&fields.header) {
            return wrong("header", "must be a header name");
        }
        let mut allow_url_hosts = Vec::with_capacity(fields.allow_url_hosts.len());
        for (index, host) in fields.allow_url_hosts.into_iter().enumerate() {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            if host.is_empty() || host.starts_with('.') || !host.bytes().all(fits) {
                let place = ["allow_url_hosts[", &index.to_string(), "]"].concat();
                return wrong(&place, "must be a host such as `example.com`");
            }
            allow_url_hosts.push(host.to_ascii_lowercase());
        }
        if let Some(mark) = &fields.mark {
            if !is_header_name(&mark.name) {
                return wrong("mark.name", "must be a header name");
            }
            if !is_header_value(&mark.value) {
                return wrong("mark.value", "must not contain control characters");
            }
        }
        if !(400..=599).contains(&fields.status) {
            return wrong("status", "must be from 400 to 599");
        }
        Ok(Settings {
            header: fields.header,
            rules: Rules {
                deny: fields.deny,
                allow: fields.allow,
                allow_url_hosts,
                allow_missing: fields.missing == Missing::Allow,
            },
            mark: fields.mark,
            status: fields.status,
            denied_text: fields.denied_text,
            missing_text: fields.missing_text,
            request_id: fields.request_id,
        })
    }
}

//! The configuration as users write it: JSON, or the three lines of Google's sample.

use crate::token::Signer;
use gatewright::{ConfigError, Configuration};
use serde::Deserialize;

/// A configuration in either form.
#[derive(Debug)]
pub(crate) struct Config(Fields);

/// How URLs are signed. Google's sample has three of the fields as `name: value`, one a line, which
/// is read as well.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    /// The shared secret of the key set, as hexadecimal digits.
    #[cfg_attr(test, schemars(length(min = 32, max = 256)))]
    private_key_hex: String,
    /// The name of the key in the set.
    #[cfg_attr(test, schemars(length(min = 1)))]
    key_name: String,
    /// How long a token is good.
    #[serde(default = "an_hour")]
    #[cfg_attr(test, schemars(range(min = 60, max = 86400)))]
    expiry_seconds: u64,
    /// Whose URLs are signed; all if none is named.
    #[serde(default)]
    url_hosts: Vec<String>,
    /// Prefixes of the types of responses that are looked into.
    #[serde(default = "manifests")]
    content_types: Vec<String>,
}

const fn an_hour() -> u64 {
    3600
}

fn manifests() -> Vec<String> {
    [
        "application/vnd.apple.mpegurl",
        "application/x-mpegurl",
        "audio/mpegurl",
        "audio/x-mpegurl",
        "application/dash+xml",
        "application/json",
        "text/",
    ]
    .map(str::to_owned)
    .into()
}

/// A configuration that is good.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) signer: Signer,
    /// Prefixes in lower case.
    content_types: Vec<String>,
}

impl Settings {
    /// A response that does not say what it is may be a manifest.
    pub(crate) fn signs(&self, content_type: &[u8]) -> bool {
        let begins = |prefix: &String| content_type.starts_with(prefix.as_bytes());
        content_type.is_empty() || self.content_types.iter().any(begins)
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

/// `name: value` a line, a value perhaps in quotes; empty lines and those that begin with `#` are
/// skipped.
fn lines(bytes: &[u8]) -> Result<Fields, ConfigError> {
    let text = core::str::from_utf8(bytes).map_err(|_| wrong("", "must be UTF-8"))?;
    let mut fields = Fields {
        private_key_hex: String::new(),
        key_name: String::new(),
        expiry_seconds: an_hour(),
        url_hosts: Vec::new(),
        content_types: manifests(),
    };
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim_ascii();
        let quoted = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        let value = quoted.unwrap_or(value);
        match name.trim_ascii() {
            "private_key_hex" => fields.private_key_hex = value.to_owned(),
            "key_name" => fields.key_name = value.to_owned(),
            "expiry_seconds" => {
                fields.expiry_seconds = value
                    .parse()
                    .map_err(|_| wrong("expiry_seconds", "must be a number of seconds"))?;
            }
            _ => {
                let place = ["line ", &(index + 1).to_string()].concat();
                let message = "must be `private_key_hex`, `key_name` or `expiry_seconds`, a colon and a value";
                return Err(wrong(&place, message));
            }
        }
    }
    Ok(fields)
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        let fields = self.0;
        let key = from_hex(&fields.private_key_hex)
            .filter(|key| (16..=128).contains(&key.len()))
            .ok_or_else(|| wrong("private_key_hex", "must be 32 to 256 hexadecimal digits"))?;
        let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if fields.key_name.is_empty() || !fields.key_name.bytes().all(name) {
            return Err(wrong("key_name", "must be the name of a key in a key set"));
        }
        if !(60..=86_400).contains(&fields.expiry_seconds) {
            return Err(wrong("expiry_seconds", "must be from 60 to 86400"));
        }
        for (index, host) in fields.url_hosts.iter().enumerate() {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            if host.is_empty() || !host.bytes().all(fits) {
                let place = ["url_hosts[", &index.to_string(), "]"].concat();
                return Err(wrong(&place, "must be a host"));
            }
        }
        let signer = Signer::new(
            &key,
            fields.key_name,
            fields.expiry_seconds,
            fields.url_hosts,
        );
        let types = fields.content_types.iter();
        Ok(Settings {
            signer: signer.ok_or_else(|| wrong("private_key_hex", "is no key"))?,
            content_types: types.map(|prefix| prefix.to_ascii_lowercase()).collect(),
        })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

fn wrong(field: &str, message: &str) -> ConfigError {
    ConfigError::new(message).field(field)
}

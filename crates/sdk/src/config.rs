//! The plugin's configuration: bytes from the host, a typed value for the plugin.

mod json;
#[cfg(feature = "schema")]
mod schema;

use core::fmt;
use serde::de::DeserializeOwned;

/// A configuration that is wrong.
///
/// A parser says where by line and column. A plugin that checks a parsed value itself names the
/// field, and line and column are looked up before the log line is written:
///
/// ```
/// use gatewright::ConfigError;
///
/// let error = ConfigError::new("must lie between 0 and 1000000").field("sampling.rate");
/// assert_eq!(error.to_string(), "`sampling.rate`: must lie between 0 and 1000000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    message: String,
    field: String,
    position: Option<(usize, usize)>,
}

impl ConfigError {
    /// An error that says what is wrong, without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            field: String::new(),
            position: None,
        }
    }

    /// Names the field, such as `rules[2].name`.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// Line and column of what is wrong, both from 1, where known.
    pub const fn position(&self) -> Option<(usize, usize)> {
        self.position
    }

    /// Looks up line and column of the field that the error names.
    pub(crate) fn locate(mut self, bytes: &[u8]) -> Self {
        if self.position.is_none() && !self.field.is_empty() {
            self.position =
                json::find(bytes, &self.field).map(|start| json::line_and_column(bytes, start));
        }
        self
    }

    fn from_json(bytes: &[u8], error: &serde_json::Error) -> Self {
        let text = error.to_string();
        // By bytes: a search in text would link 3 KB of code.
        const SUFFIX: &[u8] = b" at line ";
        let end = text
            .as_bytes()
            .windows(SUFFIX.len())
            .rposition(|part| part == SUFFIX);
        let message = end.and_then(|end| text.get(..end)).unwrap_or(&text);
        let mut wrong = Self::new(message);
        // Where the text is no JSON at all, the place where reading stopped is the place.
        // Otherwise a value is wrong, and reading stopped after it.
        if error.is_data() {
            let end = json::offset_of(bytes, error.line(), error.column());
            if let Some(place) = json::last_before(bytes, end) {
                wrong.position = Some(json::line_and_column(bytes, place.start));
                wrong.field = place.path;
            }
        } else {
            wrong.position = Some((error.line(), error.column()));
        }
        wrong
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "`{}`: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if let Some((line, column)) = self.position {
            write!(f, " at line {line} column {column}")?;
        }
        Ok(())
    }
}

impl core::error::Error for ConfigError {}

/// A type that a plugin's configuration can be read as.
///
/// Every type that serde can deserialise is one, from JSON. A configuration that is empty or only
/// white space is read as `{}`, so a type whose fields all have defaults needs no configuration.
/// Implement it yourself for another format:
///
/// ```
/// use gatewright::{ConfigError, Configuration};
///
/// /// One user name a line.
/// struct Denied(Vec<String>);
///
/// impl Configuration for Denied {
///     fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
///         let text = std::str::from_utf8(bytes).map_err(|_| ConfigError::new("not UTF-8"))?;
///         Ok(Self(text.lines().map(String::from).collect()))
///     }
/// }
/// assert_eq!(Denied::from_bytes(b"eve\nmallory")?.0, ["eve", "mallory"]);
/// # Ok::<(), ConfigError>(())
/// ```
pub trait Configuration: Sized {
    /// Reads the configuration.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError>;
}

impl<T: DeserializeOwned> Configuration for T {
    fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        let bytes = if is_blank(bytes) { b"{}" } else { bytes };
        serde_json::from_slice(bytes).map_err(|error| ConfigError::from_json(bytes, &error))
    }
}

/// For a plugin that takes no configuration: nothing and `{}` are accepted, and anything else is
/// refused, since whoever wrote it expects it to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoConfig;

impl Configuration for NoConfig {
    fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        let mut rest = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
        match (rest.next(), rest.next(), rest.next()) {
            (None, ..) | (Some(b'{'), Some(b'}'), None) => Ok(Self),
            _ => Err(ConfigError::new(
                "this plugin takes no configuration; remove it",
            )),
        }
    }
}

/// The configuration as bytes, whatever they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawConfig(pub Vec<u8>);

impl Configuration for RawConfig {
    fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        Ok(Self(bytes.to_vec()))
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests;

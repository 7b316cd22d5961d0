//! The configuration as users write it, checked.

use crate::mask::Pattern;
use gatewright::ConfigError;
use serde::Deserialize;
use std::rc::Rc;

/// Each pattern is a pass over every body.
const MAX_PATTERNS: usize = 8;

/// What is masked, and where.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// What is looked for, in order: `X` is a digit that is masked, `9` one that stays, every other
    /// character itself.
    #[cfg_attr(test, schemars(length(min = 1, max = 8)))]
    patterns: Vec<String>,
    /// Prefixes of the types whose bodies are looked into; every type if there are none.
    content_types: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            patterns: vec!["XXXX-XXXX-XXXX-9999".to_owned(), "XXXXXXX999".to_owned()],
            content_types: Vec::new(),
        }
    }
}

/// A configuration that is good.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) patterns: Rc<[Pattern]>,
    /// Prefixes in lower case; bodies of every type are looked into if there are none.
    content_types: Vec<String>,
}

impl Settings {
    pub(crate) fn looks_into(&self, content_type: &[u8]) -> bool {
        let content_type = content_type.to_ascii_lowercase();
        let begins = |prefix: &String| content_type.starts_with(prefix.as_bytes());
        self.content_types.is_empty() || self.content_types.iter().any(begins)
    }
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        if !(1..=MAX_PATTERNS).contains(&self.patterns.len()) {
            return Err(ConfigError::new("must have 1 to 8 patterns").field("patterns"));
        }
        let mut patterns = Vec::with_capacity(self.patterns.len());
        for (index, text) in self.patterns.iter().enumerate() {
            let place = ["patterns[", &index.to_string(), "]"].concat();
            let wrong = |message| ConfigError::new(message).field(place);
            patterns.push(Pattern::parse(text).map_err(wrong)?);
        }
        let content_types = self.content_types.iter();
        Ok(Settings {
            patterns: patterns.into(),
            content_types: content_types
                .map(|prefix| prefix.to_ascii_lowercase())
                .collect(),
        })
    }
}

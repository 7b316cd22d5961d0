//! The configuration as users write it, checked.

use crate::rules::{Rule, Rules};
use gatewright::{ConfigError, is_header_name, is_header_value};
use serde::Deserialize;

/// How devices are told apart.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where the class is written.
    header: String,
    /// Tried in order; the first that fits decides.
    rules: Vec<RuleField>,
    /// The class where none fits.
    #[cfg_attr(test, schemars(length(min = 1)))]
    otherwise: String,
}

/// A class, and what a header has in it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct RuleField {
    /// The class.
    #[serde(rename = "type")]
    #[cfg_attr(test, schemars(length(min = 1)))]
    class: String,
    /// What is looked at.
    #[serde(default = "user_agent")]
    header: String,
    /// One of these must be in the value; case does not matter.
    #[serde(default)]
    contains: Vec<String>,
    /// Or one of these must be the value.
    #[serde(default)]
    equals: Vec<String>,
}

fn user_agent() -> String {
    "user-agent".to_owned()
}

impl Default for Config {
    /// As Google's sample classifies.
    fn default() -> Self {
        let rule = |class: &str, contains: &[&str]| RuleField {
            class: class.to_owned(),
            header: user_agent(),
            contains: contains.iter().map(|&word| word.to_owned()).collect(),
            equals: Vec::new(),
        };
        Self {
            header: "x-device-type".to_owned(),
            rules: vec![
                rule("bot", &["bot", "crawler", "spider", "slurp"]),
                rule(
                    "tablet",
                    &[
                        "pad", "tab", "kindle", "playbook", "nexus 7", "sm-t", "gt-p",
                    ],
                ),
                rule(
                    "phone",
                    &[
                        "mobile",
                        "android",
                        "iphone",
                        "ipod",
                        "blackberry",
                        "windows phone",
                        "webos",
                        "opera mini",
                    ],
                ),
                rule(
                    "desktop",
                    &[
                        "mozilla", "chrome", "chromium", "safari", "firefox", "msie", "opera",
                        "edge", "vivaldi",
                    ],
                ),
            ],
            otherwise: "other".to_owned(),
        }
    }
}

impl Config {
    pub(crate) fn rules(self) -> Result<Rules, ConfigError> {
        check(
            is_header_name(&self.header),
            "header",
            "must be a header name",
        )?;
        check(
            is_value(&self.otherwise),
            "otherwise",
            "must be a header value",
        )?;
        let mut rules = Vec::with_capacity(self.rules.len());
        for (index, mut rule) in self.rules.into_iter().enumerate() {
            let place = ["rules[", &index.to_string(), "]"].concat();
            let at = |field: &str| [&place, ".", field].concat();
            check(is_value(&rule.class), &at("type"), "must be a header value")?;
            check(
                is_header_name(&rule.header),
                &at("header"),
                "must be a header name",
            )?;
            let empty = |words: &[String]| words.iter().any(String::is_empty);
            check(
                !empty(&rule.contains),
                &at("contains"),
                "has an empty text, which is in all",
            )?;
            let has_some = !rule.contains.is_empty() || !rule.equals.is_empty();
            check(has_some, &place, "must have `contains` or `equals`")?;
            for word in rule.contains.iter_mut().chain(&mut rule.equals) {
                word.make_ascii_lowercase();
            }
            rules.push(Rule {
                class: rule.class,
                header: rule.header.to_ascii_lowercase(),
                contains: rule.contains,
                equals: rule.equals,
            });
        }
        Ok(Rules {
            header: self.header,
            rules,
            otherwise: self.otherwise,
        })
    }
}

fn check(good: bool, field: &str, message: &str) -> Result<(), ConfigError> {
    if good {
        return Ok(());
    }
    Err(ConfigError::new(message).field(field))
}

fn is_value(text: &str) -> bool {
    !text.is_empty() && is_header_value(text)
}

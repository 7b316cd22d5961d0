//! The configuration as users write it, checked.

use crate::page::{Rule, Text};
use gatewright::{ConfigError, is_header_name, is_header_value};
use serde::Deserialize;

/// The page where none is configured.
const PAGE: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>Error ${status}</title></head>
<body>
<h1>Error ${status}</h1>
<p>Something went wrong. Please try again later.</p>
<p>Trace: <code>${trace}</code></p>
</body>
</html>
";

/// Which responses are replaced, and by what.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The first whose range has the status decides.
    rules: Vec<RuleField>,
}

/// A range of statuses, and the reply.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct RuleField {
    /// The first status of the range.
    #[cfg_attr(test, schemars(range(min = 300, max = 599)))]
    from: u16,
    /// The last one.
    #[cfg_attr(test, schemars(range(min = 300, max = 599)))]
    to: u16,
    /// The status of the reply; that of the response if there is none.
    #[cfg_attr(test, schemars(range(min = 200, max = 599)))]
    status: Option<u16>,
    /// Its headers; values may quote as the body does.
    #[serde(default = "html")]
    headers: Vec<HeaderField>,
    /// May quote `${status}` and `${trace}`; `$$` is a dollar sign.
    #[serde(default = "page")]
    body: String,
}

/// A header of the reply.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct HeaderField {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

fn html() -> Vec<HeaderField> {
    vec![HeaderField {
        name: "content-type".to_owned(),
        value: "text/html; charset=utf-8".to_owned(),
    }]
}

fn page() -> String {
    PAGE.to_owned()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rules: vec![RuleField {
                from: 400,
                to: 599,
                status: None,
                headers: html(),
                body: page(),
            }],
        }
    }
}

impl Config {
    pub(crate) fn rules(self) -> Result<Vec<Rule>, ConfigError> {
        let mut rules = Vec::with_capacity(self.rules.len());
        for (index, field) in self.rules.into_iter().enumerate() {
            let place = ["rules[", &index.to_string(), "]"].concat();
            rules.push(field.rule(&place)?);
        }
        Ok(rules)
    }
}

impl RuleField {
    fn rule(self, place: &str) -> Result<Rule, ConfigError> {
        let wrong =
            |field: &str, message: &str| ConfigError::new(message).field([place, field].concat());
        // A reply in the place of a good response would hide it; one in the place of an
        // informational one is no reply.
        if !(300..=599).contains(&self.from) || !(self.from..=599).contains(&self.to) {
            return Err(wrong(
                "",
                "must have statuses `from` 300 `to` 599, in order",
            ));
        }
        if self
            .status
            .is_some_and(|status| !(200..=599).contains(&status))
        {
            return Err(wrong(
                ".status",
                "must be a final HTTP status, from 200 to 599",
            ));
        }
        let mut headers = Vec::with_capacity(self.headers.len());
        for (index, HeaderField { name, value }) in self.headers.into_iter().enumerate() {
            let at = |field: &str| [".headers[", &index.to_string(), "].", field].concat();
            if !is_header_name(&name) || name.eq_ignore_ascii_case("content-length") {
                let message = "must be a header name, and not that of the body's length";
                return Err(wrong(&at("name"), message));
            }
            if !is_header_value(&value) {
                return Err(wrong(&at("value"), "must not contain control characters"));
            }
            let text = Text::parse(&value).map_err(|message| wrong(&at("value"), message))?;
            headers.push((name, text));
        }
        Ok(Rule {
            from: self.from,
            to: self.to,
            status: self.status,
            headers,
            body: Text::parse(&self.body).map_err(|message| wrong(".body", message))?,
        })
    }
}

//! Tells backends what the load balancer knows of a client, in headers that no client can forge.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

use gatewright::{
    ConfigError, Flow, HostError, Plugin, RequestHeaders, Stream, attributes, is_header_name,
    is_header_value,
};
use serde::Deserialize;
use std::rc::Rc;

/// Headers that say what the load balancer knows.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Headers, each with the attribute that it gets.
    #[cfg_attr(test, schemars(length(min = 1)))]
    headers: Vec<Mapping>,
}

/// A header and the attribute that it gets.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct Mapping {
    /// The header, which a client cannot forge.
    header: String,
    /// A path such as `source.client_region`.
    attribute: String,
    /// The value where the attribute is missing or empty.
    otherwise: Option<String>,
}

impl Default for Config {
    /// The country, as Google's sample for geographic routing has it.
    fn default() -> Self {
        Self {
            headers: vec![Mapping {
                header: "x-country-code".to_owned(),
                attribute: "source.client_region".to_owned(),
                otherwise: None,
            }],
        }
    }
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        if self.headers.is_empty() {
            return Err(ConfigError::new("must name a header").field("headers"));
        }
        for (index, mapping) in self.headers.iter().enumerate() {
            let wrong = |field: &str, message: &str| {
                let place = ["headers[", &index.to_string(), "].", field].concat();
                Err(ConfigError::new(message).field(place))
            };
            if !is_header_name(&mapping.header) {
                return wrong("header", "must be a header name");
            }
            if mapping.attribute.split('.').any(str::is_empty) {
                return wrong("attribute", "must be a path such as `source.client_region`");
            }
            if !is_header_value(mapping.otherwise.as_deref().unwrap_or_default()) {
                return wrong("otherwise", "must not contain control characters");
            }
        }
        Ok(())
    }
}

struct AttributeHeaders(Config);

impl Plugin for AttributeHeaders {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self(config))
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<AttributeHeaders>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        for mapping in &self.0.0.headers {
            let value = attributes::raw(mapping.attribute.split('.'))?
                .filter(|value| !value.is_empty())
                .or_else(|| mapping.otherwise.clone().map(String::into_bytes));
            match value {
                Some(value) => headers.set(&mapping.header, value)?,
                // Whoever reads the header must not read the client's own.
                None => headers.remove(&mapping.header)?,
            }
        }
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(AttributeHeaders);

#[cfg(test)]
mod tests;

//! Sets a header on every request.

use gatewright::{ConfigError, Flow, HostError, Plugin, RequestHeaders, Stream};
use serde::Deserialize;
use std::rc::Rc;

/// The plugin's configuration, as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
struct Config {
    /// Name of the header.
    name: String,
    /// Its value.
    value: String,
}

struct SetHeader(Config);

impl Plugin for SetHeader {
    type Config = Config;
    type Stream = Visit;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        if config.name.is_empty() {
            return Err(ConfigError::new("must not be empty").field("name"));
        }
        Ok(Self(config))
    }

    fn stream(self: &Rc<Self>) -> Visit {
        Visit(Rc::clone(self))
    }
}

struct Visit(Rc<SetHeader>);

impl Stream for Visit {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let config = &self.0.0;
        headers.set(&config.name, &config.value)?;
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(SetHeader);

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright::testing::TestPlugin;

    gatewright::config_schema!(Config);

    #[test]
    fn the_header_is_set() {
        let plugin =
            TestPlugin::<SetHeader>::configure(r#"{"name": "x-a", "value": "1"}"#).unwrap();
        let seen = plugin
            .stream()
            .request_headers([(":path", "/"), ("X-A", "0")]);
        assert_eq!(seen.headers.get("x-a"), Some(&b"1"[..]));
    }

    #[test]
    fn a_header_without_a_name_is_refused() {
        let config = r#"{"name": "", "value": "1"}"#;
        let refused = TestPlugin::<SetHeader>::configure(config).unwrap_err();
        assert!(refused.logs[0].1.contains("`name`: must not be empty"));
    }
}

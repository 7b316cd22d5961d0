//! The plugin of Google's documentation on configuration: logs what it is configured with.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

use gatewright::{ConfigError, Flow, HostError, Plugin, RawConfig, RequestHeaders, Stream};
use std::rc::Rc;

struct Secret(String);

impl Plugin for Secret {
    type Config = RawConfig;
    type Stream = Exchange;

    fn configure(config: RawConfig) -> Result<Self, ConfigError> {
        match String::from_utf8(config.0) {
            Ok(secret) => Ok(Self(secret)),
            Err(_) => Err(ConfigError::new("must be UTF-8")),
        }
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<Secret>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, _: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        gatewright::log::info!("secret: {}", self.0.0);
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(Secret);

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright::testing::TestPlugin;

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    gatewright::config_schema!(RawConfig);

    #[test]
    fn the_configuration_is_logged_as_it_came() {
        let plugin = TestPlugin::<Secret>::configure(" my secret\n").unwrap();
        let seen = plugin.stream().request_headers([(":path", "/")]);
        assert_eq!(seen.messages(), ["secret:  my secret\n"]);
        assert!(seen.goes_on());
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let refused = TestPlugin::<Secret>::configure(b"\xff").unwrap_err();
        assert_eq!(refused.logs[0].1, "configuration refused: must be UTF-8");
    }
}

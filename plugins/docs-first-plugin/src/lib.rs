//! The first plugin of Google's documentation: another host, another path, a header and two lines
//! of log.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

use gatewright::{
    ConfigError, Flow, HostError, NoConfig, Plugin, RequestHeaders, ResponseHeaders, Stream,
};
use std::rc::Rc;

struct First;

impl Plugin for First {
    type Config = NoConfig;
    type Stream = Self;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn stream(self: &Rc<Self>) -> Self {
        Self
    }
}

impl Stream for First {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        gatewright::log::info!("onRequestHeaders: hello from wasm");
        headers.set(":authority", "service-extensions.com")?;
        headers.set(":path", "/")?;
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        gatewright::log::info!("onResponseHeaders: hello from wasm");
        headers.append("hello", "service-extensions")?;
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(First);

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright::testing::TestPlugin;

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    gatewright::config_schema!(NoConfig);

    #[test]
    fn sends_every_request_to_one_place() {
        let mut stream = TestPlugin::<First>::configure("").unwrap().stream();
        let seen = stream.request_headers([(":authority", "a"), (":path", "/b?c")]);
        let expected = [(":authority", "service-extensions.com"), (":path", "/")];
        assert_eq!(seen.headers, expected.into_iter().collect());
        assert_eq!(seen.messages(), ["onRequestHeaders: hello from wasm"]);
    }

    #[test]
    fn greets_beside_a_greeting_that_is_there() {
        let mut stream = TestPlugin::<First>::configure("{}").unwrap().stream();
        let seen = stream.response_headers([("hello", "you")]);
        let expected = [("hello", "you"), ("hello", "service-extensions")];
        assert_eq!(seen.headers, expected.into_iter().collect());
    }

    #[test]
    fn a_configuration_is_refused() {
        assert!(TestPlugin::<First>::configure("path: /").is_err());
    }
}

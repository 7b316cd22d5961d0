//! Appends a text to every chunk of a body: shows how a body arrives, which no plugin should
//! depend on.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

use gatewright::{
    Coding, ConfigError, Flow, Headers, HostError, Plugin, RequestBody, RequestHeaders,
    ResponseBody, ResponseHeaders, Side, Stream,
};
use serde::Deserialize;
use std::rc::Rc;

/// What follows each chunk of a body.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// What follows each chunk of a request; nothing leaves requests alone.
    request: String,
    /// The same for responses.
    response: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request: "foo".to_owned(),
            response: "bar".to_owned(),
        }
    }
}

struct Chunking(Config);

impl Plugin for Chunking {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        Ok(Self(config))
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange {
            plugin: Rc::clone(self),
            request_is_encoded: false,
            response_is_encoded: false,
        }
    }
}

struct Exchange {
    plugin: Rc<Chunking>,
    request_is_encoded: bool,
    response_is_encoded: bool,
}

/// Says whether the body is encoded, and must be left alone.
fn prepare<S: Side>(headers: &mut Headers<'_, S>, text: &str) -> Result<bool, HostError> {
    if text.is_empty() || headers.is_end_of_stream() {
        return Ok(false);
    }
    Ok(headers.prepare_body_change()? != Coding::Plain)
}

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        self.request_is_encoded = prepare(headers, &self.plugin.0.request)?;
        Ok(Flow::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<Flow, HostError> {
        if !self.request_is_encoded && !self.plugin.0.request.is_empty() {
            body.append(&self.plugin.0.request)?;
        }
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        self.response_is_encoded = prepare(headers, &self.plugin.0.response)?;
        Ok(Flow::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
        if self.response_is_encoded || self.plugin.0.response.is_empty() {
            return Ok(());
        }
        body.append(&self.plugin.0.response)
    }
}

gatewright::plugin!(Chunking);

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright::testing::{TestPlugin, TestStream};

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    gatewright::config_schema!(Config);

    fn stream(configuration: &str) -> TestStream {
        let plugin = TestPlugin::<Chunking>::configure(configuration).unwrap();
        plugin.stream()
    }

    #[test]
    fn each_chunk_is_followed_by_the_text() {
        let mut stream = stream("");
        assert_eq!(stream.request_body("12", false).body, b"12foo");
        assert_eq!(stream.request_body("", true).body, b"foo");
        assert_eq!(stream.response_body("12", true).body, b"12bar");
    }

    #[test]
    fn without_a_text_nothing_is_touched() {
        let mut stream = stream(r#"{"request": "", "response": ""}"#);
        let seen = stream.response_headers([("content-length", "2")]);
        assert!(seen.headers.contains("content-length"));
        let seen = stream.response_body("12", true);
        assert_eq!((seen.body, seen.calls), (b"12".to_vec(), vec![]));
    }

    #[test]
    fn the_length_goes_and_an_encoded_body_stays() {
        let mut stream = stream("");
        let seen = stream.request_headers([("content-length", "2")]);
        assert!(!seen.headers.contains("content-length"));
        let seen = stream.response_headers([("content-length", "2"), ("content-encoding", "gzip")]);
        assert!(seen.headers.contains("content-length"));
        assert_eq!(stream.response_body("12", true).body, b"12");
    }
}

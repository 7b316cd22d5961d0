//! Replaces a word in the body of HTML responses, as it streams by.

use gatewright::{
    ConfigError, Flow, HostError, NoConfig, Plugin, RequestHeaders, ResponseBody, ResponseHeaders,
    Rewrite, Stream, Transform,
};
use std::rc::Rc;

const FROM: &[u8] = b"http://";
const TO: &[u8] = b"https://";

struct Secure;

impl Plugin for Secure {
    type Config = NoConfig;
    type Stream = Visit;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn stream(self: &Rc<Self>) -> Visit {
        Visit::default()
    }
}

#[derive(Default)]
struct Visit {
    rewrite: Rewrite<Replace>,
}

impl Stream for Visit {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        headers.ask_for_plain_body()?;
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        let is_html = headers
            .get("content-type")?
            .is_some_and(|value| value.starts_with(b"text/html"));
        if !is_html {
            self.rewrite.leave();
        }
        // Headers leave before the body comes, so its length goes now.
        if self.rewrite.prepare(headers)?.is_some() {
            gatewright::log::warn!("the body is encoded and stays as it is");
        }
        Ok(Flow::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
        self.rewrite.pass(body, || Ok(Replace::default()))
    }
}

/// Holds back what may be the beginning of the word, until the next chunk shows whether it is.
#[derive(Default)]
struct Replace {
    held: Vec<u8>,
}

impl Transform for Replace {
    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for byte in chunk {
            self.held.push(*byte);
            while !FROM.starts_with(&self.held) {
                out.push(self.held.remove(0));
            }
            if self.held == FROM {
                self.held.clear();
                out.extend_from_slice(TO);
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }
}

gatewright::plugin!(Secure);

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright::testing::TestPlugin;

    #[test]
    fn a_word_that_is_cut_by_a_chunk_is_replaced() {
        let plugin = TestPlugin::<Secure>::configure("").unwrap();
        let mut stream = plugin.stream();
        let seen =
            stream.response_headers([("content-type", "text/html"), ("content-length", "9")]);
        assert!(!seen.headers.contains("content-length"));
        assert_eq!(stream.response_body("see htt", false).body, b"see ");
        assert_eq!(
            stream.response_body("p://a, http", true).body,
            b"https://a, http"
        );
    }
}

//! Masks card numbers and other codes in the headers and bodies of responses.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod mask;

use config::{Config, Settings};
use gatewright::{
    ConfigError, Flow, HeaderList, HostError, Plugin, RequestHeaders, ResponseBody,
    ResponseHeaders, Rewrite, Stream,
};
use mask::{Masker, Pattern};
use std::rc::Rc;

struct CheckPii(Settings);

impl Plugin for CheckPii {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.settings().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange {
            plugin: Rc::clone(self),
            rewrite: Rewrite::default(),
        }
    }
}

struct Exchange {
    plugin: Rc<CheckPii>,
    rewrite: Rewrite<Masker>,
}

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        // A compressed body shows no numbers.
        headers.ask_for_plain_body()?;
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        let settings = &self.plugin.0;
        headers.edit(|list| mask_headers(&settings.patterns, list))?;
        if !headers.is_end_of_stream() {
            let content_type = headers.get("content-type")?.unwrap_or_default();
            if !settings.looks_into(&content_type) {
                self.rewrite.leave();
            }
            // Masking keeps the length, but digests of the body would be wrong.
            if self.rewrite.prepare(headers)?.is_some() {
                gatewright::log::warn!("check-pii: the body is encoded and was not looked into");
            }
        }
        Ok(Flow::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
        let patterns = &self.plugin.0.patterns;
        self.rewrite.pass(body, || Ok(Masker::new(patterns)))
    }
}

/// Masks values in place. Pseudo-headers and what frames the body are no text.
fn mask_headers(patterns: &Rc<[Pattern]>, headers: &mut HeaderList) {
    let is_framing =
        |name: &[u8]| name.starts_with(b":") || name.eq_ignore_ascii_case(b"content-length");
    let mut changed: Vec<Vec<u8>> = Vec::new();
    for (name, value) in &*headers {
        let known = changed.iter().any(|known| known.eq_ignore_ascii_case(name));
        if !known && !is_framing(name) && mask::masked(patterns, value).is_some() {
            changed.push(name.to_vec());
        }
    }
    for name in changed {
        let values: Vec<Vec<u8>> = headers
            .get_all(&name)
            .map(|value| mask::masked(patterns, value).unwrap_or_else(|| value.to_vec()))
            .collect();
        headers.remove(&name);
        headers.extend(values.iter().map(|value| (&name, value)));
    }
}

gatewright::plugin!(CheckPii);

#[cfg(test)]
mod tests;

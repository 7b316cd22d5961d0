//! Signs the URLs in manifests and other texts with tokens that Media CDN checks.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod scan;
mod token;

use config::{Config, Settings};
use gatewright::{
    ConfigError, Flow, HostError, Plugin, RequestHeaders, ResponseBody, ResponseHeaders, Rewrite,
    Stream,
};
use scan::{Markup, Scanner};
use std::rc::Rc;

struct CdnToken(Rc<Settings>);

impl Plugin for CdnToken {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.settings().map(|settings| Self(Rc::new(settings)))
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange {
            settings: Rc::clone(&self.0),
            markup: Markup::Unknown,
            rewrite: Rewrite::default(),
        }
    }
}

struct Exchange {
    settings: Rc<Settings>,
    markup: Markup,
    rewrite: Rewrite<Scanner>,
}

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        headers.ask_for_plain_body()?;
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        let content_type = headers.get("content-type")?.unwrap_or_default();
        let content_type = content_type.to_ascii_lowercase();
        if !self.settings.signs(&content_type) {
            self.rewrite.leave();
        }
        if content_type.windows(3).any(|part| part == b"xml") {
            self.markup = Markup::Xml;
        }
        if self.rewrite.prepare(headers)?.is_some() {
            gatewright::log::warn!("cdn-token: the body is encoded and was not signed");
        }
        Ok(Flow::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
        let (settings, markup) = (&self.settings, self.markup);
        self.rewrite.pass(body, || {
            let now = gatewright::unix_time()?.as_secs();
            Ok(Scanner::new(settings.signer.at(now), markup))
        })
    }
}

gatewright::plugin!(CdnToken);

#[cfg(test)]
mod tests;

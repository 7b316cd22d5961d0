//! Edits HTML as it streams by: inserts, replaces and deletes by CSS selectors.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod content;
mod host;
mod page;
mod rules;

use config::{Config, Settings};
use gatewright::{
    ConfigError, Flow, HostError, Plugin, RequestHeaders, ResponseBody, ResponseHeaders, Rewrite,
    Stream,
};
use page::Page;
use std::rc::Rc;

struct HtmlRewrite(Settings);

impl Plugin for HtmlRewrite {
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
    plugin: Rc<HtmlRewrite>,
    rewrite: Rewrite<Box<Page>>,
}

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let settings = &self.plugin.0;
        if !settings.skip_paths.is_empty() {
            let path = headers.path()?.unwrap_or_default();
            let skips = |prefix: &String| path.as_bytes().starts_with(prefix.as_bytes());
            if settings.skip_paths.iter().any(skips) {
                self.rewrite.leave();
            }
        }
        if !self.rewrite.is_left() && settings.ask_for_plain_body {
            headers.ask_for_plain_body()?;
        }
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        if self.rewrite.is_left() {
            return Ok(Flow::Continue);
        }
        let content_type = headers.get("content-type")?.unwrap_or_default();
        if !content::is_html(&content_type) {
            self.rewrite.leave();
        }
        if self.rewrite.prepare(headers)?.is_some() {
            gatewright::log::warn!("html-rewrite: the body is encoded and stays as it is");
        }
        Ok(Flow::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
        let rules = &self.plugin.0.rules;
        self.rewrite.pass(body, || Ok(Box::new(Page::new(rules))))
    }

    /// A page that was not edited is better than none.
    fn on_error(&mut self, _: &HostError) -> Flow {
        Flow::Continue
    }
}

gatewright::plugin!(HtmlRewrite);

#[cfg(test)]
mod tests;

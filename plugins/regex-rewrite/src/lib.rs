//! Rewrites the path of requests by regular expressions that are compiled once.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod rules;

use config::Config;
use gatewright::{ConfigError, Flow, HostError, Plugin, RequestHeaders, Stream};
use rules::Rule;
use std::rc::Rc;

struct RegexRewrite(Vec<Rule>);

impl Plugin for RegexRewrite {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.rules().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<RegexRewrite>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let Some(path) = headers.path()? else {
            return Ok(Flow::Continue);
        };
        if let Some(rewritten) = rules::rewrite(&self.0.0, &path) {
            headers.set_path(rewritten)?;
        }
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(RegexRewrite);

#[cfg(test)]
mod tests;

//! Answers failed exchanges with a page or a redirect of your own, which may name the trace.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod page;

use config::Config;
use gatewright::{ConfigError, Flow, HostError, Plugin, RequestHeaders, ResponseHeaders, Stream};
use page::Rule;
use std::rc::Rc;

struct ErrorPage(Vec<Rule>);

impl Plugin for ErrorPage {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.rules().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange {
            plugin: Rc::clone(self),
            trace: None,
        }
    }
}

struct Exchange {
    plugin: Rc<ErrorPage>,
    trace: Option<String>,
}

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        if self.plugin.0.iter().any(Rule::names_trace) {
            self.trace = match headers.get("x-cloud-trace-context")? {
                Some(context) => page::cloud_trace(&context),
                None => None,
            };
            if self.trace.is_none() {
                let parent = headers.get("traceparent")?.unwrap_or_default();
                self.trace = page::w3c_trace(&parent);
            }
        }
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        let Some(status) = headers.status()? else {
            return Ok(Flow::Continue);
        };
        let rule = self.plugin.0.iter().find(|rule| rule.fits(status));
        Ok(match rule {
            Some(rule) => rule.reply(status, self.trace.as_deref()).into(),
            None => Flow::Continue,
        })
    }

    /// A response that could not be looked at is better than none.
    fn on_error(&mut self, _: &HostError) -> Flow {
        Flow::Continue
    }
}

gatewright::plugin!(ErrorPage);

#[cfg(test)]
mod tests;

//! Sets, appends, removes and renames headers of requests and responses, in order and under
//! conditions.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod glob;
mod rules;
mod template;

use config::Config;
use gatewright::{
    ConfigError, Flow, HeaderList, HostError, Plugin, RequestHeaders, ResponseHeaders, Stream,
};
use rules::{Captured, Rules};
use std::rc::Rc;

struct HeaderRewrite(Rules);

impl Plugin for HeaderRewrite {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.rules().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange {
            plugin: Rc::clone(self),
            captured: Captured::default(),
        }
    }
}

struct Exchange {
    plugin: Rc<HeaderRewrite>,
    captured: Captured,
}

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let rules = &self.plugin.0;
        if rules.captures_nothing() && rules.request.is_direct() {
            rules.request.apply_directly(headers)?;
        } else {
            let captured = &mut self.captured;
            headers.edit(|list: &mut HeaderList| {
                *captured = rules.capture(list);
                rules.request.apply(list, captured);
            })?;
        }
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        let response = &self.plugin.0.response;
        if response.is_direct() {
            response.apply_directly(headers)?;
        } else {
            headers.edit(|list| response.apply(list, &self.captured))?;
        }
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(HeaderRewrite);

#[cfg(test)]
mod tests;

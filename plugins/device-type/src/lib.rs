//! Classifies the device of a client by its headers, and tells backends in a header of the request.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod rules;

use config::Config;
use gatewright::{ConfigError, Flow, HostError, Plugin, RequestHeaders, Stream};
use rules::Rules;
use std::rc::Rc;

struct DeviceType(Rules);

impl Plugin for DeviceType {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.rules().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<DeviceType>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let rules = &self.0.0;
        let class =
            rules.classify(|name| Ok(headers.get(name)?.map(|value| value.into_bytes())))?;
        headers.set(&rules.header, class)?;
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(DeviceType);

#[cfg(test)]
mod tests;

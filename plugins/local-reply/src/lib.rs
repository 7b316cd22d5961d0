//! Answers every request itself, with a configured status, headers and body.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;

use config::Config;
use gatewright::{ConfigError, Flow, HostError, LocalReply, Plugin, RequestHeaders, Stream};
use std::rc::Rc;

struct Answer(LocalReply);

impl Plugin for Answer {
    type Config = Config;
    type Stream = Visit;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.reply().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Visit {
        Visit(Rc::clone(self))
    }
}

struct Visit(Rc<Answer>);

impl Stream for Visit {
    fn on_request_headers(&mut self, _: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        Ok(self.0.0.clone().into())
    }
}

gatewright::plugin!(Answer);

#[cfg(test)]
mod tests;

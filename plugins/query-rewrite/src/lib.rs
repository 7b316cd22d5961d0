//! Sets, appends, removes, renames and logs parameters of a request's query, in order.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod operations;

use config::Config;
use gatewright::{ConfigError, Flow, HostError, Plugin, RequestHeaders, Stream};
use operations::Operation;
use std::rc::Rc;

struct QueryRewrite(Vec<Operation>);

impl Plugin for QueryRewrite {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.operations().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<QueryRewrite>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let Some(before) = headers.path()? else {
            return Ok(Flow::Continue);
        };
        let mut path = before.clone();
        for operation in &self.0.0 {
            operation.run(&mut path)?;
        }
        if path != before {
            headers.set_path(path)?;
        }
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(QueryRewrite);

#[cfg(test)]
mod tests;

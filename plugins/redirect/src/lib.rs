//! Redirects requests by their host and by their path.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod target;

use config::Config;
use gatewright::{ConfigError, Flow, HostError, LocalReply, Plugin, RequestHeaders, Stream};
use std::rc::Rc;
use target::Targets;

struct Redirect {
    targets: Targets,
    status: u16,
}

impl Plugin for Redirect {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let (targets, status) = config.targets()?;
        Ok(Self { targets, status })
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<Redirect>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let Redirect { targets, status } = &*self.0;
        let path = headers.path()?.unwrap_or_default();
        let authority = match targets.looks_at_hosts() {
            true => headers.authority()?.unwrap_or_default(),
            false => Default::default(),
        };
        let scheme = || headers.get(":scheme").map(Option::unwrap_or_default);
        let Some(location) = targets.location(&authority, &path, scheme)? else {
            return Ok(Flow::Continue);
        };
        let body = [b"Content moved to ", location.as_slice()].concat();
        let reply = LocalReply::new(*status)
            .header("location", location)
            .header("content-type", "text/plain");
        Ok(reply.body(body).into())
    }
}

gatewright::plugin!(Redirect);

#[cfg(test)]
mod tests;

//! Sends a share of users to another path, each user always to the same.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod split;

use config::Config;
use gatewright::{ConfigError, Flow, HostError, Plugin, RequestHeaders, Stream};
use split::{Split, User};
use std::rc::Rc;

struct AbTesting(Split);

impl Plugin for AbTesting {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.split().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<AbTesting>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let split = &self.0.0;
        let Some(path) = headers.path()? else {
            return Ok(Flow::Continue);
        };
        let Some(other) = split.other_path(&path) else {
            return Ok(Flow::Continue);
        };
        // The user is looked up last: most paths are not of the test.
        let user = match &split.user {
            User::Parameter(name) => path.param(name).map(|user| user.into_owned()),
            User::Cookie(name) => headers.cookie(name)?,
            User::Header(name) => headers.get(name)?.map(|user| user.into_bytes()),
        };
        if user.is_some_and(|user| split.is_in(&user)) {
            headers.set_path(other)?;
        }
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(AbTesting);

#[cfg(test)]
mod tests;

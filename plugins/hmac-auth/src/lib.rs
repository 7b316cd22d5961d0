//! Lets only requests through that carry a valid HMAC: in a cookie, in the query, or in a header.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod mac;
mod scheme;

use config::{Config, Settings};
use gatewright::{ConfigError, Flow, HostError, LocalReply, Plugin, RequestHeaders, Stream};
use scheme::{Denied, Scheme};
use std::rc::Rc;

struct HmacAuth(Settings);

impl Plugin for HmacAuth {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.settings().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<HmacAuth>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let Settings { mac, scheme } = &self.0.0;
        let now = gatewright::unix_time()?;
        let decision = headers.edit(|list| match scheme {
            Scheme::Cookie(cookie) => cookie.check(mac, list, now),
            Scheme::Query(query) => query.check(mac, list, now),
            Scheme::Header(header) => header.check(mac, list, now),
        })?;
        Ok(match decision {
            Ok(()) => Flow::Continue,
            Err(denied) => reply(denied).into(),
        })
    }
}

fn reply(Denied { status, text }: Denied) -> LocalReply {
    gatewright::log::info!("hmac-auth: {text}");
    let reply = LocalReply::new(status)
        .header("content-type", "text/plain")
        .body([text, "\n"].concat());
    match status {
        401 => reply.header("www-authenticate", "HMAC"),
        _ => reply,
    }
}

gatewright::plugin!(HmacAuth);

#[cfg(test)]
mod tests;

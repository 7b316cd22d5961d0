//! Gives clients a session cookie, and takes cookies away from requests and responses.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod session;

use config::{Config, Removal, Settings};
use gatewright::{ConfigError, Flow, HostError, Plugin, RequestHeaders, ResponseHeaders, Stream};
use std::rc::Rc;

struct CookiePlugin(Settings);

impl Plugin for CookiePlugin {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.settings().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange {
            plugin: Rc::clone(self),
            session: None,
        }
    }
}

struct Exchange {
    plugin: Rc<CookiePlugin>,
    /// The session that the request is of.
    session: Option<String>,
}

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let settings = &self.plugin.0;
        if settings.session.is_none() && settings.remove_request == Removal::None {
            return Ok(Flow::Continue);
        }
        let mut cookies = headers.cookies()?;
        if let Some(session) = &settings.session {
            self.session = cookies.get(&session.name).and_then(session::valid);
        }
        match &settings.remove_request {
            Removal::None => {}
            Removal::All if cookies.is_empty() => {}
            Removal::All => headers.remove("cookie")?,
            Removal::Named(names) => {
                let before = cookies.clone();
                for name in names {
                    cookies.remove(name);
                }
                if cookies != before {
                    headers.set_cookies(&cookies)?;
                }
            }
        }
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        let settings = &self.plugin.0;
        match &settings.remove_response {
            Removal::None => {}
            Removal::All => headers.remove("set-cookie")?,
            Removal::Named(names) => {
                if headers.contains("set-cookie")? {
                    headers.edit(|list| {
                        for name in names {
                            list.remove_set_cookie(name);
                        }
                    })?;
                }
            }
        }
        let Some(session) = &settings.session else {
            return Ok(Flow::Continue);
        };
        match &self.session {
            Some(id) if session.log => gatewright::log::info!(
                "cookies: This current request is for the existing session ID: {id}"
            ),
            Some(_) => {}
            None => {
                let id = session.kind.generate()?;
                // In the case in which HTTP/1.1 writes it; newer versions have none.
                headers.append("Set-Cookie", session.cookie(&id).to_header())?;
                if session.log {
                    gatewright::log::info!(
                        "cookies: New session ID created for the current request: {id}"
                    );
                }
            }
        }
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(CookiePlugin);

#[cfg(test)]
mod tests;

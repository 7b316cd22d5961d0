//! Lets only requests with a valid JSON Web Token through.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod check;
mod config;
mod key;
mod source;
mod token;

use check::Refusal;
use config::{Config, Settings};
use gatewright::{
    ConfigError, Flow, HeaderList, HostError, LocalReply, Plugin, RequestHeaders, Stream,
};
use std::rc::Rc;

struct JwtAuth(Settings);

impl Plugin for JwtAuth {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.settings().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<JwtAuth>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let settings = &self.0.0;
        let now = gatewright::unix_time()?.as_secs();
        let decision = headers.edit(|list| settings.admit(list, now))?;
        Ok(match decision {
            Ok(()) => Flow::Continue,
            Err(denied) => denied.reply(settings.status).into(),
        })
    }
}

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Denied {
    /// It has no token.
    Missing,
    /// It has two in one place.
    Several,
    Refused(Refusal),
}

impl Settings {
    /// Checks the token of a request; takes it out and writes its claims where it is good, and
    /// changes nothing where it is not.
    fn admit(&self, headers: &mut HeaderList, now: u64) -> Result<(), Denied> {
        let found = self.sources.iter().map(|source| source.tokens(headers));
        let tokens = found.into_iter().find(|tokens| !tokens.is_empty());
        let claims = match tokens.unwrap_or_default().as_slice() {
            [] => return Err(Denied::Missing),
            [token] => self.policy.check(token, now).map_err(Denied::Refused)?,
            _ => return Err(Denied::Several),
        };
        if !self.keep_token {
            for source in &self.sources {
                source.remove(headers);
            }
        }
        source::forward(&self.forwards, &claims, headers);
        Ok(())
    }
}

impl Denied {
    fn reply(self, status: u16) -> LocalReply {
        let (reason, text) = match self {
            Self::Missing => ("no token", "Access forbidden - missing token."),
            Self::Several => ("several tokens", "Access forbidden - invalid token."),
            Self::Refused(refusal) if refusal.is_of_form() => {
                (refusal.reason(), "Access forbidden - invalid token.")
            }
            Self::Refused(refusal) => (refusal.reason(), "Access forbidden."),
        };
        gatewright::log::info!("jwt-auth: {reason}: {text}");
        let reply = LocalReply::new(status)
            .header("content-type", "text/plain")
            .body([text, "\n"].concat());
        match (status, self) {
            // RFC 6750, section 3: no code where the client sent nothing.
            (401, Self::Missing) => reply.header("www-authenticate", "Bearer"),
            (401, _) => reply.header("www-authenticate", "Bearer error=\"invalid_token\""),
            _ => reply,
        }
    }
}

gatewright::plugin!(JwtAuth);

#[cfg(test)]
mod tests;

//! Lets requests pass that carry one of the configured tokens.

use gatewright::{ConfigError, Flow, HostError, LocalReply, Plugin, RequestHeaders, Stream};
use serde::Deserialize;
use std::rc::Rc;

/// The plugin's configuration, as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
struct Config {
    /// The tokens that clients may send as `authorization: Bearer TOKEN`.
    tokens: Vec<String>,
}

struct Guard {
    tokens: Vec<String>,
}

impl Plugin for Guard {
    type Config = Config;
    type Stream = Visit;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        if config.tokens.iter().any(|token| token.len() < 16) {
            return Err(ConfigError::new("must each have at least 16 characters").field("tokens"));
        }
        Ok(Self {
            tokens: config.tokens,
        })
    }

    fn stream(self: &Rc<Self>) -> Visit {
        Visit(Rc::clone(self))
    }
}

struct Visit(Rc<Guard>);

impl Stream for Visit {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let authorization = headers.get("authorization")?;
        let token = authorization
            .as_deref()
            .and_then(|value| value.strip_prefix(b"Bearer "));
        if token.is_some_and(|token| self.0.knows(token)) {
            // The upstream need not see it.
            headers.remove("authorization")?;
            return Ok(Flow::Continue);
        }
        let reply = LocalReply::new(401).header("www-authenticate", "Bearer");
        Ok(reply.body("a token is needed\n").into())
    }
}

impl Guard {
    /// Compares with every token to its end, so that the time it takes tells nothing.
    fn knows(&self, token: &[u8]) -> bool {
        let same = |known: &String| {
            let known = known.as_bytes();
            let differ = known
                .iter()
                .zip(token)
                .fold(0, |bits, (a, b)| bits | (a ^ b));
            differ == 0 && known.len() == token.len()
        };
        self.tokens
            .iter()
            .map(same)
            .fold(false, |any, same| any | same)
    }
}

gatewright::plugin!(Guard);

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright::testing::TestPlugin;

    gatewright::config_schema!(Config);

    #[test]
    fn only_a_whole_token_is_known() {
        let guard = Guard {
            tokens: vec!["0123456789abcdef".to_owned()],
        };
        assert!(guard.knows(b"0123456789abcdef"));
        for wrong in [
            &b"0123456789abcde"[..],
            b"0123456789abcdef0",
            b"0123456789abcdeF",
            b"",
        ] {
            assert!(!guard.knows(wrong));
        }
    }

    #[test]
    fn a_short_token_is_refused() {
        let refused = TestPlugin::<Guard>::configure(r#"{"tokens": ["short"]}"#).unwrap_err();
        assert!(refused.logs[0].1.contains("`tokens`: must each have"));
    }
}

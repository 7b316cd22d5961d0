//! The configuration, and the reply that it describes.

use gatewright::{ConfigError, LocalReply, is_header_name};
use serde::Deserialize;

/// The reply.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Its status.
    #[cfg_attr(test, schemars(range(min = 200, max = 599)))]
    status: u16,
    /// Its headers, in order; duplicates are allowed.
    headers: Vec<Header>,
    /// Its body, sent as UTF-8.
    body: String,
}

/// A header of the reply.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct Header {
    /// Its name; not `content-length`, which is the load balancer's.
    name: String,
    /// Its value.
    value: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            status: 200,
            headers: vec![Header {
                name: "content-type".to_owned(),
                value: "text/plain".to_owned(),
            }],
            body: "Hello World".to_owned(),
        }
    }
}

impl Config {
    /// Builds the reply once, for all streams.
    pub(crate) fn reply(self) -> Result<LocalReply, ConfigError> {
        if !(200..=599).contains(&self.status) {
            let message = "must be a final HTTP status, from 200 to 599";
            return Err(ConfigError::new(message).field("status"));
        }
        let mut reply = LocalReply::new(self.status).body(self.body);
        for (index, Header { name, value }) in self.headers.into_iter().enumerate() {
            let wrong = |part: &str, message: &str| {
                let index = index.to_string();
                Err(ConfigError::new(message).field(["headers[", &index, "].", part].concat()))
            };
            if !is_header_name(&name) {
                return wrong("name", "must be a header name (a pseudo-header is none)");
            }
            if name.eq_ignore_ascii_case("content-length") {
                return wrong("name", "is set by the load balancer; remove it");
            }
            if value
                .bytes()
                .any(|byte| byte.is_ascii_control() && byte != b'\t')
            {
                return wrong("value", "must not contain control characters");
            }
            reply.headers.append(name, value);
        }
        Ok(reply)
    }
}

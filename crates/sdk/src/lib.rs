//! What the author of a Google Cloud Service Extensions plugin writes against.
//!
//! A plugin is one type for its configuration and shared state, one type for a stream, and a
//! macro call:
//!
//! ```
//! use gatewright::{ConfigError, Flow, HostError, LocalReply, Plugin, RequestHeaders, Stream};
//! use std::rc::Rc;
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     secret: String,
//! }
//!
//! struct Guard {
//!     secret: String,
//! }
//!
//! impl Plugin for Guard {
//!     type Config = Config;
//!     type Stream = Visit;
//!
//!     fn configure(config: Config) -> Result<Self, ConfigError> {
//!         if config.secret.is_empty() {
//!             return Err(ConfigError::new("must not be empty").field("secret"));
//!         }
//!         Ok(Self { secret: config.secret })
//!     }
//!
//!     fn stream(self: &Rc<Self>) -> Visit {
//!         Visit { guard: Rc::clone(self) }
//!     }
//! }
//!
//! struct Visit {
//!     guard: Rc<Guard>,
//! }
//!
//! impl Stream for Visit {
//!     fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
//!         match headers.get("x-secret")? {
//!             Some(value) if value == *self.guard.secret => {
//!                 headers.remove("x-secret")?;
//!                 Ok(Flow::Continue)
//!             }
//!             _ => Ok(LocalReply::new(403).body("no").into()),
//!         }
//!     }
//! }
//!
//! gatewright::plugin!(Guard);
//!
//! // Off wasm, hostcalls reach an in-memory host, so the whole plugin runs under `cargo test`.
//! use gatewright::testing::TestPlugin;
//! let plugin = TestPlugin::<Guard>::configure(r#"{"secret": "sesame"}"#).unwrap();
//! let seen = plugin.stream().request_headers([("X-Secret", "sesame")]);
//! assert!(seen.goes_on() && !seen.headers.contains("x-secret"));
//! let seen = plugin.stream().request_headers([("X-Secret", "guess")]);
//! assert_eq!(seen.reply.map(|reply| reply.status), Some(403));
//!
//! let refused = TestPlugin::<Guard>::configure("{\n  \"secret\": 7\n}").unwrap_err();
//! assert_eq!(
//!     refused.logs[0].1,
//!     "configuration refused: `secret`: invalid type: integer `7`, expected a string at line 2 column 13",
//! );
//! ```
//!
//! Names and values of headers are bytes; text is a checked view of them. A hostcall that fails is
//! a [`HostError`], whatever number the host answered, and nothing that a host answers makes this
//! crate panic. A callback that returns an error answers the client with a 500 unless
//! [`Stream::on_error`] says otherwise.
//!
//! The `guide` module takes one capability a page, from nothing to a deployed plugin.
//!
//! Deliberately not here: waiting in a callback (production ignores it), anything that production
//! refuses outside of [`envoy`], and the numbers and encodings of the ABI, which are `gatewright-abi`'s.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

pub mod attributes;
mod body;
mod clock;
mod config;
mod cookies;
mod dispatch;
mod driver;
pub mod envoy;
mod error;
#[cfg(any(doc, doctest))]
pub mod guide;
mod headers;
mod hostcall;
mod logger;
mod plugin;
mod random;
mod reply;
mod side;
mod sys;
#[cfg(any(not(target_os = "wasi"), feature = "testing"))]
pub mod testing;
mod uri;

pub use body::{Body, Gather, Gathered, RequestBody, ResponseBody, Rewrite, Transform};
pub use clock::unix_time;
pub use config::{ConfigError, Configuration, NoConfig, RawConfig};
pub use cookies::{Cookies, SameSite, SetCookie};
pub use driver::Finished;
pub use error::HostError;
pub use gatewright_abi::{LogLevel, Status};
pub use headers::{
    Coding, HeaderIter, HeaderList, HeaderValue, Headers, RequestHeaders, ResponseHeaders,
    is_header_name, is_header_value,
};
pub use log;
pub use plugin::{Plugin, Stream};
pub use random::{random_bytes, random_u64};
pub use reply::{Flow, LocalReply};
#[cfg(feature = "schema")]
pub use schemars;
pub use side::{Request, Response, Side};
pub use uri::{Authority, PathAndQuery};

#[doc(hidden)]
pub mod __private {
    pub use crate::dispatch::Dispatcher;
    #[cfg(all(target_os = "wasi", not(feature = "testing")))]
    pub use crate::dispatch::exports::{Answer, allocate, initialize};
}

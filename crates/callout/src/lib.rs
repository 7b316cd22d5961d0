//! Callouts (Envoy ext_proc v3): the client as the load balancer speaks it, and a server in Rust.
//!
//! A callout is a server that a load balancer asks about requests and responses as they pass. To
//! write one, implement [`Callout`] and hand it to a [`Server`]:
//!
//! ```
//! use std::net::TcpListener;
//! use gatewright_callout::{Answer, Callout, Head, HeadChange, HeaderChange, Reply, Server};
//!
//! /// Lets nobody in without a key, and says so in the response.
//! struct Doorkeeper;
//!
//! impl Callout for Doorkeeper {
//!     async fn request_headers(&mut self, head: &Head) -> Answer<HeadChange> {
//!         match head.headers.text("x-key") {
//!             Some("sesame") => HeaderChange::new().remove("x-key").into(),
//!             _ => Reply::new(403).body("no key\n").into(),
//!         }
//!     }
//!
//!     async fn response_headers(&mut self, _: &Head) -> Answer<HeadChange> {
//!         HeaderChange::new().set("x-checked", "yes").into()
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let socket = TcpListener::bind("127.0.0.1:0")?;
//! # let stop = async {};
//! Server::new(|| Doorkeeper).plaintext(socket).run_blocking(stop)
//! # }
//! ```
//!
//! The other half is for load balancers: a [`Call`] is a callout in one exchange, over a [`Client`]'s
//! connection. What is said and what it means is decided without waiting or sockets; where Google
//! does not say what happens, the choice and its reason stand in one place each:
//!
//! - forbidden header fields are left as they are: [`Rules`];
//! - certificates of callouts are not verified: [`tls::unverified`];
//! - an answer that nobody asked for is a failure, subject to `failOpen`: [`Failure::Protocol`];
//! - a stream that the callout ends with status OK stops nothing: [`Went::Left`];
//! - large chunks of a body are cut, so that answers to them fit: [`CHUNK_LIMIT`].
//!
//! It does not choose chains, route, log or count. It has no attributes, which no GKE extension gets,
//! and no streamed answers to clients.

// Reading order: what is said, then who says it.
mod answer;
mod change;
mod event;
mod headers;
mod status;

mod config;
mod session;
mod wire;

mod call;
mod client;
mod stream;
pub mod tls;

mod callout;
mod drive;
pub mod samples;
mod server;

pub use answer::{Abort, Answer, BodyChange, HeadChange, Reply};
pub use call::{Call, Observed, Part, Went};
pub use callout::{Callout, Chunk, Context, Head};
pub use change::{Action, HeaderChange, Rules};
pub use client::Client;
pub use config::{CHUNK_LIMIT, Config, MESSAGE_LIMIT};
pub use event::{BodyMode, Event, Events, Half};
pub use headers::Headers;
pub use server::{Server, tls_config};
pub use status::{Failure, Status};

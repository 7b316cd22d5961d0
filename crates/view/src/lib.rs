//! A trace as HTML: the report of a replay and the live page.
//!
//! A [`Teller`] makes plain data of a trace of the host ([`model`]): callbacks with what became of
//! headers and bodies, logs, findings, faults, hostcalls and cost. [`timeline`] is the one renderer of
//! that data; the static [`page::report`] and the pages of the gateway's admin port are made of it,
//! with the same style and script, so that they cannot drift apart.
//!
//! Everything that is not ours is escaped, what is long is cut and says so, and secrets can be
//! hidden. Pages load nothing from elsewhere, and can be read without their script.
//!
//! This crate opens no file and no socket, and knows neither cases nor manifests: those who have
//! them turn them into its data.
//!
//! ```
//! use gatewright_host::{Trace, TraceLevel};
//! use gatewright_view::model::{Exchange, Report};
//! use gatewright_view::{Teller, page};
//!
//! let trace = Trace::new(TraceLevel::Full);
//! let plugins = ["local-reply".to_owned()];
//! let teller = Teller { plugins: &plugins, budget: None, hide_secrets: true };
//! let exchange = Exchange {
//!     title: "GET /<script>".to_owned(),
//!     events: teller.calls(&trace, 0..trace.ordinal()),
//!     ..Exchange::default()
//! };
//! let report = Report { chapters: vec![exchange], ..Report::default() };
//! assert!(page::report(&report).contains("GET /&lt;script&gt;"));
//! ```

pub mod model;

mod secret;
mod text;
mod words;

mod diff;
mod story;

mod html;
mod picture;
mod timeline;

pub mod page;

pub use picture::{Column, Condition, Node, Object, Picture, picture};
pub use secret::SECRET_HEADERS;
pub use story::Teller;
pub use text::{bytes, grouped, shortened, shown, shown_lines};
pub use timeline::timeline;
pub use words::{answer, arguments};

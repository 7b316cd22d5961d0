//! The conformance kit: what a proxy-wasm host answers and does, call by call, as data.
//!
//! A [`Case`] is a guest, what happens to it, and the trace that each profile expects. A host is
//! anything that a [`Host`] can drive: ours is [`Ours`], any other program is [`Program`].
//! `tests/conformance/README.md` says how to bring one, and how cases are written.

mod case;
mod coverage;
mod lines;
mod model;
mod ours;
mod program;

pub use case::{Case, Failure, check, load};
pub use coverage::{CALLBACKS, HOSTCALLS, MORE, all, hostcalls_covered, hostcalls_held};
pub use lines::lines;
pub use model::{Bytes, Event, Headers, Host, Observation, Run};
pub use ours::Ours;
pub use program::{Program, serve};

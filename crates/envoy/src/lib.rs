//! A real Envoy as the other engine: the same cases through it, and the comparison with the
//! emulator.
//!
//! The load balancer is Envoy with V8, so what the emulator says is worth as much as its agreement
//! with that engine. A [`Peer`] starts a stock Envoy with a listener and a VM for each case, plays
//! client and upstream, and reads back the request as the upstream saw it, the response as the
//! client saw it, and every call into the plugin with its hostcalls and messages. The same case
//! goes through the emulator in the profile of Envoy, and [`Verdict`]s say where the two differ.
//!
//! [`export`] goes the other way: manifests as configuration of a stock Envoy or a mesh.
//!
//! Cases that HTTP cannot carry are named with their reason, from a closed list
//! ([`Inexpressible`]). This crate starts one kind of process and no other, speaks over loopback
//! only, knows no async runtime, builds no plugin, and prints nothing.

mod error;

mod bootstrap;
mod log;
mod process;

mod http1;
mod socket;

mod edge;
mod inexpressible;
mod plan;

mod callouts;
mod outcome;

mod emulate;
mod session;

mod exceptions;
mod judge;
mod verdict;

mod peer;

pub mod export;

pub use error::Error;
pub use exceptions::{EXCEPTIONS, Exception};
pub use http1::Seen;
pub use inexpressible::{Inexpressible, unseen};
pub use outcome::{Aspect, Call, Client, Outcome};
pub use peer::{Peer, Subject, Trial};
pub use verdict::{CaseVerdict, Difference, Start, Verdict};

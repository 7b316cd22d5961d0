//! The little language of the test guests: what to do in each callback, written as text.
//!
//! A guest on this crate reads its plugin configuration (where that is not there, the VM's) as a
//! script, does what it says, and logs at level info one line for each thing that it did. The same
//! module with the same script runs in any host, and the lines are what hosts are compared by.
//! `tests/guests/README.md` describes the language.
//!
//! Nothing in here panics on what a script or a host says, unless the script asks for it. A line
//! that makes no sense is logged at level error.

mod context;
mod names;
mod run;
mod signature;
mod sys;
mod word;

pub use gatewright_abi::Callback;
pub use run::{Argument, call};

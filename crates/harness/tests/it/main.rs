//! Runs cases of both formats against plugins written in WAT.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panic"
)]

mod plugins;

mod api;
mod cache;
mod explore;
mod ours;
mod refused;
mod reports;
mod suites;
mod tester;
mod world;

//! Tests that cross crates: one binary of many modules.

mod bounds;
mod chains;
mod faults;
mod guests;
mod holding;
mod limits;
mod parity;
mod plugins;
mod profiles;
mod replies;
mod served;
mod suites;
mod tidy;

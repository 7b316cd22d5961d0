//! Tests that cross crates: one binary of many modules.

mod bounds;
mod chains;
mod conformance;
mod faults;
mod guests;
mod holding;
mod limits;
mod plugins;
mod profiles;
mod replies;
mod served;
mod suites;
mod support;
mod tidy;

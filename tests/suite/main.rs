//! Tests that cross crates: one binary of many modules.

mod faults;
mod guests;
mod holding;
mod plugins;
mod replies;
mod suites;
mod tidy;

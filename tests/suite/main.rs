//! Tests that cross crates: one binary of many modules.

mod faults;
mod guests;
mod holding;
mod plugins;
mod suites;
mod tidy;

//! Tests that cross crates: one binary of many modules.

mod bounds;
mod callouts;
mod chains;
mod conformance;
mod dispatch;
mod faults;
mod guests;
mod holding;
mod library;
mod limits;
mod page;
mod parity;
mod plugins;
mod profiles;
mod replies;
mod schemas;
mod served;
mod suites;
mod support;
mod tidy;

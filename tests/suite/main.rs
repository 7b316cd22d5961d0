//! Tests that cross crates: one binary of many modules.

mod faults;
mod plugins;
mod tidy;

//! Tests that cross crates: one binary of many modules.

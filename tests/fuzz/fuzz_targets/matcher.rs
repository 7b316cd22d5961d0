//! Any bytes as a condition and a request: compiled in every dialect, evaluated, and explained.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gatewright_gke::cel::fuzz(bytes));

//! Builds the plugins and the guests of the tests to wasm before the tests that run them.

#[path = "../crates/cli/build/plugins.rs"]
mod plugins;

use std::path::PathBuf;

/// Guests that are Rust.
const GUESTS: &[&str] = &[
    "guest-bare",
    "guest-raw",
    "guest-headers-sdk",
    "guest-headers-bare",
    "guest-callouts",
];

fn main() {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = here
        .parent()
        .expect("tests lies in the workspace")
        .to_path_buf();
    plugins::watch(&root, &["plugins", "tests/guests"].map(PathBuf::from));
    plugins::build(&root, &[]);
    let built = plugins::build(&root, GUESTS);
    println!("cargo::rustc-env=GATEWRIGHT_PLUGINS={}", built.display());
}

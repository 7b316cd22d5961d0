//! Builds the plugins and the guests of the tests to wasm before the tests that run them, in a target folder of its own.
//!
//! The build gets a clean environment: what the outer cargo tells a build script (its flags, its
//! target, its wrapper) must not leak into the build of the plugins.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = here
        .parent()
        .expect("tests lies in the workspace")
        .to_path_buf();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    // OUT_DIR is <target>/<profile>/build/<package>-<hash>/out.
    let target = out
        .ancestors()
        .nth(4)
        .expect("cargo's layout of OUT_DIR")
        .join("plugins");

    for folder in ["plugins", "crates/sdk", "crates/abi", "tests/guests"] {
        watch(&root.join(folder));
    }
    for file in [
        "Cargo.toml",
        "Cargo.lock",
        ".cargo/config.toml",
        "rust-toolchain.toml",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }

    // The plugins are the default members; the guests of the tests are named.
    build(&root, &target, &[]);
    build(&root, &target, GUESTS);
    let built = target.join("wasm32-wasip1").join("plugin");
    println!("cargo::rustc-env=GATEWRIGHT_PLUGINS={}", built.display());
}

/// Guests that are Rust.
const GUESTS: &[&str] = &[
    "--package",
    "guest-bare",
    "--package",
    "guest-raw",
    "--package",
    "guest-headers-sdk",
    "--package",
    "guest-headers-bare",
    "--package",
    "guest-callouts",
];

fn build(root: &Path, target: &Path, packages: &[&str]) {
    let mut cargo = Command::new(std::env::var_os("CARGO").expect("cargo sets it"));
    cargo.current_dir(root).env_clear();
    for keep in [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "RUSTUP_AUTO_INSTALL",
    ] {
        if let Some(value) = std::env::var_os(keep) {
            cargo.env(keep, value);
        }
    }
    cargo
        .args([
            "build",
            "--quiet",
            "--locked",
            "--target",
            "wasm32-wasip1",
            "--profile",
            "plugin",
        ])
        .arg("--target-dir")
        .arg(target)
        .args(packages);
    let status = cargo.status().expect("cargo runs");
    assert!(
        status.success(),
        "the plugins do not build for wasm32-wasip1 (is the target installed? `scripts/setup` does it)"
    );
}

/// Sources only: cargo watches a folder's files by time, and build output lies elsewhere.
fn watch(folder: &Path) {
    println!("cargo::rerun-if-changed={}", folder.display());
}

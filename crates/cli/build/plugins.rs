//! Builds plugins to wasm from a build script, in a target folder of their own.
//!
//! Shared by the build scripts of the program and of the tests, so that no plugin is built twice. The
//! build gets a clean environment: what the outer cargo tells a build script (its flags, its target,
//! its wrapper) must not leak into the build of the plugins.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What cargo and rustup need to know of the world.
const KEPT: [&str; 6] = [
    "PATH",
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUSTUP_AUTO_INSTALL",
];

/// Builds these packages, or the default members, which are the plugins, if none is named; answers
/// the folder with their modules.
pub(crate) fn build(root: &Path, packages: &[&str]) -> PathBuf {
    let target = target();
    let mut cargo = Command::new(std::env::var_os("CARGO").expect("cargo sets it"));
    cargo.current_dir(root).env_clear();
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            cargo.env(name, value);
        }
    }
    cargo
        .args(["build", "--quiet", "--locked", "--target", "wasm32-wasip1"])
        .args(["--profile", "plugin"])
        .arg("--target-dir")
        .arg(&target);
    for name in packages {
        cargo.args(["--package", name]);
    }
    let status = cargo.status().expect("cargo runs");
    assert!(
        status.success(),
        "the plugins do not build for wasm32-wasip1 (is the target installed? `scripts/setup` does it)"
    );
    target.join("wasm32-wasip1").join("plugin")
}

/// Beside the profiles of the outer build.
fn target() -> PathBuf {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    // OUT_DIR is <target>/<profile>/build/<package>-<hash>/out.
    let profile = out.ancestors().nth(4);
    profile.expect("cargo's layout of OUT_DIR").join("plugins")
}

/// Builds again when one of these changes, or what all plugins are made with. Sources only: cargo
/// looks at a folder's files by time, and what is built lies elsewhere.
pub(crate) fn watch(root: &Path, sources: &[PathBuf]) {
    let common = [
        "crates/sdk",
        "crates/abi",
        "crates/cli/build",
        "Cargo.toml",
        "Cargo.lock",
        ".cargo/config.toml",
        "rust-toolchain.toml",
    ];
    let common = common.map(PathBuf::from);
    for path in sources.iter().chain(&common) {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
}

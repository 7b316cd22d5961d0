//! Builds the plugins that stand for Google's published images and puts them into the program, so
//! that the documentation's manifests can be served wherever it is installed.
//!
//! The build gets a clean environment, as that of the tests does, and the same target folder, so
//! that no plugin is built twice.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Published plugins and ours that do the same, by the name of both.
const TWINS: &[&str] = &["local-reply", "enable-recaptcha"];

fn main() {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = here
        .ancestors()
        .nth(2)
        .expect("this crate lies in the workspace")
        .to_path_buf();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    // OUT_DIR is <target>/<profile>/build/<package>-<hash>/out.
    let target = out
        .ancestors()
        .nth(4)
        .expect("cargo's layout of OUT_DIR")
        .join("plugins");
    let twins: Vec<&str> = TWINS
        .iter()
        .copied()
        .filter(|name| root.join("plugins").join(name).is_dir())
        .collect();
    watch(&root, &twins);
    build(&root, &target, &twins);
    let mut source = String::from("&[");
    for name in twins {
        let wasm = target
            .join("wasm32-wasip1")
            .join("plugin")
            .join(name.replace('-', "_"))
            .with_extension("wasm");
        source += &format!(
            "({name:?}, include_bytes!({:?})),",
            wasm.display().to_string()
        );
    }
    source += "]";
    std::fs::write(out.join("twins.rs"), source).expect("the build folder can be written to");
}

fn watch(root: &Path, twins: &[&str]) {
    let plugins = twins.iter().map(|name| Path::new("plugins").join(name));
    let others = [
        "crates/sdk",
        "crates/abi",
        "Cargo.lock",
        "rust-toolchain.toml",
    ];
    for path in plugins.chain(others.map(PathBuf::from)) {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
}

fn build(root: &Path, target: &Path, twins: &[&str]) {
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
        .args(["build", "--quiet", "--target", "wasm32-wasip1"])
        .args(["--profile", "plugin"])
        .arg("--target-dir")
        .arg(target);
    for name in twins {
        cargo.arg("--package").arg(name);
    }
    let status = cargo.status().expect("cargo runs");
    assert!(
        status.success(),
        "the plugins do not build for wasm32-wasip1 (is the target installed? `scripts/setup` does it)"
    );
}

//! What the tests and the figures share: the built plugins and where things lie.

#[expect(
    clippy::panic,
    reason = "a test whose browser does not answer cannot go on"
)]
pub mod browser;
pub mod conformance;
pub mod measured;
pub mod parity;
pub mod served;

use std::path::{Path, PathBuf};

/// The folder with the plugins, built for production.
pub fn plugins() -> &'static Path {
    Path::new(env!("GATEWRIGHT_PLUGINS"))
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// Where the wasm of a guest of the tests lies, by the name of its folder in `tests/guests`.
pub fn guest_path(name: &str) -> PathBuf {
    plugins().join(format!("guest_{name}.wasm"))
}

/// The wasm of a guest of the tests.
///
/// # Panics
/// When there is no such guest.
pub fn guest(name: &str) -> Vec<u8> {
    wasm(&format!("guest-{name}"))
}

/// The wasm of a plugin, by the name of its folder.
///
/// # Panics
/// When there is no such plugin; a test cannot go on without it.
#[expect(
    clippy::panic,
    reason = "a test without its plugin has nothing to test"
)]
pub fn wasm(plugin: &str) -> Vec<u8> {
    let path = plugins()
        .join(plugin.replace('-', "_"))
        .with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

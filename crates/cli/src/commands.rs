//! One file a command, and what they share.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod callout;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod describe;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod manifest;
pub(crate) mod new;
pub(crate) mod pack;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod run_tests;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod test;
pub(crate) mod trace;
pub(crate) mod validate;
pub(crate) mod verify;

use std::path::PathBuf;

use anstyle::{AnsiColor, Reset, Style};
use anyhow::Context as _;

/// For what failed.
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
/// For what holds.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default().bold();
/// For what deserves a look.
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
/// For what is beside the point.
pub(crate) const DIM: Style = Style::new().dimmed();
/// The end of each.
pub(crate) const RESET: Reset = Reset;

/// Whether standard output takes colours: a terminal does, unless `NO_COLOR` is set.
pub(crate) fn colour() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

/// The user's cache folder for compiled plugins, by the XDG convention.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(
            std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?,
        )
        .join(".cache"),
    };
    Ok(base.join("gatewright").join("code"))
}

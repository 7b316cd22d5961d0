//! The `log` crate's records, and panics, to the host's log.
//!
//! A logger of our own rather than that of `proxy-wasm`: that one panics when the host refuses a
//! line, installs its panic hook only if a level is set, and does not exist outside of wasm. Ours
//! also hands a message without arguments to the host without a copy.

use crate::hostcall;
use gatewright_abi::LogLevel;
use log::{Level, LevelFilter, Metadata, Record};

struct HostLogger;

impl log::Log for HostLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        // `log_enabled!` asks before, but a caller of this trait need not.
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        match record.args().as_str() {
            Some(message) => hostcall::log(level, message.as_bytes()),
            None => hostcall::log(level, record.args().to_string().as_bytes()),
        }
    }

    fn flush(&self) {}
}

/// Sends records of this level and above to the host, and panics as critical.
#[cfg(all(target_os = "wasi", not(feature = "testing")))]
pub(crate) fn install(level: LevelFilter) {
    // Fails only if the plugin has installed a logger of its own, which then stays.
    let _ = log::set_logger(&HostLogger);
    log::set_max_level(level);
    // The host would otherwise see a bare `unreachable`.
    std::panic::set_hook(Box::new(|info| {
        hostcall::log(LogLevel::Critical, info.to_string().as_bytes());
    }));
}

/// The in-memory host of each thread filters by itself, since tests share one logger. Panics stay
/// the test runner's.
#[cfg(any(not(target_os = "wasi"), feature = "testing"))]
pub(crate) fn install(level: LevelFilter) {
    let _ = log::set_logger(&HostLogger);
    log::set_max_level(LevelFilter::Trace);
    crate::sys::memory::with(|host| host.set_log_level(level));
}

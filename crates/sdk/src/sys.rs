//! The one door to the host: the same functions over real hostcalls or an in-memory host.
//!
//! A status comes back as the `u32` that the host answered; `hostcall.rs` gives it a meaning.
//! Only `wasi` has hostcalls: elsewhere an `extern` block would not link.

#[cfg(not(target_os = "wasi"))]
pub(crate) mod memory;
#[cfg(target_os = "wasi")]
mod wasi;

#[cfg(not(target_os = "wasi"))]
pub(crate) use memory::calls::*;
#[cfg(target_os = "wasi")]
pub(crate) use wasi::*;

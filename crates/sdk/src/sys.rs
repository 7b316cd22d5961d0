//! The one door to the host: the same functions over real hostcalls or an in-memory host.
//!
//! A status comes back as the `u32` that the host answered; `hostcall.rs` gives it a meaning.
//! Only `wasi` has hostcalls: elsewhere an `extern` block would not link, and tests in wasm run
//! without a proxy.

#[cfg(any(not(target_os = "wasi"), feature = "testing"))]
pub(crate) mod memory;
#[cfg(all(target_os = "wasi", not(feature = "testing")))]
mod wasi;

#[cfg(any(not(target_os = "wasi"), feature = "testing"))]
pub(crate) use memory::calls::*;
#[cfg(all(target_os = "wasi", not(feature = "testing")))]
pub(crate) use wasi::*;

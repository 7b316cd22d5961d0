//! Numbers and wire encodings of the [Proxy-Wasm ABI] 0.2.1, shared by guest and host.
//!
//! This crate holds what both sides of the boundary must agree on and nothing else: the names
//! and numbers of hostcalls, callbacks and enums, the [pair encoding](pairs) of header maps, and
//! the [path encoding](path) of properties. It has no dependencies, calls nothing, and knows no
//! policy: what a number means to a guest is the SDK's to say, what a host answers is the host's.
//!
//! ```
//! use gatewright_abi::{pairs, Status};
//!
//! let mut wire = Vec::new();
//! pairs::encode([(&b"a"[..], &b"1"[..])], &mut wire);
//! assert_eq!(pairs::decode(&wire).unwrap().next(), Some((&b"a"[..], &b"1"[..])));
//! assert_eq!(Status::from_u32(1), Some(Status::NotFound));
//! ```
//!
//! [Proxy-Wasm ABI]: https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1

mod calls;
mod enums;
pub mod pairs;
pub mod path;

pub use calls::{Callback, Hostcall, Version};
pub use enums::{Action, BufferType, LogLevel, MapType, MetricType, PeerType, Status, StreamType};

//! An emulator of the host that runs proxy-wasm plugins in production.
//!
//! A [`Plugin`] is compiled by an [`Engine`] and started, alone or with others, in a [`Chain`]. Then
//! events go in and [`Effect`]s come out: the headers of a request came, and they go on changed, or
//! a plugin replies. What happened on the way is told by a [`Trace`].
//!
//! What the platforms do differently is a [`Profile`], one table in one file. What the host needs
//! of the world comes through a [`Door`].
//!
//! This crate opens no file and no socket, reads no clock and no environment, starts no thread, and
//! knows no YAML, OCI or Kubernetes. A plugin that traps, overruns or answers badly is an outcome in
//! the trace, never an `Err`.
//!
//! ```
//! use std::sync::Arc;
//! use gatewright_host::{
//!     Attributes, Chain, Effect, Engine, EngineOptions, HeaderMap, PluginSpec, Profile, Recorded,
//!     TraceLevel,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let wasm = wat::parse_str(
//!     r#"(module
//!         (memory (export "memory") 1)
//!         (func (export "proxy_abi_version_0_2_1"))
//!         (func (export "malloc") (param i32) (result i32) i32.const 1024)
//!         (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0))"#,
//! )?;
//! let engine = Engine::new(&EngineOptions::default())?;
//! let spec = PluginSpec::new(engine.compile(&wasm)?, Profile::Google);
//! let door = || Box::new(Recorded::new(0, 0)) as Box<_>;
//! let mut chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Cost);
//!
//! let stream = chain.open(&Arc::new(Attributes::new()));
//! let mut effects = Vec::new();
//! let headers: HeaderMap = [(":path", "/")].into_iter().collect();
//! chain.request_headers(stream, headers.clone(), true, &mut effects);
//! assert_eq!(effects, [Effect::RequestHeaders { headers, end_of_stream: true }]);
//! assert!(chain.close(stream).faults.is_empty());
//! # Ok(())
//! # }
//! ```

mod headers;
mod inline;

mod profile;

mod limits;

mod engine;
mod module;

mod exports;
mod hostcalls;
mod shared;
mod state;
mod vm;
mod wasi;

mod chain;

mod check;
mod guest_profile;

mod attach;
mod attributes;
mod callout;
mod capabilities;
mod door;
mod fault;
mod finding;
mod reply;
mod support;
mod trace;

pub use attach::{AttachPoint, UnknownAttachPoint};
pub use attributes::Attributes;
pub use callout::{Callout, CalloutKind, CalloutResponse, GrpcEvent};
pub use capabilities::{Capabilities, UnknownCapability};
pub use chain::{Chain, Effect, Events, Keeper, PluginSpec, StreamId, response_order};
pub use check::{
    ModuleCheck, ModuleFinding, ModuleFindingKind, Need, Severity, UnknownNeed, check_module,
    check_needs, check_start,
};
pub use door::{Door, Recorded};
pub use engine::{Engine, EngineError, EngineOptions, Metering, Plugin, PluginCode};
pub use fault::{Fault, FaultKind, Frame};
pub use finding::{Finding, FindingKind};
pub use gatewright_abi::{Callback, Hostcall, LogLevel, MapType, Status, Version};
pub use guest_profile::{FunctionCost, GuestProfile};
pub use headers::{HeaderMap, Iter};
pub use limits::{FUEL_PER_MILLISECOND, Limits};
pub use module::{Import, LoadError, ModuleInfo, Signature};
pub use profile::{Profile, Rules, Support, UnknownProfile};
pub use reply::LocalReply;
pub use shared::{Metric, Shared};
pub use support::support_page;
pub use trace::{
    Arguments, Cost, Entry, HostcallRecord, LogLine, LogSource, Seen, Span, Trace, TraceLevel,
    Value,
};
pub use vm::VmSettings;

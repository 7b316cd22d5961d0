//! How a plugin failed: an outcome in the trace, never an error of the host.

use std::fmt;

use gatewright_abi::Hostcall;
use wasmtime::{Trap, WasmBacktrace};

use crate::trace::Entry;

/// The kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The guest trapped: a panic, an access out of bounds, a division by zero.
    Trap,
    /// The guest used up its CPU budget.
    CpuExceeded,
    /// The guest asked for more memory than it may have.
    MemoryExceeded,
    /// The guest's call stack overflowed.
    StackOverflow,
    /// The guest made a call that is not allowed at this point.
    RestrictedCall,
    /// A mutation was larger than the platform takes.
    MutationTooLarge,
    /// `proxy_on_vm_start` returned false.
    VmStartRefused,
    /// `proxy_on_configure` returned false.
    ConfigureRefused,
    /// The VM could not be made.
    Instantiation,
    /// The module is too large, together with its configuration.
    ModuleTooLarge,
    /// The platform's own host fails here, and takes the plugin with it.
    HostFails,
}

impl FaultKind {
    /// The code in case files and reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::CpuExceeded => "cpu-exceeded",
            Self::MemoryExceeded => "memory-exceeded",
            Self::StackOverflow => "stack-overflow",
            Self::RestrictedCall => "restricted-call",
            Self::MutationTooLarge => "mutation-too-large",
            Self::VmStartRefused => "vm-start-refused",
            Self::ConfigureRefused => "configure-refused",
            Self::Instantiation => "instantiation",
            Self::ModuleTooLarge => "module-too-large",
            Self::HostFails => "host-fails",
        }
    }
}

/// A function on the guest's stack when it failed, innermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its name, demangled; its index where the module has no names.
    pub function: String,
    /// Byte offset in the module.
    pub offset: Option<usize>,
}

/// A plugin that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// The plugin's place in the chain, from 0.
    pub plugin: usize,
    /// The context that ran.
    pub context: u32,
    /// What was called in it.
    pub entry: Entry,
    /// What went wrong, in a sentence.
    pub message: String,
    /// The guest's stack, innermost first.
    pub frames: Vec<Frame>,
    /// The last hostcalls before it, oldest first, each with the status it got.
    pub last_hostcalls: Vec<(Hostcall, u32)>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in {}: {}",
            self.kind.code(),
            self.entry.name(),
            self.message
        )
    }
}

/// Why the host ended a guest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("`{0}` is not allowed while {1}")]
    Restricted(&'static str, &'static str),
    #[error("memory would grow to {wanted} bytes; the limit is {limit}")]
    Memory { wanted: usize, limit: usize },
    #[error("a mutation of {size} bytes; the limit is {limit}")]
    Mutation { size: usize, limit: usize },
    #[error("the module exports no memory")]
    NoMemory,
    #[error("{0}")]
    HostFails(&'static str),
}

/// The sentence on a trap, with what a panic said before it: from standard error, where Rust's own
/// hook writes, or from a critical log, where the proxy-wasm SDK's hook does.
pub(crate) fn with_last_words(message: String, words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    let said = match words.find("panicked at ") {
        Some(start) => &words[start..],
        None => &words,
    };
    let said = said.split("\nnote: ").next().unwrap_or_default();
    let said: Vec<_> = said.split_whitespace().collect();
    let said = said.join(" ");
    if said.is_empty() {
        message
    } else if said.starts_with("panicked at ") {
        said
    } else {
        format!("{message}; it wrote `{said}`")
    }
}

/// The kind, the sentence and the stack of an error that came out of a guest.
pub(crate) fn read(error: &wasmtime::Error) -> (FaultKind, String, Vec<Frame>) {
    let (kind, message) = if let Some(ended) = error.downcast_ref::<Ended>() {
        let kind = match ended {
            Ended::Restricted(..) => FaultKind::RestrictedCall,
            Ended::Memory { .. } => FaultKind::MemoryExceeded,
            Ended::Mutation { .. } => FaultKind::MutationTooLarge,
            Ended::NoMemory => FaultKind::Instantiation,
            Ended::HostFails(_) => FaultKind::HostFails,
        };
        (kind, ended.to_string())
    } else {
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel | Trap::Interrupt) => (
                FaultKind::CpuExceeded,
                "the CPU budget is used up".to_owned(),
            ),
            Some(Trap::StackOverflow) => (
                FaultKind::StackOverflow,
                "the call stack overflowed".to_owned(),
            ),
            Some(Trap::UnreachableCodeReached) => (
                FaultKind::Trap,
                "unreachable code reached, as by a panic".to_owned(),
            ),
            Some(trap) => (FaultKind::Trap, trap.to_string()),
            None => (FaultKind::Trap, error.root_cause().to_string()),
        }
    };
    (kind, message, frames(error))
}

fn frames(error: &wasmtime::Error) -> Vec<Frame> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    backtrace
        .frames()
        .iter()
        .map(|frame| Frame {
            function: match frame.func_name() {
                Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
                None => format!("function {}", frame.func_index()),
            },
            offset: frame.module_offset(),
        })
        .collect()
}

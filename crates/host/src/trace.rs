//! What happened, told once: callbacks, hostcalls, logs, findings and faults of one exchange.
//!
//! A [`Trace`] is the only source for expectations, logs, reports and the page in the browser. At
//! level [`Off`](TraceLevel::Off) it holds logs, findings and faults, which cost nothing until there
//! is one; at [`Cost`](TraceLevel::Cost) also a [`Span`] for each callback; at
//! [`Full`](TraceLevel::Full) also every hostcall with its arguments and answer.

use gatewright_abi::{Callback, Hostcall, LogLevel, MapType};

use crate::fault::Fault;
use crate::finding::Finding;
use crate::headers::HeaderMap;

/// How much is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TraceLevel {
    /// Logs, findings and faults.
    #[default]
    Off,
    /// Also each callback with what it cost.
    Cost,
    /// Also each hostcall with its arguments.
    Full,
}

/// What the host called in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// `_initialize`, `main` or `_start`.
    Initialize,
    /// A callback of the ABI.
    Callback(Callback),
}

impl Entry {
    /// The name of the export.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialize => "_initialize",
            Self::Callback(callback) => callback.name(),
        }
    }
}

/// What one callback used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Fuel burnt, about one unit a wasm instruction; 0 where the engine meters none.
    pub fuel: u64,
    /// Hostcalls made, WASI calls not counted.
    pub hostcalls: u32,
    /// Bytes that went from the guest to the host.
    pub bytes_from_guest: u64,
    /// Bytes that went from the host to the guest.
    pub bytes_to_guest: u64,
    /// Bytes by which the guest's memory grew.
    pub memory_growth: u64,
}

/// One call into a guest.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The plugin's place in the chain, from 0.
    pub plugin: usize,
    /// The context that was called.
    pub context: u32,
    /// What was called.
    pub entry: Entry,
    /// The arguments after the context's id.
    pub arguments: Arguments,
    /// What it returned, `Some(0)` for a callback without a result; `None` when it trapped.
    pub returned: Option<u32>,
    /// What it used.
    pub cost: Cost,
    /// The hostcalls it made, at level [`TraceLevel::Full`].
    pub hostcalls: Vec<HostcallRecord>,
    /// The part of a message that it was about, at level [`TraceLevel::Full`].
    pub seen: Option<Box<Seen>>,
}

/// The part of a message that a callback was about, as it came to the plugin and as it left it.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Headers or trailers.
    Headers {
        /// Before the callback.
        before: HeaderMap,
        /// After it.
        after: HeaderMap,
    },
    /// A chunk of a body.
    Body {
        /// Before the callback.
        before: Vec<u8>,
        /// After it.
        after: Vec<u8>,
    },
}

/// Up to four numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    values: [u32; 4],
    count: u8,
}

impl Arguments {
    /// The numbers given; those past the fourth are left out.
    pub(crate) fn new(given: &[u32]) -> Self {
        let mut values = [0; 4];
        let count = given.len().min(values.len());
        values[..count].copy_from_slice(&given[..count]);
        Self {
            values,
            count: count as u8,
        }
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[u32] {
        &self.values[..usize::from(self.count)]
    }
}

/// One hostcall.
#[derive(Clone, Debug, PartialEq)]
pub struct HostcallRecord {
    /// Which.
    pub call: Hostcall,
    /// The status that the guest got.
    pub status: u32,
    /// What was asked and what came of it, by name.
    pub values: Vec<(&'static str, Value)>,
}

/// A value in a trace.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(i64),
    /// Bytes, often text.
    Bytes(Vec<u8>),
    /// Which header map.
    Map(MapType),
    /// A header map.
    Headers(HeaderMap),
    /// A name of the ABI or of the host.
    Name(&'static str),
}

/// Who wrote a log message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// `proxy_log`.
    Plugin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One log message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The plugin's place in the chain, from 0.
    pub plugin: usize,
    /// The context that ran.
    pub context: u32,
    /// What was called in it.
    pub entry: Entry,
    /// How many calls into guests this trace had seen before that one.
    pub ordinal: u32,
    /// Severity.
    pub level: LogLevel,
    /// Where it came from.
    pub source: LogSource,
    /// The text, as the guest wrote it.
    pub message: Vec<u8>,
}

/// The story of one exchange, or of the start of a plugin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// How much is written down.
    pub level: TraceLevel,
    /// Calls into guests, in order.
    pub spans: Vec<Span>,
    /// Log messages, in order.
    pub logs: Vec<LogLine>,
    /// What would surprise in production, in order.
    pub findings: Vec<Finding>,
    /// Plugins that failed, in order.
    pub faults: Vec<Fault>,
    /// Calls into guests so far, at every level.
    pub(crate) ordinal: u32,
}

impl Trace {
    /// A trace with nothing in it.
    pub fn new(level: TraceLevel) -> Self {
        Self {
            level,
            ..Self::default()
        }
    }

    /// Fuel burnt by all callbacks.
    pub fn fuel(&self) -> u64 {
        self.spans.iter().map(|span| span.cost.fuel).sum()
    }

    /// The number of calls into guests so far: the ordinal that the next one gets.
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// Tells what the last call was about.
    pub(crate) fn saw(&mut self, seen: Seen) {
        if let Some(span) = self.spans.last_mut() {
            span.seen = Some(Box::new(seen));
        }
    }

    /// Takes over what another trace holds, after what is here.
    pub fn append(&mut self, mut later: Self) {
        for line in &mut later.logs {
            line.ordinal += self.ordinal;
        }
        for finding in &mut later.findings {
            finding.ordinal += self.ordinal;
        }
        self.ordinal += later.ordinal;
        self.spans.append(&mut later.spans);
        self.logs.append(&mut later.logs);
        self.findings.append(&mut later.findings);
        self.faults.append(&mut later.faults);
    }
}

//! Why a case cannot be carried by HTTP, or not through a stock Envoy: a closed list.

use std::fmt;

use gatewright_harness::{Case, Check};

/// What in a case has no counterpart on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inexpressible {
    /// Its outcome hangs on the time of day, which is Envoy's own.
    Clock,
    /// It sets the seed of random bytes, or its outcome hangs on them.
    Random,
    /// It sets attributes, which Envoy computes from the connection.
    Attributes,
    /// It goes through more than one plugin, or sets its plugin up in a way of its own.
    Chain,
    /// Its exchanges take turns.
    Turns,
    /// Time passes in it, or something happens between its exchanges.
    Happenings,
    /// An upstream of it answers late, not at all, or speaks gRPC.
    Upstream,
    /// Its parts come in an order that no message has.
    Order,
    /// Its message never ends.
    OpenEnd,
    /// It leaves out a pseudo-header, has one twice, or one that HTTP/1 does not have.
    PseudoHeader,
    /// Its method is no method, or makes a tunnel.
    Method,
    /// Its path or authority cannot stand in a request line.
    Target,
    /// Its status is none that a final response has.
    Status,
    /// A header's name is no name.
    HeaderName,
    /// A header's value has a byte that HTTP does not carry.
    HeaderValue,
    /// A header belongs to the connection or to the proxy.
    HopHeader,
    /// Its headers are more than a server takes.
    HeaderSize,
    /// Its `content-length` is not the length of its body.
    ContentLength,
    /// It has a body where the message carries none.
    Body,
    /// It expects what only the emulator shows.
    Unseen,
}

impl Inexpressible {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::Clock,
        Self::Random,
        Self::Attributes,
        Self::Chain,
        Self::Turns,
        Self::Happenings,
        Self::Upstream,
        Self::Order,
        Self::OpenEnd,
        Self::PseudoHeader,
        Self::Method,
        Self::Target,
        Self::Status,
        Self::HeaderName,
        Self::HeaderValue,
        Self::HopHeader,
        Self::HeaderSize,
        Self::ContentLength,
        Self::Body,
        Self::Unseen,
    ];

    /// The reason in words, for a list of cases that did not run.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Clock => "it hangs on the time of day",
            Self::Random => "it sets the seed of random bytes, or hangs on them",
            Self::Attributes => "it sets attributes, which Envoy computes itself",
            Self::Chain => "it is about a chain of plugins, or one set up in a way of its own",
            Self::Turns => "its exchanges take turns",
            Self::Happenings => "time passes in it, or something happens between its exchanges",
            Self::Upstream => "an upstream of it answers late, not at all, or speaks gRPC",
            Self::Order => "its parts come in an order that no message has",
            Self::OpenEnd => "its message never ends",
            Self::PseudoHeader => "it has other pseudo-headers than HTTP/1 carries",
            Self::Method => "its method is no method, or makes a tunnel",
            Self::Target => "its path or authority cannot stand in a request",
            Self::Status => "its status is none of a final response",
            Self::HeaderName => "the name of a header is no name",
            Self::HeaderValue => "the value of a header has bytes that HTTP does not carry",
            Self::HopHeader => "a header belongs to the connection or to the proxy",
            Self::HeaderSize => "its headers are more than a server takes",
            Self::ContentLength => "its `content-length` is not the length of its body",
            Self::Unseen => {
                "it expects what only the emulator shows: findings, and what plugins share"
            }
            Self::Body => "it has a body where the message carries none",
        }
    }
}

impl fmt::Display for Inexpressible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// Whether a case expects what Envoy does not show, and so cannot be judged by it. A budget is of
/// the emulator's own costs, and the rest of such a case is judged.
pub fn unseen(case: &Case) -> Option<Inexpressible> {
    let is_unseen = |check: &Check| match check {
        Check::Findings(kinds) => !kinds.is_empty(),
        Check::Callouts(_) | Check::Metric(..) | Check::Shared(..) | Check::Queue(..) => true,
        _ => false,
    };
    let exchanges = case.exchanges.iter().flat_map(|exchange| {
        let steps = exchange.steps.iter().flat_map(|step| &step.checks);
        let ends = exchange.open.iter().chain(&exchange.done);
        steps.chain(ends).chain(&exchange.whole)
    });
    let unseen = case.start.iter().chain(exchanges).any(is_unseen);
    unseen.then_some(Inexpressible::Unseen)
}

//! What both case formats become: suites of cases, each with events to send and checks to make.

use std::path::PathBuf;
use std::sync::Arc;

use gatewright_host::{Attributes, Callback, Entry, FindingKind, HeaderMap, LogLevel, Profile};
use regex::bytes::Regex;

use crate::place::Place;
use crate::world::{CalloutIs, Happening, World};

/// The cases of one file.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The file.
    pub file: PathBuf,
    /// The format that it is in.
    pub format: Format,
    /// The plugin that it names, if it names one.
    pub plugin: Option<String>,
    /// Its cases, in order.
    pub cases: Vec<Case>,
}

/// A format of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Ours.
    Cases,
    /// Google's tester's, as text or as YAML.
    Google,
}

/// One case: a plugin started afresh, some exchanges, and what is expected of them.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Where it stands in its file.
    pub place: Place,
    /// The platform that it is for.
    pub profile: Profile,
    /// The plugin's configuration, if the case gives one.
    pub config: Option<Arc<[u8]>>,
    /// What the clock shows, in nanoseconds since the epoch.
    pub clock: u64,
    /// Whether the case says so itself.
    pub clock_set: bool,
    /// The seed of random bytes.
    pub seed: u64,
    /// Log messages below this level are not seen.
    pub log_level: LogLevel,
    /// Attributes of its exchanges.
    pub attributes: Arc<Attributes>,
    /// Whether the plugin must refuse to start.
    pub start_fails: bool,
    /// What is expected of the plugin's start.
    pub start: Vec<Check>,
    /// Its exchanges, on one VM: in order, or as `turns` has it.
    pub exchanges: Vec<Exchange>,
    /// How the exchanges take turns, if they run at the same time.
    pub turns: Option<Turns>,
    /// Which ways to vary it `gatewright test --explore` leaves out, each with the reason.
    pub unexplored: Vec<(Variation, String)>,
    /// What its exchanges may cost.
    pub budget: Budget,
    /// What surrounds its plugins.
    pub world: World,
}

/// Whose turn it is when exchanges run at the same time: places of exchanges, from 0. In one turn an
/// exchange sends its next event; its last turn ends it. When the list is used up, those that are
/// not at their end go on in rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns(pub Vec<usize>);

/// A way to vary a case that must not change what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variation {
    /// Bodies come in other chunks.
    Splits,
    /// The end of a message comes with its headers or with an empty last chunk.
    EndOfStream,
    /// Header names come in another case.
    Case,
    /// Headers come twice.
    Duplicates,
    /// Two streams of the same exchange take turns in one VM.
    Twins,
}

impl Variation {
    /// Every way.
    pub const ALL: &'static [Self] = &[
        Self::Splits,
        Self::EndOfStream,
        Self::Case,
        Self::Duplicates,
        Self::Twins,
    ];

    /// The name as cases write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Splits => "splits",
            Self::EndOfStream => "end_of_stream",
            Self::Case => "case",
            Self::Duplicates => "duplicates",
            Self::Twins => "twins",
        }
    }
}

/// What a case may cost, as far as it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// Fuel of each exchange, over all its callbacks.
    pub fuel: Option<u64>,
    /// Part of the millisecond that an exchange may have, in percent.
    pub share: Option<f64>,
    /// Bytes of the VM's memory at its peak.
    pub memory: Option<u64>,
}

/// A request and the response to it.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// What happens before it, in order.
    pub before: Vec<Happening>,
    /// What is sent, in order. Without anything to send no stream is opened: time passes, and
    /// plugins get what happens meanwhile.
    pub steps: Vec<Step>,
    /// What is expected of the stream's creation.
    pub open: Vec<Check>,
    /// What is expected of its end.
    pub done: Vec<Check>,
    /// What is expected over the whole exchange.
    pub whole: Vec<Check>,
    /// How the plugin is expected to trap, if it is.
    pub trap: Option<Matcher>,
}

/// One phase: what is sent, and what is expected of what comes out.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which.
    pub phase: Phase,
    /// What is sent.
    pub event: Event,
    /// What is expected.
    pub checks: Vec<Check>,
    /// Nanoseconds that pass after it.
    pub advance: u64,
}

/// What is sent to a plugin in one phase.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Headers.
    Headers {
        /// The fields.
        headers: HeaderMap,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// A body, chunk by chunk.
    Body {
        /// The chunks.
        chunks: Vec<Vec<u8>>,
        /// Whether the last chunk carries the end.
        end_of_stream: bool,
    },
    /// Trailers.
    Trailers(HeaderMap),
}

/// A phase of an exchange, or of a plugin's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The plugin starts.
    Configure,
    /// The stream is created.
    Open,
    /// The request's headers.
    RequestHeaders,
    /// The request's body.
    RequestBody,
    /// The request's trailers.
    RequestTrailers,
    /// The response's headers.
    ResponseHeaders,
    /// The response's body.
    ResponseBody,
    /// The response's trailers.
    ResponseTrailers,
    /// The stream ends.
    Done,
}

impl Phase {
    /// The name as cases write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Open => "open",
            Self::RequestHeaders => "request_headers",
            Self::RequestBody => "request_body",
            Self::RequestTrailers => "request_trailers",
            Self::ResponseHeaders => "response_headers",
            Self::ResponseBody => "response_body",
            Self::ResponseTrailers => "response_trailers",
            Self::Done => "done",
        }
    }

    /// The phase that a call into a guest belongs to, during an exchange.
    pub const fn of(entry: Entry) -> Option<Self> {
        let Entry::Callback(callback) = entry else {
            return None;
        };
        Some(match callback {
            Callback::OnContextCreate => Self::Open,
            Callback::OnRequestHeaders => Self::RequestHeaders,
            Callback::OnRequestBody => Self::RequestBody,
            Callback::OnRequestTrailers => Self::RequestTrailers,
            Callback::OnResponseHeaders => Self::ResponseHeaders,
            Callback::OnResponseBody => Self::ResponseBody,
            Callback::OnResponseTrailers => Self::ResponseTrailers,
            Callback::OnDone | Callback::OnLog | Callback::OnDelete => Self::Done,
            _ => return None,
        })
    }
}

/// One thing that is expected.
#[derive(Clone, Debug)]
pub enum Check {
    /// Some header has this name and a value that matches.
    Has(Vec<u8>, Matcher),
    /// The values of this header, joined, are these bytes.
    HasMerged(Vec<u8>, Vec<u8>),
    /// No header has this name.
    Lacks(Vec<u8>),
    /// The headers are these, in this order.
    Exact(HeaderMap),
    /// Some line `name: value` matches; with an inverted matcher, none does.
    HeaderLine(Matcher),
    /// The body matches.
    Body(Matcher),
    /// A local reply was sent that looks like this.
    Reply(ReplyIs),
    /// No local reply was sent.
    NoReply,
    /// The tester's rules for local replies: there is one exactly if this is `Some`, and no
    /// callback paused without one.
    Immediate(Option<ImmediateIs>),
    /// Some log message matches; with an inverted matcher, none does.
    Log(Option<LogLevel>, Matcher),
    /// No log message matches.
    NoLog(Option<LogLevel>, Matcher),
    /// Exactly these kinds of findings.
    Findings(Vec<FindingKind>),
    /// Exactly these callouts were made, in this order.
    Callouts(Vec<CalloutIs>),
    /// A metric has this value in the end.
    Metric(Vec<u8>, u64),
    /// A value that plugins share matches in the end.
    Shared(Vec<u8>, Matcher),
    /// Exactly these items wait in a queue in the end.
    Queue(Vec<u8>, Vec<Matcher>),
}

/// What is expected of a local reply.
#[derive(Clone, Debug, Default)]
pub struct ReplyIs {
    /// Its status.
    pub status: Option<u32>,
    /// Its gRPC status.
    pub grpc_status: Option<i32>,
    /// Checks on its headers and body.
    pub checks: Vec<Check>,
}

/// What Google's `immediate` compares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImmediateIs {
    /// The HTTP status.
    pub http_status: Option<u32>,
    /// The gRPC status.
    pub grpc_status: Option<u32>,
    /// The details.
    pub details: Option<String>,
}

/// A test on bytes.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// What is looked for.
    pub pattern: Pattern,
    /// Whether it must not be there.
    pub invert: bool,
}

/// What a [`Matcher`] looks for.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// These bytes and no others.
    Exact(Vec<u8>),
    /// These bytes somewhere.
    Contains(Vec<u8>),
    /// A full match of a regular expression, shown as its author wrote it.
    Regex(String, Regex),
    /// Anything.
    Any,
}

impl Matcher {
    /// A matcher that is not inverted.
    pub const fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            invert: false,
        }
    }

    /// These bytes and no others.
    pub fn exact(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Pattern::Exact(bytes.into()))
    }

    /// Whether the pattern is found, regardless of inversion.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        match &self.pattern {
            Pattern::Exact(expected) => bytes == expected,
            Pattern::Contains(part) => contains(bytes, part),
            Pattern::Regex(_, regex) => regex.is_match(bytes),
            Pattern::Any => true,
        }
    }

    /// The tester's rule for lists: some text is found; or, inverted, none is.
    pub fn holds_among<'a>(&self, texts: impl IntoIterator<Item = &'a [u8]>) -> bool {
        texts.into_iter().any(|text| self.finds(text)) != self.invert
    }
}

impl std::fmt::Display for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.invert {
            f.write_str("not ")?;
        }
        match &self.pattern {
            Pattern::Exact(bytes) => write!(f, "`{}`", crate::text::shown(bytes)),
            Pattern::Contains(bytes) => {
                write!(f, "something with `{}`", crate::text::shown(bytes))
            }
            Pattern::Regex(source, _) => write!(f, "a match of /{source}/"),
            Pattern::Any => f.write_str("anything"),
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverted_matcher_holds_when_nothing_is_found() {
        let mut matcher = Matcher::exact("a");
        assert!(matcher.holds_among([&b"b"[..], b"a"]));
        assert!(!matcher.holds_among([]));
        matcher.invert = true;
        assert!(!matcher.holds_among([&b"b"[..], b"a"]));
        assert!(matcher.holds_among([]));
    }

    #[test]
    fn parts_are_found_at_both_ends() {
        assert!(contains(b"abc", b"ab") && contains(b"abc", b"bc") && contains(b"", b""));
        assert!(!contains(b"abc", b"ac") && !contains(b"a", b"ab"));
    }
}

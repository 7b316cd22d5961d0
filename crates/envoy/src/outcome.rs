//! What an exchange did, told the same way by both engines.

use std::fmt::Write as _;

use gatewright_host::{HeaderMap, LogLevel, Span, Trace};

use crate::edge::essence;
use crate::http1::Seen;
use crate::log::{Line, Told};

/// Everything of an exchange that is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The calls into the plugin, in order.
    pub calls: Vec<Call>,
    /// The request as the upstream saw it; `None` when nothing came there.
    pub upstream: Option<Seen>,
    /// What the client saw.
    pub client: Client,
    /// The callouts, as the services that they went to saw them.
    pub callouts: Vec<Seen>,
}

/// One call into a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The export.
    pub name: String,
    /// Its arguments, the context first.
    pub arguments: Vec<u32>,
    /// What it returned; `None` when it trapped.
    pub returned: Option<u32>,
    /// The hostcalls that it made, each with the status it got.
    pub hostcalls: Vec<(String, u32)>,
    /// The messages that it logged.
    pub logs: Vec<(LogLevel, Vec<u8>)>,
}

/// What a client saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The response, as far as it came.
    pub response: Option<Seen>,
    /// Whether the connection was closed before the response was complete.
    pub cut: bool,
}

/// A part of an outcome that is compared for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Callbacks, their arguments and results, hostcalls and their statuses.
    Calls,
    /// Log messages.
    Logs,
    /// The request at the upstream.
    Upstream,
    /// The response at the client.
    Client,
    /// Callouts.
    Callouts,
}

impl Aspect {
    /// Every aspect.
    pub const ALL: &'static [Self] = &[
        Self::Calls,
        Self::Logs,
        Self::Upstream,
        Self::Client,
        Self::Callouts,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls into the plugin",
            Self::Logs => "log messages",
            Self::Upstream => "the request at the upstream",
            Self::Client => "the response at the client",
            Self::Callouts => "callouts",
        }
    }
}

impl Outcome {
    /// An aspect as lines of text, which are the same exactly if the aspect is.
    pub fn text(&self, aspect: Aspect) -> String {
        let mut out = String::new();
        match aspect {
            Aspect::Calls => self.calls.iter().for_each(|call| call.write(&mut out)),
            Aspect::Logs => {
                for (level, text) in self.calls.iter().flat_map(|call| &call.logs) {
                    line(
                        &mut out,
                        &format!("{level}: {}", timeless(&unnumbered(&shown(text)))),
                    );
                }
            }
            Aspect::Upstream => match &self.upstream {
                None => line(&mut out, "nothing came"),
                Some(seen) => message(&mut out, seen),
            },
            Aspect::Client => {
                match &self.client.response {
                    None => line(&mut out, "nothing came"),
                    Some(seen) => message(&mut out, seen),
                }
                if self.client.cut {
                    line(&mut out, "the connection was closed");
                }
            }
            Aspect::Callouts => self
                .callouts
                .iter()
                .for_each(|seen| message(&mut out, seen)),
        }
        out
    }
}

impl Call {
    fn write(&self, out: &mut String) {
        // Hosts number queues and callouts as they like.
        let is_number = |at: usize| match self.name.as_str() {
            "proxy_on_queue_ready" | "proxy_on_http_call_response" => at == 1,
            _ => false,
        };
        let arguments: Vec<_> = self
            .arguments
            .iter()
            .enumerate()
            .map(|(at, argument)| match is_number(at) {
                true => "_".to_owned(),
                false => argument.to_string(),
            })
            .collect();
        let returned = match self.returned {
            None => "trapped".to_owned(),
            Some(number) => number.to_string(),
        };
        line(
            out,
            &format!("{}({}) {returned}", self.name, arguments.join(", ")),
        );
        for (name, status) in &self.hostcalls {
            line(out, &format!("  {name} {status}"));
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn message(out: &mut String, seen: &Seen) {
    let size = seen.complete.then_some(seen.body.len());
    fields(out, "", &essence(&seen.headers, size));
    if !seen.body.is_empty() {
        line(
            out,
            &format!("body of {}: {}", seen.body.len(), shown(&seen.body)),
        );
    }
    fields(out, "trailer ", &seen.trailers);
    if !seen.complete {
        line(out, "and no end");
    }
}

fn fields(out: &mut String, before: &str, map: &HeaderMap) {
    for (name, value) in map {
        line(out, &format!("{before}{}: {}", shown(name), shown(value)));
    }
}

/// Bytes as text on one line; what is not printable ASCII is escaped.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// A message without the milliseconds that a callout took, which Envoy puts into its response.
fn timeless(text: &str) -> String {
    const TIME: &str = "\"x-envoy-upstream-service-time\" \"";
    match text.split_once(TIME) {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}{TIME}_{rest}")
        }
        None => text.to_owned(),
    }
}

/// A message without the number of a callout, which hosts give as they like, where a guest of the
/// conformance kit writes it down: `on http_call_response root NUMBER …`.
fn unnumbered(text: &str) -> String {
    const ANSWER: &str = "on http_call_response root ";
    match text.strip_prefix(ANSWER) {
        Some(after) => {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            let number = if rest.len() == after.len() {
                ""
            } else {
                "$call"
            };
            format!("{ANSWER}{number}{rest}")
        }
        None => text.to_owned(),
    }
}

/// The calls that Envoy's log tells of.
pub(crate) fn calls_of_log(lines: &[Line]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let is_callback =
        |name: &str| name.starts_with("proxy_on_") && name != "proxy_on_memory_allocate";
    for line in lines {
        match (&line.told, calls.last_mut()) {
            (Told::Enter { name, arguments }, _) if is_callback(name) => calls.push(Call {
                name: name.clone(),
                arguments: arguments.clone(),
                ..Call::default()
            }),
            (Told::Leave { name, returned }, Some(call)) if *name == call.name => {
                call.returned = Some(*returned);
            }
            (Told::Answer { name, status }, Some(call)) => {
                call.hostcalls.push((name.clone(), *status));
            }
            (Told::Message { level, text, .. }, Some(call)) => {
                call.logs.push((*level, text.clone()));
            }
            _ => {}
        }
    }
    calls
}

/// The calls that a trace tells of, from one of its spans on.
pub(crate) fn calls_of_trace(trace: &Trace, from: usize) -> Vec<Call> {
    let spans = trace.spans.iter().enumerate().skip(from);
    spans
        .filter(|(_, span)| span.entry.name().starts_with("proxy_on_"))
        .map(|(index, span)| call_of_span(trace, index, span))
        .collect()
}

fn call_of_span(trace: &Trace, index: usize, span: &Span) -> Call {
    let arguments = std::iter::once(span.context).chain(span.arguments.as_slice().iter().copied());
    let logs = trace.logs.iter();
    Call {
        name: span.entry.name().to_owned(),
        arguments: arguments.collect(),
        returned: span.returned,
        hostcalls: span
            .hostcalls
            .iter()
            .map(|record| (record.call.name().to_owned(), record.status))
            .collect(),
        logs: logs
            .filter(|line| line.ordinal as usize == index)
            .map(|line| (line.level, line.message.clone()))
            .collect(),
    }
}

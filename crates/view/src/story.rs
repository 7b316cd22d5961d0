//! From a trace to what is shown of it.

use std::collections::BTreeMap;
use std::ops::Range;

use gatewright_host::{
    Effect, Fault as HostFault, FaultKind, HeaderMap, Hostcall as HostcallKind, HostcallRecord,
    LogLine, LogSource, Seen, Span, Status, Trace, Value,
};

use crate::diff::{self, FIELDS};
use crate::model::{
    Call, CallKind, Change, Cost, Event, Exchange, Fact, Fault, Field, Finding, Hostcall, Lane,
    Log, Message,
};
use crate::secret::{hidden, is_secret, last};
use crate::text::{self, MESSAGE, VALUE};
use crate::words;

/// Calls of an exchange that are shown, and messages.
const EVENTS: usize = 600;
/// Hostcalls of a call that are shown, and log messages, each.
const OF_A_CALL: usize = 200;
/// Frames of a stack that are shown.
const FRAMES: usize = 40;

/// Tells traces and messages.
#[derive(Clone, Copy, Debug)]
pub struct Teller<'t> {
    /// What each plugin of the chain is called, in order.
    pub plugins: &'t [String],
    /// The fuel that an exchange may burn, where it has a budget.
    pub budget: Option<u64>,
    /// Whether the values of headers that carry secrets are hidden.
    pub hide_secrets: bool,
}

impl Teller<'_> {
    /// The calls of a trace with these ordinals, each with what happened in it.
    pub fn calls(&self, trace: &Trace, ordinals: Range<u32>) -> Vec<Event> {
        let mut events = Vec::new();
        for ordinal in ordinals {
            let index = usize::try_from(ordinal).unwrap_or(usize::MAX);
            let Some(span) = trace.spans.get(index) else {
                break;
            };
            let mut call = self.call(span);
            self.happened(trace, ordinal, Some(span), &mut call);
            events.push(Event::Call(Box::new(call)));
        }
        events
    }

    /// What a trace tells of calls that it does not hold, if it tells anything.
    pub fn untraced(&self, trace: &Trace) -> Option<Event> {
        let from = u32::try_from(trace.spans.len()).unwrap_or(u32::MAX);
        let mut call = Call {
            kind: CallKind::Plugin,
            who: self.who(0),
            name: "calls that are not traced".to_owned(),
            ..empty_call()
        };
        for ordinal in from..trace.ordinal().saturating_add(1) {
            self.happened(trace, ordinal, None, &mut call);
            if call.left_out > 0 {
                break;
            }
        }
        let faults = trace.faults.iter();
        let unseen = faults
            .rev()
            .find(|fault| !trace.spans.iter().any(|span| belongs(fault, span)));
        call.fault = unseen.map(told_fault);
        call.failed = call.fault.is_some();
        let tells = !call.logs.is_empty() || !call.findings.is_empty() || call.failed;
        tells.then(|| Event::Call(Box::new(call)))
    }

    fn who(&self, plugin: usize) -> String {
        match self.plugins.get(plugin) {
            Some(name) => text::value(name.as_bytes(), VALUE),
            None => format!("plugin {plugin}"),
        }
    }

    fn call(&self, span: &Span) -> Call {
        let mut call = empty_call();
        call.who = self.who(span.plugin);
        call.name = span.entry.name().to_owned();
        call.arguments = words::arguments(span.entry, span.arguments.as_slice());
        call.answer = span
            .returned
            .and_then(|returned| words::answer(span.entry, returned));
        call.failed = span.returned.is_none();
        call.cost = self.cost(span);
        call.change = span.seen.as_deref().map(|seen| self.change(seen));
        call
    }

    fn cost(&self, span: &Span) -> Cost {
        let cost = &span.cost;
        Cost {
            fuel: cost.fuel,
            share: self.share(cost.fuel),
            hostcalls: cost.hostcalls,
            bytes_from_guest: cost.bytes_from_guest,
            bytes_to_guest: cost.bytes_to_guest,
            memory_growth: cost.memory_growth,
            ..Cost::default()
        }
    }

    fn share(&self, fuel: u64) -> Option<f64> {
        let budget = self.budget.filter(|budget| *budget > 0)?;
        Some(fuel as f64 / budget as f64)
    }

    fn change(&self, seen: &Seen) -> Change {
        match seen {
            Seen::Headers { before, after } => self.headers_change(before, after),
            Seen::Body { before, after } => Change::Body(diff::body(before, after)),
        }
    }

    /// What became of a header map.
    pub fn headers_change(&self, before: &HeaderMap, after: &HeaderMap) -> Change {
        diff::headers(before, after, &|name, value| self.value(name, value))
    }

    /// What became of a body, or of a part of one.
    pub fn body_change(&self, before: &[u8], after: &[u8]) -> Change {
        Change::Body(diff::body(before, after))
    }

    /// A header's value, hidden where it is a secret.
    fn value(&self, name: &[u8], value: &[u8]) -> String {
        if self.hide_secrets && is_secret(name) {
            return hidden(value);
        }
        text::value(value, VALUE)
    }

    /// The fields of a map.
    pub fn fields(&self, headers: &HeaderMap) -> Vec<Field> {
        let fields = headers.iter().take(FIELDS).map(|(name, value)| Field {
            name: text::value(name, VALUE),
            value: self.value(name, value),
        });
        let mut fields: Vec<_> = fields.collect();
        if headers.len() > FIELDS {
            fields.push(Field {
                name: "…".to_owned(),
                value: format!("{} more", headers.len() - FIELDS),
            });
        }
        fields
    }

    /// The head of a message, or its trailers.
    pub fn head(&self, lane: Lane, incoming: bool, title: &str, headers: &HeaderMap) -> Event {
        Event::Message(Message {
            fields: self.fields(headers),
            ..message(lane, incoming, title)
        })
    }

    /// A body, or a part of one.
    pub fn body(&self, lane: Lane, incoming: bool, title: &str, body: &[u8]) -> Event {
        Event::Message(Message {
            body: Some(text::body(body)),
            ..message(lane, incoming, title)
        })
    }

    /// What comes of an event.
    pub fn effect(&self, effect: &Effect) -> Option<Event> {
        let (client, backend) = (Lane::Client, Lane::Backend);
        Some(match effect {
            Effect::RequestHeaders { headers, .. } => self.head(
                backend,
                false,
                "request headers go on to the backend",
                headers,
            ),
            Effect::RequestTrailers(trailers) => self.head(
                backend,
                false,
                "request trailers go on to the backend",
                trailers,
            ),
            Effect::RequestBody { chunk, .. } => {
                let title = format!("{} of body go on to the backend", length(chunk));
                self.body(backend, false, &title, chunk)
            }
            Effect::ResponseHeaders { headers, .. } => self.head(
                client,
                false,
                "response headers go back to the client",
                headers,
            ),
            Effect::ResponseTrailers(trailers) => self.head(
                client,
                false,
                "response trailers go back to the client",
                trailers,
            ),
            Effect::ResponseBody { chunk, .. } => {
                let title = format!("{} of body go back to the client", length(chunk));
                self.body(client, false, &title, chunk)
            }
            Effect::Reply(reply) => Event::Message(Message {
                fields: self.fields(&reply.headers),
                body: (!reply.body.is_empty()).then(|| text::body(&reply.body)),
                ..message(
                    client,
                    false,
                    &format!("the plugin replies {}", reply.status),
                )
            }),
            Effect::Fail { status } => bad(&format!("the plugin failed: the client gets {status}")),
            Effect::Reset => bad("the stream is reset"),
            _ => return None,
        })
    }

    /// Adds what happened in a call: hostcalls, logs, findings, its fault.
    fn happened(&self, trace: &Trace, ordinal: u32, span: Option<&Span>, call: &mut Call) {
        let logs: Vec<_> = trace
            .logs
            .iter()
            .filter(|log| log.ordinal == ordinal)
            .collect();
        let mut told = logs.clone();
        for record in span.map_or(&[][..], |span| &span.hostcalls) {
            // A message that was kept is told once, as a message.
            if let Some(at) = told.iter().position(|log| is_record_of(record, log)) {
                told.remove(at);
            } else if call.hostcalls.len() < OF_A_CALL {
                call.hostcalls.push(self.hostcall(record));
            } else {
                call.left_out += 1;
            }
        }
        for log in logs {
            if call.logs.len() < OF_A_CALL {
                call.logs.push(Log {
                    level: log.level.name().to_owned(),
                    text: text::value(&log.message, MESSAGE),
                });
            } else {
                call.left_out += 1;
            }
        }
        let findings = trace.findings.iter().filter(|f| f.ordinal == ordinal);
        let room = OF_A_CALL - call.findings.len().min(OF_A_CALL);
        call.findings
            .extend(findings.take(room).map(|finding| Finding {
                code: finding.kind.code().to_owned(),
                detail: text::value(finding.detail.as_bytes(), VALUE),
                help: finding.kind.help().to_owned(),
            }));
        if let Some(span) = span {
            let fault = trace.faults.iter().find(|fault| belongs(fault, span));
            call.failed |= fault.is_some();
            call.fault = fault.map(told_fault);
        }
    }

    fn hostcall(&self, record: &HostcallRecord) -> Hostcall {
        let about_secret = self.hide_secrets
            && record
                .values
                .iter()
                .any(|(_, value)| matches!(value, Value::Bytes(bytes) if is_secret(last(bytes))));
        let mut fields = Vec::new();
        let mut values = Vec::new();
        for (name, value) in &record.values {
            let value = match value {
                Value::Number(number) => number.to_string(),
                Value::Bytes(bytes) if about_secret && !is_secret(last(bytes)) => hidden(bytes),
                Value::Bytes(bytes) => format!("\"{}\"", text::value(bytes, VALUE)),
                Value::Map(map) => map.name().to_owned(),
                Value::Name(name) => (*name).to_owned(),
                Value::Headers(headers) => {
                    fields.extend(self.fields(headers));
                    match headers.len() {
                        1 => "1 header".to_owned(),
                        count => format!("{count} headers"),
                    }
                }
            };
            values.push(Fact::new(*name, value));
        }
        Hostcall {
            name: record.call.name().to_owned(),
            values,
            status: match Status::from_u32(record.status) {
                Some(Status::Ok) => None,
                Some(status) => Some(status.name().to_owned()),
                None => Some(record.status.to_string()),
            },
            fields,
        }
    }
}

impl Exchange {
    /// Sums up what its calls cost, and cuts it at the number of events that are shown.
    #[must_use]
    pub fn finished(mut self) -> Self {
        let mut total = Cost::default();
        // Each extension has a budget of its own: what counts is how near the nearest one came.
        let mut shares: BTreeMap<&str, f64> = BTreeMap::new();
        for event in &self.events {
            if let Event::Call(call) = event {
                total.add(&call.cost);
                if let Some(share) = call.cost.share {
                    *shares.entry(&call.who).or_default() += share;
                }
            }
        }
        total.share = shares.into_values().reduce(f64::max);
        self.total = total;
        if self.events.len() > EVENTS {
            let more = text::grouped((self.events.len() - EVENTS) as u64);
            self.notes.push(format!("{more} more events are left out"));
            self.events.truncate(EVENTS);
        }
        self
    }
}

impl Cost {
    fn add(&mut self, other: &Self) {
        fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            }
        }
        self.fuel += other.fuel;
        self.hostcalls += other.hostcalls;
        self.bytes_from_guest += other.bytes_from_guest;
        self.bytes_to_guest += other.bytes_to_guest;
        self.memory_growth += other.memory_growth;
        self.cpu_ns = sum(self.cpu_ns, other.cpu_ns);
        self.time_ns = sum(self.time_ns, other.time_ns);
    }
}

impl Call {
    /// A call of which nothing is known but who was called for what.
    pub fn new(kind: CallKind, who: &str, name: &str) -> Self {
        Self {
            kind,
            who: text::value(who.as_bytes(), VALUE),
            name: name.to_owned(),
            ..empty_call()
        }
    }
}

const fn empty_call() -> Call {
    Call {
        kind: CallKind::Plugin,
        who: String::new(),
        name: String::new(),
        arguments: String::new(),
        answer: None,
        failed: false,
        effect: None,
        cost: Cost {
            fuel: 0,
            cpu_ns: None,
            time_ns: None,
            share: None,
            hostcalls: 0,
            bytes_from_guest: 0,
            bytes_to_guest: 0,
            memory_growth: 0,
        },
        change: None,
        logs: Vec::new(),
        findings: Vec::new(),
        fault: None,
        hostcalls: Vec::new(),
        left_out: 0,
    }
}

fn message(lane: Lane, incoming: bool, title: &str) -> Message {
    Message {
        lane,
        incoming,
        title: title.to_owned(),
        bad: false,
        fields: Vec::new(),
        body: None,
    }
}

/// A message that is there because something failed.
fn bad(title: &str) -> Event {
    Event::Message(Message {
        bad: true,
        ..message(Lane::Client, false, title)
    })
}

fn length(chunk: &[u8]) -> String {
    text::bytes(chunk.len() as u64)
}

/// Whether a log message came of this hostcall.
fn is_record_of(call: &HostcallRecord, log: &LogLine) -> bool {
    call.call == HostcallKind::Log
        && log.source == LogSource::Plugin
        && call.values.iter().any(|(name, value)| {
            *name == "message" && matches!(value, Value::Bytes(text) if *text == log.message)
        })
}

fn belongs(fault: &HostFault, span: &Span) -> bool {
    let refused = matches!(
        fault.kind,
        FaultKind::VmStartRefused | FaultKind::ConfigureRefused
    );
    (fault.plugin, fault.context, fault.entry) == (span.plugin, span.context, span.entry)
        && (span.returned.is_none() || refused)
}

fn told_fault(fault: &HostFault) -> Fault {
    let frames = fault.frames.iter().take(FRAMES);
    let calls = fault.last_hostcalls.iter();
    Fault {
        code: fault.kind.code().to_owned(),
        message: text::value(fault.message.as_bytes(), MESSAGE),
        frames: frames
            .map(|frame| text::value(frame.function.as_bytes(), VALUE))
            .collect(),
        last_hostcalls: calls
            .map(|(call, status)| match Status::from_u32(*status) {
                Some(Status::Ok) => call.name().to_owned(),
                Some(status) => format!("{} → {}", call.name(), status.name()),
                None => format!("{} → {status}", call.name()),
            })
            .collect(),
    }
}

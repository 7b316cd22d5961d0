//! From what was written down of an exchange to what the page shows of it.

use std::time::Duration;

use gatewright_host::Trace;
use gatewright_view::model::{Call, CallKind, End, EndKind, Event, Exchange, Fact, Lane, Message};
use gatewright_view::page::Summary;
use gatewright_view::{Teller, shortened, shown};
use time::OffsetDateTime;

use crate::watch::{Event as Noted, Noted as Happened, Side, Story};

/// CPU time that an extension has for an exchange, in nanoseconds.
const BUDGET: f64 = 1_000_000.0;

/// What is shown of an exchange; its number comes with its place in the ring.
pub(super) fn told(story: &Story, hide_secrets: bool) -> (Summary, Exchange) {
    let names: Vec<String> = story
        .parts
        .iter()
        .map(|part| part.extension.clone())
        .collect();
    let title = title(story);
    let end = end(story);
    let mut exchange = Exchange {
        title: title.clone(),
        end: Some(end.clone()),
        facts: facts(story),
        ..Exchange::default()
    };
    if story.cut {
        exchange.notes.push(
            "there was more of it than is recorded: calls after the limit are not shown".to_owned(),
        );
    }
    let mut telling = Telling {
        story,
        names: &names,
        hide_secrets,
        told: vec![0; story.parts.len()],
    };
    telling.events(&mut exchange.events);
    let summary = Summary {
        id: 0,
        time: time(story),
        title,
        kind: end.kind,
        status: match story.status {
            0 => "cut off".to_owned(),
            status => status.to_string(),
        },
        took_ns: nanoseconds(story.took),
        extensions: extensions(story),
    };
    (summary, exchange.finished())
}

/// The request line, with the host.
fn title(story: &Story) -> String {
    let head = story.events.iter().find_map(|event| match event {
        Happened::Message(Side::FromClient, head) => Some(head),
        _ => None,
    });
    let get = |name: &[u8]| head.and_then(|head| head.get(name)).map(shown);
    let [method, host, path] =
        [&b":method"[..], b":authority", b":path"].map(|name| get(name).unwrap_or_default());
    shortened(&format!("{method} {host}{path}"), 300)
}

fn end(story: &Story) -> End {
    let ended_by = story.events.iter().rev().find_map(|event| match event {
        Happened::Event(event) => match event.effect {
            "IMMEDIATE_RESPONSE" => Some((EndKind::Reply, event.part)),
            "FAILED" => Some((EndKind::Failed, event.part)),
            _ => None,
        },
        Happened::Message(..) => None,
    });
    let by = |part: usize| {
        let part = story.parts.get(part);
        part.map_or_else(|| "an extension".to_owned(), |part| part.extension.clone())
    };
    let status = story.status;
    let (kind, text) = match (status, ended_by) {
        (0, _) => (
            EndKind::Reset,
            "nothing: the connection was cut off".to_owned(),
        ),
        (_, Some((EndKind::Reply, part))) => (
            EndKind::Reply,
            format!("{status} (the reply of {})", by(part)),
        ),
        (_, Some((_, part))) => (EndKind::Failed, format!("{status} ({} failed)", by(part))),
        (_, None) if story.backend.is_none() && status >= 400 => {
            (EndKind::Failed, format!("{status} (of the load balancer)"))
        }
        (500.., None) => (EndKind::Failed, status.to_string()),
        _ => (EndKind::Response, status.to_string()),
    };
    let text = if status != 0 && !story.whole {
        format!("{text}, its body cut off")
    } else {
        text
    };
    End { kind, text }
}

fn facts(story: &Story) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new("gateway", format!("{}:{}", story.gateway, story.port)),
        Fact::new("client", format!("{} {}", story.client, story.protocol)),
    ];
    if let Some(rule) = &story.rule {
        facts.push(Fact::new("route", rule));
    }
    let mut chains: Vec<&str> = story.parts.iter().map(|part| part.chain.as_str()).collect();
    chains.dedup();
    if !chains.is_empty() {
        facts.push(Fact::new("chain", chains.join(", ")));
    }
    let parts = story.parts.iter();
    let runs: Vec<_> = parts
        .filter(|part| !part.runs.is_empty())
        .map(|part| format!("{}: {}", part.extension, part.runs))
        .collect();
    if !runs.is_empty() {
        facts.push(Fact::new("extensions", runs.join(", ")));
    }
    if let Some(backend) = &story.backend {
        facts.push(Fact::new("backend", backend));
    }
    if let Some(request) = story.request {
        facts.push(Fact::new("request id", format!("{request:016x}")));
    }
    facts.push(Fact::new("began", time(story)));
    let took = story.took.as_secs_f64() * 1e3;
    facts.push(Fact::new("took", format!("{took:.2} ms")));
    facts.push(Fact::new("body sent", format!("{} bytes", story.sent)));
    facts
}

fn time(story: &Story) -> String {
    let (hour, minute, second, milli) = OffsetDateTime::from(story.began).time().as_hms_milli();
    format!("{hour:02}:{minute:02}:{second:02}.{milli:03}")
}

/// The extensions that were called, those that failed marked.
fn extensions(story: &Story) -> String {
    let called = story.parts.iter().enumerate().filter_map(|(index, part)| {
        let mut events = story.events.iter().filter_map(|event| match event {
            Happened::Event(event) if event.part == index => Some(event.effect),
            _ => None,
        });
        let first = events.next()?;
        let failed = std::iter::once(first)
            .chain(events)
            .any(|effect| effect.contains("FAILED"));
        let mark = if failed { " (failed)" } else { "" };
        Some(format!("{}{mark}", part.extension))
    });
    called.collect::<Vec<_>>().join(", ")
}

/// The telling of a story's events.
struct Telling<'s> {
    story: &'s Story,
    names: &'s [String],
    hide_secrets: bool,
    /// Calls of each part's trace that are told already.
    told: Vec<u32>,
}

impl Telling<'_> {
    fn events(&mut self, events: &mut Vec<Event>) {
        for happened in &self.story.events {
            match happened {
                Happened::Message(side, head) => {
                    let (lane, incoming, title) = words(*side);
                    events.push(self.teller(&[]).head(lane, incoming, title, head));
                }
                Happened::Event(event) => self.event(event, events),
            }
        }
        if self.story.status == 0 {
            events.push(Event::Message(Message {
                lane: Lane::Client,
                incoming: false,
                title: "the connection is cut off before any response".to_owned(),
                bad: true,
                fields: Vec::new(),
                body: None,
            }));
        }
        // The ends of streams, in the order in which they were ended.
        for (part, trace) in &self.story.traces {
            let from = self.told.get(*part).copied().unwrap_or_default();
            let name = self.name(*part);
            let teller = self.teller(&name);
            events.extend(teller.calls(trace, from..trace.ordinal()));
            events.extend(teller.untraced(trace));
        }
    }

    /// An event of an extension, with the calls before it that none brought: a stream's beginning.
    fn event(&mut self, event: &Noted, events: &mut Vec<Event>) {
        let name = self.name(event.part);
        let Some(trace) = self.trace(event.part) else {
            events.push(self.apart(event));
            return;
        };
        let teller = self.teller(&name);
        let from = self.told.get(event.part).copied().unwrap_or_default();
        events.extend(teller.calls(trace, from..event.calls.start));
        let mut calls = teller.calls(trace, event.calls.clone());
        if let Some(told) = self.told.get_mut(event.part) {
            *told = event.calls.end;
        }
        // The event's own call is the first; what a plugin is called for besides comes after it.
        match calls.first_mut() {
            Some(Event::Call(call)) => measure(call, event),
            _ => calls.push(self.apart(event)),
        }
        events.extend(calls);
    }

    /// An event that no trace tells of: a callout, an extension that does not work, or one that is
    /// passed over.
    fn apart(&self, event: &Noted) -> Event {
        let part = self.story.parts.get(event.part);
        let kind = part.map_or(CallKind::Nothing, |part| part.kind);
        let who = part.map_or("", |part| part.extension.as_str());
        let mut call = Call::new(kind, who, event.event);
        call.failed = event.effect.contains("FAILED");
        let change = event.change.as_ref();
        let teller = self.teller(&[]);
        call.change = change.map(|(before, after)| teller.headers_change(before, after));
        measure(&mut call, event);
        Event::Call(Box::new(call))
    }

    fn name(&self, part: usize) -> Vec<String> {
        self.names.get(part).cloned().into_iter().collect()
    }

    fn trace(&self, part: usize) -> Option<&Trace> {
        let mut traces = self.story.traces.iter();
        traces.find(|(of, _)| *of == part).map(|(_, trace)| trace)
    }

    fn teller<'t>(&self, plugins: &'t [String]) -> Teller<'t> {
        Teller {
            plugins,
            // CPU is time here, and it is measured around the whole event.
            budget: None,
            hide_secrets: self.hide_secrets,
        }
    }
}

/// What was measured around an event.
fn measure(call: &mut Call, event: &Noted) {
    call.effect = Some(event.effect.to_owned());
    call.cost.time_ns = Some(nanoseconds(event.time));
    call.cost.cpu_ns = event.cpu.map(nanoseconds);
    call.cost.share = event.cpu.map(|cpu| nanoseconds(cpu) as f64 / BUDGET);
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const fn words(side: Side) -> (Lane, bool, &'static str) {
    match side {
        Side::FromClient => (Lane::Client, true, "the client's request"),
        Side::ToBackend => (Lane::Backend, false, "the request goes on to the backend"),
        Side::FromBackend => (Lane::Backend, true, "the backend's response"),
        Side::ToClient => (Lane::Client, false, "the response goes back to the client"),
    }
}

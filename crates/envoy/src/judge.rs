//! What Envoy did, in the form in which the harness judges cases.
//!
//! Envoy's log tells in which callback a plugin replied, logged or trapped, so phases keep their
//! meaning. What only the emulator has stays empty: findings, fuel, the details of replies.

use gatewright_harness::{Case, Event, Exchange, ExchangeRun, Phase, StepRun};
use gatewright_host::{
    Arguments, Callback, Cost, Effect, Entry, Fault, FaultKind, HeaderMap, LocalReply, LogLevel,
    LogLine, LogSource, Span, Trace, TraceLevel,
};

use crate::edge;
use crate::http1::Seen;
use crate::outcome::{Call, Outcome};
use crate::plan::{Part, Sent};
use crate::session::{Moment, Ran};
use crate::verdict::Start;

/// The start of the plugin.
pub(crate) fn start(case: &Case, start: &Start) -> Trace {
    let mut trace = Trace::new(TraceLevel::Cost);
    let entry = Entry::Callback(Callback::OnConfigure);
    for (level, message) in &start.logs {
        log(&mut trace, case, (1, entry, 0), *level, message);
    }
    if !start.started {
        let message = "Envoy did not start the plugin";
        trace
            .faults
            .push(fault(FaultKind::ConfigureRefused, 1, entry, message));
    }
    trace
}

/// One exchange.
pub(crate) fn exchange_run(
    case: &Case,
    exchange: &Exchange,
    sent: &Sent,
    ran: &Ran,
) -> ExchangeRun {
    let outcome = &ran.outcome;
    let trace = trace(case, outcome);
    let parts: Vec<&Part> = sent.request.iter().chain(&sent.response).collect();
    let sent_parts = parts.iter().zip(&ran.moments);
    let steps = exchange.steps.iter().enumerate().map(|(index, step)| {
        // The events of the step, the moments before and after each.
        let own: Vec<(Moment, Moment)> = sent_parts
            .clone()
            .enumerate()
            .filter(|(_, (part, _))| part.step == Some(index))
            .map(|(at, (_, after))| (before(&ran.moments, at), *after))
            .collect();
        let (Some(first), Some(last)) = (own.first(), own.last()) else {
            return StepRun {
                phase: step.phase,
                delivered: false,
                effects: Vec::new(),
                first_call: 0,
                last_event: 0,
                end_call: 0,
            };
        };
        let calls = first.0.calls..last.1.calls;
        StepRun {
            phase: step.phase,
            delivered: true,
            effects: effects(step.phase, &step.event, outcome, (first.0, last.1), &calls),
            first_call: calls.start as u32,
            last_event: last.0.calls as u32,
            end_call: calls.end as u32,
        }
    });
    ExchangeRun {
        steps: steps.collect(),
        trace,
        ..ExchangeRun::default()
    }
}

fn before(moments: &[Moment], at: usize) -> Moment {
    match at.checked_sub(1) {
        Some(at) => moments[at],
        // The context was created by the first event, but that is no part of its step.
        None => Moment::default(),
    }
}

/// What went on, or back, in a step.
fn effects(
    phase: Phase,
    event: &Event,
    outcome: &Outcome,
    (first, last): (Moment, Moment),
    calls: &std::ops::Range<usize>,
) -> Vec<Effect> {
    let own = outcome.calls.get(calls.clone()).unwrap_or_default();
    if own.iter().any(replies) {
        return vec![reply(outcome)];
    }
    if own.iter().any(|call| call.returned.is_none()) {
        let status = outcome.client.response.as_ref().and_then(status);
        return vec![status.map_or(Effect::Reset, |status| Effect::Fail { status })];
    }
    let upstream = outcome.upstream.as_ref();
    let client = outcome.client.response.as_ref();
    let effect = match (phase, event) {
        (Phase::RequestHeaders, Event::Headers { headers, .. }) => {
            upstream.map(|seen| Effect::RequestHeaders {
                headers: request(seen, headers),
                end_of_stream: seen.complete && seen.body.is_empty(),
            })
        }
        (Phase::ResponseHeaders, Event::Headers { .. }) => {
            client.map(|seen| Effect::ResponseHeaders {
                headers: edge::essence(&seen.headers, Some(seen.body.len())),
                end_of_stream: seen.complete && seen.body.is_empty(),
            })
        }
        (Phase::RequestBody, _) => upstream.map(|seen| Effect::RequestBody {
            chunk: slice(seen, first.upstream, last.upstream),
            end_of_stream: last.upstream == seen.body.len(),
        }),
        (Phase::ResponseBody, _) => client.map(|seen| Effect::ResponseBody {
            chunk: slice(seen, first.client, last.client),
            end_of_stream: last.client == seen.body.len(),
        }),
        (Phase::RequestTrailers, _) => {
            upstream.map(|seen| Effect::RequestTrailers(seen.trailers.clone()))
        }
        (Phase::ResponseTrailers, _) => {
            client.map(|seen| Effect::ResponseTrailers(seen.trailers.clone()))
        }
        _ => None,
    };
    effect.into_iter().collect()
}

fn slice(seen: &Seen, from: usize, to: usize) -> Vec<u8> {
    seen.body.get(from..to).unwrap_or_default().to_vec()
}

/// A request without what stands in it for every upstream, its pseudo-headers in the case's order.
fn request(seen: &Seen, sent: &HeaderMap) -> HeaderMap {
    let added = !sent.contains(b"x-forwarded-proto");
    let scheme = seen.headers.get(b"x-forwarded-proto").unwrap_or(b"http");
    let mut map = HeaderMap::new();
    for (name, _) in sent.iter().filter(|(name, _)| name.starts_with(b":")) {
        match name {
            b":scheme" => map.append(name, scheme),
            _ => map.extend(seen.headers.get(name).map(|value| (name, value))),
        }
    }
    for (name, value) in &edge::essence(&seen.headers, Some(seen.body.len())) {
        let known = name.starts_with(b":") && map.contains(name);
        let envoys = added && name == b"x-forwarded-proto";
        if !(known || envoys) {
            map.append(name, value);
        }
    }
    map
}

fn status(seen: &Seen) -> Option<u16> {
    let status = seen.headers.get(b":status")?;
    std::str::from_utf8(status).ok()?.parse().ok()
}

fn replies(call: &Call) -> bool {
    let mut hostcalls = call.hostcalls.iter();
    hostcalls.any(|(name, status)| name == "proxy_send_local_response" && *status == 0)
}

/// A plugin's reply as the client saw it.
fn reply(outcome: &Outcome) -> Effect {
    let Some(seen) = &outcome.client.response else {
        return Effect::Reset;
    };
    let mut headers = edge::essence(&seen.headers, Some(seen.body.len()));
    headers.remove(b":status");
    Effect::Reply(Box::new(LocalReply {
        status: status(seen).unwrap_or_default().into(),
        headers,
        body: seen.body.clone(),
        grpc_status: -1,
        details: Vec::new(),
    }))
}

fn trace(case: &Case, outcome: &Outcome) -> Trace {
    let mut trace = Trace::new(TraceLevel::Cost);
    for (index, call) in outcome.calls.iter().enumerate() {
        let Some(callback) = Callback::from_name(&call.name) else {
            continue;
        };
        let entry = Entry::Callback(callback);
        let context = call.arguments.first().copied().unwrap_or_default();
        for (level, message) in &call.logs {
            log(
                &mut trace,
                case,
                (context, entry, index as u32),
                *level,
                message,
            );
        }
        if call.returned.is_none() {
            let message = "Envoy's engine ended the plugin: unreachable, or another trap";
            trace
                .faults
                .push(fault(FaultKind::Trap, context, entry, message));
        }
        trace.spans.push(Span {
            plugin: 0,
            context,
            entry,
            arguments: Arguments::default(),
            returned: call.returned,
            cost: Cost::default(),
            hostcalls: Vec::new(),
            seen: None,
        });
    }
    trace
}

fn log(
    trace: &mut Trace,
    case: &Case,
    (context, entry, ordinal): (u32, Entry, u32),
    level: LogLevel,
    message: &[u8],
) {
    if level.as_u32() >= case.log_level.as_u32() {
        trace.logs.push(LogLine {
            plugin: 0,
            context,
            entry,
            ordinal,
            level,
            source: LogSource::Plugin,
            message: message.to_vec(),
        });
    }
}

fn fault(kind: FaultKind, context: u32, entry: Entry, message: &str) -> Fault {
    Fault {
        kind,
        plugin: 0,
        context,
        entry,
        message: message.to_owned(),
        frames: Vec::new(),
        last_hostcalls: Vec::new(),
    }
}

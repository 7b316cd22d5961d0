//! Plugins in an exchange. Nothing here waits.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use gatewright_host::{
    Attributes, Callback, Chain, Effect, HeaderMap as Fields, Seen, StreamId, Trace, TraceLevel,
};

use super::{Ending, Exchange, Half, Part, PartRun, place};
use crate::live;
use crate::log::{Log, PluginLine};
use crate::metrics::PluginStats;
use crate::snapshot::PluginUse;
use crate::watch::Event;

/// What becomes of a part of a body.
#[derive(Debug)]
pub(crate) enum Passed {
    /// It goes on.
    On(Vec<u8>),
    /// An extension ended the exchange; see [`Exchange::ending`].
    Over,
}

/// A plugin in its VM, one for each worker.
pub(crate) struct Instance {
    chain: RefCell<Chain>,
    pub(crate) of: PluginUse,
    stats: Arc<PluginStats>,
    /// VMs that were started, as far as was seen.
    starts: Cell<u32>,
}

impl Instance {
    pub(crate) fn new(of: &PluginUse, chain: Chain, stats: Arc<PluginStats>) -> Self {
        stats.memory(chain.memory_bytes(0).unwrap_or(0));
        let starts = chain.starts(0);
        Self {
            chain: RefCell::new(chain),
            of: of.clone(),
            stats,
            starts: Cell::new(starts),
        }
    }

    /// Tells what the plugin logged as it started.
    pub(crate) fn tell_start(&self, log: &Log) {
        let chain = self.chain.borrow();
        let lines = chain
            .start_trace(0)
            .map_or(&[][..], |trace| &trace.logs[..]);
        let of = PluginLine {
            plugin: &self.of.name,
            version: &self.of.version,
            request: "",
        };
        for line in lines.iter().filter(|_| self.of.log.enabled) {
            log.plugin(&of, line);
        }
    }

    /// Opens a stream, which is traced in full if it is written down for the page.
    pub(super) fn open(&self, attributes: &Arc<Attributes>, watched: bool) -> StreamId {
        let mut chain = self.chain.borrow_mut();
        if watched {
            chain.set_level(TraceLevel::Full);
        }
        let stream = chain.open(attributes);
        if watched {
            chain.set_level(TraceLevel::Off);
        }
        let starts = chain.starts(0);
        if starts != self.starts.get() {
            self.starts.set(starts);
            self.stats.restarted();
        }
        stream
    }

    /// Ends a stream and tells its logs and faults. Gives its whole trace.
    pub(super) fn close(&self, stream: StreamId, log: &Log, request: u64, sampled: bool) -> Trace {
        let mut chain = self.chain.borrow_mut();
        let trace = chain.close(stream);
        if !trace.faults.is_empty() {
            self.stats.trapped(trace.faults.len());
        }
        self.stats.memory(chain.memory_bytes(0).unwrap_or(0));
        drop(chain);
        let tell_logs = self.of.log.enabled && sampled && !trace.logs.is_empty();
        if !tell_logs && trace.faults.is_empty() {
            return trace;
        }
        let request = format!("{request:016x}");
        let of = PluginLine {
            plugin: &self.of.name,
            version: &self.of.version,
            request: &request,
        };
        for line in trace.logs.iter().filter(|_| tell_logs) {
            log.plugin(&of, line);
        }
        for fault in &trace.faults {
            log.fault(&of, fault);
        }
        trace
    }
}

impl Exchange {
    /// Shows a head to a plugin, if it cares.
    pub(super) fn plugin_head(
        &self,
        part: &Part,
        (instance, stream): (&Instance, StreamId),
        half: Half,
        fields: Fields,
        end: bool,
    ) -> Result<Fields, Ending> {
        if !instance.of.spec.events.headers[half as usize] {
            if let Some(tape) = &part.tape {
                tape.head(half, fields.clone(), end, None);
            }
            return Ok(fields);
        }
        let callback = match half {
            Half::Request => Callback::OnRequestHeaders,
            Half::Response => Callback::OnResponseHeaders,
        };
        let is_kept = self.is_told() || part.tape.is_some();
        let before = is_kept.then(|| fields.clone());
        let effect = self.call(
            part,
            (instance, stream),
            callback,
            |chain, effects| match half {
                Half::Request => chain.request_headers(stream, fields, end, effects),
                Half::Response => chain.response_headers(stream, fields, end, effects),
            },
            |effect| match effect {
                Effect::RequestHeaders { headers, .. }
                | Effect::ResponseHeaders { headers, .. } => {
                    before.as_ref().is_some_and(|before| before != headers)
                }
                _ => false,
            },
        );
        if let (Some(tape), Some(before)) = (&part.tape, before) {
            tape.head(half, before, end, effect.as_ref());
        }
        match effect {
            Some(
                Effect::RequestHeaders { headers, .. } | Effect::ResponseHeaders { headers, .. },
            ) => Ok(headers),
            other => Err(ending(other)),
        }
    }

    /// Shows a part of a body to the plugins among these steps.
    pub(crate) fn body(
        &self,
        half: Half,
        steps: Range<usize>,
        mut chunk: Vec<u8>,
        end: bool,
    ) -> Passed {
        let callback = match half {
            Half::Request => Callback::OnRequestBody,
            Half::Response => Callback::OnResponseBody,
        };
        let parts = self.parts.len();
        for step in steps {
            let part = &self.parts[place(half, step, parts)];
            let PartRun::Plugin(instance, stream) = &part.run else {
                continue;
            };
            if !instance.of.spec.events.bodies[half as usize] {
                continue;
            }
            let is_kept = self.is_told() || part.tape.is_some();
            let before = is_kept.then(|| chunk.clone());
            let effect = self.call(
                part,
                (instance, *stream),
                callback,
                |chain, effects| match half {
                    Half::Request => chain.request_body(*stream, chunk, end, effects),
                    Half::Response => chain.response_body(*stream, chunk, end, effects),
                },
                |effect| match effect {
                    Effect::RequestBody { chunk, .. } | Effect::ResponseBody { chunk, .. } => {
                        before.as_ref().is_some_and(|before| before != chunk)
                    }
                    _ => false,
                },
            );
            if let (Some(tape), Some(before)) = (&part.tape, before) {
                tape.body(half, before, end, effect.as_ref());
            }
            chunk = match effect {
                Some(Effect::RequestBody { chunk, .. } | Effect::ResponseBody { chunk, .. }) => {
                    chunk
                }
                other => {
                    self.end(ending(other));
                    return Passed::Over;
                }
            };
        }
        Passed::On(chunk)
    }

    /// One event of one plugin, timed and counted.
    fn call(
        &self,
        part: &Part,
        (instance, stream): (&Instance, StreamId),
        callback: Callback,
        event: impl FnOnce(&mut Chain, &mut Vec<Effect>),
        modified: impl FnOnce(&Effect) -> bool,
    ) -> Option<Effect> {
        let mut effects = Vec::with_capacity(1);
        let mut chain = instance.chain.borrow_mut();
        let first_call = chain.trace(stream).ordinal();
        let began = live::began();
        event(&mut chain, &mut effects);
        let (time, cpu) = live::spent(began);
        let bypassed = chain.is_bypassed(stream, 0);
        let calls = first_call..chain.trace(stream).ordinal();
        if let Some(watched) = &self.watched
            && !watched.has_room(weight(chain.trace(stream), &calls))
        {
            chain.set_stream_level(stream, TraceLevel::Off);
        }
        drop(chain);
        let effect = effects.pop();
        instance.stats.record(callback, !bypassed, time, cpu);
        if self.is_told() {
            let told = match &effect {
                Some(Effect::Reply(_)) => "IMMEDIATE_RESPONSE",
                Some(Effect::Fail { .. } | Effect::Reset) | None => "FAILED",
                Some(_) if bypassed => "NONE_FAILED_OPEN",
                Some(effect) if modified(effect) => "CONTENT_MODIFIED",
                Some(_) => "NONE",
            };
            let event = match callback {
                Callback::OnRequestHeaders => "REQUEST_HEADERS",
                Callback::OnRequestBody => "REQUEST_BODY",
                Callback::OnResponseHeaders => "RESPONSE_HEADERS",
                _ => "RESPONSE_BODY",
            };
            self.note(Event {
                part: part.step,
                event,
                calls,
                time,
                cpu: Some(cpu),
                effect: told,
                change: None,
            });
        }
        effect
    }
}

/// Bytes that a trace holds of these calls, about.
fn weight(trace: &Trace, calls: &Range<u32>) -> usize {
    let first = usize::try_from(calls.start).unwrap_or(usize::MAX);
    let spans = trace.spans.get(first..).unwrap_or_default();
    let bytes = spans.iter().map(|span| {
        let seen = match span.seen.as_deref() {
            Some(Seen::Body { before, after }) => before.len() + after.len(),
            Some(Seen::Headers { before, after }) => before.byte_size() + after.byte_size(),
            None => 0,
        };
        let moved = span.cost.bytes_from_guest + span.cost.bytes_to_guest;
        seen + usize::try_from(moved).unwrap_or(usize::MAX / 2) + 128 * span.hostcalls.len()
    });
    bytes.sum()
}

/// How an effect that does not pass a part on ends an exchange. In the load balancer nothing holds
/// a part back, so that no effect at all is a failure too.
fn ending(effect: Option<Effect>) -> Ending {
    match effect {
        Some(Effect::Reply(reply)) => Ending::Reply(*reply),
        Some(Effect::Fail { status }) => Ending::Fail(status),
        _ => Ending::Reset,
    }
}

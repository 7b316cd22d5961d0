//! A request and its response as the extensions of a chain see them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gatewright_host::{
    Attributes, Callback, Chain, Effect, HeaderMap as Fields, LocalReply, StreamId,
};

use crate::live;
use crate::log::{Log, PluginLine};
use crate::metrics::PluginStats;
use crate::snapshot::{PluginUse, Run, Step};
use crate::worker::Worker;

/// Which half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Request,
    Response,
}

/// What becomes of a head.
#[derive(Debug)]
pub(crate) enum Head {
    /// It goes on.
    On(Fields),
    /// An extension ended the exchange.
    Over(Ending),
}

/// What becomes of a part of a body.
#[derive(Debug)]
pub(crate) enum Passed {
    /// It goes on.
    On(Vec<u8>),
    /// An extension ended the exchange; see [`Exchange::ending`].
    Over,
}

/// How an extension ended an exchange.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It answers.
    Reply(LocalReply),
    /// It failed closed.
    Fail(u16),
    /// The stream is to be reset.
    Reset,
}

/// A plugin in its VM, one for each worker.
pub(crate) struct Instance {
    chain: RefCell<Chain>,
    pub(crate) of: PluginUse,
    stats: Arc<PluginStats>,
    /// VMs that were started, as far as was seen.
    starts: Cell<u32>,
}

/// What the access log tells of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// The step, by its place in the chain.
    pub(crate) step: usize,
    pub(crate) event: &'static str,
    pub(crate) latency: Duration,
    pub(crate) effect: &'static str,
}

/// An exchange on its way through a chain.
pub(crate) struct Exchange {
    /// In the order of the request.
    parts: Vec<Part>,
    ending: RefCell<Option<Ending>>,
    /// What the access log will tell, if there is one.
    told: Option<RefCell<Vec<Told>>>,
    /// Told apart in logs by this.
    request: u64,
    worker: Rc<Worker>,
}

/// A step of the chain in this exchange.
struct Part {
    step: usize,
    fail_open: bool,
    run: PartRun,
}

enum PartRun {
    Plugin(Rc<Instance>, StreamId),
    /// An extension that does not work.
    Nothing,
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

    fn open(&self, attributes: &Arc<Attributes>) -> StreamId {
        let mut chain = self.chain.borrow_mut();
        let stream = chain.open(attributes);
        let starts = chain.starts(0);
        if starts != self.starts.get() {
            self.starts.set(starts);
            self.stats.restarted();
        }
        stream
    }

    fn close(&self, stream: StreamId, log: &Log, request: u64, sampled: bool) {
        let mut chain = self.chain.borrow_mut();
        let trace = chain.close(stream);
        if !trace.faults.is_empty() {
            self.stats.trapped(trace.faults.len());
        }
        self.stats.memory(chain.memory_bytes(0).unwrap_or(0));
        drop(chain);
        let tell_logs = self.of.log.enabled && sampled && !trace.logs.is_empty();
        if !tell_logs && trace.faults.is_empty() {
            return;
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
    }
}

impl Exchange {
    /// Opens an exchange on a chain.
    pub(crate) fn open(
        worker: &Rc<Worker>,
        steps: &[Step],
        instances: &[Rc<Instance>],
        attributes: &Arc<Attributes>,
    ) -> Self {
        let parts = steps
            .iter()
            .enumerate()
            .map(|(index, step)| Part {
                step: index,
                fail_open: step.fail_open,
                run: match step.run {
                    Run::Plugin(plugin) => {
                        let instance = Rc::clone(&instances[plugin]);
                        let stream = instance.open(attributes);
                        PartRun::Plugin(instance, stream)
                    }
                    Run::Nothing => PartRun::Nothing,
                },
            })
            .collect();
        Self {
            parts,
            ending: RefCell::new(None),
            told: worker.access_log.then(RefCell::default),
            request: worker.next_request(),
            worker: Rc::clone(worker),
        }
    }

    /// Whether some extension takes part in the bodies of a half.
    pub(crate) fn sees_body(&self, half: Half) -> bool {
        self.parts.iter().any(|part| match &part.run {
            PartRun::Plugin(instance, _) => instance.of.spec.events.bodies[half as usize],
            PartRun::Nothing => false,
        })
    }

    /// Whether some extension takes part in the head of a half.
    pub(crate) fn sees_head(&self, half: Half) -> bool {
        self.parts.iter().any(|part| match &part.run {
            PartRun::Plugin(instance, _) => instance.of.spec.events.headers[half as usize],
            // It fails at the first event that there is.
            PartRun::Nothing => half == Half::Request,
        })
    }

    /// A head came.
    pub(crate) fn head(&self, half: Half, mut fields: Fields, end: bool) -> Head {
        let callback = match half {
            Half::Request => Callback::OnRequestHeaders,
            Half::Response => Callback::OnResponseHeaders,
        };
        for place in self.order(half) {
            let part = &self.parts[place];
            let PartRun::Plugin(instance, stream) = &part.run else {
                if half == Half::Request && !part.fail_open {
                    self.tell(part, callback, Duration::ZERO, "FAILED");
                    return Head::Over(Ending::Fail(500));
                }
                self.tell(part, callback, Duration::ZERO, "NONE_FAILED_OPEN");
                continue;
            };
            if !instance.of.spec.events.headers[half as usize] {
                continue;
            }
            let before = self.told.as_ref().map(|_| fields.clone());
            let effect = self.call(
                part,
                instance,
                *stream,
                callback,
                |chain, effects| match half {
                    Half::Request => chain.request_headers(*stream, fields, end, effects),
                    Half::Response => chain.response_headers(*stream, fields, end, effects),
                },
                |effect| match effect {
                    Effect::RequestHeaders { headers, .. }
                    | Effect::ResponseHeaders { headers, .. } => {
                        before.as_ref().is_some_and(|before| before != headers)
                    }
                    _ => false,
                },
            );
            fields = match effect {
                Some(
                    Effect::RequestHeaders { headers, .. }
                    | Effect::ResponseHeaders { headers, .. },
                ) => headers,
                other => return Head::Over(ending(other)),
            };
        }
        Head::On(fields)
    }

    /// A part of a body came.
    pub(crate) fn body(&self, half: Half, mut chunk: Vec<u8>, end: bool) -> Passed {
        let callback = match half {
            Half::Request => Callback::OnRequestBody,
            Half::Response => Callback::OnResponseBody,
        };
        for place in self.order(half) {
            let part = &self.parts[place];
            let PartRun::Plugin(instance, stream) = &part.run else {
                continue;
            };
            if !instance.of.spec.events.bodies[half as usize] {
                continue;
            }
            let before = self.told.as_ref().map(|_| chunk.clone());
            let effect = self.call(
                part,
                instance,
                *stream,
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
            chunk = match effect {
                Some(Effect::RequestBody { chunk, .. } | Effect::ResponseBody { chunk, .. }) => {
                    chunk
                }
                other => {
                    *self.ending.borrow_mut() = Some(ending(other));
                    return Passed::Over;
                }
            };
        }
        Passed::On(chunk)
    }

    /// How an extension ended the exchange at a part of a body.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending.take()
    }

    /// What the access log tells of it.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.as_ref().map(RefCell::take).unwrap_or_default()
    }

    /// The number that tells it apart in logs.
    pub(crate) fn request(&self) -> u64 {
        self.request
    }

    /// One event of one plugin, timed and counted.
    fn call(
        &self,
        part: &Part,
        instance: &Instance,
        stream: StreamId,
        callback: Callback,
        event: impl FnOnce(&mut Chain, &mut Vec<Effect>),
        modified: impl FnOnce(&Effect) -> bool,
    ) -> Option<Effect> {
        let mut effects = Vec::with_capacity(1);
        let mut chain = instance.chain.borrow_mut();
        let began = live::began();
        event(&mut chain, &mut effects);
        let (time, cpu) = live::spent(began);
        let bypassed = chain.is_bypassed(stream, 0);
        drop(chain);
        let effect = effects.pop();
        instance.stats.record(callback, !bypassed, time, cpu);
        if self.told.is_some() {
            let told = match &effect {
                Some(Effect::Reply(_)) => "IMMEDIATE_RESPONSE",
                Some(Effect::Fail { .. } | Effect::Reset) | None => "FAILED",
                Some(_) if bypassed => "NONE_FAILED_OPEN",
                Some(effect) if modified(effect) => "CONTENT_MODIFIED",
                Some(_) => "NONE",
            };
            self.tell(part, callback, time, told);
        }
        effect
    }

    fn tell(&self, part: &Part, callback: Callback, latency: Duration, effect: &'static str) {
        let Some(told) = &self.told else {
            return;
        };
        let event = match callback {
            Callback::OnRequestHeaders => "REQUEST_HEADERS",
            Callback::OnRequestBody => "REQUEST_BODY",
            Callback::OnResponseHeaders => "RESPONSE_HEADERS",
            _ => "RESPONSE_BODY",
        };
        told.borrow_mut().push(Told {
            step: part.step,
            event,
            latency,
            effect,
        });
    }

    /// The order in which the parts see a half.
    fn order(&self, half: Half) -> impl Iterator<Item = usize> + use<> {
        let parts = self.parts.len();
        (0..parts).map(move |step| match half {
            Half::Request => step,
            Half::Response => gatewright_host::response_order(step, parts),
        })
    }
}

/// How an effect that does not pass a part on ends an exchange. In the load balancer nothing holds
/// a part back, so that no effect at all is a failure too.
fn ending(effect: Option<Effect>) -> Ending {
    match effect {
        Some(Effect::Reply(reply)) => Ending::Reply(reply),
        Some(Effect::Fail { status }) => Ending::Fail(status),
        _ => Ending::Reset,
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        for part in &self.parts {
            if let PartRun::Plugin(instance, stream) = &part.run {
                let sampled = self.worker.samples(instance.of.log.sample_rate);
                instance.close(*stream, &self.worker.log, self.request, sampled);
            }
        }
    }
}

//! A request and its response as the extensions of a chain see them: which of them sees what, and in
//! which order. What one of them does with it stands in `plugin.rs` and `callout.rs`.

mod callout;
mod feed;
mod layer;
mod plugin;
mod watched;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use gatewright_callout::Status;
use gatewright_host::{HeaderMap as Fields, LocalReply, StreamId};
use gatewright_view::model::CallKind;
use http_body::Body as _;

pub(crate) use callout::{Callee, Callout};
pub(crate) use gatewright_callout::Half;
pub(crate) use layer::Layer;
pub(crate) use plugin::{Instance, Passed};

use crate::body::Body;
use crate::record::Tape;
use crate::snapshot::{Run, Snapshot, Step};
use crate::watch::{Event, Named, Watched};
use crate::worker::{Local, Worker};

/// A message on its way through a chain.
pub(crate) struct Message {
    pub(crate) fields: Fields,
    pub(crate) body: Body,
    /// Whether the body may be of another length than its head says.
    pub(crate) reframed: bool,
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
    /// Where it is written down, if it is shown on the page.
    watched: Option<Rc<Watched>>,
    /// The place of its first step among all the extensions that are written down there.
    first_part: usize,
    /// Told apart in logs by this.
    request: u64,
    worker: Rc<Worker>,
}

/// A step of the chain in this exchange.
struct Part {
    step: usize,
    fail_open: bool,
    run: PartRun,
    /// What its plugin sees and does, if that is written down.
    tape: Option<Tape>,
}

enum PartRun {
    Plugin(Rc<Instance>, StreamId),
    Callout(Rc<Callee>),
    /// An extension that does not work.
    Nothing,
}

impl Exchange {
    /// Opens an exchange on a chain.
    pub(crate) fn open(
        worker: &Rc<Worker>,
        local: &Local,
        steps: &[Step],
        watched: Option<Rc<Watched>>,
    ) -> Self {
        let named = steps.iter().map(|step| named(&local.snapshot, step));
        let first_part = watched.as_ref().map_or(0, |watched| watched.parts(named));
        let request = worker.next_request();
        let parts = steps.iter().enumerate().map(|(index, step)| {
            let mut tape = None;
            let run = match step.run {
                Run::Plugin(plugin) => {
                    let instance = Rc::clone(&local.instances[plugin]);
                    let stream = instance.open(&local.attributes, watched.is_some());
                    if worker.recorder.is_some() {
                        tape = Some(Tape::begin(&instance.of, request));
                    }
                    PartRun::Plugin(instance, stream)
                }
                Run::Callout(callout) => {
                    PartRun::Callout(Callee::new(index, &local.callouts[callout]))
                }
                Run::Nothing => PartRun::Nothing,
            };
            Part {
                step: index,
                fail_open: step.fail_open,
                run,
                tape,
            }
        });
        let parts = parts.collect();
        Self {
            parts,
            ending: RefCell::new(None),
            told: worker.access_log.then(RefCell::default),
            watched,
            first_part,
            request,
            worker: Rc::clone(worker),
        }
    }

    /// Whether some extension takes part in a half.
    pub(crate) fn sees(&self, half: Half) -> bool {
        self.parts.iter().any(|part| match &part.run {
            PartRun::Plugin(instance, _) => {
                let events = &instance.of.spec.events;
                // Whatever it is asked for, what is written down of it begins with a request.
                let is_begin = half == Half::Request && part.tape.is_some();
                is_begin || events.headers[half as usize] || events.bodies[half as usize]
            }
            PartRun::Callout(callee) => callee.sees(half),
            // It fails at the first event that there is.
            PartRun::Nothing => half == Half::Request,
        })
    }

    /// Shows a message to the extensions: its head now, and its body as it is read from what comes
    /// out. Only callouts are waited for; a chain of plugins is through at the first poll.
    pub(crate) async fn pass(
        self: &Rc<Self>,
        half: Half,
        fields: Fields,
        body: Body,
    ) -> Result<Message, Ending> {
        let mut message = Message {
            fields,
            body,
            reframed: false,
        };
        let parts = self.parts.len();
        // The steps before this one have their share of the body.
        let mut shown = 0;
        for step in 0..parts {
            let part = &self.parts[place(half, step, parts)];
            match &part.run {
                PartRun::Plugin(instance, stream) => {
                    let end = message.body.is_end_stream();
                    let fields = std::mem::take(&mut message.fields);
                    message.fields =
                        self.plugin_head(part, (instance, *stream), half, fields, end)?;
                }
                PartRun::Callout(callee) => {
                    self.show(half, shown..step, &mut message);
                    shown = step + 1;
                    // On the heap, so that exchanges without callouts do not carry its size.
                    message =
                        Box::pin(Rc::clone(callee).pass(Rc::clone(self), half, message)).await?;
                }
                PartRun::Nothing if half == Half::Request && !part.fail_open => {
                    self.tell(part.step, "REQUEST_HEADERS", Duration::ZERO, "FAILED");
                    return Err(Ending::Fail(500));
                }
                PartRun::Nothing => {
                    let event = gatewright_callout::Event::headers(half).as_str();
                    self.tell(part.step, event, Duration::ZERO, "NONE_FAILED_OPEN");
                }
            }
        }
        self.show(half, shown..parts, &mut message);
        Ok(message)
    }

    /// Shows the body to plugins that stand side by side, as it is read.
    fn show(self: &Rc<Self>, half: Half, steps: Range<usize>, message: &mut Message) {
        let parts = self.parts.len();
        let sees = steps.clone().any(|step| {
            let part = &self.parts[place(half, step, parts)];
            matches!(&part.run, PartRun::Plugin(instance, _)
                if instance.of.spec.events.bodies[half as usize])
        });
        if sees && !message.body.is_empty() {
            let body = std::mem::replace(&mut message.body, Body::empty());
            message.body = body.shown(Rc::clone(self), half, steps);
            message.reframed = true;
        }
    }

    /// An extension ends the exchange at a part of a body.
    fn end(&self, ending: Ending) {
        *self.ending.borrow_mut() = Some(ending);
    }

    /// How an extension ended the exchange at a part of a body.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending.take()
    }

    /// What the access log tells of it.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.as_ref().map(RefCell::take).unwrap_or_default()
    }

    /// The status of the stream of a step that is a callout.
    pub(crate) fn grpc_status(&self, step: usize) -> Option<Status> {
        match &self.parts.get(step)?.run {
            PartRun::Callout(callee) => callee.status(),
            PartRun::Plugin(..) | PartRun::Nothing => None,
        }
    }

    /// The number that tells it apart in logs.
    pub(crate) fn request(&self) -> u64 {
        self.request
    }

    /// Whether the access log or the page wants to know of events.
    fn is_told(&self) -> bool {
        self.told.is_some() || self.watched.is_some()
    }

    /// Tells of an event of which no more is known.
    fn tell(&self, step: usize, event: &'static str, latency: Duration, effect: &'static str) {
        self.note(Event {
            part: step,
            event,
            calls: 0..0,
            time: latency,
            cpu: None,
            effect,
            change: None,
        });
    }

    /// Tells of an event of the step whose place in the chain is the event's part.
    fn note(&self, mut event: Event) {
        if let Some(told) = &self.told {
            told.borrow_mut().push(Told {
                step: event.part,
                event: event.event,
                latency: event.time,
                effect: event.effect,
            });
        }
        if let Some(watched) = &self.watched {
            event.part += self.first_part;
            watched.event(event);
        }
    }
}

/// A step by its names.
fn named(snapshot: &Snapshot, step: &Step) -> Named {
    let (kind, runs) = match step.run {
        Run::Plugin(plugin) => {
            let plugin = &snapshot.plugins[plugin];
            let runs = format!("{}@{}", plugin.name, plugin.version);
            (CallKind::Plugin, runs)
        }
        Run::Callout(callout) => {
            let callout = &snapshot.callouts[callout];
            (CallKind::Callout, callout.target.clone())
        }
        Run::Nothing => (CallKind::Nothing, String::new()),
    };
    Named {
        chain: step.chain.clone(),
        extension: step.extension.clone(),
        runs,
        kind,
    }
}

/// Which part comes at a step of a half.
fn place(half: Half, step: usize, parts: usize) -> usize {
    match half {
        Half::Request => step,
        Half::Response => gatewright_host::response_order(step, parts),
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        for part in &mut self.parts {
            if let PartRun::Plugin(instance, stream) = &part.run {
                let sampled = self.worker.samples(instance.of.log.sample_rate);
                let trace = instance.close(*stream, &self.worker.log, self.request, sampled);
                if let (Some(tape), Some(recorder)) = (part.tape.take(), &self.worker.recorder) {
                    tape.finish(instance, &trace, recorder.as_ref());
                }
                if let Some(watched) = &self.watched {
                    let part = self.first_part + part.step;
                    watched.tell(|story| story.traces.push((part, trace)));
                }
            }
        }
    }
}

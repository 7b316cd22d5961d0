//! The world of a case while it runs: its clock, the upstreams that answer, and what is due next.
//!
//! What plugins send out is answered from the case, each answer at the moment that the case gives
//! it. Answers that are due at the same moment come in the order in which they were asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatewright_host::{
    Callout, CalloutKind, CalloutResponse, Chain, Door, Effect, GrpcEvent, Recorded, Shared,
    StreamId,
};

use super::record::{ExchangeRun, QueueLeft};
use crate::model::{Check, Exchange};
use crate::world::{AnswerKind, Happening, Upstream, World};

/// Answers that one exchange may get: a plugin that calls again on every answer would never end.
const MOST_ANSWERS: usize = 10_000;

/// gRPC's status of a call that took too long.
const DEADLINE_EXCEEDED: u32 = 4;
/// gRPC's status of a call whose connection broke.
const UNAVAILABLE: u32 = 14;

/// The clock of a case, which all its doors show.
#[derive(Clone, Debug)]
pub(super) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(super) fn new(now: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now)))
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The door of a case's VMs.
#[derive(Debug)]
pub(super) struct CaseDoor {
    pub(super) clock: Clock,
    pub(super) random: Recorded,
    pub(super) upstreams: Arc<Vec<Upstream>>,
}

impl Door for CaseDoor {
    fn realtime(&mut self) -> u64 {
        self.clock.now()
    }

    fn monotonic(&mut self) -> u64 {
        self.clock.now()
    }

    fn random(&mut self, buffer: &mut [u8]) {
        self.random.random(buffer);
    }

    fn knows_upstream(&mut self, name: &[u8]) -> bool {
        find(&self.upstreams, name).is_some()
    }
}

/// An upstream by its name, or by an encoded description of a gRPC service, which ends in it.
fn find(upstreams: &[Upstream], name: &[u8]) -> Option<usize> {
    let is = |upstream: &Upstream| upstream.name.as_bytes() == name;
    let described = |upstream: &Upstream| {
        let ends = name.strip_suffix(upstream.name.as_bytes());
        // Before a text in an encoded message stands its length.
        ends.is_some_and(|head| head.last().copied() == u8::try_from(upstream.name.len()).ok())
    };
    upstreams
        .iter()
        .position(is)
        .or_else(|| upstreams.iter().position(described))
}

/// Something that comes to a plugin at its moment.
struct Due {
    at: u64,
    plugin: usize,
    token: u32,
    what: Arriving,
}

enum Arriving {
    Http(Option<CalloutResponse>),
    Grpc(GrpcEvent),
}

/// A case's world while it runs.
pub(super) struct Stage<'a> {
    world: &'a World,
    clock: Clock,
    shared: Arc<Shared>,
    /// What is to come, by its moment.
    due: Vec<Due>,
    /// How many answers each upstream gave.
    turns: Vec<usize>,
    answered: usize,
    /// Callouts of this exchange, in order.
    callouts: Vec<Callout>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(world: &'a World, clock: Clock, shared: Arc<Shared>) -> Self {
        Self {
            world,
            clock,
            shared,
            due: Vec::new(),
            turns: vec![0; world.upstreams.len()],
            answered: 0,
            callouts: Vec::new(),
        }
    }

    /// Keeps what an exchange is judged by at its end: the callouts since the last end, and what
    /// is left of what plugins share. The next exchange counts its answers afresh.
    pub(super) fn finish(&mut self, exchange: &Exchange, run: &mut ExchangeRun) {
        self.answered = 0;
        run.callouts = std::mem::take(&mut self.callouts);
        let vm_id = self.world.plugins.first().map_or("", |setup| &setup.vm_id);
        let (shared, left) = (&self.shared, &mut run.left);
        for check in &exchange.whole {
            match check {
                Check::Metric(..) if left.metrics.is_empty() => left.metrics = shared.metrics(),
                Check::Shared(key, _) => left.data.push((key.clone(), shared.data(vm_id, key))),
                Check::Queue(name, _) => left.queues.push(QueueLeft {
                    name: name.clone(),
                    items: shared.queue(vm_id, name),
                }),
                _ => {}
            }
        }
    }

    /// Makes something happen between exchanges.
    pub(super) fn happen(
        &mut self,
        chain: &mut Chain,
        happening: &Happening,
        effects: &mut Vec<(StreamId, Effect)>,
    ) {
        match happening {
            Happening::Advance(time) => self.advance(chain, *time, None, effects),
            Happening::Enqueue {
                vm_id,
                queue,
                items,
            } => {
                for item in items {
                    self.shared.put(vm_id, queue.as_bytes(), item);
                }
                self.settle(chain, None, effects);
            }
        }
    }

    /// Lets time pass: everything that comes due meanwhile comes at its moment.
    pub(super) fn advance(
        &mut self,
        chain: &mut Chain,
        time: u64,
        stream: Option<StreamId>,
        effects: &mut Vec<(StreamId, Effect)>,
    ) {
        let until = self.clock.now().saturating_add(time);
        loop {
            self.settle(chain, stream, effects);
            let answer = self.due.first().map(|due| due.at);
            let next = [answer, chain.next_tick()].into_iter().flatten().min();
            match next {
                Some(at) if at <= until && at > self.clock.now() => self.set(at),
                _ => break,
            }
        }
        self.set(until);
        self.settle(chain, stream, effects);
    }

    /// Lets time pass until every answer that is on its way has come.
    pub(super) fn drain(
        &mut self,
        chain: &mut Chain,
        stream: StreamId,
        effects: &mut Vec<(StreamId, Effect)>,
    ) {
        while self.answered < MOST_ANSWERS
            && let Some(at) = self.due.first().map(|due| due.at)
        {
            let wait = at.saturating_sub(self.clock.now());
            self.advance(chain, wait, Some(stream), effects);
        }
    }

    /// Delivers what is due now, until nothing is.
    pub(super) fn settle(
        &mut self,
        chain: &mut Chain,
        stream: Option<StreamId>,
        effects: &mut Vec<(StreamId, Effect)>,
    ) {
        loop {
            chain.run_due(effects);
            let callouts = chain.take_callouts();
            let dispatched = !callouts.is_empty();
            for callout in callouts {
                self.dispatch(callout);
            }
            let delivered = self.deliver(chain, effects);
            effects.extend(chain.take_pending());
            if let Some(stream) = stream {
                chain.tell(stream);
            }
            if !dispatched && !delivered {
                break;
            }
        }
    }

    fn set(&self, now: u64) {
        self.clock.0.store(now, Ordering::Relaxed);
    }

    fn deliver(&mut self, chain: &mut Chain, effects: &mut Vec<(StreamId, Effect)>) -> bool {
        let now = self.clock.now();
        if self.answered >= MOST_ANSWERS || self.due.first().is_none_or(|due| due.at > now) {
            return false;
        }
        let due = self.due.remove(0);
        self.answered += 1;
        match due.what {
            Arriving::Http(response) => {
                chain.http_call_response(due.plugin, due.token, response, effects);
            }
            Arriving::Grpc(event) => chain.grpc_event(due.plugin, due.token, event, effects),
        }
        true
    }

    /// Puts what an upstream answers to a callout where it comes at its moment.
    fn dispatch(&mut self, callout: Callout) {
        let (plugin, token) = (callout.plugin, callout.token);
        match &callout.kind {
            CalloutKind::Http {
                upstream,
                timeout_ms,
                ..
            } => {
                let (after, answer) = self.answer(upstream);
                let response = match answer {
                    AnswerKind::Http(response) => Some(Some(response)),
                    AnswerKind::Silent => None,
                    AnswerKind::Fails | AnswerKind::Grpc { .. } => Some(None),
                };
                match (response, timeout(*timeout_ms)) {
                    (Some(_), Some(limit)) if after > limit => {
                        self.later(limit, plugin, token, Arriving::Http(None));
                    }
                    (Some(response), _) => {
                        self.later(after, plugin, token, Arriving::Http(response));
                    }
                    (None, Some(limit)) => {
                        self.later(limit, plugin, token, Arriving::Http(None));
                    }
                    (None, None) => {}
                }
            }
            CalloutKind::GrpcCall {
                upstream,
                timeout_ms,
                ..
            } => {
                let (after, answer) = self.answer(upstream);
                let limit = timeout(*timeout_ms);
                let event = call_event(answer);
                match limit {
                    Some(limit) if event.is_none() || after > limit => {
                        let event = GrpcEvent::Close(DEADLINE_EXCEEDED, Vec::new());
                        self.later(limit, plugin, token, Arriving::Grpc(event));
                    }
                    _ => {
                        if let Some(event) = event {
                            self.later(after, plugin, token, Arriving::Grpc(event));
                        }
                    }
                }
            }
            CalloutKind::GrpcStream { upstream, .. } => {
                let (after, answer) = self.answer(upstream);
                for event in stream_events(answer) {
                    self.later(after, plugin, token, Arriving::Grpc(event));
                }
            }
            CalloutKind::GrpcCancel => self.due.retain(|due| {
                let is_grpc = matches!(due.what, Arriving::Grpc(_));
                !(is_grpc && due.plugin == plugin && due.token == token)
            }),
            _ => {}
        }
        self.callouts.push(callout);
    }

    /// The next answer of an upstream.
    fn answer(&mut self, upstream: &[u8]) -> (u64, AnswerKind) {
        let Some(place) = find(&self.world.upstreams, upstream) else {
            return (0, AnswerKind::Fails);
        };
        let answers = &self.world.upstreams[place].answers;
        let turn = self.turns[place].min(answers.len().saturating_sub(1));
        self.turns[place] += 1;
        answers.get(turn).map_or((0, AnswerKind::Silent), |answer| {
            (answer.after, answer.kind.clone())
        })
    }

    fn later(&mut self, after: u64, plugin: usize, token: u32, what: Arriving) {
        let at = self.clock.now().saturating_add(after);
        let place = self.due.partition_point(|due| due.at <= at);
        let due = Due {
            at,
            plugin,
            token,
            what,
        };
        self.due.insert(place, due);
    }
}

fn timeout(milliseconds: u32) -> Option<u64> {
    (milliseconds > 0).then(|| u64::from(milliseconds) * 1_000_000)
}

/// What a plugin is shown of the answer to a call: the message, or why there is none.
fn call_event(answer: AnswerKind) -> Option<GrpcEvent> {
    match answer {
        AnswerKind::Grpc {
            messages,
            status: 0,
            ..
        } if !messages.is_empty() => messages.into_iter().next().map(GrpcEvent::Message),
        AnswerKind::Grpc {
            status, message, ..
        } => Some(GrpcEvent::Close(status, message.into_bytes())),
        AnswerKind::Http(_) | AnswerKind::Fails => Some(GrpcEvent::Close(UNAVAILABLE, Vec::new())),
        AnswerKind::Silent => None,
    }
}

/// What comes on a stream, in order.
fn stream_events(answer: AnswerKind) -> Vec<GrpcEvent> {
    match answer {
        AnswerKind::Grpc {
            initial,
            messages,
            trailing,
            status,
            message,
        } => {
            let mut events: Vec<_> = initial
                .map(GrpcEvent::InitialMetadata)
                .into_iter()
                .collect();
            events.extend(messages.into_iter().map(GrpcEvent::Message));
            events.extend(trailing.map(GrpcEvent::TrailingMetadata));
            events.push(GrpcEvent::Close(status, message.into_bytes()));
            events
        }
        AnswerKind::Http(_) | AnswerKind::Fails => vec![GrpcEvent::Close(UNAVAILABLE, Vec::new())],
        AnswerKind::Silent => Vec::new(),
    }
}

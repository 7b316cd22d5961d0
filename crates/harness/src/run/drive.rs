//! Sends the events of a case through a chain and keeps what comes out.

use std::sync::Arc;

use gatewright_host::{
    Chain, Door, Effect, PluginSpec, Recorded, StreamId, Trace, TraceLevel, VmSettings,
};

use super::record::{CaseRun, ExchangeRun, StepRun};
use super::{Link, Subject};
use crate::model::{Case, Event, Exchange, Phase, Step};

/// Runs one case in VMs of its own.
///
/// The trace is at least at level [`TraceLevel::Cost`], which some checks read.
pub fn run_case(case: &Case, subject: &Subject, level: TraceLevel) -> CaseRun {
    let profile = subject.profile.unwrap_or(case.profile);
    let specs = subject
        .chain
        .iter()
        .enumerate()
        .map(|(index, link)| {
            let mut settings = VmSettings::new(profile);
            if let Some(config) = config(case, subject, link, index) {
                settings.configuration = Arc::clone(config);
            }
            if let Some(limits) = &link.limits {
                settings.limits = limits.clone();
            }
            settings.log_level = case.log_level;
            PluginSpec {
                plugin: link.plugin.clone(),
                settings,
                fail_open: link.fail_open,
                events: link.events,
            }
        })
        .collect();
    let (clock, seed) = (case.clock, case.seed);
    let door = move || Box::new(Recorded::new(clock, seed)) as Box<dyn Door>;
    let mut chain = Chain::start(profile, specs, door, level.max(TraceLevel::Cost));
    let starts: Vec<Trace> = (0..subject.chain.len())
        .filter_map(|index| chain.start_trace(index).cloned())
        .collect();
    let mut run = CaseRun {
        starts,
        ..CaseRun::default()
    };
    if run.start_faults().next().is_none() {
        run.exchanges = match &case.turns {
            None => case
                .exchanges
                .iter()
                .map(|exchange| Flight::new(exchange).land(&mut chain, case))
                .collect(),
            Some(turns) => interleaved(&mut chain, case, &turns.0),
        };
    }
    run.memory_bytes = chain.memory_bytes(0);
    run.stop = chain.stop();
    run
}

/// The configuration of a plugin: what was asked for goes before the case, the case before what
/// the chain says.
fn config<'a>(
    case: &'a Case,
    subject: &'a Subject,
    link: &'a Link,
    index: usize,
) -> Option<&'a Arc<[u8]>> {
    let first = (index == 0).then_some(());
    first
        .and(subject.config.as_ref())
        .or(first.and(case.config.as_ref()))
        .or(link.config.as_ref())
}

/// Runs the exchanges at the same time: those in the list first, in its order, then all that are
/// not at their end, in rotation.
fn interleaved(chain: &mut Chain, case: &Case, turns: &[usize]) -> Vec<ExchangeRun> {
    let mut flights: Vec<_> = case.exchanges.iter().map(Flight::new).collect();
    for turn in turns {
        if let Some(flight) = flights.get_mut(*turn) {
            flight.turn(chain, case);
        }
    }
    while flights.iter().any(|flight| !flight.ended) {
        for flight in &mut flights {
            flight.turn(chain, case);
        }
    }
    flights.into_iter().map(|flight| flight.run).collect()
}

/// An exchange on its way: what was sent of it and what came of that.
struct Flight<'a> {
    exchange: &'a Exchange,
    stream: Option<StreamId>,
    /// The step that is next, and the chunk of it.
    next: (usize, usize),
    over: bool,
    ended: bool,
    run: ExchangeRun,
}

impl<'a> Flight<'a> {
    fn new(exchange: &'a Exchange) -> Self {
        Self {
            exchange,
            stream: None,
            next: (0, 0),
            over: false,
            ended: false,
            run: ExchangeRun::default(),
        }
    }

    /// Sends everything.
    fn land(mut self, chain: &mut Chain, case: &Case) -> ExchangeRun {
        while !self.ended {
            self.turn(chain, case);
        }
        self.run
    }

    /// Sends the next event, or ends the stream if there is none.
    fn turn(&mut self, chain: &mut Chain, case: &Case) {
        if self.ended {
            return;
        }
        let stream = *self
            .stream
            .get_or_insert_with(|| chain.open(&case.attributes));
        let (index, chunk) = self.next;
        let Some(step) = self.exchange.steps.get(index) else {
            self.run.trace = chain.close(stream);
            self.ended = true;
            return;
        };
        let now = chain.trace(stream).ordinal();
        if chunk == 0 {
            self.run.steps.push(StepRun {
                phase: step.phase,
                delivered: !self.over,
                effects: Vec::new(),
                first_call: now,
                last_event: now,
                end_call: now,
            });
        }
        let chunks = match &step.event {
            Event::Body { chunks, .. } => chunks.len(),
            _ => 1,
        };
        self.next = if chunk + 1 < chunks {
            (index, chunk + 1)
        } else {
            (index + 1, 0)
        };
        let Some(run) = self.run.steps.last_mut().filter(|run| run.delivered) else {
            return;
        };
        run.last_event = now;
        let before = run.effects.len();
        send(chain, stream, step, chunk, &mut run.effects);
        run.end_call = chain.trace(stream).ordinal();
        self.over |= run.effects[before..].iter().any(|effect| {
            matches!(
                effect,
                Effect::Reply(_) | Effect::Fail { .. } | Effect::Reset
            )
        });
    }
}

/// Sends one event of a step: its headers, its trailers, or one chunk of its body.
fn send(chain: &mut Chain, stream: StreamId, step: &Step, chunk: usize, effects: &mut Vec<Effect>) {
    let is_response = matches!(
        step.phase,
        Phase::ResponseHeaders | Phase::ResponseBody | Phase::ResponseTrailers
    );
    match &step.event {
        Event::Headers {
            headers,
            end_of_stream,
        } => {
            let (headers, end) = (headers.clone(), *end_of_stream);
            if is_response {
                chain.response_headers(stream, headers, end, effects);
            } else {
                chain.request_headers(stream, headers, end, effects);
            }
        }
        Event::Body {
            chunks,
            end_of_stream,
        } => {
            let Some(bytes) = chunks.get(chunk) else {
                return;
            };
            let end = *end_of_stream && chunk + 1 == chunks.len();
            if is_response {
                chain.response_body(stream, bytes.clone(), end, effects);
            } else {
                chain.request_body(stream, bytes.clone(), end, effects);
            }
        }
        Event::Trailers(trailers) => {
            if is_response {
                chain.response_trailers(stream, trailers.clone(), effects);
            } else {
                chain.request_trailers(stream, trailers.clone(), effects);
            }
        }
    }
}

//! Sends the events of a case through a chain and keeps what comes out.

use std::sync::Arc;

use gatewright_host::{
    Chain, Door, Effect, Hostcall, PluginSpec, Recorded, Shared, StreamId, Support, Trace,
    TraceLevel, VmSettings,
};

use super::record::{CaseRun, ExchangeRun, StepRun};
use super::stage::{CaseDoor, Clock, Stage};
use super::{Link, Subject};
use crate::model::{Case, Event, Exchange, Phase, Step};
use crate::world::{FailurePolicy, Setup};

/// Runs one case in VMs of its own.
///
/// The trace is at least at level [`TraceLevel::Cost`], which some checks read.
pub fn run_case(case: &Case, subject: &Subject, level: TraceLevel) -> CaseRun {
    let mut started = start(case, subject, level);
    let chain = &mut started.chain;
    let starts: Vec<Trace> = (0..started.plugins)
        .filter_map(|index| chain.start_trace(index).cloned())
        .collect();
    let mut run = CaseRun {
        starts,
        ..CaseRun::default()
    };
    if run.start_faults().next().is_none() {
        let mut stage = started.stage.as_mut();
        let turns = case.turns.as_ref().map(|turns| turns.0.as_slice());
        let mut flights: Vec<_> = case.exchanges.iter().map(Flight::new).collect();
        match turns {
            None => {
                for index in 0..flights.len() {
                    let alone = &mut flights[index..=index];
                    while !alone[0].ended {
                        turn(alone, 0, chain, case, stage.as_deref_mut());
                    }
                }
            }
            Some(turns) => interleave(&mut flights, turns, chain, case, stage),
        }
        run.exchanges = flights.into_iter().map(|flight| flight.run).collect();
    }
    run.memory_bytes = chain.memory_bytes(0);
    run.profile = chain.take_profile(0);
    run.stop = started.chain.stop();
    run
}

/// Opens so many streams of the first exchange of a case and ends none. Returns bytes of memory of
/// the first plugin's VM before and after, and how many streams it had when it failed or was done.
pub(crate) fn open_streams(
    case: &Case,
    subject: &Subject,
    streams: usize,
) -> (usize, usize, usize) {
    let mut started = start(case, subject, TraceLevel::Off);
    let before = started.chain.memory_bytes(0).unwrap_or(0);
    let mut after = before;
    let Some(exchange) = case.exchanges.first() else {
        return (before, after, 0);
    };
    for opened in 0..streams {
        let mut flight = [Flight::new(exchange)];
        while flight[0].next.0 < exchange.steps.len() && !flight[0].ended {
            turn(
                &mut flight,
                0,
                &mut started.chain,
                case,
                started.stage.as_mut(),
            );
        }
        match started.chain.memory_bytes(0) {
            Some(bytes) => after = bytes,
            None => return (before, after, opened),
        }
    }
    (before, after, streams)
}

/// A chain that was started, and what answers it.
struct Started<'a> {
    chain: Chain,
    /// `None` where nothing goes out: then nothing comes back, and time makes no difference.
    stage: Option<Stage<'a>>,
    plugins: usize,
}

/// Starts the plugins as a case wants them.
fn start<'a>(case: &'a Case, subject: &Subject, level: TraceLevel) -> Started<'a> {
    let profile = subject.profile.unwrap_or(case.profile);
    let shared = Arc::new(Shared::default());
    let setups = &case.world.plugins;
    let plugins = subject.chain.len().max(setups.len());
    let specs = (0..plugins)
        .filter_map(|index| {
            // A case's own chain goes on with copies of the plugin that it is for.
            let link = subject.chain.get(index).or(subject.chain.first())?;
            let mut settings = VmSettings::new(profile);
            if let Some(config) = config(case, subject, link, index) {
                settings.configuration = Arc::clone(config);
            }
            if let Some(limits) = &link.limits {
                settings.limits = limits.clone();
            }
            settings.log_level = case.log_level;
            settings.attach = case.world.attach;
            settings.shared = Arc::clone(&shared);
            let mut spec = PluginSpec {
                plugin: link.plugin.clone(),
                settings,
                fail_open: link.fail_open,
                events: case.world.events.unwrap_or(link.events),
            };
            if let Some(setup) = setups.get(index) {
                set_up(&mut spec, setup);
            }
            Some(spec)
        })
        .collect();
    let clock = Clock::new(case.clock);
    let stage = Stage::new(&case.world, clock.clone(), Arc::clone(&shared));
    let (now, seed) = (case.clock, case.seed);
    let upstreams = Arc::clone(&case.world.upstreams);
    let door = move || {
        let door = CaseDoor {
            clock: clock.clone(),
            random: Recorded::new(now, seed),
            upstreams: Arc::clone(&upstreams),
        };
        Box::new(door) as Box<dyn Door>
    };
    let calls = profile.rules().support(Hostcall::HttpCall);
    Started {
        chain: Chain::start(profile, specs, door, level.max(TraceLevel::Cost)),
        stage: (calls == Support::Works).then_some(stage),
        plugins,
    }
}

fn set_up(spec: &mut PluginSpec, setup: &Setup) {
    let settings = &mut spec.settings;
    settings.name.clone_from(&setup.name);
    settings.root_id.clone_from(&setup.root_id);
    settings.vm_id.clone_from(&setup.vm_id);
    if let Some(config) = &setup.vm_config {
        settings.vm_configuration = Arc::clone(config);
    }
    settings.capabilities.clone_from(&setup.capabilities);
    match setup.failure {
        None => {}
        Some(FailurePolicy::Closed) => spec.fail_open = false,
        Some(FailurePolicy::Open) => spec.fail_open = true,
        Some(FailurePolicy::Reload) => {
            spec.fail_open = false;
            settings.restarts = true;
        }
    }
}

/// The configuration of a plugin: what was asked for goes before the case, the case before what
/// the chain says. In a case's own chain, what a member has goes before what the case has.
fn config<'a>(
    case: &'a Case,
    subject: &'a Subject,
    link: &'a Link,
    index: usize,
) -> Option<&'a Arc<[u8]>> {
    let setup = case.world.plugins.get(index);
    let first = (index == 0).then_some(());
    first
        .and(subject.config.as_ref())
        .or(setup.and_then(|setup| setup.config.as_ref()))
        .or(first.or(setup.map(|_| ())).and(case.config.as_ref()))
        .or(link.config.as_ref())
}

/// Runs the exchanges at the same time: those in the list first, in its order, then all that are
/// not at their end, in rotation.
fn interleave(
    flights: &mut [Flight<'_>],
    turns: &[usize],
    chain: &mut Chain,
    case: &Case,
    mut stage: Option<&mut Stage<'_>>,
) {
    for index in turns {
        if *index < flights.len() {
            turn(flights, *index, chain, case, stage.as_deref_mut());
        }
    }
    while flights.iter().any(|flight| !flight.ended) {
        for index in 0..flights.len() {
            turn(flights, index, chain, case, stage.as_deref_mut());
        }
    }
}

/// Gives one exchange its turn. What comes of it for others goes to them.
fn turn(
    flights: &mut [Flight<'_>],
    index: usize,
    chain: &mut Chain,
    case: &Case,
    stage: Option<&mut Stage<'_>>,
) {
    let mut others = Vec::new();
    flights[index].turn(chain, case, stage, &mut others);
    for flight in flights {
        if others.is_empty() {
            break;
        }
        flight.take(&mut others);
    }
}

/// An exchange on its way: what was sent of it and what came of that.
struct Flight<'a> {
    exchange: &'a Exchange,
    stream: Option<StreamId>,
    /// The step that is next, and the chunk of it.
    next: (usize, usize),
    over: bool,
    /// Whether the request never left, so that no response can come.
    held: bool,
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
            held: false,
            ended: false,
            run: ExchangeRun::default(),
        }
    }

    /// Takes the effects that are for this exchange.
    fn take(&mut self, effects: &mut Vec<(StreamId, Effect)>) {
        let (Some(stream), false) = (self.stream, self.ended) else {
            return;
        };
        let Some(step) = self.run.steps.last_mut() else {
            return;
        };
        for (_, effect) in effects.extract_if(.., |(of, _)| *of == stream) {
            self.over |= ends(&effect);
            step.effects.push(effect);
        }
    }

    /// Sends the next event, or ends the stream if there is none.
    fn turn(
        &mut self,
        chain: &mut Chain,
        case: &Case,
        mut stage: Option<&mut Stage<'_>>,
        out: &mut Vec<(StreamId, Effect)>,
    ) {
        if self.ended {
            return;
        }
        let Some(stream) = self.stream else {
            self.begin(chain, case, stage, out);
            return;
        };
        let (index, chunk) = self.next;
        let Some(step) = self.exchange.steps.get(index) else {
            self.end(chain, stream, stage, out);
            return;
        };
        let is_first_of_response = chunk == 0
            && is_response(step.phase)
            && self
                .run
                .steps
                .last()
                .is_some_and(|last| !is_response(last.phase));
        if let (Some(stage), true) = (&mut stage, is_first_of_response) {
            // A response comes once the request is there, and answers may be what it waits for.
            stage.drain(chain, stream, out);
            self.take(out);
            self.held = !self.run.effects().any(|(_, effect)| leaves(effect));
        }
        let now = chain.trace(stream).ordinal();
        if chunk == 0 {
            self.run.steps.push(StepRun {
                phase: step.phase,
                delivered: !(self.over || self.held),
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
        self.over |= run.effects[before..].iter().any(ends);
        if let Some(stage) = stage {
            stage.settle(chain, Some(stream), out);
            if step.advance > 0 && self.next.1 == 0 {
                stage.advance(chain, step.advance, Some(stream), out);
            }
        } else {
            // A plugin may have acted on another stream of its VM.
            out.append(&mut chain.take_pending());
        }
        self.take(out);
    }

    /// What happens before the exchange, and then its stream. Without anything to send there is
    /// none.
    fn begin(
        &mut self,
        chain: &mut Chain,
        case: &Case,
        mut stage: Option<&mut Stage<'_>>,
        out: &mut Vec<(StreamId, Effect)>,
    ) {
        if let Some(stage) = &mut stage {
            for happening in &self.exchange.before {
                stage.happen(chain, happening, out);
            }
            self.run.trace = chain.take_root_trace();
        }
        if self.exchange.steps.is_empty() {
            self.ended = true;
            if let Some(stage) = stage {
                stage.finish(self.exchange, &mut self.run);
            }
            return;
        }
        self.stream = Some(chain.open(&case.attributes));
        self.turn(chain, case, stage, out);
    }

    fn end(
        &mut self,
        chain: &mut Chain,
        stream: StreamId,
        stage: Option<&mut Stage<'_>>,
        out: &mut Vec<(StreamId, Effect)>,
    ) {
        if let Some(stage) = stage {
            stage.drain(chain, stream, out);
            self.take(out);
            stage.finish(self.exchange, &mut self.run);
        }
        let trace = chain.close(stream);
        if self.run.trace.ordinal() == 0 {
            self.run.trace = trace;
        } else {
            self.run.trace.append(trace);
        }
        self.ended = true;
    }
}

const fn is_response(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::ResponseHeaders | Phase::ResponseBody | Phase::ResponseTrailers
    )
}

/// Whether the exchange is over with this effect.
const fn ends(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Reply(_) | Effect::Fail { .. } | Effect::Reset
    )
}

/// Whether the request is on its way with this effect.
const fn leaves(effect: &Effect) -> bool {
    matches!(effect, Effect::RequestHeaders { .. })
}

/// Sends one event of a step: its headers, its trailers, or one chunk of its body.
fn send(chain: &mut Chain, stream: StreamId, step: &Step, chunk: usize, effects: &mut Vec<Effect>) {
    let is_response = is_response(step.phase);
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

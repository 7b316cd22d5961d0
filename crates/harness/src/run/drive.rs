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
        for exchange in &case.exchanges {
            let exchange = drive(&mut chain, exchange, case);
            run.exchanges.push(exchange);
        }
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

fn drive(chain: &mut Chain, exchange: &Exchange, case: &Case) -> ExchangeRun {
    let stream = chain.open(&case.attributes);
    let mut over = false;
    let mut steps = Vec::with_capacity(exchange.steps.len());
    for step in &exchange.steps {
        let run = send(chain, stream, step, over);
        over |= run.effects.iter().any(|effect| {
            matches!(
                effect,
                Effect::Reply(_) | Effect::Fail { .. } | Effect::Reset
            )
        });
        steps.push(run);
    }
    let trace = chain.close(stream);
    ExchangeRun { steps, trace }
}

fn send(chain: &mut Chain, stream: StreamId, step: &Step, over: bool) -> StepRun {
    let first_call = chain.trace(stream).ordinal();
    let mut run = StepRun {
        phase: step.phase,
        delivered: !over,
        effects: Vec::new(),
        first_call,
        last_event: first_call,
        end_call: first_call,
    };
    if over {
        return run;
    }
    let effects = &mut run.effects;
    match &step.event {
        Event::Headers {
            headers,
            end_of_stream,
        } => {
            let (headers, end) = (headers.clone(), *end_of_stream);
            match step.phase {
                Phase::ResponseHeaders => chain.response_headers(stream, headers, end, effects),
                _ => chain.request_headers(stream, headers, end, effects),
            }
        }
        Event::Body {
            chunks,
            end_of_stream,
        } => {
            for (index, chunk) in chunks.iter().enumerate() {
                run.last_event = chain.trace(stream).ordinal();
                let end = *end_of_stream && index + 1 == chunks.len();
                match step.phase {
                    Phase::ResponseBody => {
                        chain.response_body(stream, chunk.clone(), end, effects);
                    }
                    _ => chain.request_body(stream, chunk.clone(), end, effects),
                }
            }
        }
        Event::Trailers(trailers) => match step.phase {
            Phase::ResponseTrailers => {
                chain.response_trailers(stream, trailers.clone(), effects);
            }
            _ => chain.request_trailers(stream, trailers.clone(), effects),
        },
    }
    run.end_call = chain.trace(stream).ordinal();
    run
}

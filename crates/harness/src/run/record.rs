//! What a case did, as it was seen: effects of the chain and its traces, nothing judged.

use gatewright_host::{
    Callback, Callout, Effect, Entry, Fault, GuestProfile, HeaderMap, LocalReply, LogLine, Metric,
    Trace,
};

use crate::model::Phase;

/// Everything that a case did.
#[derive(Clone, Debug, Default)]
pub struct CaseRun {
    /// The start of each plugin of the chain.
    pub starts: Vec<Trace>,
    /// The exchanges, as far as they were run.
    pub exchanges: Vec<ExchangeRun>,
    /// The end of the chain.
    pub stop: Trace,
    /// Bytes of memory of the first plugin's VM at the end, if it had one.
    pub memory_bytes: Option<usize>,
    /// Where the fuel of the first plugin went until its end, if it was compiled to say so.
    pub profile: Option<GuestProfile>,
}

impl CaseRun {
    /// Faults of plugins that did not start.
    pub fn start_faults(&self) -> impl Iterator<Item = &Fault> {
        self.starts.iter().flat_map(|trace| &trace.faults)
    }

    /// Fuel that all callbacks burnt.
    pub fn fuel(&self) -> u64 {
        let exchanges = self.exchanges.iter().map(|exchange| &exchange.trace);
        self.starts
            .iter()
            .chain(exchanges)
            .chain([&self.stop])
            .map(Trace::fuel)
            .sum()
    }
}

/// One exchange.
#[derive(Clone, Debug, Default)]
pub struct ExchangeRun {
    /// What was sent and what came of it, in order. Steps after the end of an exchange are not
    /// sent and have no effects.
    pub steps: Vec<StepRun>,
    /// The whole story, that of the time before it included.
    pub trace: Trace,
    /// The callouts that plugins made, in order, messages on their streams included.
    pub callouts: Vec<Callout>,
    /// What plugins share in the end.
    pub left: Left,
}

/// What plugins share at the end of an exchange, as far as the case asks for it.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Every metric, if the case asks for one.
    pub metrics: Vec<Metric>,
    /// Shared data by its key.
    pub data: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Queues.
    pub queues: Vec<QueueLeft>,
}

/// A queue at the end of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLeft {
    /// Its name.
    pub name: Vec<u8>,
    /// The items that wait in it; `None` where no plugin registered it.
    pub items: Option<Vec<Vec<u8>>>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct StepRun {
    /// Which phase it is.
    pub phase: Phase,
    /// Whether it was sent: after a reply nothing is.
    pub delivered: bool,
    /// What came of it.
    pub effects: Vec<Effect>,
    /// Calls into guests before this step.
    pub first_call: u32,
    /// Calls into guests before the last event of this step.
    pub last_event: u32,
    /// Calls into guests after this step.
    pub end_call: u32,
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End<'a> {
    /// A plugin replied.
    Reply(&'a LocalReply),
    /// A plugin failed closed, and the client sees this status.
    Failed(u16),
    /// The stream was reset.
    Reset,
    /// The upstream's response went back, with these headers.
    Response(&'a HeaderMap),
    /// The request was passed on, and the case has no response.
    Open,
}

impl ExchangeRun {
    /// All effects, in order, each with the phase of the step that brought it.
    pub fn effects(&self) -> impl Iterator<Item = (Phase, &Effect)> {
        self.steps
            .iter()
            .flat_map(|step| step.effects.iter().map(move |effect| (step.phase, effect)))
    }

    /// The headers or trailers that a phase passed on.
    pub fn headers(&self, phase: Phase) -> Option<&HeaderMap> {
        self.effects()
            .find_map(|(_, effect)| match (phase, effect) {
                (Phase::RequestHeaders, Effect::RequestHeaders { headers, .. })
                | (Phase::ResponseHeaders, Effect::ResponseHeaders { headers, .. })
                | (Phase::RequestTrailers, Effect::RequestTrailers(headers))
                | (Phase::ResponseTrailers, Effect::ResponseTrailers(headers)) => Some(headers),
                _ => None,
            })
    }

    /// All of a body that a phase passed on; `None` when it passed nothing on.
    pub fn body(&self, phase: Phase) -> Option<Vec<u8>> {
        let mut body = None;
        for (_, effect) in self.effects() {
            match (phase, effect) {
                (Phase::RequestBody, Effect::RequestBody { chunk, .. })
                | (Phase::ResponseBody, Effect::ResponseBody { chunk, .. }) => {
                    body.get_or_insert_with(Vec::new).extend_from_slice(chunk);
                }
                _ => {}
            }
        }
        body
    }

    /// How it ended.
    pub fn end(&self) -> End<'_> {
        let mut end = End::Open;
        for (_, effect) in self.effects() {
            match effect {
                Effect::Reply(reply) => return End::Reply(reply),
                Effect::Fail { status } => return End::Failed(*status),
                Effect::Reset => return End::Reset,
                Effect::ResponseHeaders { headers, .. } => end = End::Response(headers),
                _ => {}
            }
        }
        end
    }

    /// The reply of a plugin and the phase in which it came.
    pub fn reply(&self) -> Option<(Phase, &LocalReply)> {
        self.effects().find_map(|(phase, effect)| match effect {
            Effect::Reply(reply) => Some((phase, &**reply)),
            _ => None,
        })
    }

    /// Log messages of a phase, in order.
    pub fn logs(&self, phase: Phase) -> impl Iterator<Item = &LogLine> {
        self.trace
            .logs
            .iter()
            .filter(move |line| Phase::of(line.entry) == Some(phase))
    }

    /// The first fault, with its phase where it has one.
    pub fn fault(&self) -> Option<(&Fault, Option<Phase>)> {
        let fault = self.trace.faults.first()?;
        Some((fault, Phase::of(fault.entry)))
    }

    /// Whether a callback of these calls paused and sent no reply.
    pub(crate) fn paused(&self, step: &StepRun) -> Option<u32> {
        const CONTINUE: u32 = 0;
        const CONTINUE_AND_END_STREAM: u32 = 2;
        let spans = self.trace.spans.iter().filter(|span| {
            matches!(
                span.entry,
                Entry::Callback(Callback::OnRequestHeaders | Callback::OnResponseHeaders)
            ) && Phase::of(span.entry) == Some(step.phase)
        });
        spans
            .filter_map(|span| span.returned)
            .find(|returned| !matches!(*returned, CONTINUE | CONTINUE_AND_END_STREAM))
    }
}

//! A planned case in the emulator, in the profile of Envoy, told as Envoy's outcomes are.

use std::sync::Arc;
use std::time::SystemTime;

use gatewright_harness::{Case, FailurePolicy, Phase};
use gatewright_host::{
    CalloutKind, CalloutResponse, Chain, Door, Effect, Events, HeaderMap, LogLevel, Plugin,
    PluginSpec, Profile, Recorded, StreamId, Trace, TraceLevel, VmSettings,
};

use crate::callouts::{Services, Turns};
use crate::http1::Seen;
use crate::inexpressible::Inexpressible;
use crate::outcome::{Call, Outcome, calls_of_trace};
use crate::plan::{Part, Plan, Sent, Told};

/// What the emulator did with a case.
#[derive(Debug, Default)]
pub(crate) struct Emulated {
    /// Whether the plugin started.
    pub(crate) started: bool,
    /// The messages of its start.
    pub(crate) start_logs: Vec<(LogLevel, Vec<u8>)>,
    /// Its exchanges.
    pub(crate) exchanges: Vec<Exchanged>,
}

impl Emulated {
    /// Whether the same came of both.
    fn is_like(&self, other: &Self) -> bool {
        let outcomes = self.exchanges.iter().map(|exchange| &exchange.outcome);
        (self.started, &self.start_logs) == (other.started, &other.start_logs)
            && outcomes.eq(other.exchanges.iter().map(|exchange| &exchange.outcome))
    }
}

/// One exchange, and what the peer may wait for.
#[derive(Debug, Default)]
pub(crate) struct Exchanged {
    pub(crate) outcome: Outcome,
    /// Callouts that each event sets off.
    pub(crate) callouts: Vec<usize>,
    /// Whether the request was on its way to the upstream after each event.
    pub(crate) arrived: Vec<bool>,
}

/// How the plugin of a case is set up.
#[derive(Clone, Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) plugin: &'a Plugin,
    /// The name of plugin and VM.
    pub(crate) name: &'a str,
    pub(crate) config: Option<&'a Arc<[u8]>>,
    pub(crate) policy: FailurePolicy,
}

/// Runs a case.
pub(crate) fn emulate(case: &Case, plan: &Plan, given: &Settings<'_>) -> Emulated {
    let mut settings = VmSettings::new(Profile::Envoy);
    if let Some(config) = given.config {
        settings.configuration = Arc::clone(config);
    }
    settings.name = given.name.to_owned();
    settings.vm_id = given.name.to_owned();
    settings.restarts = given.policy == FailurePolicy::Reload;
    // Envoy's log tells calls at its lowest level only, so that is what plugins are told it is.
    settings.log_level = LogLevel::Trace;
    let spec = PluginSpec {
        plugin: given.plugin.clone(),
        settings,
        fail_open: given.policy == FailurePolicy::Open,
        events: Events::ALL,
    };
    let (clock, seed, known) = (case.clock, case.seed, plan.services.clone());
    let door = move || {
        Box::new(Network {
            recorded: Recorded::new(clock, seed),
            services: known.clone(),
        }) as Box<dyn Door>
    };
    let mut chain = Chain::start(Profile::Envoy, vec![spec], door, TraceLevel::Full);
    let start = chain.start_trace(0);
    let mut emulated = Emulated {
        started: chain.start_faults().next().is_none(),
        start_logs: start
            .iter()
            .flat_map(|trace| &trace.logs)
            .map(|line| (line.level, line.message.clone()))
            .collect(),
        exchanges: Vec::new(),
    };
    if emulated.started || given.policy == FailurePolicy::Open {
        let mut turns = Turns::default();
        for sent in &plan.exchanges {
            let drive = Drive::new(&mut chain, case, &plan.services, &mut turns);
            let mut exchanged = drive.exchange(sent);
            // Envoy does not call, and so does not log, what the module does not export.
            let exports = &given.plugin.info().exports;
            exchanged
                .outcome
                .calls
                .retain(|call| exports.contains_key(&call.name));
            emulated.exchanges.push(exchanged);
        }
    }
    emulated
}

/// What of the world the outcome of a case hangs on that nobody can set for a real Envoy: found by
/// runs on other days, of which one is the day on which Envoy runs, and one with other random bytes.
pub(crate) fn hangs_on(
    emulated: &Emulated,
    case: &Case,
    plan: &Plan,
    given: &Settings<'_>,
) -> Option<Inexpressible> {
    const DAYS: u64 = 1_000 * 86_400 * 1_000_000_000;
    let at = |clock| Case {
        clock,
        ..case.clone()
    };
    let luckier = Case {
        seed: case.seed.wrapping_add(1),
        ..case.clone()
    };
    let now = now();
    [
        (at(now), Inexpressible::Clock),
        (at(now.saturating_add(DAYS)), Inexpressible::Clock),
        (luckier, Inexpressible::Random),
    ]
    .into_iter()
    .find(|(other, _)| !emulate(other, plan, given).is_like(emulated))
    .map(|(_, reason)| reason)
}

/// What Envoy's clock shows, in nanoseconds since the epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// The machine as a case gives it: a clock that stands, and the services that there are.
struct Network {
    recorded: Recorded,
    services: Services,
}

impl Door for Network {
    fn realtime(&mut self) -> u64 {
        self.recorded.realtime()
    }

    fn monotonic(&mut self) -> u64 {
        self.recorded.monotonic()
    }

    fn random(&mut self, buffer: &mut [u8]) {
        self.recorded.random(buffer);
    }

    fn knows_upstream(&mut self, name: &[u8]) -> bool {
        self.services.knows(name)
    }
}

/// One exchange on its way through the chain.
struct Drive<'a> {
    chain: &'a mut Chain,
    services: &'a Services,
    turns: &'a mut Turns,
    stream: StreamId,
    /// Spans of the stream's trace that were told already.
    told: usize,
    done: Exchanged,
    over: bool,
    /// Answers to callouts that come when the stream is gone: by plugin and token.
    late: Vec<(usize, u32, Option<CalloutResponse>)>,
}

impl<'a> Drive<'a> {
    fn new(
        chain: &'a mut Chain,
        case: &Case,
        services: &'a Services,
        turns: &'a mut Turns,
    ) -> Self {
        let stream = chain.open(&case.attributes);
        Self {
            chain,
            services,
            turns,
            stream,
            told: 0,
            done: Exchanged::default(),
            over: false,
            late: Vec::new(),
        }
    }

    fn exchange(mut self, sent: &Sent) -> Exchanged {
        self.parts(&sent.request);
        let arrived = self.done.outcome.upstream.as_ref();
        if arrived.is_some_and(|seen| seen.complete) {
            self.parts(&sent.response);
        }
        let trace = self.chain.close(self.stream);
        self.tell(&trace);
        for (plugin, token, answer) in std::mem::take(&mut self.late) {
            self.chain
                .http_call_response(plugin, token, answer, &mut Vec::new());
        }
        self.tell_root();
        self.done
    }

    /// Parts in turn. An end that has no bytes of its own comes with the part before it, and no
    /// callout is answered between the two.
    fn parts(&mut self, parts: &[Part]) {
        let mut parts = parts.iter().peekable();
        while let Some(part) = parts.next() {
            let alone = parts.peek().is_none_or(|next| !next.bytes.is_empty());
            self.part(part, alone);
        }
    }

    fn part(&mut self, part: &Part, alone: bool) {
        if self.over {
            return;
        }
        let mut effects = Vec::new();
        let (chain, id) = (&mut *self.chain, self.stream);
        let is_response = matches!(
            part.phase,
            Phase::ResponseHeaders | Phase::ResponseBody | Phase::ResponseTrailers
        );
        match (part.event.clone(), is_response) {
            (Told::Headers(map, end), false) => chain.request_headers(id, map, end, &mut effects),
            (Told::Headers(map, end), true) => chain.response_headers(id, map, end, &mut effects),
            (Told::Body(chunk, end), false) => chain.request_body(id, chunk, end, &mut effects),
            (Told::Body(chunk, end), true) => chain.response_body(id, chunk, end, &mut effects),
            (Told::Trailers(map), false) => chain.request_trailers(id, map, &mut effects),
            (Told::Trailers(map), true) => chain.response_trailers(id, map, &mut effects),
        }
        self.take(effects);
        let answered = if alone { self.settle() } else { 0 };
        self.done.callouts.push(answered);
        let arrived = self.done.outcome.upstream.is_some();
        self.done.arrived.push(arrived);
    }

    /// Carries out what the event set off: callouts, queues, and what those set off.
    fn settle(&mut self) -> usize {
        let mut answered = 0;
        loop {
            self.tell_stream();
            let mut effects = Vec::new();
            self.chain.run_due(&mut effects);
            self.take_all(effects);
            let callouts = self.chain.take_callouts();
            if callouts.is_empty() {
                return answered;
            }
            for callout in callouts {
                let CalloutKind::Http {
                    upstream,
                    headers,
                    body,
                    trailers,
                    ..
                } = callout.kind
                else {
                    continue;
                };
                answered += 1;
                self.done.outcome.callouts.push(Seen {
                    headers: line_first(headers),
                    body,
                    trailers,
                    complete: true,
                });
                let name = String::from_utf8_lossy(&upstream);
                let answer = Some(self.turns.next(self.services, &name).told());
                // What comes back once the client has everything finds the stream gone.
                if self.ended() {
                    self.late.push((callout.plugin, callout.token, answer));
                    continue;
                }
                let mut effects = Vec::new();
                self.chain
                    .http_call_response(callout.plugin, callout.token, answer, &mut effects);
                self.take_all(effects);
            }
        }
    }

    /// Whether the client has all that it will get.
    fn ended(&self) -> bool {
        let response = self.done.outcome.client.response.as_ref();
        self.over || response.is_some_and(|response| response.complete)
    }

    fn take_all(&mut self, effects: Vec<(StreamId, Effect)>) {
        self.tell_root();
        let own = effects.into_iter().map(|(_, effect)| effect).collect();
        self.take(own);
        self.tell_stream();
    }

    fn tell_root(&mut self) {
        let trace = self.chain.take_root_trace();
        self.done.outcome.calls.extend(calls_of_trace(&trace, 0));
    }

    fn tell_stream(&mut self) {
        let trace = self.chain.trace(self.stream);
        let calls = calls_of_trace(trace, self.told);
        self.told = trace.spans.len();
        self.done.outcome.calls.extend(calls);
    }

    fn tell(&mut self, trace: &Trace) {
        let calls: Vec<Call> = calls_of_trace(trace, self.told);
        self.done.outcome.calls.extend(calls);
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.effect(effect);
        }
    }

    fn effect(&mut self, effect: Effect) {
        let outcome = &mut self.done.outcome;
        match effect {
            Effect::RequestHeaders {
                headers,
                end_of_stream,
            } => {
                outcome.upstream = Some(Seen {
                    headers: line_first(headers),
                    complete: end_of_stream,
                    ..Seen::default()
                });
            }
            Effect::ResponseHeaders {
                headers,
                end_of_stream,
            } => {
                outcome.client.response = Some(Seen {
                    headers: line_first(headers),
                    complete: end_of_stream,
                    ..Seen::default()
                });
            }
            Effect::RequestBody {
                chunk,
                end_of_stream,
            } => append(&mut outcome.upstream, &chunk, end_of_stream),
            Effect::ResponseBody {
                chunk,
                end_of_stream,
            } => append(&mut outcome.client.response, &chunk, end_of_stream),
            Effect::RequestTrailers(map) => end_with(&mut outcome.upstream, map),
            Effect::ResponseTrailers(map) => end_with(&mut outcome.client.response, map),
            Effect::Reply(reply) => {
                self.over = true;
                let mut headers = HeaderMap::new();
                headers.append(b":status", reply.status.to_string().as_bytes());
                headers.extend(&reply.headers);
                outcome.client.response = Some(Seen {
                    headers,
                    body: reply.body,
                    complete: true,
                    ..Seen::default()
                });
            }
            Effect::Fail { status } => {
                self.over = true;
                let status = status.to_string();
                outcome.client.response = Some(Seen {
                    headers: [(":status", status)].into_iter().collect(),
                    complete: true,
                    ..Seen::default()
                });
            }
            Effect::Reset => {
                self.over = true;
                outcome.client.cut = true;
            }
            _ => {}
        }
    }
}

fn append(seen: &mut Option<Seen>, chunk: &[u8], ends: bool) {
    let seen = seen.get_or_insert_default();
    seen.body.extend_from_slice(chunk);
    seen.complete = ends;
}

fn end_with(seen: &mut Option<Seen>, trailers: HeaderMap) {
    let seen = seen.get_or_insert_default();
    seen.trailers = trailers;
    seen.complete = true;
}

/// Headers as a receiver reads them: the first line, then `host`, then the fields.
fn line_first(headers: HeaderMap) -> HeaderMap {
    let mut map = HeaderMap::new();
    for name in [&b":method"[..], b":path", b":authority", b":status"] {
        if let Some(value) = headers.get(name) {
            map.append(name, value);
        }
    }
    map.extend(headers.iter().filter(|(name, _)| !name.starts_with(b":")));
    map
}

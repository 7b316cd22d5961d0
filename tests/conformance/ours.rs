//! Our host behind the kit's adapter.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatewright_host::{
    Attributes, CalloutKind, CalloutResponse, Chain, Door, Effect, Engine, EngineOptions,
    GrpcEvent, HeaderMap, Plugin, PluginSpec, Profile, Recorded, Status, StreamId, Trace,
    TraceLevel,
};

use super::model::{Bytes, Event, Headers, Host, Observation, Run};

/// Our host. Modules are compiled once.
#[derive(Debug)]
pub struct Ours {
    engine: Engine,
    plugins: HashMap<String, Plugin>,
}

impl Ours {
    /// An engine and nothing compiled.
    ///
    /// # Errors
    /// When this machine cannot run the engine.
    pub fn new() -> Result<Self, String> {
        let engine = Engine::new(&EngineOptions::default()).map_err(|error| error.to_string())?;
        Ok(Self {
            engine,
            plugins: HashMap::new(),
        })
    }

    fn plugin(&mut self, path: &str) -> Result<Plugin, String> {
        if let Some(plugin) = self.plugins.get(path) {
            return Ok(plugin.clone());
        }
        let wasm = std::fs::read(path).map_err(|error| format!("`{path}`: {error}"))?;
        let wasm = match path.ends_with(".wat") {
            true => wat::parse_bytes(&wasm).map_err(|error| format!("`{path}`: {error}"))?,
            false => wasm.into(),
        };
        let plugin = self
            .engine
            .compile(&wasm)
            .map_err(|error| format!("`{path}`: {error}"))?;
        self.plugins.insert(path.to_owned(), plugin.clone());
        Ok(plugin)
    }
}

/// What the case says of the world, and a clock that it moves.
#[derive(Clone)]
struct World {
    clock: Arc<AtomicU64>,
    upstreams: Vec<Bytes>,
    foreign: Vec<(Bytes, Bytes)>,
}

impl Door for World {
    fn realtime(&mut self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn monotonic(&mut self) -> u64 {
        self.realtime()
    }

    fn random(&mut self, buffer: &mut [u8]) {
        Recorded::new(0, 0).random(buffer);
    }

    fn knows_upstream(&mut self, name: &[u8]) -> bool {
        self.upstreams.iter().any(|known| known.0 == name)
    }

    fn call_foreign(&mut self, name: &[u8], _arguments: &[u8]) -> Option<Result<Vec<u8>, Status>> {
        let found = self.foreign.iter().find(|(known, _)| known.0 == name);
        found.map(|(_, result)| Ok(result.0.clone()))
    }
}

impl Host for Ours {
    fn run(&mut self, run: &Run) -> Result<Vec<Vec<Observation>>, String> {
        let profile: Profile = run.profile.parse().map_err(|error| format!("{error}"))?;
        let mut spec = PluginSpec::new(self.plugin(&run.module)?, profile);
        spec.settings.configuration = Arc::from(&run.configuration.0[..]);
        spec.settings.vm_configuration = Arc::from(&run.vm_configuration.0[..]);
        let world = World {
            // A second after the epoch.
            clock: Arc::new(AtomicU64::new(1_000_000_000)),
            upstreams: run.upstreams.clone(),
            foreign: run.foreign.clone(),
        };
        let mut attributes = Attributes::new();
        for (path, value) in &run.properties {
            attributes.set(path, &value.0);
        }
        let keeper = world.clone();
        let mut session = Session {
            spec: Some(spec),
            profile,
            keeper,
            world,
            attributes: Arc::new(attributes),
            chain: None,
            stream: None,
            seen: 0,
            faults_seen: 0,
            callouts: Vec::new(),
        };
        Ok(run
            .events
            .iter()
            .map(|event| session.event(event))
            .collect())
    }
}

/// One case as it runs.
struct Session {
    spec: Option<PluginSpec>,
    profile: Profile,
    keeper: World,
    world: World,
    attributes: Arc<Attributes>,
    chain: Option<Chain>,
    stream: Option<StreamId>,
    /// Log messages and faults of the stream that were told already.
    seen: usize,
    faults_seen: usize,
    /// Callouts in the order of dispatch: whether gRPC, and the token.
    callouts: Vec<(bool, u32)>,
}

impl Session {
    fn event(&mut self, event: &Event) -> Vec<Observation> {
        let mut told = Vec::new();
        match event {
            Event::Start => {
                let keeper = self.keeper.clone();
                let door = move || Box::new(keeper.clone()) as Box<dyn Door>;
                let specs = self.spec.take().into_iter().collect();
                let chain = Chain::start(self.profile, specs, door, TraceLevel::Full);
                if let Some(trace) = chain.start_trace(0) {
                    tell(trace, 0, 0, &mut told);
                }
                self.chain = Some(chain);
            }
            Event::Stop => {
                if let Some(chain) = self.chain.take() {
                    tell(&chain.stop(), 0, 0, &mut told);
                }
            }
            event => {
                let Some(chain) = self.chain.as_mut() else {
                    return told;
                };
                let mut own = Vec::new();
                let mut all = Vec::new();
                if *event == Event::Open {
                    self.stream = Some(chain.open(&self.attributes));
                } else if *event == Event::Close {
                    if let Some(stream) = self.stream.take() {
                        tell(&chain.close(stream), self.seen, self.faults_seen, &mut told);
                    }
                } else {
                    let stream = self.stream;
                    drive(
                        chain,
                        stream,
                        event,
                        &self.callouts,
                        &self.world,
                        &mut own,
                        &mut all,
                    );
                }
                if let Some(stream) = self.stream {
                    let trace = chain.trace(stream);
                    tell(trace, self.seen, self.faults_seen, &mut told);
                    (self.seen, self.faults_seen) = (trace.logs.len(), trace.faults.len());
                }
                tell(&chain.take_root_trace(), 0, 0, &mut told);
                all.extend(chain.take_pending());
                own.extend(all.into_iter().map(|(_, effect)| effect));
                told.extend(own.into_iter().filter_map(effect));
                self.tell_callouts(&mut told);
            }
        }
        told
    }

    fn tell_callouts(&mut self, told: &mut Vec<Observation>) {
        let Some(chain) = self.chain.as_mut() else {
            return;
        };
        for callout in chain.take_callouts() {
            let (is_grpc, is_new) = match callout.kind {
                CalloutKind::Http { .. } => (false, true),
                CalloutKind::GrpcCall { .. } | CalloutKind::GrpcStream { .. } => (true, true),
                _ => (true, false),
            };
            let this = (is_grpc, callout.token);
            let known = self.callouts.iter().rposition(|known| *known == this);
            let call = known.map_or(0, |place| place + 1);
            if is_new {
                self.callouts.push(this);
            }
            told.extend(dispatched(call, callout.kind));
        }
    }
}

/// Hands an event to the chain.
fn drive(
    chain: &mut Chain,
    stream: Option<StreamId>,
    event: &Event,
    callouts: &[(bool, u32)],
    world: &World,
    own: &mut Vec<Effect>,
    all: &mut Vec<(StreamId, Effect)>,
) {
    // What answers a callout that was never made comes to nobody.
    let token = |call: &usize| callouts.get(call.wrapping_sub(1)).map(|(_, token)| *token);
    match (event, stream) {
        (Event::RequestHeaders { headers, end }, Some(id)) => {
            chain.request_headers(id, map(headers), *end, own);
        }
        (Event::RequestBody { body, end }, Some(id)) => {
            chain.request_body(id, body.0.clone(), *end, own);
        }
        (Event::RequestTrailers { headers }, Some(id)) => {
            chain.request_trailers(id, map(headers), own);
        }
        (Event::ResponseHeaders { headers, end }, Some(id)) => {
            chain.response_headers(id, map(headers), *end, own);
        }
        (Event::ResponseBody { body, end }, Some(id)) => {
            chain.response_body(id, body.0.clone(), *end, own);
        }
        (Event::ResponseTrailers { headers }, Some(id)) => {
            chain.response_trailers(id, map(headers), own);
        }
        (Event::Wait { ms }, _) => {
            world.clock.fetch_add(ms * 1_000_000, Ordering::Relaxed);
            chain.run_due(all);
        }
        (
            Event::HttpCallResponse {
                call,
                headers,
                body,
                trailers,
            },
            _,
        ) => {
            let response = CalloutResponse {
                headers: map(headers),
                body: body.0.clone(),
                trailers: map(trailers),
            };
            if let Some(token) = token(call) {
                chain.http_call_response(0, token, Some(response), all);
            }
        }
        (Event::HttpCallFailure { call }, _) => {
            if let Some(token) = token(call) {
                chain.http_call_response(0, token, None, all);
            }
        }
        (Event::ForeignFunction { function, body }, _) => {
            chain.foreign_function(0, *function, body.0.clone(), all);
        }
        (event, _) => {
            if let Some((call, event)) = grpc(event)
                && let Some(token) = token(&call)
            {
                chain.grpc_event(0, token, event, all);
            }
        }
    }
}

/// An event of a gRPC callout, and of which.
fn grpc(event: &Event) -> Option<(usize, GrpcEvent)> {
    Some(match event {
        Event::GrpcInitialMetadata { call, headers } => {
            (*call, GrpcEvent::InitialMetadata(map(headers)))
        }
        Event::GrpcMessage { call, body } => (*call, GrpcEvent::Message(body.0.clone())),
        Event::GrpcTrailingMetadata { call, headers } => {
            (*call, GrpcEvent::TrailingMetadata(map(headers)))
        }
        Event::GrpcClose {
            call,
            code,
            message,
        } => (*call, GrpcEvent::Close(*code, message.0.clone())),
        _ => return None,
    })
}

/// Log messages and faults of a trace that were not told yet.
fn tell(trace: &Trace, logs: usize, faults: usize, told: &mut Vec<Observation>) {
    for line in trace.logs.iter().skip(logs) {
        told.push(Observation::Log {
            level: line.level.name().to_ascii_lowercase(),
            text: Bytes::from(&line.message[..]),
        });
    }
    told.extend(
        trace
            .faults
            .iter()
            .skip(faults)
            .map(|_| Observation::Failed),
    );
}

fn map(headers: &Headers) -> HeaderMap {
    let fields = headers.iter();
    fields.map(|(name, value)| (&name.0, &value.0)).collect()
}

fn fields(map: &HeaderMap) -> Headers {
    let fields = map.iter();
    fields
        .map(|(name, value)| (Bytes::from(name), Bytes::from(value)))
        .collect()
}

fn effect(effect: Effect) -> Option<Observation> {
    use Observation as O;
    Some(match effect {
        Effect::RequestHeaders {
            headers,
            end_of_stream: end,
        } => O::RequestHeaders {
            headers: fields(&headers),
            end,
        },
        Effect::RequestBody {
            chunk,
            end_of_stream: end,
        } => O::RequestBody {
            body: Bytes(chunk),
            end,
        },
        Effect::RequestTrailers(trailers) => O::RequestTrailers {
            headers: fields(&trailers),
        },
        Effect::ResponseHeaders {
            headers,
            end_of_stream: end,
        } => O::ResponseHeaders {
            headers: fields(&headers),
            end,
        },
        Effect::ResponseBody {
            chunk,
            end_of_stream: end,
        } => O::ResponseBody {
            body: Bytes(chunk),
            end,
        },
        Effect::ResponseTrailers(trailers) => O::ResponseTrailers {
            headers: fields(&trailers),
        },
        Effect::Reply(reply) => O::Reply {
            status: reply.status,
            headers: fields(&reply.headers),
            body: Bytes(reply.body),
            grpc_status: reply.grpc_status,
            details: Bytes(reply.details),
        },
        Effect::Fail { status } => O::Fail {
            status: status.into(),
        },
        Effect::Reset => O::Reset,
        // An effect that this kit does not know yet would show as a missing line.
        _ => return None,
    })
}

fn dispatched(call: usize, kind: CalloutKind) -> Option<Observation> {
    use Observation as O;
    Some(match kind {
        CalloutKind::Http {
            upstream,
            headers,
            body,
            trailers,
            timeout_ms,
        } => O::HttpCall {
            upstream: Bytes(upstream),
            headers: fields(&headers),
            body: Bytes(body),
            trailers: fields(&trailers),
            timeout_ms,
        },
        CalloutKind::GrpcCall {
            upstream,
            service,
            method,
            metadata,
            message,
            timeout_ms,
        } => O::GrpcCall {
            upstream: Bytes(upstream),
            service: Bytes(service),
            method: Bytes(method),
            headers: fields(&metadata),
            body: Bytes(message),
            timeout_ms,
        },
        CalloutKind::GrpcStream {
            upstream,
            service,
            method,
            metadata,
        } => O::GrpcStream {
            upstream: Bytes(upstream),
            service: Bytes(service),
            method: Bytes(method),
            headers: fields(&metadata),
        },
        CalloutKind::GrpcSend {
            message,
            end_of_stream: end,
        } => O::GrpcSend {
            call,
            body: Bytes(message),
            end,
        },
        CalloutKind::GrpcClose => O::GrpcClose { call },
        CalloutKind::GrpcCancel => O::GrpcCancel { call },
        _ => return None,
    })
}

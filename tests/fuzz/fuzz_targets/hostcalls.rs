//! A guest that makes random hostcalls with random arguments, in every profile, among random
//! events: the host never panics, answers only what the ABI has, and keeps to its limits.

#![no_main]

#[path = "hostcalls/guest.rs"]
mod guest;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use gatewright_abi::Status;
use gatewright_host::{
    Attributes, CalloutKind, CalloutResponse, Chain, Door, Engine, EngineOptions, GrpcEvent,
    HeaderMap, Plugin, PluginSpec, Profile, Recorded, StreamId, Trace, TraceLevel,
};
use guest::Bytes;
use libfuzzer_sys::fuzz_target;

/// A recorded door that knows an upstream and a foreign function, and whose clock all VMs share.
struct World {
    clock: Arc<AtomicU64>,
    recorded: Recorded,
}

impl Door for World {
    fn realtime(&mut self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn monotonic(&mut self) -> u64 {
        self.realtime()
    }

    fn random(&mut self, buffer: &mut [u8]) {
        self.recorded.random(buffer);
    }

    fn knows_upstream(&mut self, name: &[u8]) -> bool {
        name.len() % 2 == 1
    }

    fn call_foreign(&mut self, name: &[u8], arguments: &[u8]) -> Option<Result<Vec<u8>, Status>> {
        match name.len() {
            1 => Some(Ok(arguments.to_vec())),
            2 => Some(Err(Status::InternalFailure)),
            _ => None,
        }
    }
}

fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        let wasm = wat::parse_str(guest::module()).expect("the guest is valid");
        let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
        engine.compile(&wasm).expect("it compiles")
    })
}

fn headers(bytes: &mut Bytes<'_>) -> HeaderMap {
    const NAMES: &[&str] = &[":path", ":status", "x", "X", "content-length", "x-goog-a", ""];
    let mut map = HeaderMap::new();
    for _ in 0..bytes.byte() % 8 {
        let name = NAMES[usize::from(bytes.byte()) % NAMES.len()];
        map.append(name.as_bytes(), &[bytes.byte(), bytes.byte()]);
    }
    map
}

fn check(trace: &Trace, limit: usize) {
    for span in &trace.spans {
        for record in &span.hostcalls {
            assert!(
                Status::from_u32(record.status).is_some(),
                "{record:?} answered what the ABI lacks"
            );
        }
        assert!(span.cost.memory_growth as usize <= limit);
    }
}

fuzz_target!(|input: &[u8]| {
    let mut bytes = Bytes(input);
    let profile = Profile::ALL[usize::from(bytes.byte()) % Profile::ALL.len()];
    let mut spec = PluginSpec::new(plugin().clone(), profile);
    let fail_open = bytes.byte() % 2 == 1;
    spec.fail_open = fail_open;
    spec.settings.configuration = Arc::from(bytes.program());
    let limit = spec.settings.limits.memory_bytes;
    let clock = Arc::new(AtomicU64::new(1));
    let shared = Arc::clone(&clock);
    let door = move || {
        Box::new(World {
            clock: Arc::clone(&shared),
            recorded: Recorded::new(0, 0),
        }) as Box<dyn Door>
    };
    let mut chain = Chain::start(profile, vec![spec], door, TraceLevel::Full);
    let attributes = Arc::new(Attributes::new());
    let mut open: Vec<StreamId> = vec![chain.open(&attributes)];
    let mut callouts = Vec::new();
    for _ in 0..24 {
        if bytes.is_empty() {
            break;
        }
        let event = bytes.byte();
        let end = event & 128 != 0;
        let mut effects = Vec::new();
        let mut all = Vec::new();
        if open.is_empty() {
            open.push(chain.open(&attributes));
        }
        let id = open[usize::from(event >> 4) % open.len()];
        match event % 14 {
            0 => chain.request_headers(id, headers(&mut bytes), end, &mut effects),
            1 => chain.request_body(id, vec![b'q'; bytes.byte().into()], end, &mut effects),
            2 => chain.request_trailers(id, headers(&mut bytes), &mut effects),
            3 => chain.response_headers(id, headers(&mut bytes), end, &mut effects),
            4 => chain.response_body(id, vec![b's'; bytes.byte().into()], end, &mut effects),
            5 => chain.response_trailers(id, headers(&mut bytes), &mut effects),
            6 => {
                let step = u64::from(bytes.byte()) * 1_000_000;
                clock.fetch_add(step, Ordering::Relaxed);
                chain.run_due(&mut all);
            }
            7 => open.push(chain.open(&attributes)),
            8 => {
                let id = open.remove(usize::from(event >> 4) % open.len());
                check(&chain.close(id), limit);
            }
            9 => chain.foreign_function(0, bytes.byte().into(), vec![7; 3], &mut all),
            _ => {
                callouts.extend(chain.take_callouts());
                let Some(callout) = callouts.pop() else {
                    continue;
                };
                let (plugin, token) = (callout.plugin, callout.token);
                if matches!(callout.kind, CalloutKind::Http { .. }) {
                    let response = end.then(|| CalloutResponse {
                        headers: headers(&mut bytes),
                        body: vec![b'b'; 5],
                        trailers: HeaderMap::new(),
                    });
                    chain.http_call_response(plugin, token, response, &mut all);
                } else {
                    let event = match bytes.byte() % 4 {
                        0 => GrpcEvent::InitialMetadata(headers(&mut bytes)),
                        1 => GrpcEvent::Message(vec![b'm'; 4]),
                        2 => GrpcEvent::TrailingMetadata(headers(&mut bytes)),
                        _ => GrpcEvent::Close(bytes.byte().into(), b"over".to_vec()),
                    };
                    chain.grpc_event(plugin, token, event, &mut all);
                    callouts.push(callout);
                }
            }
        }
        drop(chain.take_pending());
        if let Some(memory) = chain.memory_bytes(0) {
            assert!(memory <= limit, "{memory} bytes of memory");
        }
    }
    for id in open {
        check(&chain.close(id), limit);
    }
    check(&chain.stop(), limit);
});

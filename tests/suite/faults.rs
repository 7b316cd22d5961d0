//! Guests that misbehave: each is an outcome in the trace, and nobody else is harmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatewright_host::{
    Attributes, Chain, Door, Effect, Engine, EngineOptions, FaultKind, FindingKind, HeaderMap,
    PluginSpec, Profile, Recorded, TraceLevel,
};

/// A guest whose request callback has this body; `$say` logs, `$alloc` is its allocator.
fn guest(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_header_map_value"
                (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            (data (i32.const 16) "hello")
            (func (export "proxy_abi_version_0_2_1"))
            (func $alloc (export "malloc") (param i32) (result i32) i32.const 4096)
            (func $deep (param i32) (result i32) (call $deep (local.get 0)) (i32.const 1) i32.add)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body}))"#
    );
    wat::parse_str(text).expect("the guest is valid")
}

/// Runs one request through a chain of the guest alone.
fn run(body: &str, fail_open: bool) -> (Vec<Effect>, Chain, gatewright_host::Trace) {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let plugin = engine.compile(&guest(body)).expect("the guest compiles");
    let mut spec = PluginSpec::new(plugin, Profile::Google);
    spec.fail_open = fail_open;
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    let mut chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Full);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    chain.request_headers(stream, HeaderMap::new(), true, &mut effects);
    let trace = chain.close(stream);
    (effects, chain, trace)
}

fn check(body: &str, kind: FaultKind) {
    let (effects, _, trace) = run(body, false);
    let kinds: Vec<_> = trace.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [kind], "{trace:#?}");
    assert_eq!(effects, [Effect::Fail { status: 500 }]);
    let (effects, _, _) = run(body, true);
    assert!(
        matches!(effects[..], [Effect::RequestHeaders { .. }]),
        "{effects:?}"
    );
}

#[test]
fn a_trap_fails_the_request() {
    check("unreachable", FaultKind::Trap);
}

#[test]
fn an_access_out_of_bounds_fails_the_request() {
    check("(i32.load (i32.const 0x7fffffff))", FaultKind::Trap);
}

#[test]
fn an_endless_loop_is_ended() {
    check("(loop (br 0)) i32.const 0", FaultKind::CpuExceeded);
}

#[test]
fn a_stack_overflow_is_ended() {
    check("(call $deep (i32.const 1))", FaultKind::StackOverflow);
}

#[test]
fn a_pointer_out_of_bounds_is_a_status_not_a_trap() {
    for pointer in ["-1", "131072", "131070"] {
        let body = format!(
            "(call $log (i32.const 2) (i32.const {pointer}) (i32.const 5)) drop i32.const 0"
        );
        let (_, _, trace) = run(&body, false);
        assert!(trace.faults.is_empty());
        let span = trace
            .spans
            .iter()
            .find(|s| !s.hostcalls.is_empty())
            .expect("it logged");
        assert_eq!(
            span.hostcalls[0].status, 6,
            "INVALID_MEMORY_ACCESS for {pointer}"
        );
    }
}

#[test]
fn the_story_of_a_fault_names_the_last_hostcalls() {
    let body = "(drop (call $log (i32.const 9) (i32.const 16) (i32.const 5))) unreachable";
    let (_, _, trace) = run(body, false);
    let last: Vec<_> = trace.faults[0]
        .last_hostcalls
        .iter()
        .map(|(call, status)| (call.name(), *status))
        .collect();
    assert_eq!(last, [("proxy_log", 2)]);
}

/// A whole guest: callbacks of its own, and `proxy_log`, `proxy_get_header_map_value` and WASI's
/// `fd_write` and `random_get` to call.
fn module(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_header_map_value"
                (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 2)
            (data (i32.const 16) ":path")
            (func (export "proxy_abi_version_0_2_1"))
            {body})"#
    );
    wat::parse_str(text).expect("the guest is valid")
}

const ALLOCATOR: &str = r#"(func (export "malloc") (param i32) (result i32) i32.const 4096)"#;

/// Asks for `:path` and returns.
const GETS_PATH: &str = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $get (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 200) (i32.const 204)))
    i32.const 0)"#;

/// Runs one request through a chain of these modules and says what came of it.
fn run_modules(modules: &[Vec<u8>]) -> (Vec<Effect>, Chain, gatewright_host::Trace) {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let specs = modules
        .iter()
        .map(|wasm| {
            let plugin = engine.compile(wasm).expect("the guest compiles");
            let mut spec = PluginSpec::new(plugin, Profile::Google);
            // The host's own bound on a start is a second of work, which a test need not wait for.
            spec.settings.limits.fuel_at_start = 1_000_000;
            spec
        })
        .collect();
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    let mut chain = Chain::start(Profile::Google, specs, door, TraceLevel::Full);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    let headers = [(":path", "/")].into_iter().collect();
    chain.request_headers(stream, headers, true, &mut effects);
    let trace = chain.close(stream);
    (effects, chain, trace)
}

/// The fault of a request to this module.
fn fault_of(body: &str) -> gatewright_host::Fault {
    let (effects, _, trace) = run_modules(&[module(body)]);
    assert_eq!(effects, [Effect::Fail { status: 500 }]);
    assert_eq!(trace.faults.len(), 1);
    trace.faults[0].clone()
}

/// The statuses of the hostcalls of a request that goes on.
fn statuses_of(body: &str) -> Vec<u32> {
    let (effects, _, trace) = run_modules(&[module(body)]);
    assert!(
        matches!(effects[..], [Effect::RequestHeaders { .. }]),
        "{effects:?} {trace:?}"
    );
    let spans = trace.spans.iter();
    spans
        .flat_map(|span| span.hostcalls.iter().map(|call| call.status))
        .collect()
}

/// What Rust's own panic hook writes to standard error before the trap, in two pieces.
const PANICS: &str = r#"
    (data (i32.const 64) "thread '<unnamed>' (1) panicked at src/lib.rs:7:5:\n")
    (data (i32.const 160) "no such route\nnote: run with `RUST_BACKTRACE=1`\n")
    (data (i32.const 240) "\40\00\00\00\33\00\00\00\a0\00\00\00\30\00\00\00")
    (func $_ZN6plugin5route17h0123456789abcdefE (result i32)
        (drop (call $log (i32.const 2) (i32.const 16) (i32.const 5)))
        (drop (call $write (i32.const 2) (i32.const 240) (i32.const 1) (i32.const 300)))
        (drop (call $write (i32.const 2) (i32.const 248) (i32.const 1) (i32.const 300)))
        unreachable)
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $_ZN6plugin5route17h0123456789abcdefE))"#;

#[test]
fn a_panic_says_its_message_where_it_happened_and_what_it_called_last() {
    let fault = fault_of(&format!("{ALLOCATOR}{PANICS}"));
    assert_eq!(fault.kind, FaultKind::Trap);
    assert_eq!(fault.message, "panicked at src/lib.rs:7:5: no such route");
    assert_eq!(fault.frames[0].function, "plugin::route");
    let last: Vec<_> = fault
        .last_hostcalls
        .iter()
        .map(|(call, _)| call.name())
        .collect();
    assert_eq!(last, ["proxy_log"]);
}

#[test]
fn an_allocator_that_returns_null_or_nonsense_is_a_status() {
    for (pointer, status) in [("0", 6), ("-1", 6), ("131071", 0), ("131072", 6), ("16", 0)] {
        let body = format!(
            r#"{GETS_PATH}
            (func (export "malloc") (param i32) (result i32) i32.const {pointer})"#
        );
        // The last one overlaps the name that was asked for: the guest's own harm.
        assert_eq!(statuses_of(&body), [status], "{pointer}");
    }
}

#[test]
fn an_allocator_that_traps_or_calls_back_is_the_guests_end() {
    let allocator = |body: &str| {
        let text = format!(
            r#"{GETS_PATH}(func (export "malloc") (param i32) (result i32) {body} i32.const 4096)"#
        );
        let fault = fault_of(&text);
        (fault.kind, fault.message)
    };
    assert_eq!(allocator("unreachable").0, FaultKind::Trap);
    assert_eq!(allocator("(loop (br 0))").0, FaultKind::CpuExceeded);
    let (kind, message) = allocator(
        "(drop (call $get (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 200) (i32.const 204)))",
    );
    assert_eq!(kind, FaultKind::RestrictedCall);
    assert_eq!(
        message,
        "`proxy_get_header_map_value` is not allowed while the allocator runs"
    );
    let (kind, message) = allocator("(drop (call $random (i32.const 200) (i32.const 4)))");
    assert_eq!(kind, FaultKind::RestrictedCall);
    assert_eq!(
        message,
        "`random_get` is not allowed while the allocator runs"
    );
}

#[test]
fn an_allocator_may_log() {
    let body = format!(
        r#"{GETS_PATH}(func (export "malloc") (param i32) (result i32)
            (drop (call $log (i32.const 2) (i32.const 16) (i32.const 5))) i32.const 4096)"#
    );
    assert_eq!(statuses_of(&body), [0, 0]);
}

#[test]
fn header_maps_that_cannot_be_read_are_empty() {
    // Counts and lengths that promise more than there is.
    for wire in [
        "\\ff\\ff\\ff\\ff",
        "\\01\\00\\00\\00\\ff\\00\\00\\00\\01\\00\\00\\00",
        "\\01",
    ] {
        let length = wire.len() / 3;
        let body = format!(
            r#"{ALLOCATOR}(data (i32.const 64) "{wire}")
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (drop (call $set_pairs (i32.const 0) (i32.const 64) (i32.const {length}))) i32.const 0)"#
        );
        let (effects, _, trace) = run_modules(&[module(&body)]);
        let kinds: Vec<_> = trace.findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [FindingKind::UnreadablePairs], "{wire}");
        let headers = HeaderMap::new();
        let end_of_stream = true;
        assert_eq!(
            effects,
            [Effect::RequestHeaders {
                headers,
                end_of_stream
            }]
        );
    }
}

#[test]
fn what_goes_wrong_at_the_start_is_told_and_requests_fail() {
    let start = |body: &str| {
        let (effects, chain, _) = run_modules(&[module(&format!("{ALLOCATOR}{body}"))]);
        assert_eq!(effects, [Effect::Fail { status: 500 }]);
        let faults: Vec<_> = chain.start_faults().map(|fault| fault.kind).collect();
        assert_eq!(faults.len(), 1);
        faults[0]
    };
    let calls = r#"(func (export "_initialize")
        (drop (call $get (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 200) (i32.const 204))))"#;
    assert_eq!(start(calls), FaultKind::RestrictedCall);
    let refuses = |name: &str| {
        format!(r#"(func (export "{name}") (param i32 i32) (result i32) i32.const 0)"#)
    };
    assert_eq!(
        start(&refuses("proxy_on_configure")),
        FaultKind::ConfigureRefused
    );
    assert_eq!(
        start(&refuses("proxy_on_vm_start")),
        FaultKind::VmStartRefused
    );
    let grows = r#"(func (export "_initialize") (drop (memory.grow (i32.const 256))))"#;
    assert_eq!(start(grows), FaultKind::MemoryExceeded);
    let spins = r#"(func (export "_initialize") (loop (br 0)))"#;
    assert_eq!(start(spins), FaultKind::CpuExceeded);
}

#[test]
fn the_other_plugins_of_a_chain_are_unharmed() {
    let good = module(&format!("{ALLOCATOR}{GETS_PATH}"));
    let bad = module(&format!(
        r#"{ALLOCATOR}(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable)"#
    ));
    let (effects, mut chain, _) = run_modules(&[good, bad]);
    assert_eq!(effects, [Effect::Fail { status: 500 }]);
    assert!(chain.memory_bytes(0).is_some() && chain.memory_bytes(1).is_none());
    let stream = chain.open(&Arc::new(Attributes::new()));
    chain.request_headers(stream, HeaderMap::new(), true, &mut Vec::new());
    let trace = chain.close(stream);
    let served = trace
        .spans
        .iter()
        .filter(|span| span.plugin == 0 && span.returned == Some(0));
    assert!(served.count() > 0 && trace.faults.is_empty(), "{trace:?}");
}

/// A clock that the test moves.
#[derive(Clone)]
struct Moved(Arc<AtomicU64>);

impl Door for Moved {
    fn realtime(&mut self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&mut self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn random(&mut self, _buffer: &mut [u8]) {}
}

#[test]
fn after_a_trap_all_streams_of_the_vm_fail_and_a_fresh_one_serves_after_a_while() {
    const SECOND: u64 = 1_000_000_000;
    // Traps when the stream ends with the headers.
    let text = format!(
        r#"{ALLOCATOR}(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (if (local.get 2) (then unreachable)) i32.const 0)"#
    );
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let plugin = engine.compile(&module(&text)).expect("the guest compiles");
    let spec = PluginSpec::new(plugin, Profile::Google);
    let clock = Arc::new(AtomicU64::new(0));
    let door = Moved(Arc::clone(&clock));
    let keeper = move || Box::new(door.clone()) as Box<dyn Door>;
    let mut chain = Chain::start(Profile::Google, vec![spec], keeper, TraceLevel::Cost);
    let mut send = |ends: bool| {
        let stream = chain.open(&Arc::new(Attributes::new()));
        let mut effects = Vec::new();
        chain.request_headers(stream, HeaderMap::new(), ends, &mut effects);
        (
            chain.close(stream).faults.len(),
            effects.len(),
            effects.pop(),
        )
    };
    let failed = Some(Effect::Fail { status: 500 });
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(send(true), (1, 1, failed.clone()), "it runs, and traps");
        let now = clock.fetch_add(wait * SECOND - 1, Ordering::Relaxed);
        assert_eq!(
            send(false),
            (0, 1, failed.clone()),
            "{wait} s are not over at {now}"
        );
        clock.fetch_add(1, Ordering::Relaxed);
    }
    let (faults, _, effect) = send(false);
    assert!(faults == 0 && matches!(effect, Some(Effect::RequestHeaders { .. })));
    // A stream that ends well starts the waits afresh.
    assert_eq!(send(true).0, 1);
    clock.fetch_add(SECOND, Ordering::Relaxed);
    assert!(matches!(send(false).2, Some(Effect::RequestHeaders { .. })));
}

#[test]
fn streams_that_were_open_when_their_vm_trapped_fail_in_their_turn() {
    let text = format!(
        r#"{ALLOCATOR}(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (if (local.get 2) (then unreachable)) i32.const 0)"#
    );
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let plugin = engine.compile(&module(&text)).expect("the guest compiles");
    let spec = PluginSpec::new(plugin, Profile::Google);
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    let mut chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Cost);
    let streams: Vec<_> = (0..3)
        .map(|_| chain.open(&Arc::new(Attributes::new())))
        .collect();
    let mut effects = Vec::new();
    chain.request_headers(streams[0], HeaderMap::new(), false, &mut effects);
    chain.request_headers(streams[1], HeaderMap::new(), true, &mut effects);
    chain.request_headers(streams[2], HeaderMap::new(), false, &mut effects);
    chain.request_body(streams[0], b"x".to_vec(), true, &mut effects);
    let fails = effects
        .iter()
        .filter(|effect| **effect == Effect::Fail { status: 500 });
    assert_eq!((effects.len(), fails.count()), (4, 3));
    for stream in streams {
        chain.close(stream);
    }
}

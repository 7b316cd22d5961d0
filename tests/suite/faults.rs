//! Guests that misbehave: each is an outcome in the trace, and nobody else is harmed.

use std::sync::Arc;

use gatewright_host::{
    Attributes, Chain, Effect, Engine, EngineOptions, FaultKind, HeaderMap, PluginSpec, Profile,
    Recorded, TraceLevel,
};

/// A guest whose request callback has this body; `$say` logs, `$alloc` is its allocator.
fn guest(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_header_map_value"
                (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_replace_header_map_value"
                (func $set (param i32 i32 i32 i32 i32) (result i32)))
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
fn a_memory_bomb_is_ended_at_the_limit() {
    // 2 pages are there; 254 more make 16 MiB to the byte.
    let (effects, chain, trace) = run("(drop (memory.grow (i32.const 254))) i32.const 0", false);
    assert!(trace.faults.is_empty() && effects.len() == 1);
    assert_eq!(chain.memory_bytes(0), Some(16 * 1024 * 1024));
    check(
        "(drop (memory.grow (i32.const 255))) i32.const 0",
        FaultKind::MemoryExceeded,
    );
}

#[test]
fn a_mutation_past_the_limit_fails_like_a_trap() {
    let set = |size| {
        format!(
            "(drop (call $set (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 0) \
             (i32.const {size}))) i32.const 0"
        )
    };
    let (effects, _, trace) = run(&set(128 * 1024), false);
    assert!(trace.faults.is_empty() && effects.len() == 1, "{trace:?}");
    let body = format!("(drop (memory.grow (i32.const 1))) {}", set(128 * 1024 + 1));
    check(&body, FaultKind::MutationTooLarge);
}

#[test]
fn a_log_flood_is_cut_at_sixteen_messages() {
    let log = "(drop (call $log (i32.const 2) (i32.const 16) (i32.const 5)))";
    let (_, _, trace) = run(&format!("{} i32.const 0", log.repeat(16)), false);
    assert_eq!((trace.logs.len(), trace.findings.len()), (16, 0));
    let (_, _, trace) = run(&format!("{} i32.const 0", log.repeat(40)), false);
    assert_eq!((trace.logs.len(), trace.findings.len()), (16, 1));
}

#[test]
fn logs_are_cut_at_sixteen_kibibytes() {
    let log = |size| {
        format!("(drop (call $log (i32.const 2) (i32.const 0) (i32.const {size}))) i32.const 0")
    };
    assert_eq!(run(&log(16 * 1024), false).2.logs.len(), 1);
    assert_eq!(run(&log(16 * 1024 + 1), false).2.logs.len(), 0);
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

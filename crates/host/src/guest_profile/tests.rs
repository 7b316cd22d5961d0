//! The fuel of all functions adds up to what the plugin burns when nobody looks.

use std::sync::Arc;

use crate::{
    Attributes, Chain, Door, Engine, EngineOptions, HeaderMap, Limits, Plugin, PluginSpec, Profile,
    Recorded, Trace, TraceLevel,
};

use super::GuestProfile;

/// A plugin with a start function, a recursive function, a loop, a call through a table, a function
/// of two parameters, a hostcall that calls back into the allocator, and an early return.
const TEXT: &str = r#"(module
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) ":path")
    (table 1 funcref)
    (elem (i32.const 0) $through)
    (type $unary (func (param i32) (result i32)))
    (global $started (mut i32) (i32.const 0))
    (func $begin (global.set $started (call $add (i32.const 1) (i32.const 2))))
    (start $begin)
    (func (export "proxy_abi_version_0_2_1"))
    (func $alloc (export "malloc") (param i32) (result i32) i32.const 1024)
    (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func $down (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (call $add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
    (func $through (param i32) (result i32)
        (local $i i32)
        (loop $again
            (local.set $i (call $add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (local.get 0))))
        (local.get $i))
    (func $work (param i32 i32 i32) (result i32)
        (drop (call $down (i32.const 5)))
        (drop (call_indirect (type $unary) (i32.const 7) (i32.const 0)))
        (drop (call $get (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 64) (i32.const 68)))
        (drop (call $log (i32.const 2) (i32.const 0) (i32.const 5)))
        i32.const 0)
    (export "proxy_on_request_headers" (func $work))
    (func $trap (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (drop (call $down (i32.const 3)))
        unreachable)
    (func (export "proxy_on_context_create") (param i32 i32)
        (drop (call $add (global.get $started) (local.get 0)))))"#;

fn drive(plugin: Plugin, response: bool) -> (Vec<Trace>, Option<GuestProfile>) {
    let mut spec = PluginSpec::new(plugin, Profile::Google);
    spec.settings.limits = Limits {
        fuel_per_invocation: None,
        fuel_per_request: None,
        ..Limits::GOOGLE
    };
    let door = || Box::new(Recorded::new(0, 0)) as Box<dyn Door>;
    let mut chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Cost);
    let mut traces = vec![chain.start_trace(0).cloned().unwrap()];
    let stream = chain.open(&Arc::new(Attributes::new()));
    let headers: HeaderMap = [(":path", "/")].into_iter().collect();
    let mut effects = Vec::new();
    chain.request_headers(stream, headers.clone(), true, &mut effects);
    if response {
        chain.response_headers(stream, headers, true, &mut effects);
    }
    let profile = chain.take_profile(0);
    traces.push(chain.close(stream));
    (traces, profile)
}

fn fuel(traces: &[Trace]) -> u64 {
    traces.iter().map(Trace::fuel).sum()
}

fn engine() -> Engine {
    Engine::new(&EngineOptions::default()).unwrap()
}

#[test]
fn the_fuel_of_all_functions_is_the_fuel_of_the_plugin() {
    let wasm = wat::parse_str(TEXT).unwrap();
    let engine = engine();
    let (plain, none) = drive(engine.compile(&wasm).unwrap(), false);
    assert!(none.is_none());
    let (watched, profile) = drive(engine.compile_profiled(&wasm).unwrap(), false);
    let profile = profile.unwrap();
    // To come to a start function, the engine burns two units that are no function's.
    assert_eq!(profile.fuel() + 2, fuel(&plain));
    assert!(fuel(&watched) > fuel(&plain));
    assert_eq!(plain[1].logs, watched[1].logs);
    let functions = profile.functions();
    let calls = |name: &str| functions.iter().find(|f| f.name == name).map(|f| f.calls);
    assert_eq!(calls("down"), Some(6));
    // Of the start, of the two contexts, of `down` five times, of the loop seven times.
    assert_eq!(calls("add"), Some(1 + 2 + 5 + 7));
    assert_eq!(calls("alloc"), Some(1));
    assert_eq!(calls("begin"), Some(1));
    let down = functions.iter().find(|f| f.name == "down").unwrap();
    let work = functions.iter().find(|f| f.name == "work").unwrap();
    assert!(down.own < down.total && down.total < work.total);
}

#[test]
fn without_a_start_function_the_sum_is_exact() {
    let wasm = wat::parse_str(TEXT.replace("(start $begin)", "")).unwrap();
    let engine = engine();
    let (plain, _) = drive(engine.compile(&wasm).unwrap(), false);
    let (_, profile) = drive(engine.compile_profiled(&wasm).unwrap(), false);
    assert_eq!(profile.unwrap().fuel(), fuel(&plain));
}

#[test]
fn folded_stacks_name_the_path_and_add_up() {
    let wasm = wat::parse_str(TEXT).unwrap();
    let (_, profile) = drive(engine().compile_profiled(&wasm).unwrap(), false);
    let profile = profile.unwrap();
    let folded = profile.folded();
    assert!(folded.contains("\nwork;down;down;add "), "{folded}");
    assert!(folded.contains("\nwork;through;add "), "{folded}");
    let sum: u64 = folded
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum();
    assert_eq!(sum, profile.fuel());
    let (_, again) = drive(engine().compile_profiled(&wasm).unwrap(), false);
    assert_eq!(again.unwrap().folded(), folded);
}

#[test]
fn a_trap_charges_what_was_burnt_until_then() {
    let wasm = wat::parse_str(TEXT).unwrap();
    let engine = engine();
    let (plain, _) = drive(engine.compile(&wasm).unwrap(), true);
    let (watched, profile) = drive(engine.compile_profiled(&wasm).unwrap(), true);
    // The VM is gone, and its profile with it; the fault is the same.
    assert!(profile.is_none());
    assert_eq!(plain[1].faults[0].kind, watched[1].faults[0].kind);
    assert_eq!(plain[1].faults[0].message, watched[1].faults[0].message);
}

#[test]
fn every_instrumented_module_is_valid() {
    for text in [
        TEXT,
        "(module (func))",
        "(module (func (export \"a\") (param i64 f32) (result f64) (f64.const 1)))",
        "(module (memory 1) (global i32 (i32.const 1)) (func (export \"a\")) (data (i32.const 0) \"x\"))",
        "(module (rec (type $a (func)) (type $b (func (param i32)))) (func (export \"a\") (type $b)))",
    ] {
        let wasm = wat::parse_str(text).unwrap();
        let (out, _) = super::instrument(&wasm).unwrap();
        let valid = wasmparser::Validator::new().validate_all(&out).map(|_| ());
        assert!(valid.is_ok(), "{text}: {valid:?}");
    }
}

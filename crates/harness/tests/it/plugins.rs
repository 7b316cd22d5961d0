//! Plugins written in WAT, and the ways to run cases against them.

use std::path::Path;
use std::sync::OnceLock;

use gatewright_harness::{CaseReport, Job, Link, RunOptions, Subject, Suite, load_text, run};
use gatewright_host::{Engine, EngineOptions, Plugin};

const HEAD: &str = r#"
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_buffer_bytes" (func $set (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (func (export "proxy_abi_version_0_2_1"))
    (global $top (mut i32) (i32.const 65536))
    (func (export "malloc") (param i32) (result i32)
        (global.get $top) (global.set $top (i32.add (global.get $top) (local.get 0))))
    (func $say (param $at i32) (param $size i32) (drop (call $log (i32.const 2) (local.get $at) (local.get $size))))
"#;

/// Logs `request`, adds `x-a: 1` to requests and `x-b: 2` to responses, adds `!` to each chunk of
/// a body and logs `chunk`, logs `bye` when done. Refuses a configuration that begins with `x`;
/// with one that begins with `t` it traps on requests, with `r` it replies, with `b` it replies to
/// a request's body, with `p` it pauses.
const WORKER: &str = r#"
    (data (i32.const 0) "request")
    (data (i32.const 16) "x-a1x-b2")
    (data (i32.const 32) "chunk!")
    (data (i32.const 48) "bye")
    (data (i32.const 64) "hello")
    (data (i32.const 80) "no such thing")
    (data (i32.const 96) "\01\00\00\00\03\00\00\00\01\00\00\00x-r\001\00")
    (data (i32.const 128) "open")
    (global $mode (mut i32) (i32.const 0))
    (func (export "proxy_on_context_create") (param i32 i32)
        (if (local.get 1) (then (call $say (i32.const 128) (i32.const 4)))))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (if (i32.eqz (local.get 1)) (then (return (i32.const 1))))
        (drop (call $get (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 200) (i32.const 204)))
        (global.set $mode (i32.load8_u (i32.load (i32.const 200))))
        (if (i32.eq (global.get $mode) (i32.const 120))
            (then (call $say (i32.const 80) (i32.const 13)) (return (i32.const 0))))
        (i32.const 1))
    (func $send
        (drop (call $reply (i32.const 418) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 5)
            (i32.const 96) (i32.const 18) (i32.const -1))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $say (i32.const 0) (i32.const 7))
        (if (i32.eq (global.get $mode) (i32.const 116)) (then unreachable))
        (if (i32.eq (global.get $mode) (i32.const 114)) (then (call $send) (return (i32.const 1))))
        (if (i32.eq (global.get $mode) (i32.const 112)) (then (return (i32.const 1))))
        (drop (call $add (i32.const 0) (i32.const 16) (i32.const 3) (i32.const 19) (i32.const 1)))
        (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (drop (call $add (i32.const 2) (i32.const 20) (i32.const 3) (i32.const 23) (i32.const 1)))
        (i32.const 0))
    (func $mark (param $buffer i32) (param $size i32)
        (call $say (i32.const 32) (i32.const 5))
        (drop (call $set (local.get $buffer) (local.get $size) (i32.const 0) (i32.const 37) (i32.const 1))))
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (if (i32.eq (global.get $mode) (i32.const 98)) (then (call $send) (return (i32.const 1))))
        (call $mark (i32.const 0) (local.get 1)) (i32.const 0))
    (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
        (call $mark (i32.const 1) (local.get 1)) (i32.const 0))
    (func (export "proxy_on_done") (param i32) (result i32)
        (call $say (i32.const 48) (i32.const 3)) (i32.const 1))
"#;

pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&EngineOptions::default()).unwrap())
}

pub(crate) fn worker_wasm() -> Vec<u8> {
    wat::parse_str(format!("(module {HEAD} {WORKER})")).unwrap()
}

pub(crate) fn worker() -> Plugin {
    static WORKER: OnceLock<Plugin> = OnceLock::new();
    WORKER
        .get_or_init(|| engine().compile(&worker_wasm()).unwrap())
        .clone()
}

pub(crate) fn subject() -> Subject {
    Subject::new(Link::new(worker()))
}

/// Loads cases and runs them against the worker.
pub(crate) fn run_text(file: &str, text: &str) -> Vec<CaseReport> {
    let suite = load_text(text, Path::new(file)).unwrap_or_else(|error| panic!("{error}"));
    run_suite(&suite, &subject())
}

pub(crate) fn run_suite(suite: &Suite, subject: &Subject) -> Vec<CaseReport> {
    run(&[Job::new(suite, subject)], &RunOptions::default())
        .remove(0)
        .cases
}

/// The messages of a case's failures, each with its phase.
pub(crate) fn messages(report: &CaseReport) -> Vec<String> {
    report
        .failures
        .iter()
        .map(|failure| {
            let phase = failure.phase.map_or("exchange", |phase| phase.name());
            format!("{phase}: {}", failure.message)
        })
        .collect()
}

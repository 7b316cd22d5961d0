//! Cases with a world around their plugins: upstreams, passing time, queues, setups, chains.

use std::path::Path;

use gatewright_harness::{CaseReport, Link, Subject, load_text};

use crate::plugins::{engine, messages, run_suite};

/// Memory, an allocator, and every hostcall that these guests make. At 64 stands `auth`, at 128 a
/// header map for a callout.
const HEAD: &str = r#"
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_http_call"
        (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_grpc_call"
        (func $grpc_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_grpc_stream"
        (func $grpc_stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_grpc_send" (func $grpc_send (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_effective_context" (func $act_on (param i32) (result i32)))
    (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
    (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
    (import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
    (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 64) "auth")
    (data (i32.const 128) "\03\00\00\00\05\00\00\00\01\00\00\00\07\00\00\00\03\00\00\00\0a\00\00\00\01\00\00\00:path\00/\00:method\00GET\00:authority\00a\00")
    (func (export "proxy_abi_version_0_2_1"))
    (global $top (mut i32) (i32.const 65536))
    (func (export "malloc") (param i32) (result i32)
        (global.get $top) (global.set $top (i32.add (global.get $top) (local.get 0))))
    (func $say (param i32 i32) (drop (call $log (i32.const 2) (local.get 0) (local.get 1))))
    (func $say_out (call $say (i32.load (i32.const 200)) (i32.load (i32.const 204))))
"#;

/// Pauses and asks `auth` within 100 ms. With an answer, its header `user` goes on as `user`, and
/// without one `denied` is logged; either way the request goes on.
const ASKS: &str = r#"
    (data (i32.const 8) "user")
    (data (i32.const 16) "denied")
    (global $stream (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (global.set $stream (local.get 0))
        (drop (call $http_call (i32.const 64) (i32.const 4) (i32.const 128) (i32.const 61)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 512)))
        i32.const 1)
    (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
        (if (i32.eqz (local.get 2)) (then (call $say (i32.const 16) (i32.const 6))))
        (drop (call $get (i32.const 6) (i32.const 8) (i32.const 4) (i32.const 200) (i32.const 204)))
        (drop (call $act_on (global.get $stream)))
        (if (local.get 2) (then (drop (call $add (i32.const 0) (i32.const 8) (i32.const 4)
            (i32.load (i32.const 200)) (i32.load (i32.const 204))))))
        (drop (call $continue (i32.const 0))))"#;

/// Every 100 ms adds to the counter `ticks`; on each request puts `seen` under `k`.
const TICKS: &str = r#"
    (data (i32.const 8) "ticks")
    (data (i32.const 16) "kseen")
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
        (drop (call $tick (i32.const 100)))
        (drop (call $define (i32.const 0) (i32.const 8) (i32.const 5) (i32.const 300))) i32.const 1)
    (func (export "proxy_on_tick") (param i32)
        (call $say (i32.const 8) (i32.const 5))
        (drop (call $increment (i32.load (i32.const 300)) (i64.const 1))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $set_shared (i32.const 16) (i32.const 1) (i32.const 17) (i32.const 4) (i32.const 0)))
        i32.const 0)"#;

/// Registers the queue `jobs` and logs each item; one that begins with `s` stays for later.
const WORKS: &str = r#"
    (data (i32.const 8) "jobs")
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
        (drop (call $register (i32.const 8) (i32.const 4) (i32.const 300))) i32.const 1)
    (func (export "proxy_on_queue_ready") (param i32 i32)
        (drop (call $dequeue (local.get 1) (i32.const 200) (i32.const 204))) (call $say_out))"#;

fn subject(guest: &str) -> Subject {
    let wasm = wat::parse_str(format!("(module {HEAD} {guest})")).unwrap();
    Subject::new(Link::new(engine().compile(&wasm).unwrap()))
}

fn run(guest: &str, case: &str) -> CaseReport {
    let case: String = case.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!("profile: envoy\ncases:\n  - name: c\n{case}");
    let suite = load_text(&text, Path::new("x.yaml")).unwrap_or_else(|error| panic!("{error}"));
    run_suite(&suite, &subject(guest)).remove(0)
}

/// Runs a case in the envoy profile against a guest and says what failed.
fn check(guest: &str, case: &str, expected: &[&str]) {
    assert_eq!(messages(&run(guest, case)), expected, "{case}");
}

#[test]
fn a_callout_is_answered_by_the_upstream_of_its_name() {
    check(
        ASKS,
        r#"
upstreams: {auth: {status: 200, headers: ["user: joe"]}}
request: {path: /x}
response: {status: 204}
expect:
  request_headers: {has: ["user: joe"]}
  response_headers: {has: [":status: 204"]}
  no_logs: [denied]
  callouts: [{upstream: auth, has: [":path: /", ":method: GET"], lacks: [user]}]
"#,
        &[],
    );
}

#[test]
fn an_upstream_that_fails_or_says_nothing_is_a_callout_without_an_answer() {
    for answer in [
        "fails",
        "silent",
        "{fails: true, after: 5ms}",
        "{status: 200, after: 101ms}",
    ] {
        check(
            ASKS,
            &format!(
                "upstreams: {{auth: {answer}}}\nrequest: {{}}\n\
                 expect: {{request_headers: {{lacks: [user]}}, logs: [denied], no_reply: true}}"
            ),
            &[],
        );
    }
}

#[test]
fn a_callout_to_nobody_leaves_the_request_where_it_is() {
    check(
        ASKS,
        "request: {}\nresponse: {}\nexpect: {callouts: [], response_headers: {has: [\"a: 1\"]}}",
        &["response_headers: there is no header `a`"],
    );
}

#[test]
fn answers_come_in_turn_and_the_last_serves_the_rest() {
    check(
        ASKS,
        r#"
upstreams: {auth: [{headers: ["user: a"]}, fails, {headers: ["user: c"]}]}
exchanges:
  - {request: {}, expect: {request_headers: {has: ["user: a"]}}}
  - {request: {}, expect: {request_headers: {lacks: [user]}, logs: [denied]}}
  - {request: {}, expect: {request_headers: {has: ["user: c"]}}}
  - {request: {}, expect: {request_headers: {has: ["user: c"]}}}
"#,
        &[],
    );
}

#[test]
fn what_is_expected_of_callouts_is_compared() {
    check(
        ASKS,
        r#"
upstreams: {auth: {}}
request: {}
expect: {callouts: [{upstream: other, has: ["x: 1"], body: b}]}
"#,
        &[
            "exchange: callout 1 has another upstream",
            "exchange: in callout 1: there is no header `x`",
            "exchange: in callout 1: the body is another",
        ],
    );
    check(
        ASKS,
        "upstreams: {auth: {}}\nrequest: {}\nexpect: {callouts: []}",
        &["exchange: expected 0 callouts, found 1"],
    );
}

#[test]
fn time_passes_between_exchanges_and_within_them() {
    check(
        TICKS,
        r#"
exchanges:
  - advance: 250ms
    expect: {metrics: {ticks: 2}, logs: [ticks]}
  - request: {body: x}
    response: {}
    advance: 50ms
    expect: {metrics: {ticks: 3}, shared: {k: seen}}
  - request: {body: x}
    advance: {request_headers: 99ms, request_body: 1ms}
    expect: {metrics: {ticks: 4}, request_body: {no_logs: [ticks]}}
"#,
        &[],
    );
}

#[test]
fn what_plugins_share_is_compared() {
    check(
        TICKS,
        r#"
request: {}
expect: {metrics: {ticks: 1, none: 0}, shared: {k: unseen, l: x}, queues: {q: []}}
"#,
        &[
            "exchange: metric `ticks` has another value",
            "exchange: no plugin defined a metric `none`",
            "exchange: the shared `k` has another value",
            "exchange: plugins share nothing under `l`",
            "exchange: no plugin registered a queue `q`",
        ],
    );
}

#[test]
fn items_from_outside_reach_the_queue_of_their_vm_id() {
    check(
        WORKS,
        r#"
vm_id: w
exchanges:
  - enqueue: {vm_id: w, queue: jobs, items: [one, {hex: "74 77 6f"}]}
    expect: {logs: [one, two], queues: {jobs: []}}
  - enqueue: {vm_id: other, queue: jobs, items: [three]}
    expect: {no_logs: [three]}
"#,
        &[],
    );
}

#[test]
fn a_queue_that_nobody_empties_keeps_its_items() {
    let lazy = WORKS.replace("proxy_on_queue_ready", "proxy_on_queue_never");
    check(
        &lazy,
        r#"
exchanges:
  - enqueue: {queue: jobs, items: [one, two]}
    expect: {queues: {jobs: [one, two]}}
  - request: {}
    expect: {queues: {jobs: [one]}}
"#,
        &["exchange: other items wait in queue `jobs`"],
    );
}

#[test]
fn a_case_may_have_a_chain_of_its_own() {
    let adds = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $property (i32.const 8) (i32.const 11) (i32.const 200) (i32.const 204)))
            (drop (call $add (i32.const 0) (i32.const 24) (i32.const 1)
                (i32.load (i32.const 200)) (i32.load (i32.const 204)))) i32.const 0)
        (data (i32.const 8) "plugin_name")
        (data (i32.const 24) "x")"#;
    check(
        adds,
        r#"
chain: [{plugin_name: a}, {plugin_name: b}]
request: {}
expect: {request_headers: {has: ["x: a", "x: b"]}}
"#,
        &[],
    );
}

/// Shares a count: each request adds one `i` to `n`, whichever plugin sees it.
const COUNTS: &str = r#"
    (data (i32.const 8) "nii")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (local $seen i32)
        (local.set $seen (i32.eqz (call $get_shared (i32.const 8) (i32.const 1)
            (i32.const 200) (i32.const 204) (i32.const 208))))
        (drop (call $set_shared (i32.const 8) (i32.const 1) (i32.const 9)
            (i32.add (local.get $seen) (i32.const 1)) (i32.const 0)))
        i32.const 0)"#;

#[test]
fn plugins_of_one_vm_id_share_their_data() {
    check(
        COUNTS,
        "vm_id: v\nchain: [{}, {}]\nrequest: {}\nexpect: {shared: {n: ii}}",
        &[],
    );
    check(
        COUNTS,
        "chain: [{vm_id: v}, {vm_id: w}]\nrequest: {}\nexpect: {shared: {n: i}}",
        &[],
    );
}

const TRAPS: &str = r#"
    (data (i32.const 8) ":path")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $get (i32.const 0) (i32.const 8) (i32.const 5) (i32.const 200) (i32.const 204)))
        (if (i32.gt_u (i32.load (i32.const 204)) (i32.const 1)) (then unreachable))
        i32.const 0)"#;

#[test]
fn each_failure_policy_does_what_envoy_does() {
    let case = |policy: &str, second: &str, third: &str| {
        format!(
            r#"
fail: {policy}
exchanges:
  - request: {{path: /trap}}
    expect: {{trap: {{contains: unreachable}}, {first}}}
  - request: {{}}
    expect: {{{second}}}
  - advance: 1s
  - request: {{}}
    expect: {{{third}}}
"#,
            // In Envoy even one that fails open lets the exchange fail in which it does.
            first = "reply: {status: 503}",
        )
    };
    let (fails, passes) = ("reply: {status: 503}", "no_reply: true");
    check(TRAPS, &case("closed", fails, fails), &[]);
    check(TRAPS, &case("open", passes, passes), &[]);
    check(TRAPS, &case("reload", fails, passes), &[]);
}

#[test]
fn a_call_without_its_capability_fails_and_is_found() {
    check(
        COUNTS,
        r#"
capabilities: [proxy_on_request_headers, proxy_get_shared_data]
request: {}
expect: {findings: [capability-denied], shared: {n: i}}
"#,
        &["exchange: plugins share nothing under `n`"],
    );
    check(
        TRAPS,
        "capabilities: [proxy_log]\nrequest: {path: /trap}\nexpect: {no_reply: true}",
        &[],
    );
}

/// Calls the method `m` of `s` at `auth`, and logs the message or `denied`.
const CALLS: &str = r#"
    (data (i32.const 8) "smhi")
    (data (i32.const 16) "denied")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $grpc_call (i32.const 64) (i32.const 4) (i32.const 8) (i32.const 1)
            (i32.const 9) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 2)
            (i32.const 50) (i32.const 512)))
        i32.const 0)
    (func (export "proxy_on_grpc_receive") (param i32 i32 i32)
        (drop (call $buffer (i32.const 5) (i32.const 0) (i32.const 100) (i32.const 200) (i32.const 204)))
        (call $say_out))
    (func (export "proxy_on_grpc_receive_initial_metadata") (param i32 i32 i32)
        (drop (call $get (i32.const 4) (i32.const 8) (i32.const 1) (i32.const 200) (i32.const 204)))
        (call $say_out))
    (func (export "proxy_on_grpc_close") (param i32 i32 i32) (call $say (i32.const 16) (i32.const 6)))"#;

#[test]
fn grpc_calls_and_streams_are_answered_from_the_case() {
    check(
        CALLS,
        r#"
upstreams: {auth: {grpc: {messages: [hello], initial: ["s: first"]}}}
request: {}
expect:
  logs: [hello]
  no_logs: [denied, first]
  callouts: [{upstream: auth, service: s, method: m, body: hi}]
"#,
        &[],
    );
    for answer in [
        "{grpc: {status: 7, message: no}}",
        "silent",
        "{status: 200}",
    ] {
        check(
            CALLS,
            &format!("upstreams: {{auth: {answer}}}\nrequest: {{}}\nexpect: {{logs: [denied]}}"),
            &[],
        );
    }
    let streams = CALLS
        .replace("$grpc_call (i32.const 64)", "$grpc_stream (i32.const 64)")
        .replace(
            "(i32.const 10) (i32.const 2)\n            (i32.const 50) (i32.const 512)",
            "(i32.const 512)",
        );
    check(
        &streams,
        r#"
upstreams: {auth: {grpc: {messages: [one, two], initial: ["s: first"]}}}
request: {}
expect: {logs: [first, one, two, denied]}
"#,
        &[],
    );
}

#[test]
fn attributes_are_those_of_the_point_of_attachment() {
    let reads = r#"
        (data (i32.const 8) "request\00backend_service_name")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (if (i32.eqz (call $property (i32.const 8) (i32.const 28) (i32.const 200) (i32.const 204)))
                (then (call $say_out)))
            i32.const 0)"#;
    let case = |attach: &str, expect: &str| {
        format!(
            "profile: google\nattach: {attach}\nproperties: {{request.backend_service_name: b}}\n\
             request: {{}}\nexpect: {{{expect}}}"
        )
    };
    check(reads, &case("traffic", "logs: [b], findings: []"), &[]);
    check(
        reads,
        &case("edge", "no_logs: [b], findings: [unknown-attribute]"),
        &[],
    );
    check(
        reads,
        "profile: google\nrequest: {}\nexpect: {findings: [attribute-not-forwarded]}",
        &[],
    );
}

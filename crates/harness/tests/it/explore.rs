//! Plugins with the bugs that exploring is for, each found, and a plugin without any.

use std::path::Path;

use gatewright_harness::{
    CaseReport, FailingVariant, Job, Link, RunOptions, Subject, Variation, load_text, run,
};

use crate::plugins::engine;

const HEAD: &str = r#"
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_set_buffer_bytes" (func $set (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (func (export "proxy_abi_version_0_2_1"))
    (global $top (mut i32) (i32.const 65536))
    (func (export "malloc") (param i32) (result i32)
        (global.get $top) (global.set $top (i32.add (global.get $top) (local.get 0))))
    (data (i32.const 0) "!secretx-seen1")
    (func $forbid (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 1)
        (i32.const 6) (i32.const 0) (i32.const 0) (i32.const -1))))
"#;

/// Refuses a body that begins with `s`, and looks at every chunk for that instead of at the first:
/// the first byte of any.
const EVERY_CHUNK: &str = r#"
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (if (i32.eqz (local.get 1)) (then (return (i32.const 0))))
        (drop (call $get (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 200) (i32.const 204)))
        (if (i32.eq (i32.load8_u (i32.load (i32.const 200))) (i32.const 115)) (then (call $forbid)))
        (i32.const 0))"#;

/// Adds `!` to the end of the first chunk, which it takes for the whole body. Each stream has a byte
/// of its own that says whether there was one.
const FIRST_CHUNK: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (i32.store8 offset=1000 (local.get 0) (i32.const 0)) (i32.const 0))
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (if (i32.eqz (i32.load8_u offset=1000 (local.get 0))) (then
            (i32.store8 offset=1000 (local.get 0) (i32.const 1))
            (drop (call $set (i32.const 0) (local.get 1) (i32.const 0) (i32.const 0) (i32.const 1)))))
        (i32.const 0))"#;

/// Counts the size of the body in a global that all streams share: a body of more than 6 bytes is
/// refused.
const SHARED: &str = r#"
    (global $size (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (global.set $size (i32.const 0)) (i32.const 0))
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (global.set $size (i32.add (global.get $size) (local.get 1)))
        (if (i32.gt_u (global.get $size) (i32.const 6)) (then (call $forbid)))
        (i32.const 0))"#;

/// Traps on more than five headers: four pseudo-headers and one.
const TRAPS: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (if (i32.gt_u (local.get 1) (i32.const 5)) (then unreachable))
        (i32.const 0))"#;

/// Marks requests whose headers carry the end.
const END: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (if (local.get 2) (then
            (drop (call $add (i32.const 0) (i32.const 7) (i32.const 6) (i32.const 13) (i32.const 1)))))
        (i32.const 0))"#;

/// Traps on a header whose name begins with a capital; only the tester's profile shows one.
const CAPITALS: &str = r#"
    (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))"#;

/// Adds `!` to the last chunk, and keeps nothing.
const GOOD: &str = r#"
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (if (local.get 2) (then
            (drop (call $set (i32.const 0) (local.get 1) (i32.const 0) (i32.const 0) (i32.const 1)))))
        (i32.const 0))"#;

fn subject(body: &str) -> Subject {
    let (imports, body) = match body.strip_prefix(CAPITALS) {
        Some(rest) => (CAPITALS, rest),
        None => ("", body),
    };
    let wasm = wat::parse_str(format!("(module {imports} {HEAD} {body})")).unwrap();
    Subject::new(Link::new(engine().compile(&wasm).unwrap()))
}

fn explored(text: &str, subject: &Subject, seed: u64) -> Vec<CaseReport> {
    let suite = load_text(text, Path::new("x.yaml")).unwrap();
    let options = RunOptions {
        explore: Some(seed),
        ..RunOptions::default()
    };
    let mut reports = run(&[Job::new(&suite, subject)], &options);
    reports.remove(0).cases
}

const POST: &str = r#"
cases:
  - name: marks the body
    request: {method: POST, headers: ["a: b"], body: hello}
"#;

/// Explores the case and gives the one variant that fails, after replaying the case that it prints.
#[track_caller]
fn one(text: &str, body: &str, variation: Variation) -> FailingVariant {
    let subject = subject(body);
    let mut reports = explored(text, &subject, 1);
    assert!(!reports[0].passed());
    let explored = reports.remove(0).explored.unwrap();
    let found: Vec<_> = explored
        .failing
        .iter()
        .map(|failing| failing.variation)
        .collect();
    assert_eq!(found, [variation], "{explored:#?}");
    let failing = explored.failing[0].clone();
    let printed = failing.case.clone().unwrap();
    let suite = load_text(&printed, Path::new("printed.yaml")).unwrap();
    let job = Job::new(&suite, &subject);
    let replayed = run(std::slice::from_ref(&job), &RunOptions::default());
    assert!(!replayed[0].cases[0].passed(), "{printed}");
    // A plugin that does nothing does nothing wrong, so what fails is the plugin and not the case.
    failing
}

#[test]
fn a_plugin_without_bugs_passes_every_variant() {
    let reports = explored(POST, &subject(GOOD), 0);
    assert!(reports[0].passed());
    let explored = reports[0].explored.as_ref().unwrap();
    // 15 splits, 2 ends, 2 cases of names, 2 duplicates, and the twins.
    assert!(explored.variants > 15 + 2 + 2, "{}", explored.variants);
}

#[test]
fn a_look_at_the_first_chunk_only_is_found_by_the_smallest_split() {
    let failing = one(POST, FIRST_CHUNK, Variation::Splits);
    assert_eq!(failing.change, "request_body in chunks of 1, 4 bytes");
    let mismatch = failing.differences[0].1.as_ref().unwrap();
    assert_eq!(
        (&*mismatch.expected, &*mismatch.actual),
        ("hello!", "h!ello")
    );
    let printed = failing.case.unwrap();
    assert!(printed.contains("chunks: [1, 4]"), "{printed}");
    assert!(
        printed.contains("request_body: {body: \"hello!\"}"),
        "{printed}"
    );
}

#[test]
fn a_decision_at_each_chunk_is_found_as_another_end() {
    let text = POST.replace("hello", "bestow");
    let failing = one(&text, EVERY_CHUNK, Variation::Splits);
    assert_eq!(failing.change, "request_body in chunks of 2, 4 bytes");
    assert!(failing.case.unwrap().contains("no_reply: true"));
}

#[test]
fn a_random_split_of_a_long_body_is_made_small() {
    // Only a chunk that begins with the one `s` is refused, and no boundary lies before it.
    let body = format!("{}s{}", "a".repeat(300), "b".repeat(700));
    let text = POST.replace("hello", &body);
    let subject = subject(EVERY_CHUNK);
    let found = (0..64).find_map(|seed| {
        let reports = explored(&text, &subject, seed);
        reports[0]
            .explored
            .as_ref()
            .unwrap()
            .failing
            .first()
            .cloned()
    });
    assert_eq!(
        found.unwrap().change,
        "request_body in chunks of 300, 701 bytes"
    );
}

#[test]
fn state_that_streams_share_is_found_by_twins() {
    let failing = one(POST, SHARED, Variation::Twins);
    assert_eq!(failing.change, "two streams of the exchange in turns");
    let printed = failing.case.unwrap();
    assert!(printed.contains("interleave: true"), "{printed}");
}

#[test]
fn a_trap_on_duplicate_headers_is_found() {
    let failing = one(POST, TRAPS, Variation::Duplicates);
    assert_eq!(failing.change, "`a` twice in request_headers");
    assert!(
        failing.differences[0]
            .0
            .starts_with("the plugin fails: trap")
    );
}

#[test]
fn a_decision_by_the_end_of_the_headers_is_found() {
    let text = "cases:\n  - name: g\n    request: {headers: [\"a: b\"]}\n";
    let failing = one(text, END, Variation::EndOfStream);
    assert_eq!(
        failing.change,
        "the end after request_headers in an empty chunk"
    );
    let printed = failing.case.unwrap();
    assert!(printed.contains("x-seen: 1"), "{printed}");
}

#[test]
fn a_trap_on_capitals_is_found_where_names_keep_their_case() {
    let body = format!(
        r#"{CAPITALS}
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (local $at i32) (local $end i32)
        (drop (call $pairs (i32.const 0) (i32.const 200) (i32.const 204)))
        (local.set $at (i32.load (i32.const 200)))
        (local.set $end (i32.add (local.get $at) (i32.load (i32.const 204))))
        (loop $next
            (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 65)) (then unreachable))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
        (i32.const 0))"#
    );
    let text = POST.replace("  - name", "  - profile: tester\n    name");
    let failing = one(&text, &body, Variation::Case);
    assert_eq!(failing.change, "names of request_headers in Title-Case");
    // The load balancer lowers names before a plugin sees them.
    assert!(explored(POST, &subject(&body), 0)[0].passed());
}

#[test]
fn what_a_case_leaves_out_is_not_varied_and_said() {
    let text = POST.replace(
        "    request",
        "    explore: {splits: marks what comes first}\n    request",
    );
    let reports = explored(&text, &subject(FIRST_CHUNK), 0);
    assert!(reports[0].passed());
    let explored = reports[0].explored.as_ref().unwrap();
    let left_out = [(Variation::Splits, "marks what comes first".to_owned())];
    assert_eq!(explored.left_out, left_out);
}

#[test]
fn the_same_seed_gives_the_same_variants() {
    let text = POST.replace("hello", &"s hello\n".repeat(100));
    let subject = subject(EVERY_CHUNK);
    let first = format!("{:?}", explored(&text, &subject, 7)[0].explored);
    let again = format!("{:?}", explored(&text, &subject, 7)[0].explored);
    assert_eq!(first, again);
}

#[test]
fn a_case_that_fails_is_not_explored() {
    let text = format!("{POST}    expect: {{no_reply: true, logs: [nothing]}}\n");
    let reports = explored(&text, &subject(GOOD), 0);
    assert!(!reports[0].passed() && reports[0].explored.is_none());
}

#[test]
fn exchanges_take_turns_as_the_case_says() {
    let text = r#"
cases:
  - name: one after the other
    exchanges: [{request: {body: hello}}, {request: {body: hello}}]
    expected: here
"#;
    let two = |more: &str| text.replace("    expected: here\n", more);
    let failures = |more: &str| {
        let suite = load_text(&two(more), Path::new("x.yaml")).unwrap();
        let subject = subject(SHARED);
        let reports = run(&[Job::new(&suite, &subject)], &RunOptions::default());
        let run = gatewright_harness::run_case(
            &suite.cases[0],
            &subject,
            gatewright_host::TraceLevel::Cost,
        );
        assert!(reports[0].cases[0].passed());
        run.exchanges
            .iter()
            .filter(|run| run.reply().is_some())
            .count()
    };
    assert_eq!(failures(""), 0);
    assert_eq!(failures("    interleave: true\n"), 1);
    // The second begins when the first has sent its headers and its body.
    assert_eq!(failures("    interleave: [1, 1, 2, 2]\n"), 0);
    assert_eq!(failures("    interleave: [1, 2, 2, 1]\n"), 1);
}

#[test]
fn a_budget_fails_a_case_that_costs_more() {
    let messages = |budget: &str| {
        let text = POST.replace("    request", &format!("    budget: {budget}\n    request"));
        let suite = load_text(&text, Path::new("x.yaml")).unwrap();
        let subject = subject(GOOD);
        let mut reports = run(&[Job::new(&suite, &subject)], &RunOptions::default());
        let case = reports.remove(0).cases.remove(0);
        case.failures
            .into_iter()
            .map(|failure| failure.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        messages("{fuel: 100000, share: 10, memory: 131072}"),
        [""; 0]
    );
    let over = messages("{fuel: 1, share: 0.000001, memory: 131071}");
    assert_eq!(over.len(), 3, "{over:?}");
    assert!(over[0].contains("fuel, 1 allowed"), "{over:?}");
    assert!(
        over[2].contains("131072 bytes of memory, 131071 allowed"),
        "{over:?}"
    );
}

//! Envoy as a process: what it does with cases, and what becomes of a program that is none.

use std::io::Write as _;
use std::path::PathBuf;

use gatewright_envoy::{
    Aspect, CaseVerdict, EXCEPTIONS, Error, Inexpressible, Peer, Subject, Trial, Verdict,
};
use gatewright_harness::{FailurePolicy, Suite, load_text};
use gatewright_host::{Engine, EngineOptions};

/// The Envoy that `scripts/setup` installed; nothing, and one visible line, where there is none.
fn envoy() -> Option<Peer> {
    if let Some(program) = std::env::var_os("GATEWRIGHT_ENVOY").filter(|path| !path.is_empty()) {
        return Some(Peer::new(program));
    }
    let required = std::env::var_os("GATEWRIGHT_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(
        !required,
        "Envoy is required and GATEWRIGHT_ENVOY does not name it"
    );
    let _ = writeln!(
        std::io::stderr(),
        "skipped: GATEWRIGHT_ENVOY names no Envoy"
    );
    None
}

/// A plugin of a few functions.
struct Guest {
    subject: Subject,
    _folder: tempfile::TempDir,
}

fn guest(functions: &str) -> Guest {
    let wasm = wat::parse_str(format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
            (import "env" "proxy_send_local_response"
              (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "hello")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 1024)
            {functions})"#
    ))
    .expect("valid text");
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("guest.wasm");
    std::fs::write(&path, &wasm).expect("writes");
    Guest {
        subject: Subject {
            plugin: engine.compile(&wasm).expect("it compiles"),
            wasm: path,
        },
        _folder: folder,
    }
}

fn suite(text: &str) -> Suite {
    load_text(text, std::path::Path::new("cases.yaml")).expect("cases")
}

fn try_all(peer: &Peer, guest: &Guest, suite: &Suite) -> Result<Vec<CaseVerdict>, Error> {
    let trials: Vec<_> = suite
        .cases
        .iter()
        .map(|case| Trial {
            case,
            format: suite.format,
            subject: &guest.subject,
            config: None,
            policy: FailurePolicy::Closed,
        })
        .collect();
    peer.run(&trials)
}

fn only(verdicts: Vec<CaseVerdict>) -> Verdict {
    let ran = match verdicts.into_iter().next() {
        Some(CaseVerdict::Ran(verdict)) => Some(*verdict),
        Some(CaseVerdict::Inexpressible(_)) | None => None,
    };
    ran.expect("Envoy ran the case")
}

const PLAIN: &str = "cases: [{name: plain, request: {path: /a}, response: {body: b}}]";

#[test]
fn an_exchange_goes_through_both_engines_alike() {
    let Some(peer) = envoy() else { return };
    let guest = guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $log (i32.const 3) (i32.const 16) (i32.const 5))) i32.const 0)"#,
    );
    let suite = suite(PLAIN);
    let verdict = only(try_all(&peer, &guest, &suite).expect("Envoy runs"));
    let differences = verdict.differences();
    assert!(differences.is_empty(), "{differences:?}");
    let [_, envoy] = &verdict.exchanges[0];
    assert_eq!(envoy.text(Aspect::Logs), "WARN: hello\n");
    assert!(envoy.text(Aspect::Upstream).contains(":path: /a\n"));
    assert!(envoy.text(Aspect::Client).contains("body of 1: b\n"));
    assert_eq!(verdict.statistics.get("downstream_rq_total"), Some(&1));
    let failures = verdict.run.check(&suite.cases[0], suite.format);
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn what_a_case_expects_is_judged_by_what_envoy_did() {
    let Some(peer) = envoy() else { return };
    let guest = guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 16)
              (i32.const 5) (i32.const 0) (i32.const 0) (i32.const -1))) i32.const 1)"#,
    );
    let suite = suite(
        "cases:
  - name: holds
    request: {}
    expect:
      request_headers: {reply: {status: 403, body: hello}, no_logs: [x]}
  - name: does not hold
    request: {}
    expect:
      reply: {status: 404}
",
    );
    let verdicts = try_all(&peer, &guest, &suite).expect("Envoy runs");
    let failures: Vec<_> = verdicts
        .into_iter()
        .zip(&suite.cases)
        .map(|(verdict, case)| only(vec![verdict]).run.check(case, suite.format).len())
        .collect();
    assert_eq!(failures, [0, 1]);
}

#[test]
fn a_plugin_that_holds_a_request_is_seen_to_hold_it() {
    let Some(peer) = envoy() else { return };
    let guest = guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 1)"#,
    );
    let verdict = only(try_all(&peer, &guest, &suite(PLAIN)).expect("Envoy runs"));
    assert!(
        verdict.differences().is_empty(),
        "{:?}",
        verdict.differences()
    );
    assert_eq!(
        verdict.exchanges[0][1].text(Aspect::Upstream),
        "nothing came\n"
    );
}

#[test]
fn a_plugin_that_refuses_its_configuration_does_not_stop_the_others() {
    let Some(peer) = envoy() else { return };
    let guest = guest(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
            (i32.ne (local.get 1) (i32.const 3)))"#,
    );
    let suite = suite(
        "cases:
  - {name: refused, config_text: bad, configure: {fails: true}}
  - {name: taken, config_text: good, request: {}, response: {}}
",
    );
    let verdicts = try_all(&peer, &guest, &suite).expect("Envoy runs");
    let started: Vec<_> = verdicts
        .into_iter()
        .map(|verdict| {
            let verdict = only(vec![verdict]);
            assert!(
                verdict.differences().is_empty(),
                "{:?}",
                verdict.differences()
            );
            verdict.start[1].started
        })
        .collect();
    assert_eq!(started, [false, true]);
}

#[test]
fn a_difference_is_found_and_shown_line_by_line() {
    let Some(peer) = envoy() else { return };
    let guest = guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)"#,
    );
    let mut verdict = only(try_all(&peer, &guest, &suite(PLAIN)).expect("Envoy runs"));
    verdict.exchanges[0][0].calls.clear();
    let differences = verdict.differences();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(differences[0].aspect, Some(Aspect::Calls));
    assert!(
        differences[0]
            .diff()
            .contains("+ proxy_on_request_headers(")
    );
    assert!(differences[0].known.is_empty() && !EXCEPTIONS.is_empty());
}

/// Says hello after the year 2001.
const HANGS_ON_TIME: &str = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $time (i32.const 64)))
    (if (i64.gt_u (i64.load (i32.const 64)) (i64.const 1000000000000000000))
        (then (drop (call $log (i32.const 2) (i32.const 16) (i32.const 5)))))
    i32.const 0)"#;

#[test]
fn a_clock_that_nothing_hangs_on_keeps_no_case_from_envoy() {
    let Some(peer) = envoy() else { return };
    let guest = guest(HANGS_ON_TIME);
    let suite = suite("cases: [{name: a, clock: 1600000000, request: {path: /}}]");
    let verdict = only(try_all(&peer, &guest, &suite).expect("Envoy runs"));
    let differences = verdict.differences();
    assert!(differences.is_empty(), "{differences:?}");
    let [_, envoy] = &verdict.exchanges[0];
    assert_eq!(envoy.text(Aspect::Logs), "INFO: hello\n");
}

#[test]
fn cases_that_http_cannot_carry_are_named_without_an_envoy() {
    let guest = guest(HANGS_ON_TIME);
    let suite = suite(
        "cases:
  - {name: a, clock: 5, request: {}}
  - {name: b, random: 5, request: {}}
  - {name: c, properties: {a: b}, request: {}}
  - {name: d, request: {end_of_stream: false}}
  - {name: e, request: {method: CONNECT}}
  - {name: f, request: {path: \"no slash\"}}
  - {name: g, request: {headers: [\"a b: c\"]}}
  - {name: h, request: {headers: [{name: a, hex: \"00\"}]}}
  - {name: i, request: {headers: [\"connection: close\"]}}
  - {name: j, request: {headers: [\"content-length: 3\"], body: four}}
  - {name: k, request: {}, response: {status: 600}}
  - {name: l, request: {}, response: {status: 204, body: x}}
  - {name: m, request: {pseudo: false}}
",
    );
    let reasons: Vec<_> = try_all(&Peer::new("/nonexistent/envoy"), &guest, &suite)
        .expect("none is started")
        .into_iter()
        .map(|verdict| match verdict {
            CaseVerdict::Inexpressible(reason) => reason,
            CaseVerdict::Ran(_) => panic!("it ran"),
        })
        .collect();
    use Inexpressible as I;
    assert_eq!(
        reasons,
        [
            I::Clock,
            I::Random,
            I::Attributes,
            I::OpenEnd,
            I::Method,
            I::Target,
            I::HeaderName,
            I::HeaderValue,
            I::HopHeader,
            I::ContentLength,
            I::Status,
            I::Body,
            I::PseudoHeader,
        ]
    );
}

#[test]
fn a_program_that_is_missing_is_named() {
    let error = try_all(&Peer::new("/nonexistent/envoy"), &guest(""), &suite(PLAIN));
    let error = error.expect_err("there is none");
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(
        error.to_string().contains("`/nonexistent/envoy`"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_program_that_ends_is_told_with_its_last_words() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("envoy");
    std::fs::write(&program, "#!/bin/sh\necho 'no such field: x' >&2\nexit 3\n").expect("writes");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("sets");
    let error = try_all(&Peer::new(program), &guest(""), &suite(PLAIN));
    let error = error.expect_err("it ended");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("no such field: x"), "{error}");
}

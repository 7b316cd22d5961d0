//! The API for an author's own tests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use gatewright_harness::{Outcome, Request, Response, Test, run_folder};
use gatewright_host::FindingKind;

use crate::plugins::worker_wasm;

struct Built {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn built() -> Built {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.wasm");
    std::fs::write(&path, worker_wasm()).unwrap();
    Built {
        _folder: folder,
        path,
    }
}

/// What a closure's panic says.
fn panic_of(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("it should panic");
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn an_exchange_is_asserted_on() {
    let built = built();
    let outcome = Test::plugin(&built.path)
        .request(Request::post("/x").header("a", "1").chunks(["ab", "c"]))
        .response(Response::status(201).body("up"))
        .run();
    outcome.assert_request_header("X-A", "1");
    outcome.assert_no_request_header("x-b");
    outcome.assert_request_body("ab!c!");
    outcome.assert_response_header(":status", "201");
    outcome.assert_response_body("up!");
    outcome.assert_no_reply();
    outcome.assert_log("chunk");
    outcome.assert_no_findings();
    assert_eq!(outcome.logs().count(), 6);
    assert!(outcome.fuel() > 0);
    assert!(outcome.fault().is_none());
}

#[test]
fn a_wrong_assertion_shows_difference_and_trace() {
    let built = built();
    let outcome = Test::plugin(&built.path).request(Request::get("/x")).run();
    let text = panic_of(|| outcome.assert_request_header("x-a", "2"));
    for part in ["- x-a: 2", "+ x-a: 1", "GET /x", "proxy_on_request_headers"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = panic_of(|| outcome.assert_response_header("x", "y"));
    assert!(
        text.contains("sends nothing in `response_headers`"),
        "{text}"
    );
    let text = panic_of(|| outcome.exchange(1).assert_no_reply());
    assert!(text.contains("no such exchange"), "{text}");
}

#[test]
fn replies_and_failures_are_asserted_on() {
    let built = built();
    let run = |mode: &str| -> Outcome {
        Test::plugin(&built.path)
            .config_bytes(mode)
            .request(Request::get("/"))
            .run()
    };
    let outcome = run("r");
    outcome.assert_reply(418);
    outcome.assert_reply_body("hello");
    outcome.assert_reply_header("x-r", "1");
    panic_of(|| outcome.assert_reply(200));
    run("p").assert_findings(&[FindingKind::PauseIgnored]);
    let outcome = run("t");
    assert!(outcome.fault().is_some());
    let text = panic_of(|| outcome.assert_no_findings());
    assert!(text.contains("unreachable"), "{text}");
    run("x").assert_start_fails("no such thing");
    panic_of(|| run("y").assert_start_fails(""));
    panic_of(|| run("x").assert_no_findings());
}

#[test]
fn a_missing_plugin_says_what_to_do() {
    let text = panic_of(|| {
        Test::plugin("no/such.wasm").run();
    });
    assert!(text.contains("build the plugin first"), "{text}");
}

#[test]
fn a_folder_of_cases_is_run() {
    let built = built();
    let folder = tempfile::tempdir().unwrap();
    let text = panic_of(|| run_folder(&built.path, folder.path()));
    assert!(text.contains("there is no case"), "{text}");
    let file = folder.path().join("a.yaml");
    std::fs::write(
        &file,
        "cases:\n  - {name: a, request: {}, expect: {logs: [request]}}\n",
    )
    .unwrap();
    run_folder(&built.path, folder.path());
    std::fs::write(
        &file,
        "cases:\n  - {name: a, request: {}, expect: {no_logs: [request]}}\n",
    )
    .unwrap();
    let text = panic_of(|| run_folder(&built.path, folder.path()));
    assert!(text.contains("1 failed"), "{text}");
}

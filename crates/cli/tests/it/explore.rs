//! `test --explore`: a bug found, printed as a case, and the case replayed.

use serde_json::Value;

use crate::support::Place;

/// Adds `!` to the first chunk of a body, which it takes for the whole.
fn first_chunk() -> Vec<u8> {
    wat::parse_str(
        r#"(module
            (import "env" "proxy_set_buffer_bytes" (func $set (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "!")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (i32.store8 offset=100 (local.get 0) (i32.const 0)) (i32.const 0))
            (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                (if (i32.eqz (i32.load8_u offset=100 (local.get 0))) (then
                    (i32.store8 offset=100 (local.get 0) (i32.const 1))
                    (drop (call $set (i32.const 0) (local.get 1) (i32.const 0) (i32.const 0)
                        (i32.const 1)))))
                (i32.const 0)))"#,
    )
    .expect("valid text")
}

const CASES: &str = "cases:\n  - name: marks\n    request: {body: hello}\n    expect: {request_body: {body: hello!}}\n";

#[test]
fn the_printed_case_fails_as_the_variant_did() {
    let place = Place::new();
    place.file("p.wasm", first_chunk());
    place.file("marks.yaml", CASES);
    place
        .run("test marks.yaml --plugin p.wasm")
        .expect(0, "1 passed");
    let run = place.run("test marks.yaml --plugin p.wasm --explore");
    run.expect(1, "splits: request_body in chunks of 1, 4 bytes");
    run.expect(1, "chunks: [1, 4]");
    let run = place.run("test marks.yaml --plugin p.wasm --explore --format json");
    let report: Value = serde_json::from_str(&run.out).expect("JSON");
    let explored = &report["suites"][0]["cases"][0]["explored"];
    assert!(explored["variants"].as_u64().is_some_and(|count| count > 1));
    let printed = explored["failing"][0]["case"].as_str().expect("a case");
    place.file("printed.yaml", printed);
    place
        .run("test printed.yaml --plugin p.wasm")
        .expect(1, "h!ello");
    let run = place.run("test marks.yaml --plugin p.wasm --explore --format junit");
    run.expect(1, "<failure type=\"splits\"");
}

#[test]
fn what_a_case_leaves_out_is_said_with_its_reason() {
    let place = Place::new();
    place.file("p.wasm", first_chunk());
    let cases = format!("explore: {{splits: only the first chunk is marked}}\n{CASES}");
    place.file("marks.yaml", cases);
    let run = place.run("test marks.yaml --plugin p.wasm --explore --seed 3");
    run.expect(0, "no splits: only the first chunk is marked");
    run.expect(0, "variants explored");
    place
        .run("test marks.yaml --plugin p.wasm --seed 3")
        .expect(2, "--explore");
}

#[test]
fn a_budget_in_a_case_file_fails_the_case() {
    let place = Place::new();
    place.file("p.wasm", first_chunk());
    place.file("marks.yaml", format!("budget: {{fuel: 5}}\n{CASES}"));
    place
        .run("test marks.yaml --plugin p.wasm")
        .expect(1, "over the budget:");
}

//! `bench`: costs, comparison, functions.

use serde_json::Value;

use crate::support::Place;

/// A plugin that calls a function so many times for each request.
fn plugin(times: u32) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 1024)
            (func $spin (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func $headers (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (local $i i32)
                (loop $again
                    (local.set $i (call $spin (local.get $i)))
                    (br_if $again (i32.lt_u (local.get $i) (i32.const {times}))))
                i32.const 0))"#
    ))
    .expect("valid text")
}

#[test]
fn costs_are_told_for_people_and_for_programs_and_add_up() {
    let place = Place::new();
    place.file("p.wasm", plugin(10));
    let run = place.run("bench p.wasm");
    run.expect(0, "one plain exchange");
    run.expect(0, "memory a stream, 1000 open: 0 B");
    let run = place.run("bench p.wasm --profile-guest=out.folded --format json");
    run.expect(0, "");
    let found: Value = serde_json::from_str(&run.out).expect("JSON");
    let case = &found["new"]["cases"][0];
    let fuel = |value: &Value| value["fuel"].as_u64().expect("a number");
    let exchange = fuel(&case["exchange"]);
    let callbacks = case["callbacks"].as_array().expect("a list");
    let callback = callbacks
        .iter()
        .find(|callback| callback["name"] == "proxy_on_request_headers");
    assert_eq!(fuel(callback.expect("it ran")), exchange);
    let functions = found["functions"].as_array().expect("a list");
    let sum: u64 = functions.iter().map(fuel).sum();
    assert_eq!(sum, exchange + fuel(&case["start"]));
    let spin = functions
        .iter()
        .find(|function| function["function"] == "spin");
    assert_eq!(spin.expect("it ran")["calls"], 10);
    let folded = std::fs::read_to_string(place.at("out.folded")).expect("written");
    assert!(
        folded.contains("one plain exchange;headers;spin "),
        "{folded}"
    );
}

#[test]
fn two_modules_are_compared() {
    let place = Place::new();
    place.file("new.wasm", plugin(20));
    place.file("old.wasm", plugin(10));
    place.file(
        "c.yaml",
        "cases:\n  - name: one\n    request: {}\n  - name: two\n    request: {}\n",
    );
    let run = place.run("bench new.wasm two --cases c.yaml --compare old.wasm");
    run.expect(0, "two");
    assert!(!run.out.contains("\none\n"), "{}", run.out);
    run.expect(0, "(was ");
    run.expect(0, " %)");
    let same = place.run("bench old.wasm --cases c.yaml --compare old.wasm");
    same.expect(0, ", =)");
}

#[test]
fn what_cannot_be_measured_is_said() {
    let place = Place::new();
    place.file("p.wasm", plugin(1));
    place.file("c.yaml", "cases:\n  - name: one\n    request: {}\n");
    place
        .run("bench none.wasm")
        .expect(2, "cannot read `none.wasm`");
    place
        .run("bench p.wasm three --cases c.yaml")
        .expect(2, "no case `three`");
    place.run("bench p.wasm --cases none").expect(2, "none");
    place
        .run("bench p.wasm --compare none.wasm")
        .expect(2, "cannot read `none.wasm`");
    place.file("text.wasm", "(module)");
    place.run("bench text.wasm").expect(2, "assemble it first");
    let endless = r#"(module (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) i32.const 0)
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (loop $a (br $a)) i32.const 0))"#;
    place.file("endless.wasm", wat::parse_str(endless).expect("valid text"));
    place
        .run("bench endless.wasm")
        .expect(1, "the plugin fails");
}

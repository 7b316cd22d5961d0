//! `check`: modules that production takes, and those that it does not.

use std::path::Path;

use serde_json::Value;

use crate::support::Place;

/// A plugin that calls a hostcall in `proxy_on_configure` and none elsewhere.
fn configured(call: &str, answer: u32) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
            (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "line 1: `status` is missing")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
            (func (export "proxy_on_configure") (param i32 i32) (result i32)
                (drop {call})
                i32.const {answer}))"#
    ))
    .expect("valid text")
}

const LOG: &str = "(call $log (i32.const 4) (i32.const 0) (i32.const 27))";
const TICK: &str = "(call $tick (i32.const 1000))";

#[test]
fn a_good_module_is_described_and_passes() {
    let place = Place::new();
    place.file("p.wasm", configured(LOG, 1));
    let run = place.run("check p.wasm");
    run.expect(0, "ABI       0.2.1");
    run.expect(0, "memory    64.0 KiB at the start");
    run.expect(0, "0 errors, 0 warnings");
}

#[test]
fn a_hostcall_of_envoy_only_is_refused_by_name_for_google_alone() {
    let place = Place::new();
    place.file("p.wasm", configured(TICK, 1));
    let run = place.run("check p.wasm");
    run.expect(
        1,
        "error [UnsupportedHostcall] uses `proxy_set_tick_period_milliseconds`",
    );
    run.expect(1, "in `proxy_on_configure`");
    run.expect(1, "fix: leave it out");
    place
        .run("check p.wasm --profile envoy")
        .expect(0, "0 errors");
    place
        .run("pack p.wasm -o out")
        .expect(1, "proxy_set_tick_period_milliseconds");
    assert!(!place.at("out").exists());
}

#[test]
fn refusing_no_configuration_is_a_warning_and_refusing_the_real_one_an_error() {
    let place = Place::new();
    place.file("p.wasm", configured(LOG, 0));
    place.file("prod.yaml", "status: 200");
    place
        .run("check p.wasm")
        .expect(0, "warning [ConfigureRefused]");
    place.run("pack p.wasm -o out").expect(0, "ok");
    for command in ["check p.wasm", "pack p.wasm -o other"] {
        let run = place.run(&format!("{command} --config prod.yaml"));
        run.expect(1, "line 1: `status` is missing");
    }
    assert!(!place.at("other").exists());
}

#[test]
fn an_algorithm_that_does_not_fit_is_refused_for_google_unless_overridden() {
    let place = Place::new();
    // The public key of RFC 7515, appendix A.3.
    let key = r#"{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let config = |more: &str| format!("{{\"jwks\": {{\"keys\": [{key}]}}{more}}}");
    place.file("dear.json", config(""));
    place.file("meant.json", config(", \"allow_over_budget\": true"));
    // With the others: built alone it would have other features, and all be built again.
    let built = place.run_in_checkout("build");
    built.expect(0, "jwt-auth");
    let line = built.out.lines().find(|line| line.contains("jwt-auth"));
    let module = line.and_then(|line| line.split_whitespace().last());
    let module = module.expect("it says where the module is");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let module = root.join(module).display().to_string();
    let check = |file: &str| {
        let config = place.at(file);
        place.run_in_checkout(&format!("check {module} --config {}", config.display()))
    };
    let refused = check("dear.json");
    refused.expect(1, "error [ConfigureRefused]");
    refused.expect(1, "takes longer to verify with than the millisecond");
    check("meant.json").expect(0, "0 errors");
}

#[test]
fn json_has_code_message_and_fix_of_each_finding() {
    let place = Place::new();
    place.file("p.wasm", configured(TICK, 1));
    let run = place.run("check p.wasm --format json");
    run.expect(1, "");
    let found: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(found["profile"], "google");
    assert_eq!(found["module"]["abi"][0], "0.2.1");
    assert_eq!(found["module"]["startFunction"], false);
    assert_eq!(found["findings"][0]["severity"], "error");
    assert_eq!(found["findings"][0]["code"], "UnsupportedHostcall");
    assert!(
        found["findings"][0]["fix"]
            .as_str()
            .is_some_and(|fix| !fix.is_empty())
    );
    assert_eq!(found["passes"], false);
}

#[test]
fn what_is_no_plugin_is_told_apart_from_what_is_no_file() {
    let place = Place::new();
    place.file("page.wasm", "<html>");
    place.file("text.wasm", "(module)");
    place.file("bare.wasm", wat::parse_str("(module)").expect("valid text"));
    let foreign = r#"(module (import "wbg" "__wbg_now" (func)))"#;
    place.file("js.wasm", wat::parse_str(foreign).expect("valid text"));
    place
        .run("check page.wasm")
        .expect(1, "it looks like a web page");
    place.run("check text.wasm").expect(1, "assemble it first");
    place.run("check bare.wasm").expect(1, "[NoAbiMarker]");
    place
        .run("check js.wasm")
        .expect(1, "a crate expects a JavaScript host");
    place
        .run("check none.wasm")
        .expect(2, "cannot read `none.wasm`");
    place
        .run("check bare.wasm --profile prod")
        .expect(2, "no profile");
    place
        .run("check bare.wasm --config none.yaml")
        .expect(2, "cannot read `none.yaml`");
}

//! Cases in a real Envoy: `compare`, and `test --against envoy`.

use std::io::Write as _;

use crate::support::{Place, plugin};

const CASES: &str = "
cases:
  - name: passes on
    request: {path: /x}
    response: {status: 200}
    expect: {no_reply: true}
  - name: sets an attribute
    properties: {source.client_region: US}
    request: {path: /}
  - name: sets a clock that is not read
    clock: 5
    request: {path: /}
";

fn place() -> Place {
    let place = Place::new();
    place.file("plugin.wasm", plugin(1024));
    place.file("cases.yaml", CASES);
    place
}

/// The Envoy that `scripts/setup` installed; nothing, and one visible line, where there is none.
pub(crate) fn envoy() -> Option<String> {
    if let Ok(envoy) = std::env::var("GATEWRIGHT_ENVOY") {
        return Some(envoy);
    }
    let required = std::env::var("GATEWRIGHT_REQUIRE_PEERS").is_ok_and(|value| value == "1");
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

#[test]
fn both_engines_agree_and_what_cannot_be_asked_is_named() {
    let Some(envoy) = envoy() else { return };
    let place = place();
    let run = place.run(&format!(
        "compare cases.yaml --plugin plugin.wasm --envoy {envoy}"
    ));
    run.expect(0, "2 exchanges compared: 0 differences");
    run.expect(0, "it sets attributes, which Envoy computes itself: 1");
    run.expect(0, "cases.yaml:7: sets an attribute");
}

#[test]
fn cases_are_judged_by_what_envoy_does() {
    let Some(envoy) = envoy() else { return };
    let place = place();
    let line = format!("test cases.yaml --plugin plugin.wasm --against envoy --envoy {envoy}");
    place.run(&line).expect(0, "2 passed");
    place.file(
        "cases.yaml",
        CASES.replace("no_reply: true", "reply: {status: 403}"),
    );
    place.run(&line).expect(1, "passes on");
}

#[test]
fn an_envoy_that_is_not_there_is_the_environments_fault() {
    let place = place();
    for command in ["compare", "test --against envoy"] {
        let run = place.run(&format!(
            "{command} cases.yaml --plugin plugin.wasm --envoy /nonexistent/envoy"
        ));
        run.expect(3, "cannot start Envoy at `/nonexistent/envoy`");
    }
}

#[test]
fn what_is_asked_wrongly_is_said_before_an_envoy_is_started() {
    let place = place();
    let with = |rest: &str| place.run(&format!("{rest} --envoy /nonexistent/envoy"));
    with("compare none.yaml --plugin plugin.wasm").expect(2, "none.yaml");
    with("compare cases.yaml --plugin plugin.wasm --filter nothing")
        .expect(2, "no case matches `nothing`");
    with("test cases.yaml --plugin plugin.wasm --against nginx").expect(2, "nginx");
    place.file("cases.yaml", "cases: [{name: x, requst: {}}]");
    with("compare cases.yaml --plugin plugin.wasm").expect(1, "requst");
}

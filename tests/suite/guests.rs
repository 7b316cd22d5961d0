//! The scripted guest itself: that it does what it is told, and says so.

use std::sync::Arc;

use gatewright_host::{
    Attributes, Chain, Engine, EngineOptions, HeaderMap, PluginSpec, Profile, Recorded, TraceLevel,
};

/// What the guest says while it starts, takes one request, and ends.
fn run(guest: &str, script: &str) -> Vec<String> {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let plugin = engine
        .compile(&gatewright_tests::guest(guest))
        .expect("it compiles");
    let mut spec = PluginSpec::new(plugin, Profile::Envoy);
    spec.settings.configuration = Arc::from(script.as_bytes());
    spec.settings.vm_configuration = Arc::from(script.as_bytes());
    let door = || Box::new(Recorded::new(0, 0)) as Box<_>;
    let mut chain = Chain::start(Profile::Envoy, vec![spec], door, TraceLevel::Off);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let headers: HeaderMap = [(":path", "/"), ("a", "\u{1}")].into_iter().collect();
    let mut effects = Vec::new();
    chain.request_headers(stream, headers, true, &mut effects);
    let start = chain.start_trace(0).expect("it was started").clone();
    let logs = [start, chain.close(stream), chain.stop()].map(|trace| trace.logs);
    let lines = logs.into_iter().flatten();
    lines
        .map(|line| String::from_utf8_lossy(&line.message).into_owned())
        .collect()
}

#[test]
fn a_script_is_done_line_by_line_and_told() {
    let script = r#"
        on vm_start
          define_metric counter "hits" as hits
        on configure
        on request_headers
          increment_metric $hits 2          # with a remark
          get_metric $hits
          get_header_map_pairs request_headers
          get_header_map_value request_headers "none"
          raw get_header_map_value 0 0xffffffff 4 here here
          equal $context $stream
          repeat 2 set_shared_data "k" "v" 0
          quiet set_shared_data "k" "w" 0
          get_shared_data "k" as cas
          set_shared_data "k" "x" $cas
          nonsense
          log
          return pause
          trap
        on delete
    "#;
    let expected = [
        "on vm_start root whole",
        r#"define_metric counter "hits" as hits = OK"#,
        "on configure root whole",
        "on request_headers stream 2 1",
        "increment_metric $hits 2 = OK",
        "get_metric $hits = OK 2",
        r#"get_header_map_pairs request_headers = OK {":path" "/" "a" "\x01"}"#,
        r#"get_header_map_value request_headers "none" = NOT_FOUND"#,
        "raw get_header_map_value 0 0xffffffff 4 here here = INVALID_MEMORY_ACCESS",
        "equal $context $stream = true",
        r#"set_shared_data "k" "v" 0 = OK"#,
        r#"set_shared_data "k" "v" 0 = OK"#,
        r#"get_shared_data "k" as cas = OK "w""#,
        r#"set_shared_data "k" "x" $cas = OK"#,
        "line 16 of the script: no such thing to do, or not with these words",
        "line 17 of the script: a number is missing",
        "on delete stream",
        "on delete root",
    ];
    assert_eq!(run("raw", script), expected);
    assert_eq!(run("bare", script), expected);
}

//! What a plugin gets from each platform where they differ, asked by the guest that does as a
//! script says.

use std::sync::{Arc, OnceLock};

use gatewright_host::{
    Attributes, CalloutResponse, Capabilities, Chain, Door, Effect, Engine, EngineOptions,
    FaultKind, HeaderMap, Plugin, PluginSpec, Profile, Recorded, Trace, TraceLevel,
};

/// A door behind which `u` can be called.
struct WithUpstream(Recorded);

impl Door for WithUpstream {
    fn realtime(&mut self) -> u64 {
        self.0.realtime()
    }

    fn monotonic(&mut self) -> u64 {
        self.0.monotonic()
    }

    fn random(&mut self, buffer: &mut [u8]) {
        self.0.random(buffer);
    }

    fn knows_upstream(&mut self, name: &[u8]) -> bool {
        name == b"u"
    }
}

/// The guest that does what a script says, compiled once.
fn guest() -> Plugin {
    static GUEST: OnceLock<Plugin> = OnceLock::new();
    let compile = || {
        let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
        let wasm = gatewright_tests::guest("raw");
        engine.compile(&wasm).expect("it compiles")
    };
    GUEST.get_or_init(compile).clone()
}

/// What a script did with one exchange.
struct Told {
    start: Trace,
    exchange: Trace,
    effects: Vec<Effect>,
}

impl Told {
    /// What came of the lines that begin so: the status and what it gave.
    fn of(&self, line: &str) -> Vec<String> {
        let logs = self.start.logs.iter().chain(&self.exchange.logs);
        logs.map(|log| String::from_utf8_lossy(&log.message))
            .filter_map(|text| {
                let rest = text.strip_prefix(line)?;
                Some(
                    rest.rsplit_once(" = ")
                        .map_or(rest, |(_, came)| came)
                        .to_owned(),
                )
            })
            .collect()
    }
}

/// Runs a script over a whole exchange: `GET /p?q=1`, a body, a response, a failed callout.
fn tell(profile: Profile, script: &str, change: impl FnOnce(&mut PluginSpec)) -> Told {
    let mut spec = PluginSpec::new(guest(), profile);
    spec.settings.configuration = Arc::from(script.as_bytes());
    spec.settings.vm_configuration = Arc::from(script.as_bytes());
    change(&mut spec);
    let door = || Box::new(WithUpstream(Recorded::new(1_000_000, 1))) as Box<_>;
    let mut chain = Chain::start(profile, vec![spec], door, TraceLevel::Off);
    let start = chain.start_trace(0).expect("it was started").clone();
    let mut attributes = Attributes::new();
    attributes.set("source.address", "10.0.0.1:80");
    attributes.set("source.port", 80_u64.to_le_bytes());
    let stream = chain.open(&Arc::new(attributes));
    let request: HeaderMap = [
        (":method", "GET"),
        (":path", "/p?q=1"),
        (":authority", "a.test"),
        ("content-length", "4"),
        ("B", "1"),
        ("a", ""),
        ("b", "2"),
    ]
    .into_iter()
    .collect();
    let mut effects = Vec::new();
    chain.request_headers(stream, request, false, &mut effects);
    for callout in chain.take_callouts() {
        let mut all = Vec::new();
        let response: Option<CalloutResponse> = None;
        chain.http_call_response(callout.plugin, callout.token, response, &mut all);
        chain.tell(stream);
    }
    chain.request_body(stream, b"body".to_vec(), true, &mut effects);
    let response = [(":status", "204")].into_iter().collect();
    chain.response_headers(stream, response, true, &mut effects);
    let mut exchange = chain.close(stream);
    exchange.append(chain.stop());
    Told {
        start,
        exchange,
        effects,
    }
}

/// What came of one line in a callback, in the profiles of google, tester and envoy.
fn check(callback: &str, line: &str, expected: [&str; 3]) {
    for (profile, expected) in Profile::ALL.iter().zip(expected) {
        let told = tell(*profile, &format!("on {callback}\n  {line}\n"), |_| {});
        assert_eq!(told.of(line), [expected], "{profile}: {line} in {callback}");
    }
}

#[test]
fn what_the_tester_answers_and_nobody_else() {
    let headers = "request_headers";
    check(headers, "get_log_level", ["OK 2", "OK 0", "OK 2"]);
    check(
        headers,
        "get_status",
        ["UNIMPLEMENTED", r#"OK 1 "unimplmemented""#, r#"OK 0 """#],
    );
    check(
        "configure",
        r#"get_property "a""#,
        ["NOT_FOUND", "UNIMPLEMENTED", "NOT_FOUND"],
    );
    check(
        "configure",
        r#"get_property "plugin_root_id""#,
        [r#"OK """#; 3],
    );
    check(
        headers,
        r#"set_property "a" "b""#,
        ["UNIMPLEMENTED", "UNIMPLEMENTED", "OK"],
    );
    check(
        headers,
        "set_tick_period_milliseconds 5",
        ["UNIMPLEMENTED", "OK", "OK"],
    );
    check(
        headers,
        r#"call_foreign_function "f" "x""#,
        ["NOT_FOUND"; 3],
    );
}

#[test]
fn in_the_tester_header_maps_are_sorted_and_joined_whatever_happens_to_them() {
    let script = r#"on request_headers
  add_header_map_value request_headers "Aa" "1"
  add_header_map_value request_headers "A" "x"
  get_header_map_pairs request_headers
"#;
    let told = tell(Profile::Tester, script, |_| {});
    let pairs = r#"OK {":authority" "a.test" ":method" "GET" ":path" "/p?q=1" "a" "x" "Aa" "1" "B" "1, 2" "content-length" "4"}"#;
    assert_eq!(told.of("get_header_map_pairs"), [pairs]);
    let told = tell(Profile::Google, script, |_| {});
    let pairs = r#"OK {":method" "GET" ":path" "/p?q=1" ":authority" "a.test" "content-length" "4" "b" "1" "a" "" "b" "2" "aa" "1" "a" "x"}"#;
    assert_eq!(told.of("get_header_map_pairs"), [pairs]);
}

#[test]
fn an_item_for_a_queue_is_the_testers_end() {
    let script = r#"on request_headers
  register_shared_queue "q" as q
  enqueue_shared_queue 99 "x"
  enqueue_shared_queue $q "x"
"#;
    let told = tell(Profile::Tester, script, |_| {});
    assert_eq!(told.of("enqueue_shared_queue"), ["NOT_FOUND"]);
    assert_eq!(told.exchange.faults[0].kind, FaultKind::HostFails);
    let told = tell(Profile::Envoy, script, |_| {});
    assert_eq!(told.of("enqueue_shared_queue"), ["NOT_FOUND", "OK"]);
}

#[test]
fn what_is_not_there_now_is_said_in_three_ways() {
    let get = r#"get_header_map_value request_headers ":path""#;
    check("request_headers", get, [r#"OK "/p?q=1""#; 3]);
    check("request_body", get, ["BAD_ARGUMENT"; 3]);
    check(
        "request_body",
        "get_header_map_pairs request_headers",
        ["BAD_ARGUMENT", "BAD_ARGUMENT", "OK {}"],
    );
    let body = "get_buffer_bytes request_body 0 all";
    check("request_body", body, [r#"OK "body""#; 3]);
    check(
        "request_headers",
        body,
        ["NOT_FOUND", "NOT_FOUND", r#"OK """#],
    );
    check(
        "request_headers",
        r#"set_buffer_bytes request_body 0 0 "x""#,
        ["NOT_FOUND", "NOT_FOUND", "BAD_ARGUMENT"],
    );
    check(
        "request_body",
        r#"set_buffer_bytes request_body 1 1 "x""#,
        ["OK", "OK", "BAD_ARGUMENT"],
    );
    check("request_headers", "done", ["NOT_FOUND"; 3]);
}

#[test]
fn a_plugin_is_shown_its_callouts_failure() {
    let script = r#"on request_headers
  http_call "u" {":method" "GET" ":path" "/" ":authority" "a"} "" {} 1000 as call
on http_call_response
  get_status
  get_header_map_value call_headers ":status"
"#;
    let told = tell(Profile::Envoy, script, |_| {});
    assert_eq!(told.of("get_status"), [r#"OK 11 "reset""#]);
    assert_eq!(told.of("get_header_map_value"), ["BAD_ARGUMENT"]);
}

#[test]
fn envoys_properties_are_computed_given_or_set() {
    let get = |callback: &str, path: &str| {
        let script =
            format!("on {callback}\n  set_property \"mine\" \"yes\"\n  get_property {path}\n");
        let told = tell(Profile::Envoy, &script, |spec| {
            spec.settings.name = "auth".to_owned();
            spec.settings.root_id = "root".to_owned();
            spec.settings.vm_id = "vm".to_owned();
        });
        told.of("get_property").join(";")
    };
    let headers = "request_headers";
    assert_eq!(get(headers, r#""request\x00path""#), r#"OK "/p?q=1""#);
    assert_eq!(get(headers, r#""request\x00url_path""#), r#"OK "/p""#);
    assert_eq!(get(headers, r#""request\x00query""#), r#"OK "q=1""#);
    assert_eq!(get(headers, r#""request\x00method""#), r#"OK "GET""#);
    assert_eq!(get(headers, r#""request\x00host""#), r#"OK "a.test""#);
    assert_eq!(get(headers, r#""request\x00headers\x00b""#), r#"OK "1,2""#);
    assert_eq!(get(headers, r#""request\x00headers\x00none""#), "NOT_FOUND");
    assert_eq!(
        get(headers, r#""request\x00size""#),
        r#"OK "\x04\0\0\0\0\0\0\0""#
    );
    assert_eq!(get("request_body", r#""request\x00path""#), "NOT_FOUND");
    assert_eq!(get("log", r#""request\x00path""#), r#"OK "/p?q=1""#);
    assert_eq!(
        get("response_headers", r#""response\x00code""#),
        r#"OK "\xcc\0\0\0\0\0\0\0""#
    );
    assert_eq!(
        get(headers, r#""source\x00address""#),
        r#"OK "10.0.0.1:80""#
    );
    assert_eq!(get(headers, r#""plugin_name""#), r#"OK "auth""#);
    assert_eq!(get(headers, r#""plugin_root_id""#), r#"OK "root""#);
    assert_eq!(get(headers, r#""plugin_vm_id""#), r#"OK "vm""#);
    assert_eq!(get(headers, r#""mine""#), r#"OK "yes""#);
    assert_eq!(
        get(headers, r#""filter_state\x00wasm.mine""#),
        r#"OK "yes""#
    );
    assert_eq!(get(headers, r#""nothing\x00here""#), "NOT_FOUND");
    assert!(get(headers, r#""source""#).contains("10.0.0.1:80"));
}

#[test]
fn the_log_comes_before_the_end_of_the_stream() {
    let script = "on log\non done\non delete\n";
    let told = tell(Profile::Envoy, script, |_| {});
    let order: Vec<_> = told
        .exchange
        .logs
        .iter()
        .map(|log| String::from_utf8_lossy(&log.message).into_owned())
        .filter(|line| line.contains("stream"))
        .collect();
    assert_eq!(
        order,
        ["on log stream", "on done stream", "on delete stream"]
    );
    let told = tell(Profile::Google, script, |_| {});
    assert!(told.of("on log").is_empty());
}

#[test]
fn wasi_and_hostcalls_need_their_capability() {
    let script = r#"on request_headers
  get_log_level
  wasi_random_get 4
  wasi_clock_time_get 0
"#;
    let allowed = [
        "proxy_log",
        "proxy_get_buffer_bytes",
        "proxy_on_configure",
        "proxy_on_vm_start",
        "proxy_on_context_create",
        "proxy_on_request_headers",
        "clock_time_get",
    ];
    let told = tell(Profile::Envoy, script, |spec| {
        let capabilities = Capabilities::new(allowed).expect("they are known");
        spec.settings.capabilities = Some(Arc::new(capabilities));
    });
    assert_eq!(told.of("get_log_level"), ["INTERNAL_FAILURE"]);
    assert_eq!(told.of("wasi_random_get"), ["76"]);
    assert!(told.of("wasi_clock_time_get")[0].starts_with('0'));
}

#[test]
fn a_rust_plugin_that_panics_says_why_without_a_log_level() {
    let script = "on request_headers\n  panic \"no such route\"\n";
    let told = tell(Profile::Google, script, |_| {});
    assert_eq!(told.effects, [Effect::Fail { status: 500 }]);
    let fault = &told.exchange.faults[0];
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(
        fault.message.starts_with("panicked at "),
        "{}",
        fault.message
    );
    assert!(
        fault.message.ends_with("no such route"),
        "{}",
        fault.message
    );
    assert!(
        fault
            .frames
            .iter()
            .any(|frame| frame.function.contains("guest_script")),
        "{:?}",
        fault.frames
    );
}

#[test]
fn the_oldest_abi_knows_no_difference_between_nothing_and_empty() {
    let guest = |marker: &str, parameters: &str| {
        let text = format!(
            r#"(module
                (import "env" "proxy_get_header_map_value"
                    (func $get (param i32 i32 i32 i32 i32) (result i32)))
                (memory (export "memory") 1)
                (func (export "{marker}"))
                (func (export "malloc") (param i32) (result i32) i32.const 4096)
                (func (export "proxy_on_request_headers") (param {parameters}) (result i32)
                    (drop (call $get (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 200)
                        (i32.const 204)))
                    i32.const 0))"#
        );
        wat::parse_str(text).expect("the guest is valid")
    };
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let status = |wasm: &[u8]| {
        let plugin = engine.compile(wasm).expect("it compiles");
        let spec = PluginSpec::new(plugin, Profile::Envoy);
        let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
        let mut chain = Chain::start(Profile::Envoy, vec![spec], door, TraceLevel::Full);
        let stream = chain.open(&Arc::new(Attributes::new()));
        chain.request_headers(stream, HeaderMap::new(), true, &mut Vec::new());
        let trace = chain.close(stream);
        let calls = trace.spans.iter().flat_map(|span| &span.hostcalls);
        calls.map(|call| call.status).collect::<Vec<_>>()
    };
    assert_eq!(status(&guest("proxy_abi_version_0_1_0", "i32 i32")), [0]);
    assert_eq!(
        status(&guest("proxy_abi_version_0_2_0", "i32 i32 i32")),
        [1]
    );
    assert_eq!(
        status(&guest("proxy_abi_version_0_2_1", "i32 i32 i32")),
        [1]
    );
}

#[test]
fn trailers_that_the_load_balancer_does_not_show_are_found() {
    let spec = PluginSpec::new(guest(), Profile::Google);
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    let mut chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Off);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    let trailers: HeaderMap = [("t", "1")].into_iter().collect();
    chain.request_trailers(stream, trailers.clone(), &mut effects);
    assert_eq!(effects, [Effect::RequestTrailers(trailers)]);
    let findings = chain.close(stream).findings;
    let codes: Vec<_> = findings.iter().map(|finding| finding.kind.code()).collect();
    assert_eq!(codes, ["trailers-not-delivered"]);
}

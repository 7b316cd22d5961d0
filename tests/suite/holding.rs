//! Plugins that pause, where the platform lets them: what is held, what is shown, what goes on.

use std::sync::Arc;

use gatewright_host::{
    Attributes, CalloutKind, CalloutResponse, Chain, Door, Effect, Engine, EngineOptions,
    FindingKind, HeaderMap, PluginSpec, Profile, Recorded, TraceLevel,
};

/// A door behind which there is one upstream, `auth`.
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
        name == b"auth"
    }
}

/// A guest with these callbacks; 64 holds `auth`, 128 the header map of a callout.
pub(crate) fn guest(callbacks: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
            (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
            (import "env" "proxy_set_effective_context" (func $act_on (param i32) (result i32)))
            (import "env" "proxy_set_buffer_bytes"
                (func $set_body (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_replace_header_map_value"
                (func $set_header (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_add_header_map_value"
                (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_get_header_map_value"
                (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_send_local_response"
                (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_set_property"
                (func $set_property (param i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_get_property"
                (func $get_property (param i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_http_call"
                (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 64) "auth")
            (data (i32.const 128) "\03\00\00\00\05\00\00\00\01\00\00\00\07\00\00\00\03\00\00\00\0a\00\00\00\01\00\00\00:path\00/\00:method\00GET\00:authority\00a\00")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 4096)
            {callbacks})"#
    );
    wat::parse_str(text).expect("the guest is valid")
}

pub(crate) fn start(profile: Profile, guests: &[&str]) -> Chain {
    start_with(profile, guests, |_| {})
}

/// The same with each plugin's settings changed first.
pub(crate) fn start_with(
    profile: Profile,
    guests: &[&str],
    change: impl Fn(&mut PluginSpec),
) -> Chain {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let specs = guests
        .iter()
        .map(|text| {
            let plugin = engine.compile(&guest(text)).expect("the guest compiles");
            let mut spec = PluginSpec::new(plugin, profile);
            change(&mut spec);
            spec
        })
        .collect();
    let door = || Box::new(WithUpstream(Recorded::new(0, 1))) as Box<_>;
    Chain::start(profile, specs, door, TraceLevel::Full)
}

pub(crate) fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    fields.iter().copied().collect()
}

/// Pauses on the body until it ends, then puts `!` before it.
pub(crate) const GATHERS: &str = r#"
    (data (i32.const 8) "!")
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (if (i32.eqz (local.get 2)) (then (return (i32.const 1))))
        (drop (call $set_body (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 1)))
        i32.const 0)"#;

/// Pauses on the headers and asks `auth`; sets `x` and continues when it answers.
pub(crate) const ASKS: &str = r#"
    (data (i32.const 8) "x")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $http_call (i32.const 64) (i32.const 4) (i32.const 128) (i32.const 61)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 512)))
        i32.const 1)
    (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
        (drop (call $act_on (i32.const 2)))
        (drop (call $set_header (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 8) (i32.const 1)))
        (drop (call $continue (i32.const 0))))"#;

#[test]
fn a_body_is_gathered_while_a_plugin_pauses() {
    let mut chain = start(Profile::Envoy, &[GATHERS]);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    chain.request_headers(stream, HeaderMap::new(), false, &mut effects);
    effects.clear();
    chain.request_body(stream, b"one ".to_vec(), false, &mut effects);
    chain.request_body(stream, b"two".to_vec(), false, &mut effects);
    assert!(effects.is_empty(), "{effects:?}");
    chain.request_body(stream, Vec::new(), true, &mut effects);
    let chunk = b"!one two".to_vec();
    assert_eq!(
        effects,
        [Effect::RequestBody {
            chunk,
            end_of_stream: true
        }]
    );
}

#[test]
fn the_load_balancer_goes_on_regardless_and_it_is_found() {
    let mut chain = start(Profile::Google, &[GATHERS]);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    chain.request_body(stream, b"one ".to_vec(), false, &mut effects);
    let chunk = b"one ".to_vec();
    assert_eq!(
        effects,
        [Effect::RequestBody {
            chunk,
            end_of_stream: false
        }]
    );
    let kinds: Vec<_> = chain
        .close(stream)
        .findings
        .iter()
        .map(|f| f.kind)
        .collect();
    assert_eq!(kinds, [FindingKind::PauseIgnored]);
}

#[test]
fn held_headers_go_on_when_a_callout_answers_and_what_came_after_them_follows() {
    let mut chain = start(Profile::Envoy, &[ASKS, GATHERS]);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    chain.request_headers(stream, headers(&[(":path", "/")]), false, &mut effects);
    chain.request_body(stream, b"body".to_vec(), true, &mut effects);
    assert!(effects.is_empty(), "{effects:?}");
    let callouts = chain.take_callouts();
    let [callout] = &callouts[..] else {
        panic!("{callouts:?}")
    };
    assert!(matches!(&callout.kind, CalloutKind::Http { upstream, .. } if upstream == b"auth"));
    let mut all = Vec::new();
    let response = Some(CalloutResponse::default());
    chain.http_call_response(callout.plugin, callout.token, response, &mut all);
    let chunk = b"!body".to_vec();
    assert_eq!(
        all,
        [
            (
                stream,
                Effect::RequestHeaders {
                    headers: headers(&[(":path", "/"), ("x", "x")]),
                    end_of_stream: false
                }
            ),
            (
                stream,
                Effect::RequestBody {
                    chunk,
                    end_of_stream: true
                }
            ),
        ]
    );
}

#[test]
fn a_plugin_that_traps_fails_the_streams_that_it_holds() {
    let trapping = ASKS.replace("(drop (call $act_on (i32.const 2)))", "unreachable");
    let mut chain = start(Profile::Envoy, &[&trapping]);
    let streams: Vec<_> = (0..2)
        .map(|_| chain.open(&Arc::new(Attributes::new())))
        .collect();
    let mut effects = Vec::new();
    for stream in &streams {
        chain.request_headers(*stream, HeaderMap::new(), true, &mut effects);
    }
    assert!(effects.is_empty());
    let mut all = Vec::new();
    chain.http_call_response(0, 1, None, &mut all);
    let expected: Vec<_> = streams
        .iter()
        .map(|stream| (*stream, Effect::Fail { status: 503 }))
        .collect();
    assert_eq!(all, expected);
    assert_eq!(chain.take_root_trace().faults.len(), 1);
}

#[test]
fn an_unknown_upstream_is_a_bad_argument() {
    let elsewhere = ASKS.replace(
        "(i32.const 64) (i32.const 4)",
        "(i32.const 64) (i32.const 3)",
    );
    let mut chain = start(Profile::Envoy, &[&elsewhere]);
    let stream = chain.open(&Arc::new(Attributes::new()));
    chain.request_headers(stream, HeaderMap::new(), true, &mut Vec::new());
    assert!(chain.take_callouts().is_empty());
    let trace = chain.close(stream);
    let status = trace
        .spans
        .iter()
        .flat_map(|span| &span.hostcalls)
        .map(|call| call.status);
    assert_eq!(status.collect::<Vec<_>>(), [2]);
}

#[test]
fn a_closed_stream_is_reset() {
    let closes = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $close (i32.const 0))) i32.const 1)"#;
    let mut chain = start(Profile::Envoy, &[closes]);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    chain.request_headers(stream, HeaderMap::new(), true, &mut effects);
    assert_eq!(effects, [Effect::Reset]);
}

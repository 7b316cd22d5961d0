//! More than one plugin, more than one stream.

use std::sync::Arc;

use gatewright_host::{
    Attributes, Effect, Engine, EngineOptions, HeaderMap, PluginSpec, Profile, Recorded,
    TraceLevel, response_order,
};

use crate::holding::{headers, start};

/// Adds `seen: LETTER` to the request and to the response.
fn marks(letter: char) -> String {
    format!(
        r#"(data (i32.const 8) "seen{letter}")
        (func $mark (param i32) (result i32)
            (drop (call $add_header (local.get 0) (i32.const 8) (i32.const 4) (i32.const 12) (i32.const 1)))
            i32.const 0)
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $mark (i32.const 0)))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (call $mark (i32.const 2)))"#
    )
}

fn seen(map: &HeaderMap) -> String {
    let values = map.get_all(b"seen");
    values
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

#[test]
fn a_response_passes_the_plugins_in_reverse() {
    for profile in Profile::ALL {
        let guests = ['a', 'b', 'c'].map(marks);
        let guests: Vec<_> = guests.iter().map(String::as_str).collect();
        let mut chain = start(*profile, &guests);
        let stream = chain.open(&Arc::new(Attributes::new()));
        let mut effects = Vec::new();
        chain.request_headers(stream, HeaderMap::new(), true, &mut effects);
        chain.response_headers(stream, HeaderMap::new(), true, &mut effects);
        let [
            Effect::RequestHeaders {
                headers: request, ..
            },
            Effect::ResponseHeaders { headers, .. },
        ] = &effects[..]
        else {
            panic!("{effects:?}")
        };
        let joined = *profile == Profile::Tester;
        let (there, back) = if joined {
            ("a, b, c", "c, b, a")
        } else {
            ("abc", "cba")
        };
        assert_eq!(
            (&seen(request)[..], &seen(headers)[..]),
            (there, back),
            "{profile}"
        );
    }
    assert_eq!([0, 1, 2].map(|step| response_order(step, 3)), [2, 1, 0]);
}

#[test]
fn a_reply_ends_the_chain() {
    let replies = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const -1))) i32.const 1)"#;
    let (a, c) = (marks('a'), marks('c'));
    let mut chain = start(Profile::Google, &[&a, replies, &c]);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    chain.request_headers(stream, HeaderMap::new(), false, &mut effects);
    chain.request_body(stream, b"x".to_vec(), true, &mut effects);
    chain.response_headers(stream, headers(&[(":status", "200")]), true, &mut effects);
    assert!(
        matches!(&effects[..], [Effect::Reply(reply)] if reply.status == 403),
        "{effects:?}"
    );
    let trace = chain.close(stream);
    let on_headers = trace
        .spans
        .iter()
        .filter(|span| span.entry.name().ends_with("_headers"));
    let called: Vec<_> = on_headers.map(|span| span.plugin).collect();
    assert_eq!(called, [0, 1], "the third plugin saw nothing");
}

#[test]
fn a_thousand_open_streams_fit_into_sixteen_mebibytes() {
    const STREAMS: usize = 1000;
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let plugin = engine
        .compile(&gatewright_tests::wasm("header-rewrite"))
        .expect("the plugin compiles");
    let mut spec = PluginSpec::new(plugin, Profile::Google);
    let configuration =
        r#"{"request": [{"set": "x-tenant", "value": "a"}], "response": [{"remove": "server"}]}"#;
    spec.settings.configuration = configuration.as_bytes().into();
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    let mut chain =
        gatewright_host::Chain::start(Profile::Google, vec![spec], door, TraceLevel::Off);
    assert_eq!(
        chain.start_faults().count(),
        0,
        "{:?}",
        chain.start_trace(0)
    );
    let before = chain.memory_bytes(0).expect("it runs");
    let attributes = Arc::new(Attributes::new());
    let mut effects = Vec::new();
    let streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            let stream = chain.open(&attributes);
            let map = headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
            chain.request_headers(stream, map, true, &mut effects);
            stream
        })
        .collect();
    let after = chain.memory_bytes(0).expect("it still runs");
    let per_stream = (after - before) / STREAMS;
    assert!(
        after <= 16 * 1024 * 1024 && per_stream <= 16 * 1024,
        "{per_stream} bytes a stream"
    );
    // Interleaved: answers come in another order than the requests did.
    for stream in streams.iter().rev() {
        let map = headers(&[(":status", "200"), ("server", "x")]);
        chain.response_headers(*stream, map, true, &mut effects);
    }
    for stream in streams {
        assert!(chain.close(stream).faults.is_empty());
    }
    let removed = effects.iter().filter(|effect| {
        matches!(effect, Effect::ResponseHeaders { headers, .. } if !headers.contains(b"server"))
    });
    assert_eq!(removed.count(), STREAMS);
}

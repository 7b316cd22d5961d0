//! Replies, resets and failures: when they are in time, what they pass on their way, what they
//! leave behind.

use std::sync::Arc;

use gatewright_host::{
    Attributes, CalloutResponse, Chain, Effect, FindingKind, HeaderMap, Profile, StreamId,
};

use crate::holding::{ASKS, GATHERS, headers, start, start_with};

/// Replies 418 with `x-r: 1` and the body `no` from the request's headers.
const REPLIES: &str = r#"
    (data (i32.const 8) "\01\00\00\00\03\00\00\00\01\00\00\00x-r\001\00")
    (data (i32.const 40) "no")
    (func $send (drop (call $reply (i32.const 418) (i32.const 0) (i32.const 0) (i32.const 40)
        (i32.const 2) (i32.const 8) (i32.const 18) (i32.const -1))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $send) i32.const 1)"#;

/// The same from another callback.
fn replies_in(callback: &str) -> String {
    REPLIES.replace("proxy_on_request_headers", callback)
}

/// Marks what passes on the way back: `m: m` in the headers, `!` before the body.
const MARKS: &str = r#"
    (data (i32.const 8) "m!")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (drop (call $add_header (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 8) (i32.const 1)))
        i32.const 0)
    (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
        (drop (call $set_body (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 1)))
        i32.const 0)"#;

fn open(chain: &mut Chain) -> StreamId {
    chain.open(&Arc::new(Attributes::new()))
}

/// Sends a request's headers and says what came of them.
fn request(chain: &mut Chain, stream: StreamId) -> Vec<Effect> {
    let mut effects = Vec::new();
    chain.request_headers(stream, headers(&[(":path", "/")]), true, &mut effects);
    effects
}

/// The status, headers and body of the reply that is the only effect.
#[expect(clippy::panic, reason = "a test helper fails the test that calls it")]
fn only_reply(effects: &[Effect]) -> (u32, HeaderMap, Vec<u8>) {
    match effects {
        [Effect::Reply(reply)] => (reply.status, reply.headers.clone(), reply.body.clone()),
        _ => panic!("{effects:?}"),
    }
}

#[test]
fn an_exchange_fails_with_its_plugin_in_envoy_even_when_the_plugin_fails_open() {
    let guest = format!(
        r#"{GATHERS}
        (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) unreachable)"#
    );
    let mut chain = start_with(Profile::Envoy, &[&guest], |spec| spec.fail_open = true);
    let stream = open(&mut chain);
    let mut effects = Vec::new();
    chain.request_body(stream, b"one ".to_vec(), false, &mut effects);
    chain.request_body(stream, b"two".to_vec(), false, &mut effects);
    assert!(effects.is_empty(), "{effects:?}");
    let trailers = headers(&[("t", "1")]);
    chain.request_trailers(stream, trailers.clone(), &mut effects);
    assert_eq!(effects, [Effect::Fail { status: 503 }]);
    assert_eq!(chain.close(stream).faults.len(), 1);
    // The next one goes on without it.
    let stream = open(&mut chain);
    effects.clear();
    chain.request_trailers(stream, trailers.clone(), &mut effects);
    assert_eq!(effects, [Effect::RequestTrailers(trailers)]);
}

/// Response headers leave, then a plugin replies from the body.
fn late_reply(profile: Profile) -> (Vec<Effect>, Vec<FindingKind>) {
    let mut chain = start(profile, &[&replies_in("proxy_on_response_body")]);
    let stream = open(&mut chain);
    request(&mut chain, stream);
    let mut effects = Vec::new();
    chain.response_headers(stream, headers(&[(":status", "200")]), false, &mut effects);
    effects.clear();
    chain.response_body(stream, b"x".to_vec(), true, &mut effects);
    let kinds = chain
        .close(stream)
        .findings
        .iter()
        .map(|f| f.kind)
        .collect();
    (effects, kinds)
}

#[test]
fn a_reply_after_the_response_began_resets_it_where_the_platform_would() {
    assert_eq!(late_reply(Profile::Envoy).0, [Effect::Reset]);
    let late = (vec![Effect::Reset], vec![FindingKind::LateReply]);
    assert_eq!(late_reply(Profile::Google), late);
}

#[test]
fn the_tester_drops_a_late_reply_and_goes_on() {
    let (effects, _) = late_reply(Profile::Tester);
    let chunk = b"x".to_vec();
    let body = Effect::ResponseBody {
        chunk,
        end_of_stream: true,
    };
    assert_eq!(effects, [body]);
}

/// Asks `auth` without pausing or with it, and replies for stream 2 when it answers.
fn replies_later(pauses: bool) -> String {
    let asks = ASKS.replace(r#"(data (i32.const 8) "x")"#, "");
    let asks = match pauses {
        true => asks,
        false => asks.replacen("i32.const 1)", "i32.const 0)", 1),
    };
    let (call, _) = asks
        .split_once(r#"(func (export "proxy_on_http_call_response")"#)
        .expect("it answers");
    let send = REPLIES
        .split_once("(func (export")
        .map_or("", |(send, _)| send);
    format!(
        r#"{send} {call}
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
            (drop (call $act_on (i32.const 2))) (call $send))"#
    )
}

fn answer_callout(chain: &mut Chain) -> Vec<Effect> {
    let callouts = chain.take_callouts();
    assert_eq!(callouts.len(), 1);
    let mut all = Vec::new();
    let response = Some(CalloutResponse::default());
    chain.http_call_response(0, callouts[0].token, response, &mut all);
    all.into_iter().map(|(_, effect)| effect).collect()
}

#[test]
fn a_reply_from_another_callback_is_in_time_while_the_response_has_not_begun() {
    let mut chain = start(Profile::Envoy, &[&replies_later(true)]);
    let stream = open(&mut chain);
    assert_eq!(request(&mut chain, stream), []);
    let (status, _, body) = only_reply(&answer_callout(&mut chain));
    assert_eq!((status, &body[..]), (418, &b"no"[..]));
}

#[test]
fn a_reply_from_another_callback_is_late_once_the_response_began() {
    let mut chain = start(Profile::Envoy, &[&replies_later(false)]);
    let stream = open(&mut chain);
    assert_eq!(request(&mut chain, stream).len(), 1);
    let mut effects = Vec::new();
    chain.response_headers(stream, headers(&[(":status", "200")]), false, &mut effects);
    assert_eq!(answer_callout(&mut chain), [Effect::Reset]);
    effects.clear();
    chain.response_body(stream, b"x".to_vec(), true, &mut effects);
    assert_eq!(effects, [], "after the reset nothing is taken");
}

#[test]
fn both_ways_to_close_a_stream_reset_it() {
    let closes = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $close (i32.const 1))) i32.const 0)"#;
    let mut chain = start(Profile::Envoy, &[closes]);
    let stream = open(&mut chain);
    assert_eq!(request(&mut chain, stream), [Effect::Reset]);
    let later = replies_later(true).replace("(call $send))", "(drop (call $close (i32.const 0))))");
    let mut chain = start(Profile::Envoy, &[&later]);
    let stream = open(&mut chain);
    assert_eq!(request(&mut chain, stream), []);
    assert_eq!(answer_callout(&mut chain), [Effect::Reset]);
}

#[test]
fn in_envoy_a_reply_passes_the_plugins_that_the_request_came_to() {
    // The last plugin did not see the request, so it does not see the reply.
    let mut chain = start(Profile::Envoy, &[MARKS, REPLIES, MARKS]);
    let stream = open(&mut chain);
    let (status, map, body) = only_reply(&request(&mut chain, stream));
    assert_eq!((status, &body[..]), (418, &b"!no"[..]));
    let expected = headers(&[
        ("x-r", "1"),
        ("content-length", "2"),
        ("content-type", "text/plain"),
        ("m", "m"),
    ]);
    assert_eq!(map, expected);
}

#[test]
fn in_the_load_balancer_a_reply_goes_out_as_it_is() {
    let mut chain = start(Profile::Google, &[MARKS, REPLIES, MARKS]);
    let stream = open(&mut chain);
    let (status, map, body) = only_reply(&request(&mut chain, stream));
    assert_eq!((status, &body[..]), (418, &b"no"[..]));
    assert_eq!(map, headers(&[("x-r", "1")]));
}

#[test]
fn a_reply_in_place_of_a_response_passes_nobody() {
    let replies = replies_in("proxy_on_response_headers");
    let mut chain = start(Profile::Envoy, &[MARKS, &replies]);
    let stream = open(&mut chain);
    request(&mut chain, stream);
    let mut effects = Vec::new();
    chain.response_headers(stream, headers(&[(":status", "200")]), true, &mut effects);
    let (status, map, body) = only_reply(&effects);
    assert_eq!((status, &body[..]), (418, &b"no"[..]));
    assert!(!map.contains(b"m"), "{map:?}");
}

#[test]
fn a_failure_passes_the_other_plugins_too() {
    let traps = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        unreachable)"#;
    let mut chain = start(Profile::Envoy, &[MARKS, traps]);
    let stream = open(&mut chain);
    let (status, map, _) = only_reply(&request(&mut chain, stream));
    assert_eq!((status, map), (503, headers(&[("m", "m")])));
}

#[test]
fn a_grpc_request_gets_its_reply_as_grpc_has_it() {
    let mut chain = start(Profile::Envoy, &[REPLIES]);
    let stream = open(&mut chain);
    let mut effects = Vec::new();
    let map = headers(&[
        (":path", "/s/m"),
        ("content-type", "application/grpc+proto"),
    ]);
    chain.request_headers(stream, map, false, &mut effects);
    let (status, map, body) = only_reply(&effects);
    assert_eq!((status, body.len()), (200, 0));
    let expected = headers(&[
        ("x-r", "1"),
        ("content-type", "application/grpc"),
        ("grpc-status", "2"),
        ("grpc-message", "no"),
    ]);
    assert_eq!(map, expected);
}

#[test]
fn a_body_past_the_buffer_ends_the_exchange() {
    const LIMIT: usize = 1024 * 1024;
    let send = |sizes: &[usize]| {
        let mut chain = start(Profile::Envoy, &[GATHERS]);
        let stream = open(&mut chain);
        let mut effects = Vec::new();
        for size in sizes {
            chain.request_body(stream, vec![0; *size], false, &mut effects);
        }
        let held = chain.held_bytes(stream);
        (effects, held)
    };
    assert_eq!(send(&[LIMIT - 1, 1]), (Vec::new(), [LIMIT, 0]));
    for sizes in [&[LIMIT + 1][..], &[LIMIT, 1]] {
        let (status, _, body) = only_reply(&send(sizes).0);
        assert_eq!((status, &body[..]), (413, &b"Payload Too Large"[..]));
    }
}

#[test]
fn a_body_held_by_the_watermark_is_shown_chunk_by_chunk_and_goes_on_whole() {
    // Holds until the end with Envoy's other answer, and marks each chunk that it is shown.
    let guest = GATHERS
        .replace("(then (return (i32.const 1)))", "(then (call $mark) (return (i32.const 2)))")
        .replace(
            "(func (export",
            "(func $mark (drop (call $set_body (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 1)))) (func (export",
        );
    let mut chain = start(Profile::Envoy, &[&guest]);
    let stream = open(&mut chain);
    let mut effects = Vec::new();
    for (chunk, end) in [("a", false), ("b", false), ("c", true)] {
        assert!(effects.is_empty(), "{effects:?}");
        chain.request_body(stream, chunk.into(), end, &mut effects);
    }
    let chunk = b"!a!b!c".to_vec();
    let end_of_stream = true;
    assert_eq!(
        effects,
        [Effect::RequestBody {
            chunk,
            end_of_stream
        }]
    );
}

#[test]
fn trailers_can_be_made_where_a_body_ends_without() {
    let makes = r#"(data (i32.const 8) "t")
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (drop (call $add_header (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 8) (i32.const 1)))
        i32.const 0)"#;
    let mut chain = start(Profile::Envoy, &[makes]);
    let stream = open(&mut chain);
    let mut effects = Vec::new();
    chain.request_body(stream, b"x".to_vec(), false, &mut effects);
    chain.request_body(stream, b"y".to_vec(), true, &mut effects);
    let body = |text: &str| Effect::RequestBody {
        chunk: text.into(),
        end_of_stream: false,
    };
    let trailers = Effect::RequestTrailers(headers(&[("t", "t")]));
    assert_eq!(effects, [body("x"), body("y"), trailers]);
}

/// Logs the value of `:path` in this callback.
fn logs_path(callback: &str) -> String {
    format!(
        r#"(data (i32.const 8) ":path")
        (func (export "{callback}") (param i32)
            (if (i32.eqz (call $get_header (i32.const 0) (i32.const 8) (i32.const 5)
                    (i32.const 200) (i32.const 204)))
                (then (drop (call $log (i32.const 2) (i32.load (i32.const 200))
                    (i32.load (i32.const 204)))))))"#
    )
}

fn logged(profile: Profile, callback: &str) -> Vec<String> {
    let mut chain = start(profile, &[&logs_path(callback)]);
    let stream = open(&mut chain);
    request(&mut chain, stream);
    let trace = chain.close(stream);
    let text = |line: &gatewright_host::LogLine| String::from_utf8_lossy(&line.message).into();
    trace.logs.iter().map(text).collect()
}

#[test]
fn headers_can_be_read_again_in_the_log_and_not_after() {
    assert_eq!(logged(Profile::Envoy, "proxy_on_log"), ["/"]);
    assert_eq!(logged(Profile::Envoy, "proxy_on_delete"), [""; 0]);
    assert_eq!(logged(Profile::Google, "proxy_on_log"), [""; 0]);
}

#[test]
fn the_request_is_out_of_sight_once_it_was_continued() {
    let peeks = r#"(data (i32.const 8) ":path")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $continue (i32.const 0)))
        (call $get_header (i32.const 0) (i32.const 8) (i32.const 5) (i32.const 200) (i32.const 204))
        drop i32.const 0)"#;
    let mut chain = start(Profile::Envoy, &[peeks]);
    let stream = open(&mut chain);
    assert_eq!(request(&mut chain, stream).len(), 1);
    let trace = chain.close(stream);
    let statuses: Vec<_> = trace
        .spans
        .iter()
        .flat_map(|span| span.hostcalls.iter().map(|call| call.status))
        .collect();
    assert_eq!(statuses, [0, 2]);
}

#[test]
fn a_property_that_one_plugin_sets_is_there_for_the_next() {
    let sets = r#"(data (i32.const 8) "seen")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $set_property (i32.const 8) (i32.const 4) (i32.const 8) (i32.const 2)))
        i32.const 0)"#;
    let reads = r#"(data (i32.const 8) "filter_state\00wasm.seen")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (if (i32.eqz (call $get_property (i32.const 8) (i32.const 22) (i32.const 200) (i32.const 204)))
            (then (drop (call $log (i32.const 2) (i32.load (i32.const 200))
                (i32.load (i32.const 204))))))
        i32.const 0)"#;
    let mut chain = start(Profile::Envoy, &[sets, reads]);
    let stream = open(&mut chain);
    request(&mut chain, stream);
    let logs = chain.close(stream).logs;
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].message, b"se");
}

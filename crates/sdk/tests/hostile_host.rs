//! No answer of a host, whatever its number or its bytes, panics in the SDK.

#![cfg(not(target_os = "wasi"))]
#![cfg_attr(
    target_arch = "wasm32",
    expect(
        clippy::unwrap_used,
        reason = "the lint does not know these tests for tests"
    )
)]

use gatewright::envoy::{
    self, Counter, Gauge, GrpcCall, GrpcStream, Histogram, HttpCall, Queue, Service, SharedData,
};
use gatewright::testing::{CallResponse, TestPlugin, answer, every_status};
use gatewright::{
    ConfigError, Finished, Flow, Gather, HeaderList, HostError, LocalReply, NoConfig, Plugin,
    RequestBody, RequestHeaders, ResponseBody, ResponseHeaders, SetCookie, Stream, Transform,
    attributes, random_u64, unix_time,
};
use std::rc::Rc;
use std::time::Duration;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Every hostcall of the ABI, and the one of WASI that the SDK makes itself.
fn calls() -> impl Iterator<Item = &'static str> {
    macro_rules! names {
        ($($variant:ident $name:literal ($($parameter:ident),*);)*) => { [$($name),*] };
    }
    let names = gatewright_abi::foreach_hostcall!(names);
    names.into_iter().chain(["random_get"])
}

/// Hostcalls that the SDK never makes, each with the reason.
const NEVER_MADE: [&str; 5] = [
    // A plugin's contexts end when the host says so.
    "proxy_done",
    // The level is the plugin's own.
    "proxy_get_log_level",
    // Callbacks are told both sizes.
    "proxy_get_buffer_status",
    "proxy_get_header_map_size",
    // A reply ends a stream.
    "proxy_close_stream",
];

/// Calls everything that the SDK offers, stopping at nothing.
struct Everything;

impl Plugin for Everything {
    type Config = NoConfig;
    type Stream = Self;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn stream(self: &Rc<Self>) -> Self {
        Self
    }
}

impl Stream for Everything {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        log::info!("{:?} {:?}", headers.method(), headers.path());
        let results = [
            headers.authority().map(|_| ()),
            headers.contains("a").map(|_| ()),
            headers.get_all("a").map(|_| ()),
            headers.set("a", "1"),
            headers.append("a", "2"),
            headers.remove("b"),
            headers.edit(|list| list.append("c", "3")),
            headers.edit(|list| list.extend((0..9).map(|n| (format!("n{n}"), "x")))),
            random_u64().map(|_| ()),
            unix_time().map(|_| ()),
            headers.cookies().map(|_| ()),
            headers.set_path("/"),
            headers.ask_for_plain_body(),
            headers.prepare_body_change().map(|_| ()),
            attributes::edge::CLIENT_REGION.get().map(|_| ()),
            attributes::envoy::SOURCE_PORT.get().map(|_| ()),
            attributes::envoy::REQUEST_HEADERS.get().map(|_| ()),
        ];
        log::info!("{results:?} {:?}", envoy_calls());
        call_out();
        results.into_iter().collect::<Result<(), _>>()?;
        envoy::hold(headers, async |_| {
            HttpCall::get("u", "a", "/").send().await?;
            Ok(Flow::Continue)
        })
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<Flow, HostError> {
        log::info!("{:?} {:?}", body.read(), body.read_range(1, usize::MAX));
        body.append("x")?;
        body.prepend("y")?;
        body.replace("z")?;
        let mut gather = Gather::new(1 << 10);
        let _ = body.gather(&mut gather, |whole| whole.clear())?;
        let _ = body.gather(&mut Gather::new(0), |whole| whole.clear())?;
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        log::info!("{:?}", headers.status());
        headers.edit(|list| list.rename("a", "b"))?;
        headers.set_status(200)?;
        headers.append_cookie(&SetCookie::new("a", "1"))?;
        headers.remove_cookie("a")?;
        Ok(LocalReply::new(204).into())
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
        body.transform(&mut Double)?;
        body.replace(body.read()?)
    }

    fn on_log(&mut self, finished: &Finished) {
        let read = (
            finished.request_headers().read(),
            finished.response_headers().read(),
        );
        log::info!("{read:?}");
    }
}

struct Double;

impl Transform for Double {
    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(chunk);
        out.extend_from_slice(chunk);
    }
}

impl Service for Everything {
    fn on_tick(self: &Rc<Self>) -> Result<(), HostError> {
        call_out();
        envoy_calls().into_iter().collect()
    }

    fn on_queue_ready(self: &Rc<Self>, queue: Queue) -> Result<(), HostError> {
        queue.dequeue().map(|_| ())
    }
}

gatewright::envoy_plugin!(Everything);

/// Leads a stream through all phases on the host as it is, answers its callouts, and lets it end.
/// Answers the hostcalls that were made.
fn run(plugin: &TestPlugin<Everything>) -> Vec<&'static str> {
    let mut stream = plugin.stream();
    let held = stream.request_headers([("a", "1"), ("b", "2")]);
    let mut seen = vec![plugin.tick(), plugin.queue_ready("q", "v")];
    for call in &held.sent {
        seen.push(plugin.grpc_metadata(call.token, [("a", "1")].into_iter().collect(), false));
        seen.push(plugin.answer_grpc(call.token, "message"));
        seen.push(plugin.answer_http(
            call.token,
            CallResponse::status(200).body("x").trailer("t", "1"),
        ));
        seen.push(plugin.close_grpc(call.token, 2, "closed"));
    }
    seen.push(held);
    seen.push(stream.request_body("chunk", false));
    seen.push(stream.response_headers([(":status", "200")]));
    seen.push(stream.response_body("chunk", true));
    seen.push(stream.done_and_log(
        [("a", "1")].into_iter().collect(),
        [("a", "1")].into_iter().collect(),
    ));
    seen.into_iter().flat_map(|seen| seen.calls).collect()
}

/// What the SDK offers on Envoy, each on its own so that one refusal does not hide the next.
fn envoy_calls() -> Vec<Result<(), HostError>> {
    let data = SharedData::new("k");
    let queue = Queue::register("q");
    vec![
        envoy::set_tick_period(Duration::from_secs(1)),
        envoy::set_property(["a", "b"], "c"),
        envoy::call_foreign_function("f", "x").map(|_| ()),
        data.set("v"),
        data.get().map(|_| ()),
        data.update(|_| Vec::new()).map(|_| ()),
        Queue::resolve("", "q").map(|_| ()),
        queue.and_then(|queue| queue.enqueue("v")),
        queue.and_then(|queue| queue.dequeue()).map(|_| ()),
        Counter::define("c").and_then(|counter| counter.increment(1)),
        Counter::define("c")
            .and_then(|counter| counter.get())
            .map(|_| ()),
        Gauge::define("g").and_then(|gauge| gauge.shift(-1)),
        Gauge::define("g").and_then(|gauge| gauge.set(1)),
        Histogram::define("h").and_then(|histogram| histogram.record(1)),
    ]
}

/// One callout of each kind, side by side.
fn call_out() {
    envoy::spawn(async { HttpCall::get("u", "a", "/").send().await.map(|_| ()) });
    envoy::spawn(async { GrpcCall::new("u", "s", "m", "").send().await.map(|_| ()) });
    envoy::spawn(async {
        let mut stream = GrpcStream::open("u", "s", "m", &HeaderList::new())?;
        stream.send("x", false)?;
        stream.close()?;
        while stream.message().await?.is_some() {}
        Ok(())
    });
    // Dropped unanswered, so that it is cancelled.
    envoy::spawn(async {
        drop(GrpcStream::open("u", "s", "m", &HeaderList::new())?);
        Ok(())
    });
}

#[test]
fn every_status_of_every_hostcall_is_survived() {
    for call in calls() {
        for status in every_status() {
            let plugin = TestPlugin::<Everything>::configure("").unwrap();
            answer(call, status, b"left over");
            run(&plugin);
        }
    }
}

#[test]
fn every_hostcall_is_made_or_named_with_the_reason_why_not() {
    let plugin = TestPlugin::<Everything>::configure("").unwrap();
    let made = run(&plugin);
    for call in calls() {
        assert_eq!(made.contains(&call), !NEVER_MADE.contains(&call), "{call}");
    }
}

#[test]
fn garbage_instead_of_a_header_map_is_survived() {
    let garbage: [&[u8]; 5] = [
        b"\xff\xff\xff\xff",
        b"\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x01",
        b"\x01\0\0\0\x01\0\0\0\x01\0\0\0abcd",
        &[0xff; 300],
    ];
    for bytes in garbage {
        let plugin = TestPlugin::<Everything>::configure("").unwrap();
        answer("proxy_get_header_map_pairs", 0, bytes);
        let seen = plugin.stream().request_headers([("a", "1")]);
        assert!(
            seen.messages()
                .iter()
                .any(|message| message.contains("no header map")),
            "{seen:?}"
        );
        run(&plugin);
    }
}

#[test]
fn an_error_fails_closed_by_default() {
    let plugin = TestPlugin::<Everything>::configure("").unwrap();
    answer("proxy_replace_header_map_value", 12, b"");
    let seen = plugin.stream().request_headers([("a", "1")]);
    assert_eq!(seen.reply.as_ref().map(|reply| reply.status), Some(500));
    assert_eq!(
        seen.messages().last().copied(),
        Some(
            "callback failed: `proxy_replace_header_map_value` answered status 12 (UNIMPLEMENTED)"
        )
    );
}

#[test]
fn a_reply_that_cannot_be_sent_still_holds_the_stream() {
    let plugin = TestPlugin::<Everything>::configure("").unwrap();
    answer("proxy_send_local_response", 2, b"");
    let seen = plugin.stream().response_headers([(":status", "200")]);
    assert!(!seen.goes_on() && seen.reply.is_none());
}

#[test]
fn a_configuration_that_cannot_be_read_fails_the_plugin() {
    for status in every_status().filter(|status| *status != 1) {
        let refused =
            TestPlugin::<Everything>::configure_on(&[("proxy_get_buffer_bytes", status)], b"{}")
                .unwrap_err();
        assert!(refused.logs[0].1.starts_with("configuration not read: "));
    }
}

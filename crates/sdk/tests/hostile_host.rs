//! No answer of a host, whatever its number or its bytes, panics in the SDK.

#![cfg(not(target_os = "wasi"))]
#![cfg_attr(
    target_arch = "wasm32",
    expect(
        clippy::unwrap_used,
        reason = "the lint does not know these tests for tests"
    )
)]

use gatewright::testing::{TestPlugin, answer, every_status};
use gatewright::{
    ConfigError, Finished, Flow, Gather, HostError, LocalReply, NoConfig, Plugin, RequestBody,
    RequestHeaders, ResponseBody, ResponseHeaders, SetCookie, Stream, Transform, attributes,
    random_u64, unix_time,
};
use std::rc::Rc;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CALLS: [&str; 13] = [
    "proxy_log",
    "proxy_get_buffer_bytes",
    "proxy_set_buffer_bytes",
    "proxy_get_header_map_pairs",
    "proxy_set_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_send_local_response",
    "proxy_get_property",
    "proxy_get_current_time_nanoseconds",
    "random_get",
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
        log::info!("{results:?}");
        results.into_iter().collect::<Result<(), _>>()?;
        Ok(LocalReply::new(204).into())
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
        Ok(Flow::Continue)
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

gatewright::plugin!(Everything);

/// Leads a stream through all phases on the host as it is.
fn run(plugin: &TestPlugin<Everything>) {
    let mut stream = plugin.stream();
    stream.request_headers([("a", "1"), ("b", "2")]);
    stream.request_body("chunk", false);
    stream.response_headers([(":status", "200")]);
    stream.response_body("chunk", true);
    stream.done_and_log(
        [("a", "1")].into_iter().collect(),
        [("a", "1")].into_iter().collect(),
    );
}

#[test]
fn every_status_of_every_hostcall_is_survived() {
    for call in CALLS {
        for status in every_status() {
            let plugin = TestPlugin::<Everything>::configure("").unwrap();
            answer(call, status, b"left over");
            run(&plugin);
        }
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
    let seen = plugin.stream().request_headers([("a", "1")]);
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

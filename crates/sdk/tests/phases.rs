//! What reaches a host when a stream runs through its phases.

#![cfg(not(target_os = "wasi"))]
#![cfg_attr(
    target_arch = "wasm32",
    expect(
        clippy::unwrap_used,
        reason = "the lint does not know these tests for tests"
    )
)]

use gatewright::testing::TestPlugin;
use gatewright::{
    ConfigError, Finished, Flow, HeaderList, HostError, LogLevel, Plugin, RequestBody,
    RequestHeaders, ResponseBody, ResponseHeaders, Stream,
};
use std::rc::Rc;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    edits: usize,
}

struct Many(usize);

impl Plugin for Many {
    type Config = Config;
    type Stream = Exchange;
    const LOG_LEVEL: log::LevelFilter = log::LevelFilter::Debug;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        if config.edits > 100 {
            return Err(ConfigError::new("must be at most 100").field("edits"));
        }
        log::debug!("configured");
        log::trace!("not at this level");
        Ok(Self(config.edits))
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<Many>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        assert_eq!(headers.count(), 2);
        let names = (0..self.0.0).map(|n| (format!("X-{n}"), "v"));
        headers.edit(|list| list.extend(names))?;
        Ok(Flow::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<Flow, HostError> {
        body.append("-end")?;
        body.prepend("start-")?;
        let all = body.read()?;
        assert_eq!(all.len(), body.len());
        if body.is_end_of_stream() {
            body.replace(all.to_ascii_uppercase())?;
        }
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        log::info!("{:?} {:?}", headers.status()?, headers.get("via")?);
        headers.remove("not there")?;
        Ok(Flow::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
        assert_eq!(body.read_range(2, 100)?, b"cdef");
        assert_eq!(body.read_range(100, 1)?, b"");
        body.replace("")
    }

    fn on_done(&mut self) {
        log::info!("done");
    }

    fn on_log(&mut self, finished: &Finished) {
        let path = finished.request_headers().get(":path");
        let status = finished.response_headers().get(":status");
        log::info!("{path:?} {status:?}");
    }
}

gatewright::plugin!(Many);

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn plugin(edits: usize) -> TestPlugin<Many> {
    TestPlugin::configure(format!("{{\"edits\": {edits}}}")).unwrap()
}

const REQUEST: [(&str, &str); 2] = [(":path", "/"), ("Accept", "*/*")];

#[test]
fn few_changes_are_written_one_by_one_and_many_at_once() {
    let read = "proxy_get_header_map_pairs";
    let replace = "proxy_replace_header_map_value";
    let seen = plugin(0).stream().request_headers(REQUEST);
    assert_eq!(seen.calls, [read]);
    let seen = plugin(2).stream().request_headers(REQUEST);
    assert_eq!(seen.calls, [read, replace, replace]);
    let seen = plugin(8).stream().request_headers(REQUEST);
    assert_eq!(seen.calls, [read, "proxy_set_header_map_pairs"]);
    assert_eq!(seen.headers.len(), 10);
    assert_eq!(seen.headers.get("accept"), Some(&b"*/*"[..]));
}

#[test]
fn a_body_is_changed_in_place() {
    let plugin = plugin(0);
    let mut stream = plugin.stream();
    let seen = stream.request_body("a", false);
    assert_eq!(seen.body, b"start-a-end");
    let seen = stream.request_body("", true);
    assert_eq!(seen.body, b"START--END");
    let seen = stream.response_body("abcdef", true);
    assert_eq!(seen.body, b"");
}

#[test]
fn the_end_is_told_with_and_without_a_log_phase() {
    let plugin = plugin(0);
    assert_eq!(plugin.stream().done().messages(), ["done"]);
    let headers = |name, value| -> HeaderList { [(name, value)].into_iter().collect() };
    let seen = plugin
        .stream()
        .done_and_log(headers(":path", "/x"), headers(":status", "200"));
    assert_eq!(
        seen.messages(),
        ["done", r#"Ok(Some("/x")) Ok(Some("200"))"#]
    );
}

#[test]
fn the_first_of_several_values_is_read() {
    let seen =
        plugin(0)
            .stream()
            .response_headers([(":status", "204"), ("via", "a"), ("via", "b")]);
    assert_eq!(seen.messages(), [r#"Some(204) Some("a")"#]);
    assert!(seen.goes_on());
}

#[test]
fn configuring_logs_at_the_level_of_the_plugin() {
    let configured = plugin(1);
    assert_eq!(
        configured.logs(),
        [(LogLevel::Debug, "configured".to_owned())]
    );
}

#[test]
fn a_value_that_the_plugin_refuses_is_located() {
    let refused = TestPlugin::<Many>::configure("{\n \"edits\": 101}").unwrap_err();
    assert_eq!(
        refused.logs,
        [(
            LogLevel::Error,
            "configuration refused: `edits`: must be at most 100 at line 2 column 11".to_owned()
        )]
    );
}

//! Callouts: what is sent, what an answer does, and what becomes of one whose stream is gone.

#![cfg(not(target_os = "wasi"))]
#![cfg_attr(
    target_arch = "wasm32",
    expect(
        clippy::unwrap_used,
        reason = "the lint does not know these tests for tests"
    )
)]

use gatewright::envoy::{
    self, Counter, GrpcCall, GrpcStream, HttpCall, Queue, Service, SharedData,
};
use gatewright::testing::{self, CallResponse, Seen, TestPlugin, answer};
use gatewright::{
    ConfigError, Flow, HeaderList, HostError, LocalReply, Plugin, RequestHeaders, ResponseHeaders,
    Stream,
};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What the plugin of these tests does with a request.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Job {
    One,
    TwoAtOnce,
    Grpc,
    GrpcStream,
    Beside,
}

#[derive(serde::Deserialize)]
struct Config {
    job: Job,
}

struct Caller {
    job: Job,
    ticks: Cell<u32>,
}

impl Plugin for Caller {
    type Config = Config;
    type Stream = Visit;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let _ = envoy::set_tick_period(Duration::from_micros(1_500));
        let _ = Queue::register("jobs");
        Ok(Self {
            job: config.job,
            ticks: Cell::new(0),
        })
    }

    fn stream(self: &Rc<Self>) -> Visit {
        Visit(self.job, Probe)
    }
}

impl Service for Caller {
    fn on_tick(self: &Rc<Self>) -> Result<(), HostError> {
        let plugin = Rc::clone(self);
        envoy::spawn(async move {
            let answer = HttpCall::get("keys", "keys.example", "/").send().await?;
            plugin.ticks.set(plugin.ticks.get() + 1);
            log::info!("{:?} after {} ticks", answer.status(), plugin.ticks.get());
            Ok(())
        });
        Counter::define("ticks")?.increment(1)
    }

    fn on_queue_ready(self: &Rc<Self>, queue: Queue) -> Result<(), HostError> {
        while let Some(job) = queue.dequeue()? {
            log::info!("job {}", job.escape_ascii());
        }
        Ok(())
    }
}

/// Says when a future is dropped.
struct Probe;

impl Drop for Probe {
    fn drop(&mut self) {
        log::info!("dropped");
    }
}

struct Visit(Job, Probe);

async fn ask(path: &str) -> Result<HeaderList, HostError> {
    let call = HttpCall::post("auth", "auth.example", path, "who")
        .header("x-a", "1")
        .trailer("x-t", "2");
    Ok(call.send().await?.headers)
}

impl Stream for Visit {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        match self.0 {
            Job::One => envoy::hold(headers, async |headers| {
                let _probe = Probe;
                let answer = ask("/one").await?;
                match answer.get(":status") {
                    Some(b"200") => {
                        headers.set("x-user", answer.get("x-user").unwrap_or(b"none"))?
                    }
                    _ => return Ok(LocalReply::new(403).into()),
                }
                Ok(Flow::Continue)
            }),
            Job::TwoAtOnce => envoy::hold(headers, async |headers| {
                let first = ask("/first").await?;
                let second = ask("/second").await?;
                headers.set("x-both", format!("{}{}", first.len(), second.len()))?;
                Ok(Flow::Continue)
            }),
            Job::Grpc => envoy::hold(headers, async |headers| {
                let call = GrpcCall::new("auth", "a.Auth", "Check", b"in").metadata("m", "1");
                let answer = call.send().await?;
                let text = format!(
                    "{} {:?}",
                    answer.status,
                    answer.status_message.escape_ascii().to_string()
                );
                headers.set(
                    "x-answer",
                    if answer.is_ok() {
                        answer.message
                    } else {
                        text.into()
                    },
                )?;
                Ok(Flow::Continue)
            }),
            Job::GrpcStream => envoy::hold(headers, async |headers| {
                let mut stream =
                    GrpcStream::open("events", "e.Events", "Watch", &HeaderList::new())?;
                stream.send("begin", false)?;
                stream.close()?;
                while let Some(message) = stream.message().await? {
                    headers.append("x-message", message)?;
                }
                let (status, message) = stream.status().unwrap_or((99, b""));
                headers.set("x-end", format!("{status}{}", message.escape_ascii()))?;
                assert_eq!(stream.initial_metadata().get("a"), Some(&b"1"[..]));
                assert_eq!(stream.trailing_metadata().get("b"), Some(&b"2"[..]));
                Ok(Flow::Continue)
            }),
            Job::Beside => {
                envoy::spawn(async {
                    let _probe = Probe;
                    ask("/beside").await.map(|_| ())
                });
                Ok(Flow::Continue)
            }
        }
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        // Nothing is awaited, so nothing is held.
        envoy::hold(headers, async |headers| {
            headers.set("x-late", "no")?;
            Ok(Flow::Continue)
        })
    }

    fn on_error(&mut self, _: &HostError) -> Flow {
        LocalReply::new(502).into()
    }
}

gatewright::envoy_plugin!(Caller);

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn plugin(job: &str) -> TestPlugin<Caller> {
    TestPlugin::configure(format!("{{\"job\": \"{job}\"}}")).unwrap()
}

const REQUEST: [(&str, &str); 1] = [(":path", "/")];

fn is_held(seen: &Seen) -> bool {
    !seen.goes_on() && seen.reply.is_none()
}

#[test]
fn a_call_is_sent_as_it_was_made_and_its_answer_continues_the_stream() {
    let plugin = plugin("one");
    let mut stream = plugin.stream();
    let held = stream.request_headers(REQUEST);
    assert!(is_held(&held), "{held:?}");
    let [call] = held.sent.as_slice() else {
        panic!("{held:?}")
    };
    assert_eq!(call.upstream, b"auth");
    assert_eq!(
        call.headers,
        [
            (":method", "POST"),
            (":path", "/one"),
            (":authority", "auth.example"),
            ("x-a", "1")
        ]
        .into_iter()
        .collect()
    );
    assert_eq!(call.trailers, [("x-t", "2")].into_iter().collect());
    assert_eq!((&call.body[..], call.timeout), (&b"who"[..], 5_000));

    let response = CallResponse::status(200)
        .header("x-user", "ada")
        .trailer("t", "1")
        .body("b");
    let seen = plugin.answer_http(call.token, response);
    assert!(seen.goes_on());
    assert_eq!(seen.headers.get("x-user"), Some(&b"ada"[..]));
    assert_eq!(seen.messages(), ["dropped"]);
}

#[test]
fn an_answer_may_become_a_reply() {
    let plugin = plugin("one");
    let mut stream = plugin.stream();
    let call = stream.request_headers(REQUEST).sent.remove(0);
    let seen = plugin.answer_http(call.token, CallResponse::status(404));
    assert_eq!(seen.reply.map(|reply| reply.status), Some(403));
    assert!(!seen.calls.contains(&"proxy_continue_stream"));
}

#[test]
fn no_answer_is_an_error_that_the_stream_decides_about() {
    let plugin = plugin("one");
    let mut stream = plugin.stream();
    let call = stream.request_headers(REQUEST).sent.remove(0);
    let seen = plugin.answer_http(call.token, CallResponse::none());
    assert_eq!(seen.reply.as_ref().map(|reply| reply.status), Some(502));
    assert_eq!(
        seen.messages().last().copied(),
        Some("callback failed: `proxy_http_call`: the upstream gave no answer in time")
    );
}

#[test]
fn a_call_that_the_host_refuses_is_an_error_at_once() {
    for status in testing::every_status() {
        let plugin = plugin("one");
        answer("proxy_http_call", status, b"");
        let seen = plugin.stream().request_headers(REQUEST);
        assert_eq!(seen.reply.map(|reply| reply.status), Some(502));
    }
}

#[test]
fn a_future_is_dropped_when_its_stream_ends_and_a_later_answer_is_nobodys() {
    for end_is_told in [true, false] {
        let plugin = plugin("one");
        let mut stream = plugin.stream();
        let call = stream.request_headers(REQUEST).sent.remove(0);
        if end_is_told {
            assert_eq!(stream.done().messages(), ["dropped"]);
        } else {
            drop(stream);
        }
        let seen = plugin.answer_http(call.token, CallResponse::status(200));
        assert!(!seen.calls.contains(&"proxy_continue_stream"), "{seen:?}");
        assert!(seen.reply.is_none());
        // And a token that nobody ever had.
        plugin.answer_http(99, CallResponse::status(200));
        plugin.answer_grpc(call.token, "x");
        plugin.close_grpc(call.token, 0, "");
    }
}

#[test]
fn calls_follow_each_other_while_the_stream_is_held() {
    let plugin = plugin("two-at-once");
    let mut stream = plugin.stream();
    let mut other = plugin.stream();
    let first = stream.request_headers(REQUEST).sent.remove(0);
    let others = other.request_headers(REQUEST).sent.remove(0);
    let seen = plugin.answer_http(first.token, CallResponse::status(200));
    assert!(is_held(&seen));
    let second = seen.sent.first().unwrap();
    assert_eq!(second.headers.get(":path"), Some(&b"/second"[..]));
    // An answer for one stream does not move the other.
    assert!(is_held(
        &plugin.answer_http(others.token, CallResponse::status(200))
    ));
    let seen = plugin.answer_http(second.token, CallResponse::status(200).header("a", "b"));
    assert_eq!(seen.headers.get("x-both"), Some(&b"12"[..]));
    assert!(seen.goes_on());
}

#[test]
fn a_task_that_awaits_nothing_holds_nothing() {
    let seen = plugin("one")
        .stream()
        .response_headers([(":status", "200")]);
    assert!(seen.goes_on());
    assert_eq!(seen.headers.get("x-late"), Some(&b"no"[..]));
}

#[test]
fn a_grpc_call_ends_with_its_message_or_its_status() {
    let plugin = plugin("grpc");
    let mut stream = plugin.stream();
    let call = stream.request_headers(REQUEST).sent.remove(0);
    assert_eq!(call.method, Some((b"a.Auth".to_vec(), b"Check".to_vec())));
    let seen = plugin.answer_grpc(call.token, "out");
    assert_eq!(seen.headers.get("x-answer"), Some(&b"out"[..]));

    let mut stream = plugin.stream();
    let call = stream.request_headers(REQUEST).sent.remove(0);
    let seen = plugin.close_grpc(call.token, 7, "denied");
    assert_eq!(seen.headers.get("x-answer"), Some(&b"7 \"denied\""[..]));

    let mut stream = plugin.stream();
    stream.request_headers(REQUEST);
    assert!(stream.done().calls.contains(&"proxy_grpc_cancel"));
}

#[test]
fn a_grpc_stream_hands_out_messages_until_it_is_closed() {
    let plugin = plugin("grpc-stream");
    let mut stream = plugin.stream();
    let held = stream.request_headers(REQUEST);
    let token = held.sent[0].token;
    assert_eq!(held.sent[0].body, b"begin");
    plugin.grpc_metadata(token, [("a", "1")].into_iter().collect(), false);
    plugin.answer_grpc(token, "one");
    plugin.answer_grpc(token, "");
    plugin.grpc_metadata(token, [("b", "2")].into_iter().collect(), true);
    let seen = plugin.close_grpc(token, 0, "");
    assert_eq!(
        seen.headers,
        [
            (":path", "/"),
            ("x-message", "one"),
            ("x-message", ""),
            ("x-end", "0")
        ]
        .into_iter()
        .collect()
    );
    assert!(seen.goes_on() && !seen.calls.contains(&"proxy_grpc_cancel"));
}

#[test]
fn a_task_beside_a_stream_holds_nothing_and_ends_with_it() {
    let plugin = plugin("beside");
    let mut stream = plugin.stream();
    let seen = stream.request_headers(REQUEST);
    assert!(seen.goes_on());
    let seen = plugin.answer_http(seen.sent[0].token, CallResponse::none());
    assert_eq!(
        seen.messages(),
        [
            "dropped",
            "task failed: `proxy_http_call`: the upstream gave no answer in time"
        ]
    );
    stream.request_headers(REQUEST);
    assert_eq!(stream.done().messages(), ["dropped"]);
}

#[test]
fn ticks_and_queues_reach_the_plugin() {
    let plugin = plugin("one");
    assert_eq!(testing::tick_period(), 2);
    let seen = plugin.tick();
    let seen = plugin.answer_http(seen.sent[0].token, CallResponse::status(200));
    assert_eq!(seen.messages(), ["Some(200) after 1 ticks"]);
    let [ticks] = testing::metrics().try_into().unwrap();
    assert_eq!((&ticks.name[..], ticks.value), (&b"ticks"[..], 1));
    assert_eq!(plugin.queue_ready("jobs", "dig").messages(), ["job dig"]);
}

#[test]
fn a_change_of_shared_data_that_comes_too_late_is_refused() {
    testing::reset();
    let data = SharedData::new("k");
    assert_eq!(data.get(), Ok(None));
    data.set("1").unwrap();
    let (_, old) = data.get().unwrap().unwrap();
    data.set("2").unwrap();
    assert_eq!(data.compare_and_set(old, "3"), Ok(false));
    let (value, now) = data.get().unwrap().unwrap();
    assert_eq!(value, b"2");
    assert_eq!(data.compare_and_set(now, "3"), Ok(true));
    assert_eq!(
        data.update(|old| [old.unwrap(), b"4"].concat()),
        Ok(Some(b"34".to_vec()))
    );
    answer("proxy_set_shared_data", 8, b"");
    assert_eq!(data.update(|_| Vec::new()), Ok(None));
}

//! What a callout is shown, and how: fields, metadata, bodies both ways, trailers, and only watched.

use std::sync::mpsc::{Receiver, Sender, channel};

use gatewright_callout::{
    Answer, BodyChange, BodyMode, Callout, Chunk, Context, Event, Events, Head, HeadChange,
    HeaderChange, Headers, Reply,
};

use super::scripted::{REQUEST_HEADERS, Says, serve};
use super::{Called, setup, traffic};
use crate::support::{OK, PATIENCE, Upstream};

/// Tells what it is shown, and answers by what the request's `x-do` says.
#[derive(Clone)]
struct Teller {
    tell: Sender<String>,
    does: String,
}

impl Teller {
    fn start() -> (Called, Receiver<String>) {
        let (tell, told) = channel();
        let teller = Self {
            tell,
            does: String::new(),
        };
        (Called::start(move || teller.clone()), told)
    }

    fn tell(&self, text: String) {
        let _ = self.tell.send(text);
    }
}

impl Callout for Teller {
    fn begin(&mut self, context: &Context) {
        let metadata: Vec<_> = context
            .metadata
            .iter()
            .map(|(name, key, value)| format!("{name} {key}={value}"))
            .collect();
        self.tell(format!(
            "begin {:?} {:?} {} {}",
            context.request_body,
            context.response_body,
            context.observability,
            metadata.join(" ")
        ));
    }

    async fn request_headers(&mut self, head: &Head) -> Answer<HeadChange> {
        let names: Vec<_> = head.headers.iter().map(|(name, _)| name).collect();
        self.tell(format!("head {} {}", names.join(","), head.end));
        self.does = head.headers.text("x-do").unwrap_or_default().to_owned();
        match self.does.as_str() {
            "reply" => Reply::new(418).header("x-a", "1").body("teapot").into(),
            "replace" => HeadChange {
                body: Some(b"whole".to_vec()),
                ..HeadChange::default()
            }
            .into(),
            "skip" => HeadChange {
                events: Some(Events::NONE.with(Event::ResponseBody)),
                ..HeadChange::default()
            }
            .into(),
            _ => Answer::default(),
        }
    }

    async fn request_body(&mut self, chunk: &Chunk) -> Answer<BodyChange> {
        let text = String::from_utf8_lossy(&chunk.bytes).into_owned();
        self.tell(format!("body {text} {}", chunk.end));
        match self.does.as_str() {
            "reply-late" => Reply::new(403).body("enough").into(),
            "upper" => BodyChange::Replace(text.to_uppercase().into()).into(),
            "clear" => BodyChange::Clear.into(),
            _ => Answer::default(),
        }
    }

    async fn request_trailers(&mut self, trailers: &Headers) -> Answer<HeaderChange> {
        self.tell(format!("trailers {}", trailers.len()));
        Answer::default()
    }

    async fn response_headers(&mut self, _: &Head) -> Answer<HeadChange> {
        self.tell("response head".to_owned());
        Answer::default()
    }

    async fn response_body(&mut self, chunk: &Chunk) -> Answer<BodyChange> {
        let text = String::from_utf8_lossy(&chunk.bytes).into_owned();
        self.tell(format!("response body {text}"));
        Answer::default()
    }

    async fn response_trailers(&mut self, trailers: &Headers) -> Answer<HeaderChange> {
        let was = trailers.text("x-end").unwrap_or_default();
        HeaderChange::new()
            .set("x-end", format!("{was}, seen"))
            .into()
    }
}

#[track_caller]
fn expect(told: &Receiver<String>, lines: &[&str]) {
    for line in lines {
        let heard = told.recv_timeout(PATIENCE);
        assert_eq!(heard.as_deref(), Ok(*line));
    }
}

fn post(does: &str) -> String {
    format!(
        "POST /x HTTP/1.1\r\nhost: a.test\r\nx-do: {does}\r\nx-other: 1\r\ncontent-length: 4\r\n\r\nbody"
    )
}

#[test]
fn fields_and_metadata_are_shown_as_the_extension_says() {
    let upstream = Upstream::answering(OK);
    let (callout, told) = Teller::start();
    let more = "      forwardHeaders: [X-Do]
      metadata: {kind: test, rule: '{forwarding_rule_id}'}";
    let running = setup(
        &upstream,
        callout.plaintext,
        &traffic("RequestHeaders", more),
    )
    .start();
    assert_eq!(running.ask(&post("nothing")).status, 200);
    let begin = told.recv_timeout(PATIENCE).expect("it begins");
    for part in [
        "begin None None false com.google.lb_traffic_extension.gwr-local-default-gw-",
        ".c.e kind=test",
        " rule=projects/1234567890/regions/us-central1/forwardingRules/gwr-local-default-gw-",
    ] {
        // The order of the two is nobody's affair.
        let found = begin.contains(part) || begin.contains(&part.replace(" rule", "e rule"));
        assert!(found, "`{part}` is not in {begin}");
    }
    expect(&told, &["head :method,:scheme,:authority,:path,x-do false"]);
}

#[test]
fn a_chunk_is_replaced_cleared_or_kept() {
    let upstream = Upstream::answering(OK);
    let (callout, told) = Teller::start();
    let events = traffic("RequestHeaders, RequestBody", "");
    let running = setup(&upstream, callout.plaintext, &events).start();
    for (does, body) in [("upper", "BODY"), ("clear", ""), ("nothing", "body")] {
        assert_eq!(running.ask(&post(does)).status, 200);
        assert_eq!(upstream.next().body, body, "{does}");
        let (begin, _) = (told.recv().expect("it begins"), told.recv());
        assert!(begin.starts_with("begin Some(Streamed) None"), "{begin}");
        expect(&told, &["body body true"]);
    }
}

#[test]
fn a_callout_replaces_a_body_unseen_answers_late_and_chooses_events() {
    let upstream = Upstream::answering(OK);
    let (callout, told) = Teller::start();
    let events = traffic(
        "RequestHeaders, RequestBody, ResponseHeaders, ResponseBody",
        "",
    );
    let running = setup(&upstream, callout.plaintext, &events).start();
    let answer = running.ask(&post("reply"));
    assert_eq!((answer.status, answer.body.as_str()), (418, "teapot"));
    assert_eq!(answer.header("x-a"), Some("1"));

    assert_eq!(running.ask(&post("replace")).status, 200);
    assert_eq!(upstream.next().body, "whole");

    let answer = running.ask(&post("reply-late"));
    assert_eq!((answer.status, answer.body.as_str()), (403, "enough"));

    told.try_iter().for_each(drop);
    assert_eq!(running.ask(&post("skip")).status, 200);
    // Neither the request's body nor the response's head.
    while !told
        .recv_timeout(PATIENCE)
        .expect("a head")
        .contains("x-do")
    {}
    expect(&told, &["response body ok"]);
}

#[test]
fn a_body_goes_both_ways_without_waiting() {
    let upstream = Upstream::answering(OK);
    let (callout, told) = Teller::start();
    let events = traffic(
        "RequestHeaders, RequestBody, RequestTrailers",
        "      requestBodySendMode: FullDuplexStreamed",
    );
    let running = setup(&upstream, callout.plaintext, &events).start();
    let chunked = "POST /x HTTP/1.1\r\nhost: a.test\r\nx-do: upper\r\ntransfer-encoding: chunked\r\n\r\n\
        3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    assert_eq!(running.ask(chunked).status, 200);
    assert_eq!(upstream.next().body, "ABCDEFG");
    let begin = told.recv_timeout(PATIENCE).expect("it begins");
    assert!(
        begin.starts_with(&format!("begin {:?}", Some(BodyMode::FullDuplex))),
        "{begin}"
    );
}

/// `request_body` with a part of a body, short, as bytes.
fn part(body: &[u8], end: bool) -> Vec<u8> {
    let field = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).expect("it is short");
        [&[tag, length][..], content].concat()
    };
    let mut streamed = field(0x0a, body);
    streamed.extend(end.then_some([0x10, 1]).into_iter().flatten());
    let mutation = field(0x1a, &field(0x1a, &streamed));
    field(0x1a, &field(0x0a, &mutation))
}

/// Messages one after the other, as bytes.
fn all(messages: &[Vec<u8>]) -> Says {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend([
            0,
            0,
            0,
            0,
            u8::try_from(message.len()).expect("it is short"),
        ]);
        bytes.extend(message);
    }
    Says::Raw(bytes)
}

const DUPLEX: &str = "      requestBodySendMode: FullDuplexStreamed";

#[test]
fn a_callout_may_want_the_whole_body_before_it_says_what_becomes_of_the_head() {
    let upstream = Upstream::answering(OK);
    let callout = serve(|count| match count {
        0 => Says::Nothing,
        1 => all(&[
            REQUEST_HEADERS.to_vec(),
            part(b"new ", false),
            part(b"body", true),
        ]),
        _ => Says::Nothing,
    });
    let events = traffic("RequestHeaders, RequestBody, RequestTrailers", DUPLEX);
    let running = setup(&upstream, callout, &events).start();
    assert_eq!(running.ask(&post("nothing")).status, 200);
    assert_eq!(upstream.next().body, "new body");
}

#[test]
fn a_body_that_the_callout_keeps_is_empty_and_one_that_it_loses_fails_closed() {
    for (end, expected) in [(Says::End as fn(u32) -> Says, 200), (|_| Says::Reset, 500)] {
        let upstream = Upstream::answering(OK);
        let callout = serve(move |count| match count {
            0 => Says::This(REQUEST_HEADERS.to_vec()),
            _ => end(0),
        });
        let more = format!("{DUPLEX}\n      failOpen: true");
        let events = traffic("RequestHeaders, RequestBody, RequestTrailers", &more);
        let running = setup(&upstream, callout, &events).start();
        assert_eq!(running.ask(&post("nothing")).status, expected);
        if expected == 200 {
            assert_eq!(upstream.next().body, "");
        }
    }
}

#[test]
fn large_bodies_pass_whole_in_both_modes() {
    let upstream = Upstream::answering(OK);
    let (callout, _told) = Teller::start();
    let body = "abcdefgh".repeat(256 * 1024);
    let request = format!(
        "POST /x HTTP/1.1\r\nhost: a.test\r\nx-do: upper\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let expected = body.to_uppercase();
    for (events, more) in [
        ("RequestHeaders, RequestBody", ""),
        ("RequestHeaders, RequestBody, RequestTrailers", DUPLEX),
    ] {
        let events = traffic(events, &format!("      timeout: 10s\n{more}"));
        let running = setup(&upstream, callout.plaintext, &events).start();
        assert_eq!(running.ask(&request).status, 200, "{more}");
        assert!(upstream.next().body == expected, "{more}");
    }
}

#[test]
fn trailers_are_shown_and_changed() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n\
         2\r\nok\r\n0\r\nx-end: 1\r\n\r\n",
    );
    let (callout, _told) = Teller::start();
    for more in ["", "      responseBodySendMode: FullDuplexStreamed"] {
        let events = traffic("ResponseHeaders, ResponseBody, ResponseTrailers", more);
        let running = setup(&upstream, callout.plaintext, &events).start();
        let answer = running.ask("GET / HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\n\r\n");
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{more}");
        assert_eq!(answer.header("x-end"), Some("1, seen"), "{more}");
    }
}

#[test]
fn a_plugin_before_and_one_after_see_what_they_should() {
    use crate::plugins::{MARK, module};

    let upstream = Upstream::answering(OK);
    let (callout, told) = Teller::start();
    let plugin = "---
apiVersion: networking.gke.io/v1
kind: GCPWasmPlugin
metadata: {name: p}
spec: {versions: [{name: v, image: r.test/p/0, weight: 1}]}
";
    let step = |name: &str| {
        format!(
            "    - name: {name}
      backendRef: {{group: networking.gke.io, kind: GCPWasmPlugin, name: p}}
      supportedEvents: [RequestHeaders, ResponseHeaders]
"
        )
    };
    let events = traffic("RequestHeaders, RequestBody", "").replace(
        "    extensions:\n",
        &format!("    extensions:\n{}", step("before")),
    );
    let manifests = format!("{events}{}{plugin}", step("after"));
    let mut setup = setup(&upstream, callout.plaintext, &manifests);
    setup.class = "gke-l7-global-external-managed";
    setup.images.0.insert("r.test/p/0".to_owned(), module(MARK));
    let running = setup.start();
    let answer = running.ask(&post("upper"));
    assert_eq!(answer.status, 200);
    assert_eq!(upstream.next().body, "BODY");
    expect(&told, &["begin Some(Streamed) None false "]);
    let head = told.recv_timeout(PATIENCE).expect("a head");
    assert!(head.contains("x-other"), "{head}");
}

#[test]
fn an_observer_is_told_and_changes_nothing() {
    let upstream = Upstream::answering(OK);
    let (callout, told) = Teller::start();
    let events = traffic(
        "RequestHeaders, RequestBody, ResponseHeaders, ResponseBody",
        "      observabilityMode: true",
    );
    let mut setup = setup(&upstream, callout.plaintext, &events);
    setup.profile = gatewright_gke::Profile::Gke202604;
    let running = setup.start();
    let answer = running.ask(&post("reply"));
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    assert_eq!(upstream.next().body, "body");
    let begin = told.recv_timeout(PATIENCE).expect("it begins");
    assert!(begin.contains(" true "), "{begin}");
    let head = told.recv_timeout(PATIENCE).expect("a head");
    assert!(head.starts_with("head "), "{head}");
    expect(
        &told,
        &["body body true", "response head", "response body ok"],
    );
}

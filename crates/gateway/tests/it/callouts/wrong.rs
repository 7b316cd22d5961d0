//! A callout that does each thing wrong, with `failOpen` and without: before the response's head the
//! client gets 500 or what the upstream says, after it a reset or the rest as it is.

use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;

use tokio::sync::oneshot;

use super::scripted::{REQUEST_BODY, REQUEST_HEADERS, RESPONSE_HEADERS, Says, serve, serve_as};
use super::{setup, traffic};
use crate::support::{Answer, OK, Upstream};

const ERROR: &str =
    r#"{"error":{"code":500,"message":"Internal server error.","status":"INTERNAL"}}"#;

const HEADERS: &str = "RequestHeaders, ResponseHeaders";

/// What a client gets in front of a callout, and what the access log says of the callout.
fn ask(callout: SocketAddr, events: &str, timeout: &str, fail_open: bool) -> (Answer, String) {
    let upstream = Upstream::answering(OK);
    let more = format!("      timeout: {timeout}\n      failOpen: {fail_open}");
    let mut setup = setup(&upstream, callout, &traffic(events, &more));
    setup.access_log = true;
    let running = setup.start();
    let answer = running.ask("POST /x HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nbody");
    (answer, running.end())
}

/// Asks a callout that does this to the heads, and expects it to have failed with this status.
#[track_caller]
fn fails(callout: impl Fn() -> SocketAddr, timeout: &str, status: &str) {
    let (answer, log) = ask(callout(), HEADERS, timeout, false);
    assert_eq!((answer.status, answer.body.as_str()), (500, ERROR), "{log}");
    assert!(
        log.contains(&format!("\"grpcStatus\":\"{status}\"")),
        "{log}"
    );
    assert!(log.contains("\"processingEffect\":\"FAILED\""), "{log}");
    let (answer, log) = ask(callout(), HEADERS, timeout, true);
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{log}");
    assert!(
        log.contains(&format!("\"grpcStatus\":\"{status}\"")),
        "{log}"
    );
    assert!(log.contains("\"failedOpen\":true"), "{log}");
}

#[test]
fn a_callout_that_refuses_connections() {
    let nobody = || {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("an address")
    };
    fails(nobody, "5s", "UNAVAILABLE");
}

#[test]
fn a_callout_that_speaks_another_protocol() {
    // HTTP/1.1, by somebody who closes what they do not understand.
    fails(
        || Upstream::answering("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").at,
        "5s",
        "UNAVAILABLE",
    );
    fails(|| serve_as("text/html"), "5s", "UNKNOWN");
}

#[test]
fn a_silent_callout() {
    fails(|| serve(|_| Says::Nothing), "50ms", "DEADLINE_EXCEEDED");
}

#[test]
fn a_callout_that_is_late_is_not_waited_for() {
    for fail_open in [false, true] {
        let (tell, told) = oneshot::channel();
        let told = Mutex::new(Some(told));
        let callout = serve(move |_| {
            let told = told.lock().expect("not poisoned").take();
            told.map_or(Says::Nothing, |told| {
                Says::Late(told, REQUEST_HEADERS.to_vec())
            })
        });
        let (answer, log) = ask(callout, HEADERS, "50ms", fail_open);
        let expected = if fail_open { 200 } else { 500 };
        assert_eq!(answer.status, expected, "{log}");
        // Its answer comes when everything is over, and troubles nobody.
        let _ = tell.send(());
    }
}

#[test]
fn a_callout_that_breaks_the_stream() {
    fails(|| serve(|_| Says::Reset), "5s", "UNAVAILABLE");
    fails(|| serve(|_| Says::End(13)), "5s", "INTERNAL");
    fails(|| serve(|_| Says::End(7)), "5s", "PERMISSION_DENIED");
}

#[test]
fn a_callout_that_breaks_the_stream_at_the_response() {
    let second = |count| match count {
        0 => Says::This(REQUEST_HEADERS.to_vec()),
        _ => Says::Reset,
    };
    fails(|| serve(second), "5s", "UNAVAILABLE");
}

#[test]
fn a_callout_that_says_too_much() {
    // A message of 128 kB and a byte, of which only the beginning ever comes.
    let large = |_| Says::Raw(vec![0, 0, 2, 0, 1, 0x0a]);
    fails(|| serve(large), "5s", "RESOURCE_EXHAUSTED");
}

#[test]
fn a_callout_that_answers_what_it_was_not_asked() {
    let other = |_| Says::This(RESPONSE_HEADERS.to_vec());
    fails(|| serve(other), "5s", "INTERNAL");
    let body = |_| Says::This(REQUEST_BODY.to_vec());
    fails(|| serve(body), "5s", "INTERNAL");
    let nonsense = |_| Says::This(vec![0xff; 8]);
    fails(|| serve(nonsense), "5s", "INTERNAL");
    let compressed = |_| Says::Raw(vec![1, 0, 0, 0, 0]);
    fails(|| serve(compressed), "5s", "INTERNAL");
}

#[test]
fn a_callout_that_ends_its_stream_well_takes_no_further_part() {
    for fail_open in [false, true] {
        let (answer, log) = ask(serve(|_| Says::End(0)), HEADERS, "5s", fail_open);
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{log}");
        assert!(log.contains("\"grpcStatus\":\"OK\""), "{log}");
        assert!(!log.contains("RESPONSE_HEADERS"), "{log}");
    }
}

#[test]
fn a_callout_that_fails_at_the_requests_body() {
    for (fail_open, status) in [(false, 500), (true, 200)] {
        let (answer, log) = ask(serve(|_| Says::Reset), "RequestBody", "5s", fail_open);
        assert_eq!(answer.status, status, "{log}");
    }
}

#[test]
fn after_the_responses_head_a_failure_resets_or_lets_the_rest_through() {
    for fail_open in [false, true] {
        let upstream = Upstream::answering(OK);
        let more = format!("      failOpen: {fail_open}");
        let events = traffic("ResponseBody", &more);
        let running = setup(&upstream, serve(|_| Says::Reset), &events).start();
        let mut client = running.connect();
        client.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
        let head = client.head().expect("a head");
        assert_eq!(head.status, 200);
        if fail_open {
            client.send("GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n");
            assert!(client.rest().starts_with("2\r\nok\r\n0\r\n"));
        } else {
            assert_eq!(client.rest(), "");
        }
    }
}

#[test]
fn fields_that_are_forbidden_are_left_as_they_are() {
    use gatewright_callout::{Answer, Callout, Head, HeadChange, HeaderChange};

    struct Forbidden;
    impl Callout for Forbidden {
        async fn request_headers(&mut self, _: &Head) -> Answer<HeadChange> {
            HeaderChange::new()
                .set(":authority", "other.test")
                .set("host", "other.test")
                .set(":method", "DELETE")
                .set("x-forwarded-for", "1.2.3.4")
                .set("x-google-thing", "1")
                .set("connection", "close")
                .set("x-allowed", "1")
                .into()
        }
    }
    for fail_open in [false, true] {
        let upstream = Upstream::answering(OK);
        let callout = super::Called::start(|| Forbidden);
        let more = format!("      failOpen: {fail_open}");
        let events = traffic("RequestHeaders", &more);
        let running = setup(&upstream, callout.plaintext, &events).start();
        assert_eq!(running.get("/x").status, 200);
        let seen = upstream.next();
        assert!(seen.head.starts_with("GET /x HTTP/1.1\n"), "{}", seen.head);
        assert_eq!(seen.header("host"), Some("a.test"));
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1,127.0.0.1"));
        assert_eq!(seen.header("x-google-thing"), None);
        assert_eq!(seen.header("connection"), None);
        assert_eq!(seen.header("x-allowed"), Some("1"));
    }
}

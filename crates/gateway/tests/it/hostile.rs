//! Clients that mean no good, or know no better: each with the outcome that it gets.

use std::time::Duration;

use crate::support::{OK, Setup, Upstream};

/// A request, whether anything of it may reach the upstream, and the status of the answer.
fn check(request: &str, expected: u16) {
    let upstream = Upstream::answering(OK);
    let running = Setup::to(upstream.at).start();
    let answer = running.ask(request);
    assert_eq!(answer.status, expected, "{request:?}");
    let seen = upstream.seen.try_recv();
    assert_eq!(seen.is_ok(), expected == 200, "{request:?}: {seen:?}");
    if let Ok(seen) = seen {
        let both =
            seen.header("transfer-encoding").is_some() && seen.header("content-length").is_some();
        assert!(!both, "{request:?} became {}", seen.head);
    }
}

#[test]
fn heads_that_can_be_read_in_two_ways_are_refused() {
    for request in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nContent-Length: 1\r\n\r\na",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\na",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\rx-b: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx-a : 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx a: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx-a: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a@b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
        "GET / /x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nhost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nhost: a\r\n\r\n",
        "G@T(/ HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        check(request, 400);
    }
}

/// Also where it comes behind others in one write: each is answered in its turn.
#[test]
fn a_second_length_is_refused_behind_other_requests() {
    let upstream = Upstream::answering(OK);
    let running = Setup::to(upstream.at).start();
    let mut client = running.connect();
    client.send(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab\
         POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n\
         POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na",
    );
    for expected in [200, 200, 400] {
        assert_eq!(client.answer().status, expected);
    }
    assert_eq!(client.rest(), "");
}

/// Of the two lengths the chunks' own counts, and the other goes no further.
#[test]
fn a_length_beside_chunks_is_not_forwarded() {
    for request in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ] {
        check(request, 200);
    }
}

#[test]
fn large_heads_pass_up_to_the_limit() {
    let big = "x".repeat(60_000);
    check(
        &format!("GET / HTTP/1.1\r\nhost: a\r\nx-big: {big}\r\n\r\n"),
        200,
    );
    let bigger = "x".repeat(70_000);
    check(
        &format!("GET / HTTP/1.1\r\nhost: a\r\nx-big: {bigger}\r\n\r\n"),
        431,
    );
    let many: String = (0..300).map(|n| format!("x-{n}: 1\r\n")).collect();
    check(&format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), 431);
}

#[test]
fn tunnels_and_upgrades_are_refused_clearly() {
    check("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", 501);
    check(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        501,
    );
    // What a client only offers may be passed over.
    check(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n\r\n",
        200,
    );
}

#[test]
fn a_head_that_does_not_end_is_408() {
    let mut setup = Setup::new(crate::support::route(crate::support::TO_UP));
    setup.limits.head_timeout = Duration::from_millis(50);
    let running = setup.start();
    let mut client = running.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-slow: ");
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.header("connection")),
        (408, Some("close"))
    );
    assert_eq!(client.rest(), "");
}

#[test]
fn a_body_that_does_not_end_is_408() {
    let upstream = Upstream::answering(OK);
    let mut setup = Setup::to(upstream.at);
    setup.limits.body_timeout = Duration::from_millis(50);
    let running = setup.start();
    let mut client = running.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf");
    assert_eq!(client.answer().status, 408);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_connection_without_a_request_is_closed_in_the_end() {
    let mut setup = Setup::new(crate::support::route(crate::support::TO_UP));
    setup.limits.idle_timeout = Duration::from_millis(50);
    let running = setup.start();
    assert_eq!(running.connect().rest(), "");
    let mut client = running.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_client_that_takes_nothing_is_let_go() {
    let endless = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n{}",
        "x".repeat(100_000_000)
    );
    let upstream = Upstream::new(move |_| Some(endless.clone()));
    let mut setup = Setup::to(upstream.at);
    setup.limits.write_timeout = Duration::from_millis(50);
    setup.access_log = true;
    let running = setup.start();
    let mut client = running.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    upstream.next();
    // The end in order waits for the connection, which has most of its response still to take.
    let log = running.end();
    assert!(log.contains("response_ended_early"), "{log}");
}

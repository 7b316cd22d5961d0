//! Upstreams that are slow, gone, or change their mind; bodies on their way to them.

use std::sync::Barrier;
use std::time::Duration;

use crate::support::{OK, Setup, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n";

#[test]
fn connections_are_kept_for_the_next_request() {
    let upstream = Upstream::answering(OK);
    let running = Setup::to(upstream.at).start();
    for _ in 0..5 {
        assert_eq!(running.ask(GET).body, "ok");
        assert_eq!(upstream.next().connection, 0);
    }
}

#[test]
fn a_kept_connection_that_was_closed_costs_no_request() {
    // It says that it keeps each connection, and closes it after one request.
    let upstream =
        Upstream::new(|seen| (seen.head.starts_with("GET /first")).then(|| OK.to_owned()));
    let running = Setup::to(upstream.at).start();
    for round in 0..3 {
        assert_eq!(running.get("/first").body, "ok");
        assert_eq!(upstream.next().connection, round);
        // The second request on a connection ends it without an answer.
        assert_eq!(running.get("/other").status, 502);
        assert_eq!(upstream.next().connection, round);
    }
}

#[test]
fn an_upstream_that_is_not_there_is_502() {
    let gone = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("an address")
    };
    assert_eq!(Setup::to(gone).start().ask(GET).status, 502);
}

#[test]
fn an_upstream_that_does_not_answer_is_504() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut setup = Setup::to(silent.local_addr().expect("an address"));
    setup.limits.upstream_timeout = Duration::from_millis(50);
    assert_eq!(setup.start().ask(GET).status, 504);
}

#[test]
fn a_response_that_breaks_off_breaks_off_for_the_client() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf",
    );
    let running = Setup::to(upstream.at).start();
    let mut client = running.connect();
    client.send(GET);
    assert_eq!(client.try_answer(), None);
}

#[test]
fn bodies_in_chunks_pass_both_ways_with_trailers() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nx-sum: 6\r\n\r\n",
    );
    let running = Setup::to(upstream.at).start();
    let answer = running.ask(
        "POST / HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\ntransfer-encoding: chunked\r\ntrailer: x-in\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\nx-in: 4\r\n\r\n",
    );
    assert_eq!(answer.body, "abcdef");
    assert_eq!(answer.header("x-sum"), Some("6"));
    let seen = upstream.next();
    assert_eq!(seen.body, "abcd");
    assert!(seen.has("transfer-encoding: chunked"), "{}", seen.head);
    assert!(seen.has("x-in: 4"), "{}", seen.head);
}

#[test]
fn a_head_request_has_the_length_and_no_body() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    let running = Setup::to(upstream.at).start();
    let mut client = running.connect();
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nhost: a.test\r\n\r\n");
        let answer = client.head().expect("a head");
        assert_eq!(
            (answer.status, answer.header("content-length")),
            (200, Some("5"))
        );
    }
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let upstream = Upstream::answering(OK);
    let running = Setup::to(upstream.at).start();
    let mut client = running.connect();
    client.send(
        "POST / HTTP/1.1\r\nhost: a.test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n",
    );
    assert_eq!(client.head().map(|head| head.status), Some(100));
    client.send("body");
    assert_eq!(client.answer().body, "ok");
    let seen = upstream.next();
    assert_eq!((seen.body.as_str(), seen.header("expect")), ("body", None));
}

#[test]
fn requests_one_after_another_in_one_write_are_answered_in_order() {
    let upstream = Upstream::new(|seen| {
        let path = seen.head.split(' ').nth(1).unwrap_or_default();
        Some(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}",
            path.len()
        ))
    });
    let running = Setup::to(upstream.at).start();
    let mut client = running.connect();
    let all: String = (0..5)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nhost: a.test\r\n\r\n"))
        .collect();
    client.send(all);
    for n in 0..5 {
        assert_eq!(client.answer().body, format!("/{n}"));
    }
}

#[test]
fn a_client_that_shuts_its_side_still_gets_its_answer() {
    let upstream = Upstream::answering(OK);
    let running = Setup::to(upstream.at).start();
    let mut client = running.connect();
    client.send(GET);
    client.shut_down();
    assert_eq!(client.answer().body, "ok");
}

#[test]
fn an_upstream_that_waits_for_all_gets_all() {
    const ALL: usize = 100;
    // It answers none before it has every request.
    let barrier = Barrier::new(ALL);
    let upstream = Upstream::new(move |_| {
        barrier.wait();
        Some(OK.to_owned())
    });
    let running = Setup::to(upstream.at).start();
    let mut clients: Vec<_> = (0..ALL).map(|_| running.connect()).collect();
    for client in &mut clients {
        client.send(GET);
    }
    for client in &mut clients {
        assert_eq!(client.answer().body, "ok");
    }
}

//! Routes, weights and filters, as upstreams see them.

use gatewright_gateway::ServiceAt;

use crate::support::{OK, Setup, Upstream, route};

#[test]
fn a_service_without_an_address_is_the_documentations_store() {
    let running = Setup::new(route("  - backendRefs: [{name: store-v1, port: 8080}]")).start();
    let answer = running.get("/");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("via"), Some("1.1 google"));
    for line in [
        "  \"cluster_name\": \"gke1\",",
        "  \"host_header\": \"a.test\",",
        "  \"metadata\": \"store-v1\",",
        "  \"zone\": \"us-central1-c\"",
    ] {
        assert!(answer.body.lines().any(|l| l == line), "{}", answer.body);
    }
}

#[test]
fn what_no_route_takes_is_the_documentations_404() {
    let running = Setup::new(route(
        "  - matches: [{path: {value: /here}}]\n    backendRefs: [{name: s, port: 80}]",
    ))
    .start();
    let answer = running.get("/there");
    assert_eq!(answer.status, 404);
    let expected = r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#;
    assert_eq!(answer.body, expected);
    assert_eq!(running.get("/here/too").status, 200);
}

#[test]
fn an_upstream_sees_the_request_and_what_the_load_balancer_adds() {
    let upstream = Upstream::answering(OK);
    let running = Setup::to(upstream.at).start();
    let answer = running.ask(
        "POST /a?b=c HTTP/1.1\r\nHost: A.test:80\r\ncontent-length: 4\r\nx-own: 1\r\n\
         connection: keep-alive, x-hop\r\nx-hop: 1\r\nx-forwarded-for: 9.9.9.9\r\n\r\nbody",
    );
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    let seen = upstream.next();
    assert!(
        seen.head.starts_with("POST /a?b=c HTTP/1.1\n"),
        "{}",
        seen.head
    );
    for line in [
        "host: A.test:80",
        "content-length: 4",
        "x-own: 1",
        "via: 1.1 google",
        "x-forwarded-proto: http",
        "x-forwarded-for: 9.9.9.9,127.0.0.1,127.0.0.1",
    ] {
        assert!(seen.has(line), "`{line}` is not in {}", seen.head);
    }
    assert_eq!(
        (seen.header("x-hop"), seen.header("connection")),
        (None, None)
    );
    assert_eq!(seen.body, "body");
}

#[test]
fn filters_change_headers_host_and_path() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-gone: 1\r\nx-kept: 1\r\n\r\nok",
    );
    let mut setup = Setup::new(route(
        "  - matches: [{path: {value: /old}}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: new}], add: [{name: x-add, value: '2'}], remove: [x-drop]}}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-back, value: '1'}], remove: [x-gone]}}
    - {type: URLRewrite, urlRewrite: {hostname: inner.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}
    backendRefs: [{name: up, port: 80}]",
    ));
    setup.up(upstream.at);
    let running = setup.start();
    let answer = running.ask(
        "GET /old/x?q HTTP/1.1\r\nhost: a.test\r\nx-set: old\r\nx-add: 1\r\nx-drop: 1\r\n\r\n",
    );
    let back: Vec<_> = ["x-back", "x-gone", "x-kept"]
        .iter()
        .map(|name| answer.header(name))
        .collect();
    assert_eq!(back, [Some("1"), None, Some("1")]);
    let seen = upstream.next();
    assert!(
        seen.head.starts_with("GET /new/x?q HTTP/1.1\n"),
        "{}",
        seen.head
    );
    for line in ["host: inner.test", "x-set: new", "x-add: 1", "x-add: 2"] {
        assert!(seen.has(line), "`{line}` is not in {}", seen.head);
    }
    assert_eq!(seen.header("x-drop"), None);
}

#[test]
fn a_redirect_needs_no_backend() {
    let running = Setup::new(route(
        "  - filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]",
    ))
    .start();
    let answer = running.get("/a?b");
    assert_eq!(answer.status, 301);
    assert_eq!(answer.header("location"), Some("https://a.test/a?b"));
}

#[test]
fn a_mirror_sees_the_same_request_and_is_not_waited_for() {
    let (upstream, mirror) = (Upstream::answering(OK), Upstream::new(|_| None));
    let mut setup = Setup::new(route(
        "  - filters: [{type: RequestMirror, requestMirror: {backendRef: {name: mirror, port: 80}}}]
    backendRefs: [{name: up, port: 80}]",
    ));
    setup.up(upstream.at);
    let at = ServiceAt::Address(mirror.at);
    setup.services.at.insert("default/mirror".to_owned(), at);
    let running = setup.start();
    let request = "POST /m HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nbody";
    assert_eq!(running.ask(request).body, "ok");
    let (seen, copy) = (upstream.next(), mirror.next());
    assert_eq!(copy.body, "body");
    assert_eq!(seen.head.lines().next(), copy.head.lines().next());
}

#[test]
fn weights_share_out_requests() {
    let (a, b) = (Upstream::answering(OK), Upstream::answering(OK));
    let mut setup = Setup::new(route(
        "  - backendRefs: [{name: up, port: 80, weight: 3}, {name: b, port: 80, weight: 1}, {name: never, port: 80, weight: 0}]",
    ));
    setup.up(a.at);
    let at = ServiceAt::Address(b.at);
    setup.services.at.insert("default/b".to_owned(), at);
    let running = setup.start();
    let mut client = running.connect();
    for _ in 0..400 {
        client.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
        assert_eq!(client.answer().body, "ok");
    }
    let (a, b) = (a.seen.try_iter().count(), b.seen.try_iter().count());
    assert_eq!(a + b, 400);
    // 300 are expected of `a`, with a deviation of 9; ten of those are never seen.
    assert!((210..390).contains(&a), "{a} and {b}");
}

#[test]
fn a_rule_without_backends_is_an_error_of_the_server() {
    let answer = Setup::new(route(
        "  - backendRefs: [{name: never, port: 80, weight: 0}]",
    ))
    .start()
    .get("/");
    assert_eq!(answer.status, 500);
    let expected =
        r#"{"error":{"code":500,"message":"Internal server error.","status":"INTERNAL"}}"#;
    assert_eq!(answer.body, expected);
}

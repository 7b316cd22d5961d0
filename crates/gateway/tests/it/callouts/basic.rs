//! The sample `basic` behind the gateway, over TLS and without, and its health checks.

use std::sync::Arc;

use gatewright_callout::samples::{AddHeader, Basic, JwtAuth, PublicKey, Redirect};
use gatewright_gateway::ServiceAt;

use super::{Called, extension, setup, traffic};
use crate::support::{Client, OK, Upstream};

const ALL: &str = "RequestHeaders, RequestBody, ResponseHeaders, ResponseBody";

const POST: &str = "POST /serviceextensions?a=b HTTP/1.1\r\nhost: a.test\r\nfoo: 1\r\ncontent-length: 4\r\n\r\nbody";

#[test]
fn the_sample_changes_heads_and_bodies_over_tls_and_without() {
    let callout = Called::start(|| Basic);
    for at in [
        ServiceAt::Plaintext(callout.plaintext),
        ServiceAt::Address(callout.tls),
    ] {
        let upstream = Upstream::answering(OK);
        let mut setup = setup(&upstream, callout.plaintext, &traffic(ALL, ""));
        setup.services.at.insert("default/co".to_owned(), at);
        setup.access_log = true;
        let running = setup.start();
        for _ in 0..2 {
            let answer = running.ask(POST);
            assert_eq!((answer.status, answer.body.as_str()), (200, ""));
            assert_eq!(answer.header("hello"), Some("service-extensions"));
            let seen = upstream.next();
            assert!(seen.head.starts_with("POST / HTTP/1.1\n"), "{}", seen.head);
            assert_eq!(seen.body, "replaced-body");
            assert_eq!(seen.header("header-request"), Some("request"));
            assert_eq!(seen.header("foo"), None);
            // The route is chosen already.
            assert_eq!(seen.header("host"), Some("a.test"));
        }
        let metrics = running.admin("/metrics").body;
        let counted = "gatewright_callout_events_total{resource=\"default/x\",chain=\"c\",\
            extension=\"e\",backend_target_name=\"default/co:443\",\
            event_type=\"REQUEST_HEADERS\",grpc_status=\"OK\"} 2";
        assert!(metrics.lines().any(|line| line == counted), "{metrics}");
        let log = running.end();
        for part in [
            "\"backendTargetName\":\"default/co:443\"",
            "\"backendTargetType\":\"BACKEND_SERVICE\"",
            "\"grpcStatus\":\"OK\"",
            "\"eventType\":\"RESPONSE_BODY\"",
            "\"processingEffect\":\"CONTENT_MODIFIED\"",
        ] {
            assert!(log.contains(part), "`{part}` is not in {log}");
        }
    }
}

#[test]
fn without_events_a_traffic_extension_is_shown_both_heads_and_that_is_noted() {
    let upstream = Upstream::answering(OK);
    let callout = Called::start(|| Basic);
    let extension = extension("GCPTrafficExtension", "");
    let setup = setup(&upstream, callout.plaintext, &extension);
    let made = setup.make();
    let notes: Vec<_> = made
        .problems
        .iter()
        .map(|p| (p.is_error, &p.message))
        .collect();
    assert!(
        matches!(&notes[..], [(false, note)] if note.contains("lists no supportedEvents")),
        "{notes:?}"
    );
    let running = setup.start_with(made);
    let answer = running.ask(POST);
    assert_eq!(answer.body, "ok");
    assert_eq!(answer.header("hello"), Some("service-extensions"));
    let seen = upstream.next();
    assert_eq!(seen.body, "body");
    assert_eq!(seen.header("content-length"), Some("4"));
}

#[test]
fn a_routing_extension_changes_the_authority_and_answers_nobody() {
    let upstream = Upstream::answering(OK);
    let callout = Called::start(|| Basic);
    let extension = extension("GCPRoutingExtension", "");
    let running = setup(&upstream, callout.plaintext, &extension).start();
    assert_eq!(running.ask(POST).status, 200);
    let seen = upstream.next();
    assert!(seen.head.starts_with("POST / HTTP/1.1\n"), "{}", seen.head);
    assert_eq!(seen.header("host"), Some("service-extensions.com"));

    let callout = Called::start(|| Redirect);
    let running = setup(&upstream, callout.plaintext, &extension).start();
    assert_eq!(running.get("/x").body, "ok");
}

#[test]
fn the_other_samples_do_what_their_names_say() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nfoo: 1\r\ncontent-length: 0\r\n\r\n");
    let events = traffic("RequestHeaders, ResponseHeaders", "");
    let callout = Called::start(|| AddHeader);
    let running = setup(&upstream, callout.plaintext, &events).start();
    let answer = running.get("/x");
    assert_eq!(answer.header("header-response"), Some("response"));
    assert_eq!(answer.header("foo"), None);
    assert_eq!(upstream.next().header("header-request"), Some("request"));

    let callout = Called::start(|| Redirect);
    let running = setup(&upstream, callout.plaintext, &events).start();
    let answer = running.get("/x");
    assert_eq!(answer.status, 301);
    assert_eq!(
        answer.header("location"),
        Some("http://service-extensions.com/redirect")
    );
}

#[test]
fn a_callout_that_went_and_came_back_is_called_again() {
    let upstream = Upstream::answering(OK);
    let events = traffic("ResponseHeaders", "      failOpen: true");
    let callout = Called::start(|| Basic);
    let mut setup = setup(&upstream, callout.plaintext, &events);
    let running = setup.start();
    let hello = |running: &crate::support::Running| {
        let answer = running.get("/");
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
        answer.header("hello").map(str::to_owned)
    };
    assert!(hello(&running).is_some());
    drop(callout);
    assert_eq!(hello(&running), None);
    let callout = Called::start(|| Basic);
    setup.services.at.insert(
        "default/co".to_owned(),
        ServiceAt::Plaintext(callout.plaintext),
    );
    let gateway = running.gateway.as_ref().expect("it runs");
    gateway.reload(setup.make().snapshot).expect("it is taken");
    assert!(hello(&running).is_some());
}

#[test]
fn health_checks_are_answered() {
    let callout = Called::start(|| Basic);
    let mut client = Client::to(callout.health);
    client.send("GET /anything HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn an_api_without_a_stand_in_is_told_and_one_with_it_is_called() {
    let upstream = Upstream::answering(OK);
    let callout = Called::start(|| Basic);
    let api = "modelarmor.us-central1.rep.googleapis.com";
    let manifest = |fail_open: bool| {
        traffic(
            "ResponseHeaders",
            &format!("      failOpen: {fail_open}\n      googleAPIServiceName: {api}"),
        )
        .replace("      authority: myext.com\n", "")
        .replace(
            "      backendRef: {group: \"\", kind: Service, name: co, port: 443}\n",
            "",
        )
    };
    for (fail_open, status) in [(false, 500), (true, 200)] {
        let setup = setup(&upstream, callout.plaintext, &manifest(fail_open));
        let made = setup.make();
        assert!(
            matches!(&made.problems[..], [problem] if problem.is_error
                && problem.message.contains("google-apis")),
            "{:?}",
            made.problems
        );
        assert_eq!(setup.start_with(made).get("/").status, status);
    }
    let mut setup = setup(&upstream, callout.plaintext, &manifest(false));
    let at = ServiceAt::Address(callout.tls);
    setup.services.google_apis.insert(api.to_owned(), at);
    setup.access_log = true;
    let running = setup.start();
    let answer = running.get("/");
    assert_eq!(answer.header("hello"), Some("service-extensions"));
    let log = running.end();
    assert!(
        log.contains("\"backendTargetType\":\"GOOGLE_API\""),
        "{log}"
    );
}

#[test]
fn a_token_opens_the_way_and_none_does_not() {
    const KEY: &[u8] = include_bytes!("../../../../callout/src/samples/jwt_auth/key.pem");
    const TOKEN: &str = include_str!("../../../../callout/src/samples/jwt_auth/token.jwt");
    let key = Arc::new(PublicKey::from_pem(KEY).expect("a key"));
    let upstream = Upstream::answering(OK);
    let callout = Called::start(move || JwtAuth::new(Arc::clone(&key)));
    let events = traffic("RequestHeaders", "");
    let mut setup = setup(&upstream, callout.plaintext, &events);
    setup.access_log = true;
    let running = setup.start();
    let ask = |token: &str| {
        running.ask(&format!(
            "GET / HTTP/1.1\r\nhost: a.test\r\nauthorization: Bearer {token}\r\n\r\n"
        ))
    };
    assert_eq!(ask(TOKEN.trim()).status, 200);
    let seen = upstream.next();
    assert_eq!(seen.header("decoded-name"), Some("John Doe"));
    assert_eq!(seen.header("decoded-admin"), Some("True"));
    assert_eq!(ask("e30.e30.e30").status, 500);
    assert!(
        running
            .end()
            .contains("\"grpcStatus\":\"PERMISSION_DENIED\"")
    );
}

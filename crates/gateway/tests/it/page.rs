//! The page at the admin port: what it may be asked by whom, and the exchanges it tells of.

use std::time::Instant;

use serde_json::Value;

use crate::plugins::{HEADERS, MARK, setup};
use crate::support::{Answer, Client, OK, PATIENCE, Running, Setup, Upstream};

/// Passes everything and says nothing, and never ends with a failure.
const QUIET: &str = "";

/// Fails at the request's head.
const TRAP: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable)"#;

/// Looks at every part of the response's body, so that it is written down.
const WATCH: &str = r#"
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) i32.const 0)"#;

fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

fn news(running: &Running, after: u64) -> Value {
    json(&running.admin(&format!("/api/exchanges?after={after}")))
}

/// Waits until the page knows of so many exchanges. They come after their answers: the page is
/// told when nobody else needs to know any more.
fn known(running: &Running, latest: u64) -> Value {
    let begun = Instant::now();
    loop {
        let news = news(running, 0);
        if news["latest"].as_u64() >= Some(latest) {
            return news;
        }
        assert!(begun.elapsed() < PATIENCE, "{news}");
    }
}

/// The calls of an exchange.
fn calls(exchange: &Value) -> Vec<&Value> {
    let events = exchange["events"].as_array().expect("events");
    events.iter().filter(|e| e["event"] == "call").collect()
}

#[test]
fn an_exchange_is_told_with_what_its_plugins_did() {
    let upstream = Upstream::answering(OK);
    let running = setup(&upstream, &[MARK, MARK], HEADERS, "").start();
    // Nobody looked yet, and so nothing is written down.
    assert_eq!(running.get("/plugin?unseen").status, 200);
    assert_eq!(news(&running, 0)["latest"], 0);
    assert_eq!(running.get("/plugin?seen").status, 200);
    let news = known(&running, 1);
    let summary = &news["exchanges"][0];
    assert_eq!(summary["title"], "GET a.test/plugin?seen");
    assert_eq!(
        (&summary["status"], &summary["kind"]),
        (&"200".into(), &"response".into())
    );
    assert_eq!(summary["extensions"], "e0, e1");
    let exchange = json(&running.admin("/api/exchanges/1"));
    let facts = exchange["facts"].to_string();
    for fact in ["default/gw:80", "default/store/0", "default/up", "chain1"] {
        assert!(facts.contains(fact), "{fact} in {facts}");
    }
    let calls = calls(&exchange);
    let named = |who: &str, name: &str| {
        let found = calls.iter().find(|c| c["who"] == who && c["name"] == name);
        *found.unwrap_or_else(|| panic!("{who} {name} in {exchange:#}"))
    };
    let call = named("e0", "proxy_on_request_headers");
    assert_eq!(call["effect"], "CONTENT_MODIFIED");
    assert_eq!(call["logs"][0]["text"], "seen");
    let added: Vec<_> = call["change"]["fields"]
        .as_array()
        .expect("fields")
        .iter()
        .filter(|field| field["became"] == "added")
        .collect();
    assert_eq!(
        (&added[0]["name"], &added[0]["value"]),
        (&"x-plugin".into(), &"seen".into())
    );
    assert!(call["cost"]["share"].as_f64() > Some(0.0));
    // The second plugin on the way back comes first.
    let order: Vec<_> = calls
        .iter()
        .filter(|call| call["name"] == "proxy_on_response_headers")
        .map(|call| call["who"].as_str().expect("a name"))
        .collect();
    assert_eq!(order, ["e1", "e0"]);
    // The ends of the streams are told too.
    named("e0", "proxy_on_done");
    named("e1", "proxy_on_delete");
    let page = running.admin("/exchanges/1/timeline").body;
    assert!(page.contains("<ol class=\"timeline\"") && page.contains("x-plugin"));
    let whole = running.admin("/exchanges/1").body;
    assert!(whole.starts_with("<!doctype html>") && whole.contains(&page));
    assert_eq!(running.admin("/exchanges/2").status, 404);
    assert_eq!(running.admin("/api/exchanges/x").status, 404);
    assert_eq!(running.admin("/api/exchanges?after=x").status, 400);
}

#[test]
fn what_fails_is_told_with_its_reason() {
    let upstream = Upstream::answering(OK);
    let running = setup(&upstream, &[TRAP], HEADERS, "").start();
    news(&running, 0);
    assert_eq!(running.get("/plugin").status, 500);
    let news = known(&running, 1);
    assert_eq!(news["exchanges"][0]["kind"], "failed");
    assert_eq!(news["exchanges"][0]["extensions"], "e0 (failed)");
    let exchange = json(&running.admin("/api/exchanges/1"));
    assert_eq!(exchange["end"]["text"], "500 (e0 failed)");
    let calls = calls(&exchange);
    let failed = calls.iter().find(|call| call["failed"] == true);
    assert_eq!(failed.expect("a call")["fault"]["code"], "trap");
    // The plugin is not started again yet, and the next request tells that.
    assert_eq!(running.get("/plugin").status, 500);
    known(&running, 2);
    let page = running.admin("/exchanges/2/timeline").body;
    assert!(page.contains("failed"), "{page}");
}

#[test]
fn a_request_that_no_route_takes_is_told() {
    let mut setup = Setup::new(crate::support::route(
        "  - matches: [{path: {value: /a}}]\n    backendRefs: [{name: store-v1, port: 80}]",
    ));
    setup.workers = 2;
    let running = setup.start();
    news(&running, 0);
    assert_eq!(running.get("/b").status, 404);
    assert_eq!(known(&running, 1)["exchanges"][0]["kind"], "failed");
    let exchange = json(&running.admin("/api/exchanges/1"));
    assert_eq!(exchange["end"]["text"], "404 (of the load balancer)");
}

#[test]
fn secrets_are_hidden_and_hostile_values_are_text() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nset-cookie: session=hunter2\r\nx-evil: \"><script>alert(1)</script>\r\n\
         content-length: 2\r\n\r\nok",
    );
    let running = setup(&upstream, &[MARK], HEADERS, "").start();
    news(&running, 0);
    let answer = running.ask(
        "GET /plugin/%3Cscript%3E HTTP/1.1\r\nhost: a.test\r\nauthorization: Bearer hunter2\r\n\
         cookie: a=hunter2\r\nx-evil: </script><img src=x onerror=alert(1)>\r\n\r\n",
    );
    assert_eq!(answer.status, 200);
    known(&running, 1);
    for path in [
        "/",
        "/exchanges/1",
        "/exchanges/1/timeline",
        "/api/exchanges/1",
    ] {
        let body = running.admin(path).body;
        assert!(!body.contains("hunter2"), "{path}: {body}");
        assert!(path.starts_with("/api") || !body.contains("<img"), "{path}");
        // JSON is nothing that a browser would run.
        assert!(
            path.starts_with("/api") || !body.contains("<script>alert"),
            "{path}"
        );
    }
    let timeline = running.admin("/exchanges/1/timeline").body;
    assert!(timeline.contains("••• (14 bytes hidden)"), "{timeline}");
    assert!(timeline.contains("&lt;/script&gt;&lt;img src=x"));
}

#[test]
fn so_many_exchanges_a_second_are_taken() {
    let upstream = Upstream::answering(OK);
    let mut setup = setup(&upstream, &[QUIET], HEADERS, "");
    setup.sample = 3;
    let running = setup.start();
    news(&running, 0);
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(running.get("/plugin").status, 200);
    }
    let seconds = begun.elapsed().as_secs() + 1;
    let latest = known(&running, 3)["latest"].as_u64().expect("a number");
    assert!(latest <= 3 * seconds, "{latest} in {seconds} s");
    setup.sample = 0;
    let running = setup.start();
    news(&running, 0);
    assert_eq!(running.get("/plugin").status, 200);
    assert_eq!(news(&running, 0)["latest"], 0);
    assert!(running.admin("/").body.contains("not recorded"));
}

#[test]
fn a_large_body_is_cut_and_still_goes_through() {
    let upstream = Upstream::new(|_| {
        let length = 4 * 1024 * 1024;
        Some(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{}",
            "x".repeat(length)
        ))
    });
    let events = "[RequestHeaders, ResponseHeaders, ResponseBody]";
    let running = setup(&upstream, &[WATCH], events, "").start();
    news(&running, 0);
    assert_eq!(running.get("/plugin").body.len(), 4 * 1024 * 1024);
    known(&running, 1);
    let answer = running.admin("/api/exchanges/1");
    assert!(
        answer.body.len() < 512 * 1024,
        "{} bytes",
        answer.body.len()
    );
    let notes = json(&answer)["notes"].to_string();
    assert!(notes.contains("more of it than is recorded"), "{notes}");
}

#[test]
fn only_whoever_names_this_machine_is_answered() {
    let running = Setup::new(crate::support::route(
        "  - backendRefs: [{name: store-v1, port: 80}]",
    ))
    .start();
    let admin = running.gateway.as_ref().expect("it runs").admin();
    for path in [
        "/",
        "/api/exchanges",
        "/status",
        "/metrics",
        "/healthz",
        "/assets/script.js",
    ] {
        let ask = |host: &str| {
            let mut client = Client::to(admin);
            client.send(format!("GET {path} HTTP/1.1\r\n{host}\r\n"));
            client.answer()
        };
        assert_eq!(ask("host: evil.example\r\n").status, 421, "{path}");
        assert_eq!(
            ask(&format!("host: evil.example:{}\r\n", admin.port())).status,
            421
        );
        assert_eq!(ask(&format!("host: {admin}\r\n")).status, 200, "{path}");
        let answer = ask("host: localhost\r\n");
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let mut client = Client::to(admin);
    client.send("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 405);
}

#[test]
fn the_picture_shows_what_is_served_and_changes_with_it() {
    let upstream = Upstream::answering(OK);
    let setup = setup(&upstream, &[MARK], HEADERS, "");
    let running = setup.start();
    let page = running.admin("/").body;
    for name in [
        "default/gw:80",
        "default/store, rule 1",
        "chain1",
        "e0",
        "default/p0@v1",
        "default/up:80",
    ] {
        assert!(page.contains(name), "{name} in {page}");
    }
    assert!(page.contains("GCPTrafficExtension") && page.contains("✓ "));
    let before = news(&running, 0)["generation"].clone();
    let gateway = running.gateway.as_ref().expect("it runs");
    gateway
        .reload(
            Setup::new(crate::support::route(
                "  - backendRefs: [{name: store-v2, port: 80}]",
            ))
            .make()
            .snapshot,
        )
        .expect("taken");
    assert_ne!(news(&running, 0)["generation"], before);
    let picture = running.admin("/picture").body;
    assert!(
        picture.contains("default/store-v2:80") && !picture.contains("chain1"),
        "{picture}"
    );
}

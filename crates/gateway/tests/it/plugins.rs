//! Plugins in front of an upstream: what they change, and what becomes of requests when they fail.

use crate::support::{Answer, OK, Setup, TO_UP, Upstream, route};

/// A module with these functions, and some texts in its memory.
pub(crate) fn module(functions: &str) -> String {
    format!(
        r#"(module
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x-plugin")
  (data (i32.const 16) "seen")
  (data (i32.const 32) "x-fail")
  (data (i32.const 48) "!")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) i32.const 1024)
  {functions})"#
    )
}

/// Marks heads of both halves.
pub(crate) const MARK: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $log (i32.const 2) (i32.const 16) (i32.const 4)))
    (drop (call $add (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 4)))
    i32.const 0)
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (drop (call $add (i32.const 2) (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 4)))
    i32.const 0)"#;

/// Makes every part of a body an exclamation mark.
const SHOUT: &str = r#"
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (drop (call $set (i32.const 0) (i32.const 0) (local.get 1) (i32.const 48) (i32.const 1)))
    i32.const 0)
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
    (drop (call $set (i32.const 1) (i32.const 0) (local.get 1) (i32.const 48) (i32.const 1)))
    i32.const 0)"#;

/// Traps on requests with the header `x-fail`, and marks the others.
const FUSSY: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (call $get (i32.const 0) (i32.const 32) (i32.const 6) (i32.const 64) (i32.const 68)))
      (then unreachable))
    (drop (call $add (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 4)))
    i32.const 0)"#;

/// Never comes to an end.
const SPIN: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (loop $again (br $again)) i32.const 0)"#;

/// Answers 403 itself at the first part of a request's body.
const REFUSE: &str = r#"
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 4)
      (i32.const 0) (i32.const 0) (i32.const -1)))"#;

/// Traps at the first part of a response's body.
const LATE: &str = r#"
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) unreachable)"#;

pub(crate) const HEADERS: &str = "[RequestHeaders, ResponseHeaders]";
const ALL: &str = "[RequestHeaders, RequestBody, ResponseHeaders, ResponseBody]";

/// An upstream behind a chain of plugins on paths with `/plugin`.
pub(crate) fn setup(upstream: &Upstream, plugins: &[&str], events: &str, more: &str) -> Setup {
    let mut manifests = route(TO_UP);
    manifests += "---
apiVersion: networking.gke.io/v1
kind: GCPTrafficExtension
metadata: {name: ext}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]
  extensionChains:
  - name: chain1
    matchCondition: {celExpressions: [{celMatcher: 'request.path.contains(\"/plugin\")'}]}
    extensions:
";
    let mut setup = Setup::new("");
    let mut objects = String::new();
    for (index, functions) in plugins.iter().enumerate() {
        manifests += &format!(
            "    - {{name: e{index}, supportedEvents: {events}{more}, backendRef: {{group: networking.gke.io, kind: GCPWasmPlugin, name: p{index}}}}}\n"
        );
        objects += &format!(
            "---
apiVersion: networking.gke.io/v1
kind: GCPWasmPlugin
metadata: {{name: p{index}}}
spec:
  logConfig: {{enabled: true}}
  versions: [{{name: v1, image: 'r.test/p/{index}', weight: 1}}]
"
        );
        setup
            .images
            .0
            .insert(format!("r.test/p/{index}"), module(functions));
    }
    setup.manifests = manifests + &objects;
    setup.up(upstream.at);
    setup
}

fn plugins(answer: &Answer) -> usize {
    answer
        .headers
        .iter()
        .filter(|(name, _)| name == "x-plugin")
        .count()
}

#[test]
fn heads_pass_every_plugin_of_the_chain_that_matches() {
    let upstream = Upstream::answering(OK);
    let running = setup(&upstream, &[MARK, MARK], HEADERS, "").start();
    let answer = running.get("/plugin");
    assert_eq!((answer.body.as_str(), plugins(&answer)), ("ok", 2));
    assert_eq!(upstream.next().head.matches("x-plugin: seen").count(), 2);
    let answer = running.get("/other");
    assert_eq!((answer.body.as_str(), plugins(&answer)), ("ok", 0));
}

#[test]
fn bodies_pass_a_plugin_without_their_old_length() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer");
    let running = setup(&upstream, &[SHOUT], ALL, "").start();
    let answer =
        running.ask("POST /plugin HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!((answer.status, answer.body.as_str()), (200, "!"));
    assert_eq!(answer.header("content-length"), None);
    let seen = upstream.next();
    assert_eq!(
        (seen.body.as_str(), seen.header("content-length")),
        ("!", None)
    );
}

#[test]
fn a_plugin_that_answers_at_a_body_is_heard() {
    let upstream = Upstream::answering(OK);
    let running = setup(&upstream, &[REFUSE], ALL, "").start();
    let answer =
        running.ask("POST /plugin HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!((answer.status, answer.body.as_str()), (403, "seen"));
}

#[test]
fn a_plugin_that_traps_fails_its_request_and_is_replaced() {
    let upstream = Upstream::answering(OK);
    let running = setup(&upstream, &[FUSSY], HEADERS, "").start();
    assert_eq!(running.get("/plugin").status, 200);
    assert_eq!(upstream.next().header("x-plugin"), Some("seen"));
    let bad = running.ask("GET /plugin HTTP/1.1\r\nhost: a.test\r\nx-fail: 1\r\n\r\n");
    assert_eq!(bad.status, 500);
    assert!(bad.body.contains(r#""status":"INTERNAL""#), "{}", bad.body);
    // Restarts are throttled: for a while every request of the chain fails, others do not.
    assert_eq!(running.get("/plugin").status, 500);
    assert_eq!(running.get("/other").status, 200);
    assert!(
        running.admin("/metrics").body.contains(
            "wasm_plugin_traps_total{plugin_name=\"default/p0\",plugin_version=\"v1\"} 1\n"
        )
    );
    let log = running.end();
    assert!(log.contains(r#""kind":"trap""#), "{log}");
}

#[test]
fn a_plugin_that_fails_open_is_gone_round() {
    let upstream = Upstream::answering(OK);
    let running = setup(&upstream, &[FUSSY, MARK], HEADERS, ", failOpen: true").start();
    let answer = running.ask("GET /plugin HTTP/1.1\r\nhost: a.test\r\nx-fail: 1\r\n\r\n");
    assert_eq!((answer.status, plugins(&answer)), (200, 1));
    assert_eq!(upstream.next().head.matches("x-plugin: seen").count(), 1);
}

#[test]
fn a_plugin_without_end_is_ended() {
    let upstream = Upstream::answering(OK);
    let running = setup(&upstream, &[SPIN], HEADERS, "").start();
    assert_eq!(running.get("/plugin").status, 500);
    assert!(running.end().contains(r#""kind":"cpu-exceeded""#));
}

#[test]
fn a_plugin_that_fails_after_the_head_resets_the_stream() {
    let upstream = Upstream::answering(OK);
    let running = setup(&upstream, &[LATE], ALL, "").start();
    let mut client = running.connect();
    client.send("GET /plugin HTTP/1.1\r\nhost: a.test\r\n\r\n");
    // Whether its head still gets out is a matter of moments; a whole response never does.
    assert_eq!(client.try_answer(), None);
}

#[test]
fn logs_have_cloud_loggings_shape() {
    let upstream = Upstream::answering(OK);
    let mut setup = setup(&upstream, &[MARK], HEADERS, "");
    setup.access_log = true;
    let running = setup.start();
    assert_eq!(running.get("/plugin").status, 200);
    let log = running.end();
    let entries: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let message = entries.iter().find(|entry| entry["textPayload"] == "seen");
    let message = message.unwrap_or_else(|| panic!("no message in {log}"));
    assert_eq!(message["severity"], "INFO");
    assert_eq!(message["resource"]["labels"]["plugin_name"], "default/p0");
    assert_eq!(message["labels"]["callback"], "proxy_on_request_headers");
    let request = entries
        .iter()
        .find(|entry| entry["httpRequest"].is_object());
    let request = request.unwrap_or_else(|| panic!("no request in {log}"));
    assert_eq!(request["httpRequest"]["status"], 200);
    assert_eq!(
        request["jsonPayload"]["requestId"],
        message["labels"]["request_id"]
    );
    let extension = &request["jsonPayload"]["serviceExtensionInfo"][0];
    assert_eq!(
        (extension["chain"].as_str(), extension["extension"].as_str()),
        (Some("chain1"), Some("e0"))
    );
    let effects: Vec<_> = extension["perProcessingRequestInfo"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| {
            (
                event["eventType"].as_str(),
                event["processingEffect"].as_str(),
            )
        })
        .collect();
    let modified = Some("CONTENT_MODIFIED");
    assert_eq!(
        effects,
        [
            (Some("REQUEST_HEADERS"), modified),
            (Some("RESPONSE_HEADERS"), modified)
        ]
    );
}

#[test]
fn a_plugin_that_does_not_start_is_a_problem_and_fails_its_requests() {
    let upstream = Upstream::answering(OK);
    let refuses =
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 0)"#;
    let setup = setup(&upstream, &[refuses], HEADERS, "");
    let made = setup.make();
    assert_eq!(made.problems.len(), 1);
    let problem = &made.problems[0];
    assert!(
        problem.is_error && problem.message.contains("proxy_on_configure"),
        "{problem:?}"
    );
}

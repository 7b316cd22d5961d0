//! A plugin on the SDK that calls out, as wasm in our host: held, answered, refused.

use gatewright_harness::{Job, Link, RunOptions, Subject, load_text, run};
use gatewright_host::{Engine, EngineOptions};

const CASES: &str = r#"
profile: envoy
cases:
  - name: an answer continues the stream with what it says
    upstreams: {auth: [{status: 200, body: ada}]}
    request: {path: /}
    response: {status: 200}
    expect:
      request_headers: {has: ["x-user: ada"]}
      callouts: [{upstream: auth, has: [":path: /check", ":authority: auth.example"], body: ""}]
      metrics: {asked: 1}
      no_reply: true
  - name: an answer may become a reply
    upstreams: {auth: [{status: 404}]}
    request: {path: /}
    expect: {reply: {status: 403}}
  - name: no answer is an error that the plugin decides about
    upstreams: {auth: [fails]}
    request: {path: /}
    expect: {reply: {status: 502}}
  - name: time reaches the plugin
    exchanges:
      - advance: 1s
        expect: {logs: [tick]}
  - name: the load balancer refuses the call and the plugin decides
    profile: google
    request: {path: /}
    expect: {reply: {status: 502}}
"#;

#[test]
fn callouts_metrics_and_ticks_work_in_wasm() {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let plugin = engine
        .compile(&gatewright_tests::guest("callouts"))
        .expect("it compiles");
    let suite = load_text(CASES, std::path::Path::new("callouts.yaml")).expect("cases");
    let subject = Subject::new(Link::new(plugin));
    let report = run(&[Job::new(&suite, &subject)], &RunOptions::default()).remove(0);
    for case in &report.cases {
        assert!(case.passed(), "{}: {:?}", case.name, case.failures);
    }
    assert_eq!(report.cases.len(), 5);
}

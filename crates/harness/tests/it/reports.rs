//! Reports and traces, as they look.

use std::path::Path;
use std::time::Duration;

use gatewright_harness::{
    Job, Report, ReportFormat, RunOptions, load_text, render_case, render_trace, run, run_case,
};
use gatewright_host::TraceLevel;

use crate::plugins::subject;

const CASES: &str = r#"
cases:
  - name: adds a header
    request: {}
    expect: {request_headers: {has: ["x-a: 1"]}}
  - name: "says <&> \"no\""
    request: {}
    expect:
      request_headers: {has: ["x-a: 2"]}
  - name: traps
    config_text: t
    request: {}
"#;

fn report() -> Report {
    let suite = load_text(CASES, Path::new("cases/x.yaml")).unwrap();
    let subject = subject();
    let job = Job::new(&suite, &subject);
    Report {
        suites: run(&[job], &RunOptions::default()),
        errors: vec![("bad.yaml".into(), "bad.yaml:1:2: no".to_owned())],
        skipped: vec![("s/tests.textpb".into(), "no plugin `p` yet".to_owned())],
        time: Some(Duration::from_millis(1234)),
    }
}

#[test]
fn the_report_for_people() {
    insta::assert_snapshot!(report().render(ReportFormat::Human, false), @r#"
    cases/x.yaml
      ✓ adds a header
      ✗ says <&> "no" (line 6)
          request_headers: header `x-a` has another value
            - expected + actual
            - x-a: 2
            + x-a: 1
            log INFO     request
      ✗ traps (line 10)
          request_headers: the plugin failed: trap in proxy_on_request_headers: unreachable code reached, as by a panic
             0: function 11 at 0x255
            last hostcalls: proxy_get_buffer_bytes → 0, proxy_log → 0, proxy_log → 0
            log INFO     request
    error bad.yaml:1:2: no
    skipped s/tests.textpb: no plugin `p` yet

    3 cases: 1 passed, 2 failed, 1 file not usable, 1 file skipped in 1.23 s
    "#);
}

#[test]
fn the_report_for_build_servers() {
    insta::assert_snapshot!(report().render(ReportFormat::Junit, false), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="gatewright" tests="5" failures="2" errors="1" time="1.234000">
      <testsuite name="cases/x.yaml" tests="3" failures="2" errors="0" skipped="0">
        <testcase name="adds a header" classname="cases/x.yaml" file="cases/x.yaml" line="3"/>
        <testcase name="says &lt;&amp;&gt; &quot;no&quot;" classname="cases/x.yaml" file="cases/x.yaml" line="6">
          <failure type="expectation" message="header `x-a` has another value">exchange 1, request_headers: header `x-a` has another value
      - expected + actual
      - x-a: 2
      + x-a: 1
      log INFO     request</failure>
        </testcase>
        <testcase name="traps" classname="cases/x.yaml" file="cases/x.yaml" line="10">
          <failure type="trap" message="the plugin failed: trap in proxy_on_request_headers: unreachable code reached, as by a panic">exchange 1, request_headers: the plugin failed: trap in proxy_on_request_headers: unreachable code reached, as by a panic
       0: function 11 at 0x255
      last hostcalls: proxy_get_buffer_bytes → 0, proxy_log → 0, proxy_log → 0
      log INFO     request</failure>
        </testcase>
      </testsuite>
      <testsuite name="bad.yaml" tests="1" failures="0" errors="1" skipped="0">
        <testcase name="bad.yaml" classname="bad.yaml"><error message="bad.yaml:1:2: no"/></testcase>
      </testsuite>
      <testsuite name="s/tests.textpb" tests="1" failures="0" errors="0" skipped="1">
        <testcase name="s/tests.textpb" classname="s/tests.textpb"><skipped message="no plugin `p` yet"/></testcase>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn the_report_for_programs() {
    let text = report().render(ReportFormat::Json, false);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["passed"], 1);
    assert_eq!(json["failed"], 2);
    assert_eq!(json["success"], false);
    assert_eq!(json["seconds"], 1.234);
    let failure = &json["suites"][0]["cases"][1]["failures"][0];
    assert_eq!(failure["phase"], "request_headers");
    assert_eq!(failure["expected"], "x-a: 2\n");
    assert_eq!(failure["actual"], "x-a: 1\n");
    assert_eq!(failure["logs"][0]["message"], "request");
    let fault = &json["suites"][0]["cases"][2]["failures"][0]["fault"];
    assert_eq!(fault["kind"], "trap");
    assert_eq!(json["errors"][0]["file"], "bad.yaml");
}

#[test]
fn only_people_get_colours() {
    let report = report();
    assert!(report.render(ReportFormat::Human, true).contains('\u{1b}'));
    assert!(!report.render(ReportFormat::Junit, true).contains('\u{1b}'));
    assert!(!report.render(ReportFormat::Json, true).contains('\u{1b}'));
}

fn story(case: &str) -> String {
    let text = format!(
        "cases:\n  - name: a story\n    {}\n",
        case.replace('\n', "\n    ")
    );
    let suite = load_text(&text, Path::new("x.yaml")).unwrap();
    let run = run_case(&suite.cases[0], &subject(), TraceLevel::Full);
    render_case(&suite.cases[0], &run, false)
}

#[test]
fn the_story_of_a_reply() {
    insta::assert_snapshot!(story("config_text: r\nrequest: {path: /serviceextensions}"), @r#"
    a story

    start
      _initialize()  +128 KiB
      proxy_on_context_create(the plugin)  fuel 3
      proxy_on_vm_start(0 bytes) → true
      proxy_on_configure(1 byte) → true  fuel 25 · 1 hostcall
        proxy_get_buffer_bytes(buffer=PLUGIN_CONFIGURATION, start=0, max_size=1, value="r")

    GET /serviceextensions → 418 (the plugin's own reply)
      body `hello`

      proxy_on_context_create(a stream)  fuel 11 · 1 hostcall
        log INFO open
      → client sends request headers
          :method: GET
          :scheme: https
          :authority: example.com
          :path: /serviceextensions
      proxy_on_request_headers(4 headers, end of stream) → pause  fuel 29 · 2 hostcalls
        log INFO request
        proxy_send_local_response(status=418, headers=1 header, body="hello", grpc_status=-1)
            x-r: 1
      ← the plugin replies 418
          x-r: 1
          hello
      proxy_on_done() → true  fuel 10 · 1 hostcall
        log INFO bye
      proxy_on_delete()

    end
      proxy_on_done() → true  fuel 10 · 1 hostcall
        log INFO bye
      proxy_on_delete()
    "#);
}

#[test]
fn the_story_of_an_exchange() {
    insta::assert_snapshot!(
        story("config_text: p\nrequest: {body: abcd, chunks: 2}\nresponse: {body: {hex: ff0a61}}"),
        @r#"
    a story

    start
      _initialize()  +128 KiB
      proxy_on_context_create(the plugin)  fuel 3
      proxy_on_vm_start(0 bytes) → true
      proxy_on_configure(1 byte) → true  fuel 25 · 1 hostcall
        proxy_get_buffer_bytes(buffer=PLUGIN_CONFIGURATION, start=0, max_size=1, value="p")

    GET / → 200
      body `\xff\na!`

      proxy_on_context_create(a stream)  fuel 11 · 1 hostcall
        log INFO open
      → client sends request headers
          :method: GET
          :scheme: https
          :authority: example.com
          :path: /
      proxy_on_request_headers(4 headers) → pause  fuel 22 · 1 hostcall
        log INFO request
        finding pause-ignored the callback returned 1
          help: production ignores pausing; decide in the callback, or stream the body
      ← request headers go on to the upstream
          :method: GET
          :scheme: https
          :authority: example.com
          :path: /
      → client sends request body: 4 bytes in 2 chunks
      proxy_on_request_body(2 bytes) → continue  fuel 24 · 2 hostcalls
        log INFO chunk
        proxy_set_buffer_bytes(buffer=HTTP_REQUEST_BODY, start=2, size=0, value="!")
      proxy_on_request_body(2 bytes, end of stream) → continue  fuel 24 · 2 hostcalls
        log INFO chunk
        proxy_set_buffer_bytes(buffer=HTTP_REQUEST_BODY, start=2, size=0, value="!")
      ← 3 bytes of body go on to the upstream
          ab!
      ← 3 bytes of body go on to the upstream
          cd!
      → upstream sends response headers
          :status: 200
      proxy_on_response_headers(1 header) → continue  fuel 8 · 1 hostcall
        proxy_add_header_map_value(map=HTTP_RESPONSE_HEADERS, key="x-b", value="2")
      ← response headers go back to the client
          :status: 200
          x-b: 2
      → upstream sends response body: 3 bytes
      proxy_on_response_body(3 bytes, end of stream) → continue  fuel 20 · 2 hostcalls
        log INFO chunk
        proxy_set_buffer_bytes(buffer=HTTP_RESPONSE_BODY, start=3, size=0, value="!")
      ← 4 bytes of body go back to the client
          \xff
          a!
      proxy_on_done() → true  fuel 10 · 1 hostcall
        log INFO bye
      proxy_on_delete()

    end
      proxy_on_done() → true  fuel 10 · 1 hostcall
        log INFO bye
      proxy_on_delete()
    "#
    );
}

#[test]
fn the_story_of_a_trap() {
    insta::assert_snapshot!(story("config_text: t\nrequest: {}"), @r#"
    a story

    start
      _initialize()  +128 KiB
      proxy_on_context_create(the plugin)  fuel 3
      proxy_on_vm_start(0 bytes) → true
      proxy_on_configure(1 byte) → true  fuel 25 · 1 hostcall
        proxy_get_buffer_bytes(buffer=PLUGIN_CONFIGURATION, start=0, max_size=1, value="t")

    GET / → 500 (the plugin failed)

      proxy_on_context_create(a stream)  fuel 11 · 1 hostcall
        log INFO open
      → client sends request headers
          :method: GET
          :scheme: https
          :authority: example.com
          :path: /
      proxy_on_request_headers(4 headers, end of stream) → failed  fuel 13 · 1 hostcall
        log INFO request
        fault trap unreachable code reached, as by a panic
           0: function 11
      ← the plugin failed: the client gets 500
    "#);
}

#[test]
fn a_trace_alone_is_told_too() {
    let suite = load_text("cases: [{name: a, request: {}}]", Path::new("x.yaml")).unwrap();
    let run = run_case(&suite.cases[0], &subject(), TraceLevel::Full);
    let text = render_trace(&run.exchanges[0].trace, false);
    assert!(
        text.starts_with("proxy_on_context_create(a stream)"),
        "{text}"
    );
    assert!(render_trace(&run.exchanges[0].trace, true).contains('\u{1b}'));
}

#[test]
fn reports_are_in_the_order_of_the_cases_however_many_threads() {
    let cases: String = (0..64)
        .map(|index| format!("  - {{name: \"{index}\", request: {{}}}}\n"))
        .collect();
    let suite = load_text(&format!("cases:\n{cases}"), Path::new("x.yaml")).unwrap();
    let subject = subject();
    let job = Job::new(&suite, &subject).filtered(|case| case.name != "7");
    for threads in [0, 1, 4] {
        let options = RunOptions {
            threads,
            ..RunOptions::default()
        };
        let names: Vec<_> = run(std::slice::from_ref(&job), &options)[0]
            .cases
            .iter()
            .map(|case| case.name.parse::<u32>().unwrap())
            .collect();
        let expected: Vec<_> = (0..64).filter(|index| *index != 7).collect();
        assert_eq!(names, expected);
    }
}

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
    insta::assert_snapshot!(report().render(ReportFormat::Human, false), @"");
}

#[test]
fn the_report_for_build_servers() {
    insta::assert_snapshot!(report().render(ReportFormat::Junit, false), @"");
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
    let text = format!("cases:\n  - name: a story\n    {}\n", case.replace('\n', "\n    "));
    let suite = load_text(&text, Path::new("x.yaml")).unwrap();
    let run = run_case(&suite.cases[0], &subject(), TraceLevel::Full);
    render_case(&suite.cases[0], &run, false)
}

#[test]
fn the_story_of_a_reply() {
    insta::assert_snapshot!(story("config_text: r\nrequest: {path: /serviceextensions}"), @"");
}

#[test]
fn the_story_of_an_exchange() {
    insta::assert_snapshot!(
        story("config_text: p\nrequest: {body: abcd, chunks: 2}\nresponse: {body: {hex: ff0a61}}"),
        @""
    );
}

#[test]
fn the_story_of_a_trap() {
    insta::assert_snapshot!(story("config_text: t\nrequest: {}"), @"");
}

#[test]
fn a_trace_alone_is_told_too() {
    let suite = load_text("cases: [{name: a, request: {}}]", Path::new("x.yaml")).unwrap();
    let run = run_case(&suite.cases[0], &subject(), TraceLevel::Full);
    let text = render_trace(&run.exchanges[0].trace, false);
    assert!(text.starts_with("proxy_on_context_create(a stream)"), "{text}");
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

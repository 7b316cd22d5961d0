//! What is written reads back as what it was.

use std::path::Path;

use super::case_file;
use crate::load::load_text;
use crate::model::Case;

fn read(text: &str) -> Case {
    let suite = load_text(text, Path::new("written.yaml"));
    suite
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .cases
        .remove(0)
}

/// The parts of a case that the world of one consists of.
fn shown(case: &Case) -> String {
    let exchanges = case.exchanges.iter().map(|exchange| {
        let steps: Vec<_> = exchange
            .steps
            .iter()
            .map(|step| (step.phase, step.advance))
            .collect();
        (&exchange.before, steps, &exchange.whole)
    });
    format!("{:#?}", (&case.world, exchanges.collect::<Vec<_>>()))
}

#[test]
fn a_world_reads_back_as_it_was() {
    let case = read(
        r#"
cases:
  - name: everything around a plugin
    profile: envoy
    attach: route
    upstreams:
      tokens:
        - {status: 201, headers: ["a: b", "a: c"], body: "text", trailers: ["t: 1"], after: 1500us}
        - {status: 503, body: {hex: "00ff"}}
        - fails
      rpc:
        - {grpc: {initial: ["i: 1"], messages: ["one", {hex: "ff"}], trailing: ["t: 2"], status: 5, message: "gone"}, after: 2s}
        - {silent: true}
    chain:
      - {config: {key: value}, plugin_name: first, root_id: root, vm_id: shared, fail: open}
      - {vm_config: {hex: "00ff"}, capabilities: [proxy_log, proxy_on_request_headers], fail: reload}
      - {}
    exchanges:
      - enqueue: {vm_id: shared, queue: jobs, items: ["one", {hex: "ff"}]}
        advance: 7ns
      - advance: 1m
        expect:
          metrics: {hits: 3}
      - request: {body: "abc", chunks: 2}
        response: {body: "def"}
        advance: {request_headers: 5ms, request_body: 3s, response_headers: 9us}
        expect:
          callouts:
            - {upstream: tokens, has: [":method: POST", {name: b, contains: x}], lacks: [c], body: {matches: "t.*"}}
            - {service: s, method: m, exact: ["a: b"]}
          metrics: {hits: 4, misses: 0}
          shared: {key: {hex: "ff"}, other: {contains: "v"}}
          queues: {jobs: ["one", {matches: ".*"}], empty: []}
"#,
    );
    let written = case_file(&case).unwrap();
    assert_eq!(shown(&read(&written)), shown(&case), "{written}");
}

#[test]
fn what_cannot_be_written_is_told() {
    let mut case = read("cases: [{name: a, request: {}}]");
    let mut exchange = case.exchanges[0].clone();
    exchange.before.push(crate::world::Happening::Advance(1));
    case.exchanges.push(exchange);
    assert!(case_file(&case).unwrap_err().contains("right before"));
}

//! Files that are refused, each with its place.

use std::path::Path;

use gatewright_harness::load_text;

fn check(file: &str, text: &str, expected: &str) {
    let error = load_text(text, Path::new(file)).expect_err(text);
    assert_eq!(error.to_string(), format!("{file}:{expected}"), "{text}");
}

fn ours(text: &str, expected: &str) {
    check("x.yaml", text, expected);
}

fn google(text: &str, expected: &str) {
    check("x.textpb", text, expected);
}

#[test]
fn typos_in_our_format() {
    ours(
        "cases:\n  - name: a\n    reqest: {}\n",
        "3:5: unknown key `reqest`; did you mean `request`?",
    );
    ours(
        "cases:\n  - name: a\n    request: {}\n    expect:\n      request_headers:\n        hass: []\n",
        "6:9: unknown key `hass`; did you mean `has`?",
    );
    ours(
        "profil: google\ncases: []\n",
        "1:1: unknown key `profil`; did you mean `profile`?",
    );
    ours("plugin: x\n", "1:1: there is no `cases`");
    ours(
        "cases:\n  - name: a\n    name: b\n",
        "3:5: duplicate mapping key: name",
    );
    ours(
        "cases:\n  - {name: a, request: {}}\n  - {name: a, request: {}}\n",
        "3:5: `a` is the name of the case in line 2 too",
    );
}

#[test]
fn values_of_the_wrong_kind_in_our_format() {
    let case = |rest: &str, expected: &str| {
        ours(&format!("cases:\n  - name: a\n    {rest}\n"), expected);
    };
    case(
        "request: {path: 7}",
        "3:21: expected a text, found a number; put it into quotation marks",
    );
    case(
        "request: {headers: x}",
        "3:24: expected a list, found a text",
    );
    case(
        "request: {headers: [nothing]}",
        "3:25: `nothing` is no header; write it as \"name: value\", in quotation marks",
    );
    case("request: {body: {hex: abc}}", "3:27: `abc` has half a byte");
    case(
        "request: {body: {hex: zz}}",
        "3:27: `zz` is not hexadecimal",
    );
    case(
        "request: {body: abc, chunks: 4}",
        "3:34: a body of 3 bytes cannot be sent in 4 chunks",
    );
    case("request: {chunks: 4}", "3:23: there is no `body` to cut");
    case(
        "request: {body: {file: none.bin}}",
        "3:28: cannot read `none.bin`: No such file or directory (os error 2)",
    );
    case(
        "config_file: none.json",
        "3:18: cannot read `none.json`: No such file or directory (os error 2)",
    );
    case(
        "config: {}\n    config_text: x",
        "4:5: `config_text` and `config` exclude each other",
    );
    case(
        "clock: noon",
        "3:12: `noon` is no moment after 1970; `2025-06-01T12:00:00Z` is one",
    );
    case(
        "profile: gogle",
        "3:14: unknown profile `gogle`; did you mean `google`?",
    );
    case(
        "log_level: loud",
        "3:16: unknown log level `loud`; known here: `trace`, `debug`, `info`, `warn`, `error`, `critical`",
    );
    case(
        "response: {status: 99}\n    request: {}",
        "3:24: `99` is no status",
    );
    case(
        "response: {status: 200}",
        "2:5: an exchange needs a `request`; write `request: {}` for `GET https://example.com/`",
    );
    case(
        "clock: 1",
        "2:5: this case does nothing; give it a `request`, `exchanges`, or what to expect of `configure`",
    );
    case(
        "request: {}\n    expect: {response_headers: {}}",
        "4:32: the exchange sends nothing in `response_headers`; give the request or response what this phase needs",
    );
    case(
        "request: {}\n    expect: {findings: [pause-ignord]}",
        "4:25: unknown finding `pause-ignord`; did you mean `pause-ignored`?",
    );
    case(
        "request: {}\n    expect: {logs: [{matches: \"(\"}]}",
        "4:31: bad regular expression: unclosed group",
    );
    case(
        "request: {}\n    expect: {request_headers: {lacks: [\"a: b\"]}}",
        "4:40: `a: b` is no header name; `lacks` takes names without values",
    );
    case(
        "request: {}\n    configure: {fails: true}",
        "2:5: a plugin that fails to start takes no exchange",
    );
    case(
        "explore: {split: x}\n    request: {}",
        "3:15: unknown variation `split`; did you mean `splits`?",
    );
    case(
        "explore: {splits: \"\"}\n    request: {}",
        "3:15: leaving this out needs a reason",
    );
    case(
        "explore: [splits]\n    request: {}",
        "3:14: expected a mapping of what is left out to the reason, found a list",
    );
    case(
        "budget: {share: -1}\n    request: {}",
        "3:21: expected a percentage above 0, found a number",
    );
    case(
        "budget: {fuel: many}\n    request: {}",
        "3:20: expected a number, found a text",
    );
    case(
        "interleave: true\n    request: {}",
        "3:17: one exchange has nobody to take turns with; list two or more under `exchanges`",
    );
    case(
        "interleave: [1, 3]\n    exchanges: [{request: {}}, {request: {}}]",
        "3:21: there is no exchange 3; they count from 1 to 2",
    );
    case(
        "request: {}\n    exchanges: []",
        "3:14: with `exchanges`, a case has no exchange of its own",
    );
}

#[test]
fn typos_in_googles_text() {
    google(
        "test {\n  name: \"a\"\n  request_header { }\n}\n",
        "3:3: field `request_header` not found for message `service_extensions_samples.pb.Test`",
    );
    google("test { name: 5 }", "1:14: expected a string, but found `5`");
    google(
        "test {\n  name: \"a\"\n",
        "3:1: expected `}` or a field name, but reached end of input",
    );
    google(
        "test { name: \"a\" name: \"b\" }",
        "1:24: `name` is already set",
    );
    google(
        "test { num_chunks: 1 chunk_size: 2 }",
        "1:34: a value is already set for oneof `body_chunking_plan`",
    );
}

#[test]
fn bad_values_in_googles_text() {
    google(
        "test {\n  request_headers { result {\n    log { regex: \"(\" } } }\n}\n",
        "3:11: bad regular expression: unclosed group",
    );
    google(
        "test {\n  request_body { input { file: \"none\" } }\n}\n",
        "2:26: cannot read `none`: No such file or directory (os error 2)",
    );
    google(
        "test { plugin_init { log { invert: true } } }",
        "1:22: a matcher needs `exact`, `regex` or `file`",
    );
    google(
        "test { num_chunks: 3 request_body { } request_body { } }",
        "1:22: with `num_chunks` there may be only one `request_body`",
    );
    google(
        "test { chunk_size: 0 }",
        "1:8: `chunk_size` must be above 0",
    );
    google(
        "test { num_chunks: 3 request_body { input { content: \"ab\" } } }",
        "1:8: a body of 2 bytes cannot be sent in 3 chunks",
    );
    google(
        "test { request_headers { input { content: \"GET\" } } }",
        "1:34: no HTTP/1 message: `GET` is no first line",
    );
    google(
        "test { request_headers { result { has_header { value: \"x\" } } } }",
        "1:35: `has_header` needs a `key`",
    );
}

#[test]
fn typos_in_googles_yaml() {
    let yaml = |text: &str, expected: &str| check("x.yaml", text, expected);
    yaml(
        "test:\n  - name: a\n    request_header: {}\n",
        "3:5: unknown field `request_header`; did you mean `request_headers`?",
    );
    yaml(
        "test:\n  - name: a\n    request_body: {}\n",
        "3:19: expected a list, found a mapping; `request_body` is repeated: begin each with `- `",
    );
    yaml(
        "test:\n  - num_chunks: many\n",
        "2:17: `many` is no number of 32 bits",
    );
    yaml(
        "test:\n  - {num_chunks: 1, chunk_size: 2}\n",
        "2:21: `chunk_size` and `num_chunks` exclude each other",
    );
    yaml(
        "env: {log_level: LOUD}\n",
        "1:18: unknown value `LOUD`; known here: `UNDEFINED`, `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`, `CRITICAL`",
    );
    yaml(
        "test:\n  - benchmark: perhaps\n",
        "2:16: `perhaps` is no truth value",
    );
}

#[test]
fn bad_worlds_in_our_format() {
    let case = |rest: &str, expected: &str| {
        ours(
            &format!("cases:\n  - name: a\n    request: {{}}\n    {rest}\n"),
            expected,
        );
    };
    case(
        "attach: cdn",
        "4:13: unknown point of attachment `cdn`; known here: `edge`, `route`, `traffic`",
    );
    case(
        "fail: opn",
        "4:11: unknown failure policy `opn`; did you mean `open`?",
    );
    case(
        "capabilities: []",
        "4:19: no capabilities are no restriction; Envoy takes an empty map for all of them; leave the key out",
    );
    case(
        "capabilities: [proxy_lag]",
        "4:20: `proxy_lag` is no hostcall, callback or WASI function",
    );
    case("chain: []", "4:12: a chain has one plugin at least");
    case(
        "chain: [{vm_ids: x}]",
        "4:14: unknown key `vm_ids`; did you mean `vm_id`?",
    );
    case(
        "upstreams: [a]",
        "4:16: expected a mapping of names to answers, found a list",
    );
    case(
        "upstreams: {a: []}",
        "4:20: an upstream has one answer at least",
    );
    case(
        "upstreams: {a: fail}",
        "4:20: unknown answer `fail`; did you mean `fails`?",
    );
    case(
        "upstreams: {a: {status: 200, fails: true}}",
        "4:29: `status` and `fails` exclude each other",
    );
    case(
        "upstreams: {a: {fails: false}}",
        "4:28: `fails` is `true` or left out",
    );
    case(
        "upstreams: {a: {fails: true, silent: true}}",
        "4:34: `silent` and `fails` exclude each other",
    );
    case(
        "upstreams: {a: {after: 5}}",
        "4:28: expected a stretch of time, found a number; write a number and a unit, as `100ms`, `1s` or `2m`",
    );
    case(
        "upstreams: {a: {grpc: {mesages: []}}}",
        "4:28: unknown key `mesages`; did you mean `messages`?",
    );
    case(
        "advance: soon",
        "4:14: `soon` is no stretch of time; `100ms`, `1s` and `2m` are some",
    );
    case(
        "advance: {response_headers: 1s}",
        "4:33: the exchange sends nothing in `response_headers`",
    );
    case(
        "properties: {a: {int: x}}",
        "4:27: expected a number, found a text",
    );
    case(
        "expect: {metrics: [a]}",
        "4:23: expected a mapping of names to values, found a list",
    );
    case(
        "expect: {callouts: [{upstrem: a}]}",
        "4:26: unknown key `upstrem`; did you mean `upstream`?",
    );
}

#[test]
fn bad_items_among_exchanges() {
    let case = |item: &str, expected: &str| {
        ours(
            &format!("cases:\n  - name: a\n    exchanges:\n      - {item}\n"),
            expected,
        );
    };
    case(
        "{request: {}, enqueue: {queue: q, items: []}}",
        "4:32: `enqueue` stands in an item of its own, before the exchange",
    );
    case("{enqueue: {items: []}}", "4:19: there is no `queue`");
    case("{enqueue: {queue: q}}", "4:19: there are no `items`");
    case(
        "{advance: 1s, response: {}}",
        "4:33: without a `request` there is no response",
    );
    case(
        "{advance: 1s, expect: {request_headers: {}}}",
        "4:49: the exchange sends nothing in `request_headers`; give the request or response what this phase needs",
    );
}

//! The decision and the line as pure functions, and the plugin run natively.

use super::*;
use crate::line::MAX_LINE;
use crate::sampling::{ALL, Flag, Reason, Sampler, point};
use gatewright::LogLevel;
use gatewright::testing::{Seen, TestPlugin, answer, every_status, seed};
use std::collections::BTreeSet;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

const KEYS: u32 = 100_000;
const IN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OUT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

const GOLDEN_POINTS: &[(&str, u32)] = &[
    ("", 936769),
    ("a", 510294),
    ("foobar", 172395),
    ("4bf92f3577b34da6a3ce929d0e0e4736", 900039),
    ("request-1", 843984),
    ("request-2", 193594),
    ("request-7", 595698),
];

/// Trace ids as a random generator makes them, and request ids that differ in a digit or two.
fn keys() -> [Vec<String>; 2] {
    let trace = |n: u32| {
        let mut word = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        word = (word ^ (word >> 67)).wrapping_mul(0xda94_2042_e4dd_58b5_2545_f491_4f6c_dd1d);
        format!("{:032x}", word ^ (word >> 61))
    };
    [
        (0..KEYS).map(trace).collect(),
        (0..KEYS).map(|n| format!("request-{n}")).collect(),
    ]
}

fn sampled(rate: u32, keys: &[String]) -> BTreeSet<&str> {
    let sampler = Sampler {
        rate,
        flag: Flag::Ignore,
    };
    let is_in = |key: &&String| sampler.by_key(Source::RequestId, key.as_bytes()).sampled;
    keys.iter().filter(is_in).map(String::as_str).collect()
}

#[test]
fn the_observed_share_lies_within_three_standard_deviations() {
    for keys in keys() {
        for rate in [
            1, 100, 1_000, 10_000, 100_000, 250_000, 500_000, 900_000, 999_999,
        ] {
            let share = f64::from(rate) / f64::from(ALL);
            let expected = f64::from(KEYS) * share;
            let deviation = (expected * (1.0 - share)).sqrt();
            let observed = sampled(rate, &keys).len() as f64;
            assert!(
                (observed - expected).abs() <= 3.0 * deviation,
                "rate {rate}: {observed} instead of {expected} ± {deviation}"
            );
        }
        assert_eq!(sampled(0, &keys).len(), 0);
        assert_eq!(sampled(ALL, &keys).len(), KEYS as usize);
    }
}

#[test]
fn a_higher_rate_keeps_all_that_a_lower_one_has() {
    for keys in keys() {
        let mut lower = BTreeSet::new();
        for rate in [0, 10, 1_000, 50_000, 300_000, 999_999, ALL] {
            let higher = sampled(rate, &keys);
            assert!(lower.is_subset(&higher), "{rate}");
            lower = higher;
        }
    }
}

#[test]
fn a_key_has_the_same_point_for_everybody() {
    // Computed by another implementation from the description in `sampling.rs`.
    for (key, expected) in GOLDEN_POINTS {
        assert_eq!(point(key.as_bytes()), *expected, "{key}");
    }
}

#[test]
fn a_trace_is_read_as_the_standard_says() {
    let id = &b"4bf92f3577b34da6a3ce929d0e0e4736"[..];
    let trace = |sampled| Some(Trace { id, sampled });
    for (header, expected) in [
        (IN, trace(true)),
        (OUT, trace(false)),
        (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0b",
            trace(true),
        ),
        (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe",
            trace(false),
        ),
        (
            "42-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later",
            trace(true),
        ),
        (
            "42-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01later",
            None,
        ),
        (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            None,
        ),
        (
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            None,
        ),
        (
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            None,
        ),
        (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            None,
        ),
        (
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            None,
        ),
        (
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-011",
            None,
        ),
        (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            None,
        ),
        ("", None),
    ] {
        assert_eq!(Trace::parse(header.as_bytes()), expected, "{header}");
    }
}

#[test]
fn the_flag_decides_as_configured() {
    let none = 0;
    for (flag, header, rate, expected) in [
        (Flag::Ignore, IN, none, (false, Reason::Rate)),
        (Flag::Ignore, OUT, ALL, (true, Reason::Rate)),
        (Flag::Include, IN, none, (true, Reason::Flag)),
        (Flag::Include, OUT, none, (false, Reason::Rate)),
        (Flag::Include, OUT, ALL, (true, Reason::Rate)),
        (Flag::Follow, IN, none, (true, Reason::Flag)),
        (Flag::Follow, OUT, ALL, (false, Reason::Flag)),
    ] {
        let trace = Trace::parse(header.as_bytes()).unwrap();
        let decision = Sampler { rate, flag }.by_trace(trace);
        assert_eq!(
            (decision.sampled, decision.reason),
            expected,
            "{flag:?} {header} {rate}"
        );
    }
}

/// Leads an exchange through a plugin; what its last callback logged.
fn exchange(configuration: &str, request: &[(&str, &str)], response: &[(&str, &str)]) -> Seen {
    let plugin = TestPlugin::<SampledLog>::configure(configuration).unwrap();
    let mut stream = plugin.stream();
    let seen = stream.request_headers(request.iter().copied());
    assert!(seen.goes_on() && seen.logs.is_empty(), "{seen:?}");
    let seen = stream.response_headers(response.iter().copied());
    assert!(seen.goes_on() && seen.logs.is_empty(), "{seen:?}");
    stream.done()
}

const REQUEST: [(&str, &str); 3] = [
    (":method", "GET"),
    (":path", "/cart?token=s3cret"),
    ("x-request-id", "7"),
];

#[test]
fn an_exchange_is_one_line_of_json() {
    let seen = exchange("", &REQUEST, &[(":status", "200")]);
    assert_eq!(
        seen.messages(),
        [
            r#"{"method":"GET","path":"/cart","status":200,"sampling":{"by":"rate","key":"x-request-id","rate":1000000}}"#
        ]
    );
    assert_eq!(seen.logs[0].0, LogLevel::Info);
}

#[test]
fn chosen_headers_are_written_and_secrets_are_not() {
    let configuration = r#"{
        "request_headers": ["Authorization", "accept", "x-key", "not-there", "COOKIE"],
        "response_headers": ["set-cookie", "content-type"],
        "redact": ["X-Key"],
        "query": true,
        "traceparent_flag": "include",
        "rate": 0
    }"#;
    let seen = exchange(
        configuration,
        &[
            (":method", "GET"),
            (":path", "/a?b=\"c\""),
            ("traceparent", IN),
            ("authorization", "Bearer abc"),
            ("accept", "a"),
            ("accept", "b"),
            ("x-key", "k"),
            ("cookie", "session=1"),
        ],
        &[
            (":status", "404"),
            ("set-cookie", "session=2"),
            ("content-type", "text/\u{e9}\t"),
        ],
    );
    assert_eq!(
        seen.messages(),
        [concat!(
            r#"{"method":"GET","path":"/a?b=\"c\"","status":404,"#,
            r#""trace":"4bf92f3577b34da6a3ce929d0e0e4736","#,
            r#""sampling":{"by":"traceparent flag","key":"traceparent","rate":0},"#,
            r#""request_headers":{"Authorization":"[redacted]","accept":"a, b","x-key":"[redacted]","COOKIE":"[redacted]"},"#,
            r#""response_headers":{"set-cookie":"[redacted]","content-type":"text/é\u0009"}}"#
        )]
    );
}

#[test]
fn a_response_from_the_chosen_status_up_is_always_logged() {
    let configuration = r#"{"rate": 0, "always_from_status": 500}"#;
    assert!(
        exchange(configuration, &REQUEST, &[(":status", "499")])
            .logs
            .is_empty()
    );
    let seen = exchange(configuration, &REQUEST, &[(":status", "500")]);
    assert!(seen.messages()[0].contains(r#""by":"status""#), "{seen:?}");
    assert!(
        exchange(configuration, &REQUEST, &[(":status", "odd")])
            .logs
            .is_empty()
    );
}

#[test]
fn an_exchange_that_is_out_costs_little() {
    let calls = |configuration: &str, request: &[(&str, &str)]| {
        let plugin = TestPlugin::<SampledLog>::configure(configuration).unwrap();
        let mut stream = plugin.stream();
        let mut calls = stream.request_headers(request.iter().copied()).calls;
        calls.extend(stream.response_headers([(":status", "200")]).calls);
        calls.extend(stream.done().calls);
        calls
    };
    let get = "proxy_get_header_map_value";
    assert_eq!(calls(r#"{"rate": 0}"#, &REQUEST), [""; 0]);
    let by_flag = r#"{"rate": 0, "traceparent_flag": "include"}"#;
    assert_eq!(calls(by_flag, &[("traceparent", OUT)]), [get]);
    assert_eq!(calls(by_flag, &REQUEST), [get, get]);
    assert_eq!(calls(by_flag, &[(":path", "/")]), [get, get, "random_get"]);
    assert_eq!(
        calls(by_flag, &[("traceparent", IN)]),
        [get, "proxy_get_header_map_pairs", get, "proxy_log"]
    );
}

#[test]
fn without_any_id_chance_decides() {
    let plugin = TestPlugin::<SampledLog>::configure(r#"{"rate": 500000}"#).unwrap();
    seed(1);
    let logged = (0..1_000)
        .filter(|_| {
            let mut stream = plugin.stream();
            stream.request_headers([(":path", "/")]);
            !stream.done().logs.is_empty()
        })
        .count();
    assert!((450..550).contains(&logged), "{logged}");
}

#[test]
fn a_line_never_exceeds_what_production_keeps() {
    let names: Vec<String> = (0..64).map(|n| format!("\"x-{n}\"")).collect();
    let configuration = format!("{{\"request_headers\": [{}]}}", names.join(","));
    for value in [
        "\u{1}".repeat(9_000),
        "é".repeat(9_000),
        "x".repeat(300),
        String::new(),
    ] {
        let mut request = vec![
            (":method".to_owned(), value.clone()),
            (":path".to_owned(), value.clone()),
        ];
        request.extend((0..64).map(|n| (format!("x-{n}"), value.clone())));
        let plugin = TestPlugin::<SampledLog>::configure(&configuration).unwrap();
        let mut stream = plugin.stream();
        stream.request_headers(request);
        let seen = stream.done();
        let [(_, line)] = seen.logs.as_slice() else {
            panic!("one entry a callback: {seen:?}");
        };
        assert!(line.len() <= MAX_LINE, "{}", line.len());
        assert_eq!(line.contains(r#""truncated":true"#), !value.is_empty());
        assert!(line.ends_with('}') && balanced(line), "{line}");
    }
}

/// Whether quotes and braces pair up: a cut in the wrong place would break one of them.
fn balanced(line: &str) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for character in line.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    depth == 0 && !quoted
}

#[test]
fn a_host_that_fails_does_not_hold_up_a_request() {
    for call in [
        "proxy_get_header_map_value",
        "proxy_get_header_map_pairs",
        "random_get",
    ] {
        for status in every_status() {
            let plugin = TestPlugin::<SampledLog>::configure(r#"{"rate": 999999}"#).unwrap();
            answer(call, status, b"");
            let mut stream = plugin.stream();
            assert!(stream.request_headers([(":path", "/")]).goes_on());
            assert!(stream.response_headers([(":status", "200")]).goes_on());
        }
    }
}

#[test]
fn a_bad_configuration_is_refused_by_field_and_place() {
    for (configuration, expected) in [
        (
            r#"{"rate": 1000001}"#,
            "`rate`: must be at most 1000000, which is every exchange at line 1 column 10",
        ),
        (
            r#"{"rate": 0.5}"#,
            "`rate`: invalid type: floating point `0.5`, expected u32 at line 1 column 10",
        ),
        (
            r#"{"sample_rate": 1}"#,
            "`sample_rate`: unknown field `sample_rate`, expected one of `rate`, `traceparent_flag`, \
             `always_from_status`, `request_headers`, `response_headers`, `redact`, `query` \
             at line 1 column 2",
        ),
        (
            r#"{"traceparent_flag": "yes"}"#,
            "`traceparent_flag`: unknown variant `yes`, expected one of `ignore`, `include`, `follow` \
             at line 1 column 22",
        ),
        (
            r#"{"always_from_status": 600}"#,
            "`always_from_status`: must be an HTTP status, from 100 to 599 at line 1 column 24",
        ),
        (
            r#"{"redact": ["a", "b c"]}"#,
            "`redact[1]`: must be a header name at line 1 column 18",
        ),
    ] {
        let refused = TestPlugin::<SampledLog>::configure(configuration).unwrap_err();
        assert_eq!(
            refused.logs[0].1.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}

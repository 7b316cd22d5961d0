//! Generated exchanges: the shapes that messages have on the wire.

use gatewright_harness::{Event, Exchange, Phase, Step};
use gatewright_host::HeaderMap;

use super::dice::Dice;

/// Names that occur in generated messages and scripts: plain, in odd cases, and such of which Envoy
/// keeps only one line.
pub(super) const NAMES: &[&str] = &[
    "x-dup",
    "X-Mixed-Case",
    "x-empty",
    "x_under",
    "accept",
    "accept-language",
    "user-agent",
    "cache-control",
    "cookie",
    "x-request-id",
    "origin",
    "!#$%&'*+-.^_`|~",
    "x-0",
];

const METHODS: &[&str] = &[
    "GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD",
];

const PATHS: &[&str] = &[
    "/",
    "/a?b=c&d",
    "/%00%ff/..;/x",
    "//double//slash/",
    "/a/../b/./c",
    "/?",
    "/~tilde/!$&'()*+,;=:@",
    "/[]{}|^`\"<>",
];

const STATUSES: &[&str] = &[
    "200", "200", "200", "201", "204", "206", "301", "304", "400", "401", "403", "404", "418",
    "429", "500", "502", "503", "599",
];

/// Values: short, empty, with white space and bytes that are no ASCII, long.
fn value(dice: &mut Dice) -> Vec<u8> {
    match dice.below(8) {
        0 => Vec::new(),
        1 => b"a b\tc".to_vec(),
        2 => b"caf\xe9 \xff\x80".to_vec(),
        3 => "ä, \"ö\"; q=0.5".into(),
        4 => vec![b'l'; 200 + dice.below(6_000)],
        5 => b"a,b, c".to_vec(),
        _ => format!("v{}", dice.below(1_000)).into_bytes(),
    }
}

fn fields(dice: &mut Dice, map: &mut HeaderMap, most: usize) {
    for _ in 0..dice.below(most + 1) {
        let name = dice.pick(NAMES);
        map.append(name.as_bytes(), &value(dice));
    }
}

fn body(dice: &mut Dice) -> Vec<u8> {
    match dice.below(6) {
        0 => b"x".to_vec(),
        1 => (0..=255).collect(),
        2 => b"0\r\n\r\n".to_vec(),
        3 => vec![b'b'; 1 + dice.below(5_000)],
        _ => format!("body {}", dice.below(1_000)).into_bytes(),
    }
}

/// Adds body and trailers to a message, or says that its headers end it.
fn rest(
    dice: &mut Dice,
    steps: &mut Vec<Step>,
    may: bool,
    phases: [Phase; 3],
    mut headers: HeaderMap,
) {
    let has_body = may && dice.chance(65);
    let has_trailers = has_body && dice.chance(25);
    let mut chunks = Vec::new();
    if has_body {
        chunks.extend((0..=dice.below(3)).map(|_| body(dice)));
        if dice.chance(20) {
            chunks.push(Vec::new());
        } else if dice.chance(10) {
            chunks = vec![Vec::new()];
        }
        if !has_trailers && dice.chance(40) {
            let size: usize = chunks.iter().map(Vec::len).sum();
            headers.append(b"Content-Length", size.to_string().as_bytes());
        }
    }
    let step = |phase, event| Step {
        phase,
        event,
        checks: Vec::new(),
        advance: 0,
    };
    steps.push(step(
        phases[0],
        Event::Headers {
            headers,
            end_of_stream: !has_body,
        },
    ));
    if has_body {
        steps.push(step(
            phases[1],
            Event::Body {
                chunks,
                end_of_stream: !has_trailers,
            },
        ));
    }
    if has_trailers {
        let mut trailers = HeaderMap::new();
        trailers.append(b"X-Trailer", b"1");
        fields(dice, &mut trailers, 2);
        steps.push(step(phases[2], Event::Trailers(trailers)));
    }
}

/// An exchange of some shape. One whose method and status may be changed has a response that is
/// framed in the same way whatever they are.
pub(super) fn exchange(dice: &mut Dice, changes_kind: bool) -> Exchange {
    let mut steps = Vec::new();
    let method = match dice.pick(METHODS) {
        "HEAD" if changes_kind => "GET",
        method => method,
    };
    let mut headers = HeaderMap::new();
    headers.append(b":method", method.as_bytes());
    headers.append(b":scheme", dice.pick(&[&b"http"[..], b"https"]));
    headers.append(
        b":authority",
        dice.pick(&[&b"example.com"[..], b"Example.COM:8080"]),
    );
    headers.append(b":path", dice.pick(PATHS).as_bytes());
    fields(dice, &mut headers, 8);
    let may = !matches!(method, "GET" | "HEAD");
    rest(
        dice,
        &mut steps,
        may,
        [
            Phase::RequestHeaders,
            Phase::RequestBody,
            Phase::RequestTrailers,
        ],
        headers,
    );
    let mut headers = HeaderMap::new();
    let status = match dice.pick(STATUSES) {
        "204" | "304" if changes_kind => "200",
        status => status,
    };
    headers.append(b":status", status.as_bytes());
    fields(dice, &mut headers, 6);
    let may = method != "HEAD" && !matches!(status, "204" | "304");
    if !may && status != "204" && dice.chance(50) {
        headers.append(b"content-length", b"12");
    }
    rest(
        dice,
        &mut steps,
        may,
        [
            Phase::ResponseHeaders,
            Phase::ResponseBody,
            Phase::ResponseTrailers,
        ],
        headers,
    );
    Exchange {
        steps,
        ..Exchange::default()
    }
}

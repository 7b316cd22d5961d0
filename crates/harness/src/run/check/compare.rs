//! One expectation against what was seen, and what to say when they differ.

use gatewright_host::{FindingKind, HeaderMap, LocalReply, LogLevel, LogLine};

use super::Mismatch;
use super::outside;
use super::seen::Seen;
use crate::model::{Check, ImmediateIs, Matcher, Pattern, ReplyIs};
use crate::text::{shown, shown_lines};

/// What is wrong with one check.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) mismatch: Option<Mismatch>,
}

impl Wrong {
    pub(super) fn because(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            mismatch: None,
        }
    }

    pub(super) fn differs(message: impl Into<String>, expected: String, actual: String) -> Self {
        Self {
            message: message.into(),
            mismatch: Some(Mismatch { expected, actual }),
        }
    }

    /// A text against a matcher: two texts where the matcher is one.
    pub(super) fn not(message: impl Into<String>, matcher: &Matcher, actual: &str) -> Self {
        Self::differs(message, shown_matcher(matcher), actual.to_owned())
    }
}

pub(super) fn shown_matcher(matcher: &Matcher) -> String {
    match (&matcher.pattern, matcher.invert) {
        (Pattern::Exact(bytes), false) => shown_lines(bytes),
        _ => matcher.to_string(),
    }
}

/// What is wrong with this check, if something is.
pub(super) fn evaluate(check: &Check, seen: &Seen<'_>) -> Vec<Wrong> {
    let wrong = match check {
        Check::Has(name, matcher) => has(seen.headers(), name, matcher),
        Check::HasMerged(name, value) => has_merged(seen.headers(), name, value),
        Check::Lacks(name) => lacks(seen.headers(), name),
        Check::Exact(expected) => exact(seen, expected),
        Check::HeaderLine(matcher) => header_line(seen.headers(), matcher),
        Check::Body(matcher) => body(seen, matcher),
        Check::Reply(expected) => return reply(seen, expected),
        Check::NoReply => no_reply(seen),
        Check::Immediate(expected) => return immediate(seen, expected.as_ref()),
        Check::Log(level, matcher) => log(seen, *level, matcher),
        Check::NoLog(level, matcher) => no_log(seen, *level, matcher),
        Check::Findings(kinds) => findings(seen, kinds),
        Check::Callouts(expected) => return outside::callouts(seen, expected),
        Check::Metric(name, value) => outside::metric(seen, name, *value),
        Check::Shared(key, matcher) => outside::shared(seen, key, matcher),
        Check::Queue(name, items) => outside::queue(seen, name, items),
    };
    wrong.into_iter().collect()
}

/// A header map as lines.
fn lines(headers: &HeaderMap) -> String {
    let mut out = String::new();
    for (name, value) in headers {
        out.push_str(&shown(name));
        out.push_str(": ");
        out.push_str(&shown(value));
        out.push('\n');
    }
    out
}

fn has(headers: &HeaderMap, name: &[u8], matcher: &Matcher) -> Option<Wrong> {
    let values: Vec<_> = headers.get_all(name).collect();
    if values.iter().any(|value| matcher.finds(value)) {
        return None;
    }
    let name = shown(name);
    if values.is_empty() {
        return Some(Wrong::differs(
            format!("there is no header `{name}`"),
            format!("{name}: {}\n", shown_matcher(matcher)),
            lines(headers),
        ));
    }
    let actual: HeaderMap = values.iter().map(|value| (&name, value)).collect();
    Some(Wrong::differs(
        format!("header `{name}` has another value"),
        format!("{name}: {}\n", shown_matcher(matcher)),
        lines(&actual),
    ))
}

/// All values of a header as the tester has them: joined, an empty one overwritten.
fn merged(headers: &HeaderMap, name: &[u8]) -> Option<Vec<u8>> {
    headers.get_all(name).fold(None, |joined, value| {
        Some(match joined {
            Some(mut joined) if !Vec::is_empty(&joined) => {
                joined.extend_from_slice(b", ");
                joined.extend_from_slice(value);
                joined
            }
            _ => value.to_vec(),
        })
    })
}

fn has_merged(headers: &HeaderMap, name: &[u8], expected: &[u8]) -> Option<Wrong> {
    let actual = merged(headers, name);
    if actual.as_deref() == Some(expected) {
        return None;
    }
    let name = shown(name);
    let expected = format!("{name}: {}\n", shown(expected));
    Some(match actual {
        None => Wrong::differs(
            format!("there is no header `{name}`"),
            expected,
            lines(headers),
        ),
        Some(value) => Wrong::differs(
            format!("header `{name}` has another value"),
            expected,
            format!("{name}: {}\n", shown(&value)),
        ),
    })
}

fn lacks(headers: &HeaderMap, name: &[u8]) -> Option<Wrong> {
    let value = merged(headers, name)?;
    Some(Wrong::because(format!(
        "there should be no header `{}`; it is `{}`",
        shown(name),
        shown(&value)
    )))
}

fn exact(seen: &Seen<'_>, expected: &HeaderMap) -> Option<Wrong> {
    let actual = seen.headers();
    let same = expected.len() == actual.len()
        && expected
            .iter()
            .zip(actual)
            .all(|(a, b)| a.0.eq_ignore_ascii_case(b.0) && a.1 == b.1);
    (!same).then(|| Wrong::differs("the headers are others", lines(expected), lines(actual)))
}

fn header_line(headers: &HeaderMap, matcher: &Matcher) -> Option<Wrong> {
    let lines: Vec<Vec<u8>> = headers
        .iter()
        .map(|(name, value)| [name, b": ", value].concat())
        .collect();
    if matcher.holds_among(lines.iter().map(Vec::as_slice)) {
        return None;
    }
    Some(Wrong::not(
        if matcher.invert {
            "a header line matches that should not"
        } else {
            "no header line matches"
        },
        matcher,
        &self::lines(headers),
    ))
}

fn body(seen: &Seen<'_>, matcher: &Matcher) -> Option<Wrong> {
    let actual = seen.body.as_deref();
    if matcher.holds_among([actual.unwrap_or_default()]) {
        return None;
    }
    let message = match actual {
        None => "there is no body",
        Some(_) => "the body is another",
    };
    Some(Wrong::not(
        message,
        matcher,
        &shown_lines(actual.unwrap_or_default()),
    ))
}

fn reply(seen: &Seen<'_>, expected: &ReplyIs) -> Vec<Wrong> {
    let Some(reply) = seen.reply.as_deref() else {
        return vec![Wrong::because(match &seen.end {
            Some(end) => format!("expected a local reply; {end}"),
            None => "expected a local reply in this phase; there was none".to_owned(),
        })];
    };
    let mut wrong = Vec::new();
    if let Some(status) = expected.status.filter(|status| *status != reply.status) {
        wrong.push(Wrong::differs(
            "the reply has another status",
            status.to_string(),
            reply.status.to_string(),
        ));
    }
    if let Some(status) = expected
        .grpc_status
        .filter(|status| *status != reply.grpc_status)
    {
        wrong.push(Wrong::differs(
            "the reply has another gRPC status",
            status.to_string(),
            reply.grpc_status.to_string(),
        ));
    }
    let inner = Seen::reply(reply);
    for check in &expected.checks {
        wrong.extend(evaluate(check, &inner).into_iter().map(|mut wrong| {
            wrong.message = format!("in the reply: {}", wrong.message);
            wrong
        }));
    }
    wrong
}

fn no_reply(seen: &Seen<'_>) -> Option<Wrong> {
    let reply = seen.reply.as_deref()?;
    Some(Wrong::because(format!(
        "expected no local reply; there was one of status {}, body `{}`",
        reply.status,
        shown(&reply.body)
    )))
}

/// The tester's two rules and three comparisons.
fn immediate(seen: &Seen<'_>, expected: Option<&ImmediateIs>) -> Vec<Wrong> {
    let reply = seen.reply.as_deref().filter(|reply| reply.status > 0);
    match (expected, reply) {
        (None, None) => match seen.paused {
            None => Vec::new(),
            Some(action) => vec![Wrong::because(format!(
                "the callback paused (it returned {action}) without a local reply"
            ))],
        },
        (None, Some(_)) => no_reply(seen).into_iter().collect(),
        (Some(_), None) => vec![Wrong::because(
            "expected a local reply in this phase; there was none",
        )],
        (Some(expected), Some(reply)) => compare_immediate(expected, reply),
    }
}

fn compare_immediate(expected: &ImmediateIs, reply: &LocalReply) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: Option<String>, actual: String| {
        if let Some(expected) = expected.filter(|expected| *expected != actual) {
            wrong.push(Wrong::differs(
                format!("the reply has another {what}"),
                expected,
                actual,
            ));
        }
    };
    let text = |number: u32| number.to_string();
    compare(
        "status",
        expected.http_status.map(text),
        reply.status.to_string(),
    );
    // The tester holds it without a sign, so that "none" is the largest number.
    compare(
        "gRPC status",
        expected.grpc_status.map(text),
        reply.grpc_status.cast_unsigned().to_string(),
    );
    compare(
        "details text",
        expected.details.clone(),
        shown(&reply.details),
    );
    wrong
}

fn found_logs<'a>(
    seen: &'a Seen<'_>,
    level: Option<LogLevel>,
    matcher: &'a Matcher,
) -> impl Iterator<Item = &'a LogLine> {
    seen.logs
        .iter()
        .copied()
        .filter(move |line| level.is_none_or(|level| line.level == level))
        .filter(|line| matcher.finds(&line.message))
}

fn shown_log(level: Option<LogLevel>, matcher: &Matcher) -> String {
    let level = level.map_or_else(String::new, |level| format!("{} ", level.name()));
    let mut matcher = matcher.clone();
    matcher.invert = false;
    format!("{level}{}", shown_matcher(&matcher))
}

fn log(seen: &Seen<'_>, level: Option<LogLevel>, matcher: &Matcher) -> Option<Wrong> {
    let found = found_logs(seen, level, matcher).next().is_some();
    if found != matcher.invert {
        return None;
    }
    if matcher.invert {
        return no_log(seen, level, matcher);
    }
    let mut actual = String::new();
    for line in &seen.logs {
        if level.is_some() {
            actual.push_str(line.level.name());
            actual.push(' ');
        }
        actual.push_str(&shown(&line.message));
        actual.push('\n');
    }
    Some(Wrong::differs(
        "no log message matches",
        format!("{}\n", shown_log(level, matcher)),
        actual,
    ))
}

fn no_log(seen: &Seen<'_>, level: Option<LogLevel>, matcher: &Matcher) -> Option<Wrong> {
    let line = found_logs(seen, level, matcher).next()?;
    Some(Wrong::because(format!(
        "expected no log message like {}; there is `{}`",
        shown_log(level, matcher),
        shown(&line.message)
    )))
}

fn findings(seen: &Seen<'_>, expected: &[FindingKind]) -> Option<Wrong> {
    let mut kinds: Vec<_> = seen.findings.iter().map(|finding| finding.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds == expected {
        return None;
    }
    let codes = |kinds: &[FindingKind]| -> String {
        kinds.iter().map(|kind| format!("{kind}\n")).collect()
    };
    let details: Vec<_> = seen
        .findings
        .iter()
        .filter(|finding| !expected.contains(&finding.kind))
        .map(ToString::to_string)
        .collect();
    let mut message = "the findings are others".to_owned();
    if !details.is_empty() {
        message = format!("{message}: {}", details.join("; "));
    }
    Some(Wrong::differs(message, codes(expected), codes(&kinds)))
}

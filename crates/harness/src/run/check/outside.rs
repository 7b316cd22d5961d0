//! Expectations on what plugins did beyond the exchange: callouts, metrics, shared data, queues.

use gatewright_host::{Callout, CalloutKind};

use super::compare::{Wrong, evaluate, shown_matcher};
use super::seen::Seen;
use crate::model::Matcher;
use crate::text::shown;
use crate::world::CalloutIs;

/// Callouts as lines, one each.
fn lines(callouts: &[&Callout]) -> String {
    callouts
        .iter()
        .map(|callout| format!("{}\n", line(callout)))
        .collect()
}

fn line(callout: &Callout) -> String {
    match &callout.kind {
        CalloutKind::Http {
            upstream, headers, ..
        } => {
            let field = |name: &[u8]| shown(headers.get(name).unwrap_or_default());
            format!(
                "{}: {} {}",
                shown(upstream),
                field(b":method"),
                field(b":path")
            )
        }
        CalloutKind::GrpcCall {
            upstream,
            service,
            method,
            ..
        }
        | CalloutKind::GrpcStream {
            upstream,
            service,
            method,
            ..
        } => format!("{}: {}/{}", shown(upstream), shown(service), shown(method)),
        CalloutKind::GrpcSend { .. } => format!("message on stream {}", callout.token),
        CalloutKind::GrpcClose => format!("close of {}", callout.token),
        CalloutKind::GrpcCancel => format!("cancel of {}", callout.token),
        _ => "another callout".to_owned(),
    }
}

fn expected_line(expected: &CalloutIs) -> String {
    let any = "any upstream".to_owned();
    let mut line = expected.upstream.clone().unwrap_or(any);
    if let Some(service) = &expected.service {
        line = format!(
            "{line}: {service}/{}",
            expected.method.as_deref().unwrap_or("…")
        );
    }
    line
}

pub(super) fn callouts(seen: &Seen<'_>, expected: &[CalloutIs]) -> Vec<Wrong> {
    // What is said on a stream that is open already is no callout of its own.
    let made: Vec<&Callout> = seen
        .callouts
        .iter()
        .filter(|callout| {
            matches!(
                callout.kind,
                CalloutKind::Http { .. }
                    | CalloutKind::GrpcCall { .. }
                    | CalloutKind::GrpcStream { .. }
            )
        })
        .collect();
    if made.len() != expected.len() {
        let wanted = expected
            .iter()
            .map(|expected| format!("{}\n", expected_line(expected)))
            .collect();
        return vec![Wrong::differs(
            format!("expected {} callouts, found {}", expected.len(), made.len()),
            wanted,
            lines(&made),
        )];
    }
    let mut wrong = Vec::new();
    for (index, (expected, callout)) in expected.iter().zip(made).enumerate() {
        let number = index + 1;
        for (what, expected, actual) in targets(expected, callout) {
            if expected.is_some_and(|expected| expected.as_bytes() != actual) {
                wrong.push(Wrong::differs(
                    format!("callout {number} has another {what}"),
                    expected.map_or("", String::as_str).to_owned(),
                    shown(actual),
                ));
            }
        }
        let inner = Seen::callout(callout);
        for check in &expected.checks {
            wrong.extend(evaluate(check, &inner).into_iter().map(|mut wrong| {
                wrong.message = format!("in callout {number}: {}", wrong.message);
                wrong
            }));
        }
    }
    wrong
}

type Target<'a> = (&'static str, Option<&'a String>, &'a [u8]);

fn targets<'a>(expected: &'a CalloutIs, callout: &'a Callout) -> [Target<'a>; 3] {
    let (upstream, service, method): (&[u8], &[u8], &[u8]) = match &callout.kind {
        CalloutKind::Http { upstream, .. } => (upstream, &[], &[]),
        CalloutKind::GrpcCall {
            upstream,
            service,
            method,
            ..
        }
        | CalloutKind::GrpcStream {
            upstream,
            service,
            method,
            ..
        } => (upstream, service, method),
        _ => (&[], &[], &[]),
    };
    [
        ("upstream", expected.upstream.as_ref(), upstream),
        ("service", expected.service.as_ref(), service),
        ("method", expected.method.as_ref(), method),
    ]
}

pub(super) fn metric(seen: &Seen<'_>, name: &[u8], value: u64) -> Option<Wrong> {
    let metrics = seen.left.map_or(&[][..], |left| &left.metrics);
    match metrics.iter().find(|metric| metric.name == name) {
        Some(metric) if metric.value == value => None,
        Some(metric) => Some(Wrong::differs(
            format!("metric `{}` has another value", shown(name)),
            value.to_string(),
            metric.value.to_string(),
        )),
        None => Some(Wrong::because(format!(
            "no plugin defined a metric `{}`",
            shown(name)
        ))),
    }
}

pub(super) fn shared(seen: &Seen<'_>, key: &[u8], matcher: &Matcher) -> Option<Wrong> {
    let data = seen.left.map_or(&[][..], |left| &left.data);
    let value = data
        .iter()
        .find(|(known, _)| known == key)
        .and_then(|(_, value)| value.as_deref());
    match value {
        Some(value) if matcher.holds_among([value]) => None,
        Some(value) => Some(Wrong::not(
            format!("the shared `{}` has another value", shown(key)),
            matcher,
            &shown(value),
        )),
        None => Some(Wrong::because(format!(
            "plugins share nothing under `{}`",
            shown(key)
        ))),
    }
}

pub(super) fn queue(seen: &Seen<'_>, name: &[u8], expected: &[Matcher]) -> Option<Wrong> {
    let queues = seen.left.map_or(&[][..], |left| &left.queues);
    let items = queues
        .iter()
        .find(|queue| queue.name == name)
        .and_then(|queue| queue.items.as_ref());
    let Some(items) = items else {
        return Some(Wrong::because(format!(
            "no plugin registered a queue `{}`",
            shown(name)
        )));
    };
    let same = items.len() == expected.len()
        && items
            .iter()
            .zip(expected)
            .all(|(item, matcher)| matcher.holds_among([&item[..]]));
    (!same).then(|| {
        let wanted = expected
            .iter()
            .map(|matcher| format!("{}\n", shown_matcher(matcher)))
            .collect();
        let found = items
            .iter()
            .map(|item| format!("{}\n", shown(item)))
            .collect();
        Wrong::differs(
            format!("other items wait in queue `{}`", shown(name)),
            wanted,
            found,
        )
    })
}

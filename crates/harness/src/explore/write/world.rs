//! What surrounds the plugins of a case, as text in our format.

use gatewright_host::AttachPoint;

use super::{bytes, headers, lossy, matcher, quoted};
use crate::model::{Check, Exchange, Matcher, Pattern};
use crate::world::{Answer, AnswerKind, CalloutIs, Happening, Setup, Upstream, World};

/// Whether a check is about what plugins did beyond their exchange.
pub(super) fn is_beyond(check: &Check) -> bool {
    matches!(
        check,
        Check::Callouts(_) | Check::Metric(..) | Check::Shared(..) | Check::Queue(..)
    )
}

/// The keys of a case that say what surrounds its plugins, a line each; their items are indented.
pub(super) fn of_case(world: &World) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    if world.attach != AttachPoint::default() {
        lines.push(format!("attach: {}", world.attach.name()));
    }
    if !world.upstreams.is_empty() {
        lines.push("upstreams:".to_owned());
        lines.extend(world.upstreams.iter().map(upstream));
    }
    if !world.plugins.is_empty() {
        lines.push("chain:".to_owned());
        for setup in &world.plugins {
            lines.push(format!("  - {{{}}}", member(setup)?.join(", ")));
        }
    }
    Ok(lines)
}

/// What happens before an exchange that sends nothing, or within one that does: its own keys.
pub(super) fn of_exchange(exchange: &Exchange) -> Result<Vec<String>, String> {
    if !exchange.before.is_empty() {
        return happenings(exchange);
    }
    let mut phases = Vec::new();
    for (place, step) in exchange.steps.iter().enumerate() {
        if step.advance == 0 {
            continue;
        }
        let earlier = exchange.steps.iter().take(place);
        if earlier.into_iter().any(|other| other.phase == step.phase) {
            return Err("time passes between two parts of one body".to_owned());
        }
        phases.push(format!("{}: {}", step.phase.name(), stretch(step.advance)));
    }
    if phases.is_empty() {
        return Ok(phases);
    }
    Ok(vec![format!("advance: {{{}}}", phases.join(", "))])
}

fn happenings(exchange: &Exchange) -> Result<Vec<String>, String> {
    if !exchange.steps.is_empty() {
        return Err("something happens right before one of its exchanges".to_owned());
    }
    match exchange.before.as_slice() {
        [_] | [Happening::Enqueue { .. }, Happening::Advance(_)] => {}
        _ => return Err("several things happen between two of its exchanges".to_owned()),
    }
    let written = exchange.before.iter().map(|happening| match happening {
        Happening::Advance(time) => format!("advance: {}", stretch(*time)),
        Happening::Enqueue {
            vm_id,
            queue,
            items,
        } => {
            let (vm_id, queue) = (quoted(vm_id), quoted(queue));
            let items = list(items.iter().map(|item| bytes(item)));
            format!("enqueue: {{vm_id: {vm_id}, queue: {queue}, items: {items}}}")
        }
    });
    Ok(written.collect())
}

/// What plugins are expected to have done beyond their exchange, as keys of its expectations.
pub(super) fn expected(checks: &[Check]) -> Vec<String> {
    let mut keys = Vec::new();
    let mut gathered: [(&str, Vec<String>); 3] = [
        ("metrics", Vec::new()),
        ("shared", Vec::new()),
        ("queues", Vec::new()),
    ];
    for check in checks {
        match check {
            Check::Callouts(callouts) => {
                keys.push(format!("callouts: {}", list(callouts.iter().map(callout))));
            }
            Check::Metric(name, value) => gathered[0].1.push(format!("{}: {value}", lossy(name))),
            Check::Shared(key, value) => {
                gathered[1]
                    .1
                    .push(format!("{}: {}", lossy(key), matcher(value)));
            }
            Check::Queue(name, items) => {
                let items = list(items.iter().map(matcher));
                gathered[2].1.push(format!("{}: {items}", lossy(name)));
            }
            _ => {}
        }
    }
    for (key, entries) in gathered {
        if !entries.is_empty() {
            keys.push(format!("{key}: {{{}}}", entries.join(", ")));
        }
    }
    keys
}

fn upstream(upstream: &Upstream) -> String {
    let answers = list(upstream.answers.iter().map(answer));
    format!("  {}: {answers}", quoted(&upstream.name))
}

fn answer(answer: &Answer) -> String {
    let mut keys = match &answer.kind {
        AnswerKind::Fails => vec!["fails: true".to_owned()],
        AnswerKind::Silent => vec!["silent: true".to_owned()],
        AnswerKind::Http(response) => {
            // The status is the first of the headers, where reading put it.
            let status = response.headers.get(b":status").unwrap_or_default();
            let mut keys = vec![format!("status: {}", lossy(status))];
            let given = response.headers.iter().skip(1).collect();
            keys.push(format!("headers: {}", headers(&given)));
            keys.push(format!("body: {}", bytes(&response.body)));
            keys.push(format!("trailers: {}", headers(&response.trailers)));
            keys
        }
        AnswerKind::Grpc {
            initial,
            messages,
            trailing,
            status,
            message,
        } => {
            let mut keys = Vec::new();
            keys.extend(
                initial
                    .iter()
                    .map(|map| format!("initial: {}", headers(map))),
            );
            let messages = list(messages.iter().map(|message| bytes(message)));
            keys.push(format!("messages: {messages}"));
            keys.extend(
                trailing
                    .iter()
                    .map(|map| format!("trailing: {}", headers(map))),
            );
            keys.push(format!("status: {status}"));
            keys.push(format!("message: {}", quoted(message)));
            vec![format!("grpc: {{{}}}", keys.join(", "))]
        }
    };
    if answer.after != 0 {
        keys.push(format!("after: {}", stretch(answer.after)));
    }
    format!("{{{}}}", keys.join(", "))
}

fn member(setup: &Setup) -> Result<Vec<String>, String> {
    let mut keys = Vec::new();
    if let Some(config) = &setup.config {
        let text = std::str::from_utf8(config)
            .map_err(|_| "the configuration of one of its plugins is no text".to_owned())?;
        keys.push(format!("config_text: {}", quoted(text)));
    }
    for (key, text) in [
        ("plugin_name", &setup.name),
        ("root_id", &setup.root_id),
        ("vm_id", &setup.vm_id),
    ] {
        if !text.is_empty() {
            keys.push(format!("{key}: {}", quoted(text)));
        }
    }
    if let Some(config) = &setup.vm_config {
        keys.push(format!("vm_config: {}", bytes(config)));
    }
    if let Some(capabilities) = &setup.capabilities {
        let names = list(capabilities.names().map(str::to_owned));
        keys.push(format!("capabilities: {names}"));
    }
    if let Some(policy) = setup.failure {
        keys.push(format!("fail: {}", policy.name()));
    }
    Ok(keys)
}

fn callout(callout: &CalloutIs) -> String {
    let mut keys = Vec::new();
    for (key, text) in [
        ("upstream", &callout.upstream),
        ("service", &callout.service),
        ("method", &callout.method),
    ] {
        keys.extend(text.iter().map(|text| format!("{key}: {}", quoted(text))));
    }
    let (mut has, mut lacks) = (Vec::new(), Vec::new());
    for check in &callout.checks {
        match check {
            Check::Has(name, value) => has.push(field(name, value)),
            Check::Lacks(name) => lacks.push(lossy(name)),
            Check::Exact(map) => keys.push(format!("exact: {}", headers(map))),
            Check::Body(body) => keys.push(format!("body: {}", matcher(body))),
            _ => {}
        }
    }
    for (key, items) in [("has", has), ("lacks", lacks)] {
        if !items.is_empty() {
            keys.push(format!("{key}: {}", list(items)));
        }
    }
    format!("{{{}}}", keys.join(", "))
}

/// A header that is expected among others.
fn field(name: &[u8], value: &Matcher) -> String {
    let name = lossy(name);
    match &value.pattern {
        Pattern::Exact(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("{{name: {name}, value: {}}}", quoted(text)),
            Err(_) => format!("{{name: {name}, hex: \"{}\"}}", super::hex(bytes)),
        },
        Pattern::Contains(part) => format!("{{name: {name}, contains: {}}}", lossy(part)),
        Pattern::Regex(source, _) => format!("{{name: {name}, matches: {}}}", quoted(source)),
        Pattern::Any => format!("{{name: {name}}}"),
    }
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

/// A stretch of time in the largest unit that holds it whole.
fn stretch(nanoseconds: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    let unit = UNITS
        .into_iter()
        .find(|(_, size)| nanoseconds.is_multiple_of(*size));
    let (name, size) = unit.unwrap_or(("ns", 1));
    format!("{}{name}", nanoseconds / size)
}

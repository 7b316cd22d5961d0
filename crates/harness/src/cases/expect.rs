//! What a case expects.

use std::path::Path;

use gatewright_host::{FindingKind, LogLevel};

use super::input::{headers, hex, line, name_of, read_file};
use super::{log_level, trap, world};
use crate::model::{Check, Exchange, Matcher, Pattern, Phase, ReplyIs};
use crate::place::{Wrong, unknown};
use crate::re2;
use crate::yaml::{Fields, Kind, Node};

const HEADER_KEYS: &[&str] = &[
    "has", "lacks", "exact", "reply", "no_reply", "logs", "no_logs", "findings",
];
const BODY_KEYS: &[&str] = &["body", "reply", "no_reply", "logs", "no_logs", "findings"];
const DONE_KEYS: &[&str] = &["logs", "no_logs", "findings"];

const PHASES: &[(&str, Phase, &[&str])] = &[
    ("request_headers", Phase::RequestHeaders, HEADER_KEYS),
    ("request_body", Phase::RequestBody, BODY_KEYS),
    ("request_trailers", Phase::RequestTrailers, HEADER_KEYS),
    ("response_headers", Phase::ResponseHeaders, HEADER_KEYS),
    ("response_body", Phase::ResponseBody, BODY_KEYS),
    ("response_trailers", Phase::ResponseTrailers, HEADER_KEYS),
    ("done", Phase::Done, DONE_KEYS),
];

/// Reads `expect` into an exchange whose events are known.
pub(super) fn exchange(node: &Node, folder: &Path, exchange: &mut Exchange) -> Result<(), Wrong> {
    let fields = node.fields(&[
        "request_headers",
        "request_body",
        "request_trailers",
        "response_headers",
        "response_body",
        "response_trailers",
        "done",
        "reply",
        "no_reply",
        "logs",
        "no_logs",
        "findings",
        "trap",
        "callouts",
        "metrics",
        "shared",
        "queues",
    ])?;
    for (key, phase, known) in PHASES {
        let Some(node) = fields.get(key) else {
            continue;
        };
        let checks = common(&node.fields(known)?, folder)?;
        if *phase == Phase::Done {
            exchange.done = checks;
            continue;
        }
        match exchange.steps.iter_mut().find(|step| step.phase == *phase) {
            Some(step) => step.checks = checks,
            None => {
                return Err(Wrong::new(
                    node.place,
                    format!("the exchange sends nothing in `{key}`"),
                )
                .help("give the request or response what this phase needs"));
            }
        }
    }
    exchange.whole = common(&fields, folder)?;
    beyond(&fields, folder, &mut exchange.whole)?;
    exchange.trap = fields.read("trap", |node| trap(node, folder))?;
    Ok(())
}

/// Expectations on what plugins did beyond the exchange.
fn beyond(fields: &Fields<'_>, folder: &Path, checks: &mut Vec<Check>) -> Result<(), Wrong> {
    if let Some(node) = fields.get("callouts") {
        checks.push(Check::Callouts(world::callouts(node, folder)?));
    }
    let entries = |key: &str, what: &str| match fields.get(key) {
        None => Ok(&[][..]),
        Some(Node {
            kind: Kind::Map(entries),
            ..
        }) => Ok(entries.as_slice()),
        Some(node) => Err(node.not(what)),
    };
    for (name, node) in entries("metrics", "a mapping of names to values")? {
        let name = name.name.as_bytes().to_vec();
        checks.push(Check::Metric(name, node.number()?));
    }
    for (key, node) in entries("shared", "a mapping of keys to values")? {
        let key = key.name.as_bytes().to_vec();
        checks.push(Check::Shared(key, matcher(node, folder)?));
    }
    for (name, node) in entries("queues", "a mapping of names to lists of items")? {
        let items = node.list()?.iter().map(|node| matcher(node, folder));
        let name = name.name.as_bytes().to_vec();
        checks.push(Check::Queue(name, items.collect::<Result<_, _>>()?));
    }
    Ok(())
}

/// The expectations that phases, exchanges and replies share; what a mapping may hold was checked
/// when it was opened.
pub(super) fn common(fields: &Fields<'_>, folder: &Path) -> Result<Vec<Check>, Wrong> {
    let mut checks = Vec::new();
    if let Some(node) = fields.get("has") {
        for node in node.list()? {
            checks.push(has(node)?);
        }
    }
    if let Some(node) = fields.get("lacks") {
        for node in node.list()? {
            let name = node.text()?;
            if name.char_indices().skip(1).any(|(_, c)| c == ':') {
                return Err(
                    Wrong::new(node.place, format!("`{name}` is no header name"))
                        .help("`lacks` takes names without values"),
                );
            }
            checks.push(Check::Lacks(name.as_bytes().to_vec()));
        }
    }
    if let Some(node) = fields.get("exact") {
        checks.push(Check::Exact(headers(node)?));
    }
    if let Some(node) = fields.get("body") {
        checks.push(Check::Body(matcher(node, folder)?));
    }
    if let Some(node) = fields.get("reply") {
        checks.push(Check::Reply(reply(node, folder)?));
    }
    if let Some(node) = fields.get("no_reply") {
        if !node.bool()? {
            return Err(Wrong::new(node.place, "`no_reply` is `true` or left out"));
        }
        checks.push(Check::NoReply);
    }
    if let Some(node) = fields.get("logs") {
        for node in node.list()? {
            let (level, matcher) = log(node)?;
            checks.push(Check::Log(level, matcher));
        }
    }
    if let Some(node) = fields.get("no_logs") {
        for node in node.list()? {
            let (level, matcher) = log(node)?;
            checks.push(Check::NoLog(level, matcher));
        }
    }
    if let Some(node) = fields.get("findings") {
        let mut kinds = Vec::new();
        for node in node.list()? {
            let code = node.text()?;
            kinds.push(FindingKind::from_code(code).ok_or_else(|| {
                let known: Vec<_> = FindingKind::ALL.iter().map(|kind| kind.code()).collect();
                unknown(node.place, "finding", code, &known)
            })?);
        }
        kinds.sort_unstable();
        kinds.dedup();
        checks.push(Check::Findings(kinds));
    }
    Ok(checks)
}

fn has(node: &Node) -> Result<Check, Wrong> {
    if let Kind::Text(_) = node.kind {
        let (name, value) = line(node)?;
        return Ok(Check::Has(name.as_bytes().to_vec(), Matcher::exact(value)));
    }
    let fields = node.fields(&["name", "value", "hex", "matches", "contains"])?;
    let name = name_of(&fields, node)?.as_bytes().to_vec();
    let matcher = match fields.one_of(&["value", "hex", "matches", "contains"])? {
        Some(("value", node)) => Matcher::exact(node.text()?),
        Some(("hex", node)) => Matcher::exact(hex(node)?),
        Some(("matches", node)) => Matcher::new(pattern(node)?),
        Some((_, node)) => Matcher::new(Pattern::Contains(node.text()?.into())),
        None => Matcher::new(Pattern::Any),
    };
    Ok(Check::Has(name, matcher))
}

fn reply(node: &Node, folder: &Path) -> Result<ReplyIs, Wrong> {
    let fields = node.fields(&["status", "has", "lacks", "exact", "body", "grpc_status"])?;
    Ok(ReplyIs {
        status: fields.read("status", Node::small)?,
        grpc_status: fields.read("grpc_status", |node| match &node.kind {
            Kind::Number { json, .. } => json
                .as_i64()
                .and_then(|number| i32::try_from(number).ok())
                .ok_or_else(|| Wrong::new(node.place, format!("`{json}` is no gRPC status"))),
            _ => Err(node.not("a number")),
        })?,
        checks: common(&fields, folder)?,
    })
}

fn log(node: &Node) -> Result<(Option<LogLevel>, Matcher), Wrong> {
    if let Kind::Text(text) = &node.kind {
        return Ok((None, Matcher::exact(text.as_str())));
    }
    let fields = node.fields(&["level", "text", "contains", "matches"])?;
    let level = fields.read("level", log_level)?;
    let matcher = match fields.one_of(&["text", "contains", "matches"])? {
        Some(("text", node)) => Matcher::exact(node.text()?),
        Some(("contains", node)) => Matcher::new(Pattern::Contains(node.text()?.into())),
        Some((_, node)) => Matcher::new(pattern(node)?),
        None if level.is_none() => {
            return Err(Wrong::new(
                node.place,
                "a log is a text, or has `text`, `contains`, `matches` or `level`",
            ));
        }
        None => Matcher::new(Pattern::Any),
    };
    Ok((level, matcher))
}

/// A test on a body: text, or one of several ways to say it.
pub(super) fn matcher(node: &Node, folder: &Path) -> Result<Matcher, Wrong> {
    if let Kind::Text(text) = &node.kind {
        return Ok(Matcher::exact(text.as_str()));
    }
    let what = "a text, or a mapping with `hex`, `file`, `contains` or `matches`";
    if !matches!(node.kind, Kind::Map(_)) {
        return Err(node.not(what));
    }
    let keys = &["hex", "file", "contains", "matches"];
    let fields = node.fields(keys)?;
    Ok(match fields.one_of(keys)? {
        Some(("hex", node)) => Matcher::exact(hex(node)?),
        Some(("file", node)) => Matcher::exact(read_file(node, folder)?),
        Some(("contains", node)) => Matcher::new(Pattern::Contains(node.text()?.into())),
        Some((_, node)) => Matcher::new(pattern(node)?),
        None => return Err(node.not(what)),
    })
}

fn pattern(node: &Node) -> Result<Pattern, Wrong> {
    let source = node.text()?;
    let regex = re2::full_match(source)
        .map_err(|error| Wrong::new(node.place, format!("bad regular expression: {error}")))?;
    Ok(Pattern::Regex(source.to_owned(), regex))
}

//! What surrounds the plugins of a case: how they are set up, upstreams, what happens in between.

use std::path::Path;
use std::sync::Arc;

use gatewright_host::{AttachPoint, CalloutResponse, Capabilities, Events, HeaderMap};

use super::{Settings, expect, input, time};
use crate::model::{Exchange, Phase};
use crate::place::{Wrong, unknown};
use crate::world::{Answer, AnswerKind, CalloutIs, FailurePolicy, Happening, Setup, Upstream};
use crate::yaml::{Fields, Kind, Node};

/// The keys of one plugin's setup, beside those of its configuration.
pub(super) const SETUP_KEYS: &[&str] = &[
    "plugin_name",
    "root_id",
    "vm_id",
    "vm_config",
    "capabilities",
    "fail",
];

const MEMBER_KEYS: &[&str] = &[
    "config",
    "config_text",
    "config_file",
    "plugin_name",
    "root_id",
    "vm_id",
    "vm_config",
    "capabilities",
    "fail",
];

const HTTP_KEYS: &[&str] = &["status", "headers", "body", "trailers", "after"];
const GRPC_KEYS: &[&str] = &["initial", "messages", "trailing", "status", "message"];

/// Reads a plugin's setup over what is set already. Says whether there is any of it.
pub(super) fn setup(fields: &Fields<'_>, setup: &mut Setup) -> Result<bool, Wrong> {
    let texts = [
        ("plugin_name", &mut setup.name),
        ("root_id", &mut setup.root_id),
        ("vm_id", &mut setup.vm_id),
    ];
    for (key, text) in texts {
        if let Some(node) = fields.get(key) {
            node.text()?.clone_into(text);
        }
    }
    if let Some(node) = fields.get("vm_config") {
        setup.vm_config = Some(input::bytes(node)?.into());
    }
    if let Some(node) = fields.get("capabilities") {
        setup.capabilities = Some(Arc::new(capabilities(node)?));
    }
    if let Some(node) = fields.get("fail") {
        setup.failure = Some(failure(node)?);
    }
    Ok(SETUP_KEYS.iter().any(|key| fields.get(key).is_some()))
}

fn capabilities(node: &Node) -> Result<Capabilities, Wrong> {
    let nodes = node.list()?;
    if nodes.is_empty() {
        return Err(Wrong::new(node.place, "no capabilities are no restriction")
            .help("Envoy takes an empty map for all of them; leave the key out"));
    }
    let mut names = Vec::with_capacity(nodes.len());
    for node in nodes {
        let name = node.text()?;
        Capabilities::new([name]).map_err(|error| Wrong::new(node.place, error.to_string()))?;
        names.push(name);
    }
    Capabilities::new(names).map_err(|error| Wrong::new(node.place, error.to_string()))
}

fn failure(node: &Node) -> Result<FailurePolicy, Wrong> {
    let name = node.text()?;
    FailurePolicy::ALL
        .iter()
        .copied()
        .find(|policy| policy.name() == name)
        .ok_or_else(|| {
            let known: Vec<_> = FailurePolicy::ALL.iter().map(|p| p.name()).collect();
            unknown(node.place, "failure policy", name, &known)
        })
}

pub(super) fn attach(node: &Node) -> Result<AttachPoint, Wrong> {
    let name = node.text()?;
    name.parse().map_err(|_| {
        let known: Vec<_> = AttachPoint::ALL.iter().map(|point| point.name()).collect();
        unknown(node.place, "point of attachment", name, &known)
    })
}

/// The events that an extension lists, by the names of its field `supportedEvents`.
const EVENTS: [&str; 6] = [
    "RequestHeaders",
    "ResponseHeaders",
    "RequestBody",
    "ResponseBody",
    "RequestTrailers",
    "ResponseTrailers",
];

pub(super) fn events(node: &Node) -> Result<Events, Wrong> {
    let mut all = [false; EVENTS.len()];
    for node in node.list()? {
        let name = node.text()?;
        let known = EVENTS.iter().position(|known| *known == name);
        let at = known.ok_or_else(|| unknown(node.place, "event", name, &EVENTS))?;
        all[at] = true;
    }
    let [a, b, c, d, e, f] = all;
    Ok(Events {
        headers: [a, b],
        bodies: [c, d],
        trailers: [e, f],
    })
}

/// The names of events, as a case lists them.
pub(crate) fn event_names(events: &Events) -> Vec<&'static str> {
    let all = [events.headers, events.bodies, events.trailers].concat();
    let named = EVENTS.iter().zip(all).filter(|(_, has)| *has);
    named.map(|(name, _)| *name).collect()
}

/// A case's own chain: each member begins with what the case sets for all.
pub(super) fn chain(node: &Node, settings: &Settings, folder: &Path) -> Result<Vec<Setup>, Wrong> {
    let members = node.list()?;
    if members.is_empty() {
        return Err(Wrong::new(node.place, "a chain has one plugin at least"));
    }
    let mut plugins = Vec::with_capacity(members.len());
    for node in members {
        let fields = node.fields(MEMBER_KEYS)?;
        let mut member = settings.setup.clone();
        setup(&fields, &mut member)?;
        member.config = super::configuration(&fields, folder)?;
        plugins.push(member);
    }
    Ok(plugins)
}

/// Upstreams by their names, each with an answer or several in turn.
pub(super) fn upstreams(node: &Node, folder: &Path) -> Result<Vec<Upstream>, Wrong> {
    let Kind::Map(entries) = &node.kind else {
        return Err(node.not("a mapping of names to answers"));
    };
    entries
        .iter()
        .map(|(name, node)| {
            let nodes = match &node.kind {
                Kind::List(nodes) => nodes.as_slice(),
                _ => std::slice::from_ref(node),
            };
            if nodes.is_empty() {
                return Err(Wrong::new(
                    node.place,
                    "an upstream has one answer at least",
                ));
            }
            Ok(Upstream {
                name: name.name.clone(),
                answers: nodes
                    .iter()
                    .map(|node| answer(node, folder))
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect()
}

fn answer(node: &Node, folder: &Path) -> Result<Answer, Wrong> {
    if let Kind::Text(text) = &node.kind {
        let kind = match text.as_str() {
            "fails" => AnswerKind::Fails,
            "silent" => AnswerKind::Silent,
            _ => return Err(unknown(node.place, "answer", text, &["fails", "silent"])),
        };
        return Ok(Answer { after: 0, kind });
    }
    let fields = node.fields(&[
        "status", "headers", "body", "trailers", "after", "grpc", "fails", "silent",
    ])?;
    let after = fields.read("after", duration)?.unwrap_or(0);
    let kind = match fields.one_of(&["grpc", "fails", "silent"])? {
        None => AnswerKind::Http(http(&fields, folder)?),
        Some((key, node)) => {
            // What belongs to an HTTP response has no place beside another kind of answer.
            let beside = HTTP_KEYS.iter().filter(|http| **http != "after");
            for http in beside {
                if let Some(other) = fields.get(http) {
                    let message = format!("`{http}` and `{key}` exclude each other");
                    return Err(Wrong::new(other.place, message));
                }
            }
            match key {
                "grpc" => grpc(node)?,
                _ if !node.bool()? => {
                    let message = format!("`{key}` is `true` or left out");
                    return Err(Wrong::new(node.place, message));
                }
                "fails" => AnswerKind::Fails,
                _ => AnswerKind::Silent,
            }
        }
    };
    Ok(Answer { after, kind })
}

fn http(fields: &Fields<'_>, folder: &Path) -> Result<CalloutResponse, Wrong> {
    let status = fields.read("status", input::status)?;
    let mut headers = HeaderMap::new();
    headers.append(b":status", status.as_deref().unwrap_or("200").as_bytes());
    if let Some(given) = fields.read("headers", input::headers)? {
        headers.extend(given.iter());
    }
    Ok(CalloutResponse {
        headers,
        body: fields
            .read("body", |node| input::body(node, folder))?
            .unwrap_or_default(),
        trailers: fields.read("trailers", input::headers)?.unwrap_or_default(),
    })
}

fn grpc(node: &Node) -> Result<AnswerKind, Wrong> {
    let fields = node.fields(GRPC_KEYS)?;
    let messages = match fields.get("messages") {
        None => Vec::new(),
        Some(node) => node
            .list()?
            .iter()
            .map(input::bytes)
            .collect::<Result<_, _>>()?,
    };
    Ok(AnswerKind::Grpc {
        initial: fields.read("initial", input::headers)?,
        messages,
        trailing: fields.read("trailing", input::headers)?,
        status: fields.read("status", Node::small)?.unwrap_or(0),
        message: fields
            .read("message", Node::text)?
            .unwrap_or_default()
            .to_owned(),
    })
}

/// A stretch of time such as `100ms`.
pub(super) fn duration(node: &Node) -> Result<u64, Wrong> {
    let text = node.text().map_err(|_| {
        node.not("a stretch of time")
            .help("write a number and a unit, as `100ms`, `1s` or `2m`")
    })?;
    time::stretch(text).map_err(|error| Wrong::new(node.place, error))
}

/// What happens before an exchange or between two; `fields` may have no exchange beside it.
pub(super) fn happenings(fields: &Fields<'_>) -> Result<Vec<Happening>, Wrong> {
    let mut happenings = Vec::new();
    if let Some(node) = fields.get("enqueue") {
        let fields = node.fields(&["vm_id", "queue", "items"])?;
        let Some(queue) = fields.get("queue") else {
            return Err(Wrong::new(node.place, "there is no `queue`"));
        };
        let Some(items) = fields.get("items") else {
            return Err(Wrong::new(node.place, "there are no `items`"));
        };
        happenings.push(Happening::Enqueue {
            vm_id: fields
                .read("vm_id", Node::text)?
                .unwrap_or_default()
                .to_owned(),
            queue: queue.text()?.to_owned(),
            items: items
                .list()?
                .iter()
                .map(input::bytes)
                .collect::<Result<_, _>>()?,
        });
    }
    if let Some(node) = fields.get("advance") {
        happenings.push(Happening::Advance(duration(node)?));
    }
    Ok(happenings)
}

/// Time that passes within an exchange: after its request, or after the phases named.
pub(super) fn advance(node: &Node, exchange: &mut Exchange) -> Result<(), Wrong> {
    const PHASES: &[(&str, Phase)] = &[
        ("request_headers", Phase::RequestHeaders),
        ("request_body", Phase::RequestBody),
        ("request_trailers", Phase::RequestTrailers),
        ("response_headers", Phase::ResponseHeaders),
        ("response_body", Phase::ResponseBody),
        ("response_trailers", Phase::ResponseTrailers),
    ];
    if !matches!(node.kind, Kind::Map(_)) {
        let time = duration(node)?;
        let request = exchange.steps.iter_mut().rev().find(|step| {
            matches!(
                step.phase,
                Phase::RequestHeaders | Phase::RequestBody | Phase::RequestTrailers
            )
        });
        if let Some(step) = request {
            step.advance = time;
        }
        return Ok(());
    }
    let fields = node.fields(&[
        "request_headers",
        "request_body",
        "request_trailers",
        "response_headers",
        "response_body",
        "response_trailers",
    ])?;
    for (key, phase) in PHASES {
        let Some(node) = fields.get(key) else {
            continue;
        };
        let Some(step) = exchange.steps.iter_mut().find(|step| step.phase == *phase) else {
            let message = format!("the exchange sends nothing in `{key}`");
            return Err(Wrong::new(node.place, message));
        };
        step.advance = duration(node)?;
    }
    Ok(())
}

/// Callouts that are expected, in order.
pub(super) fn callouts(node: &Node, folder: &Path) -> Result<Vec<CalloutIs>, Wrong> {
    node.list()?
        .iter()
        .map(|node| {
            let fields = node.fields(&[
                "upstream", "service", "method", "has", "lacks", "exact", "body",
            ])?;
            let text = |key: &str| fields.read(key, |node| node.text().map(str::to_owned));
            Ok(CalloutIs {
                upstream: text("upstream")?,
                service: text("service")?,
                method: text("method")?,
                checks: expect::common(&fields, folder)?,
            })
        })
        .collect()
}

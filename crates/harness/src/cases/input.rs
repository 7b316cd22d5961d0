//! What a case sends: requests, responses, headers, bodies.

use std::path::Path;

use gatewright_host::HeaderMap;

use crate::chunks::ChunkPlan;
use crate::model::Event;
use crate::place::Wrong;
use crate::yaml::{Fields, Kind, Node};

/// Bytes of a `repeat` at most: a case is no load test.
const MAX_REPEATED: usize = 256 * 1024 * 1024;

/// The events of a request.
pub(super) fn request(node: &Node, folder: &Path) -> Result<Vec<Event>, Wrong> {
    let fields = node.fields(&[
        "method",
        "scheme",
        "authority",
        "path",
        "headers",
        "pseudo",
        "body",
        "chunks",
        "end_of_stream",
        "trailers",
    ])?;
    let default = [
        ("method", ":method", "GET"),
        ("scheme", ":scheme", "https"),
        ("authority", ":authority", "example.com"),
        ("path", ":path", "/"),
    ];
    let mut pseudo = Vec::new();
    for (key, name, value) in default {
        let given = fields.read(key, Node::text)?;
        pseudo.push((name, given.map(str::to_owned), value));
    }
    events(&fields, pseudo, folder)
}

/// The events of a response.
pub(super) fn response(node: &Node, folder: &Path) -> Result<Vec<Event>, Wrong> {
    let fields = node.fields(&[
        "status",
        "headers",
        "pseudo",
        "body",
        "chunks",
        "end_of_stream",
        "trailers",
    ])?;
    let status = fields.read("status", status)?;
    events(&fields, vec![(":status", status, "200")], folder)
}

/// A status, which may be a text to try what is none.
pub(super) fn status(node: &Node) -> Result<String, Wrong> {
    match &node.kind {
        Kind::Text(text) => Ok(text.clone()),
        _ => match node.small()? {
            status @ 100..=999 => Ok(status.to_string()),
            status => Err(Wrong::new(node.place, format!("`{status}` is no status"))),
        },
    }
}

fn events(
    fields: &Fields<'_>,
    pseudo: Vec<(&'static str, Option<String>, &'static str)>,
    folder: &Path,
) -> Result<Vec<Event>, Wrong> {
    let given = fields.read("headers", headers)?.unwrap_or_default();
    let mut headers = HeaderMap::new();
    if fields.read("pseudo", Node::bool)?.unwrap_or(true) {
        for (name, value, default) in pseudo {
            if !given.contains(name.as_bytes()) {
                let value = value.as_deref().unwrap_or(default);
                headers.append(name.as_bytes(), value.as_bytes());
            }
        }
        // Pseudo-headers come first, those that the case names itself too.
        headers.extend(given.iter().filter(|(name, _)| name.starts_with(b":")));
        headers.extend(given.iter().filter(|(name, _)| !name.starts_with(b":")));
    } else {
        headers = given;
    }
    let body = fields.read("body", |node| body(node, folder))?;
    let plan = fields.get("chunks");
    if let (None, Some(plan)) = (&body, plan) {
        return Err(Wrong::new(plan.place, "there is no `body` to cut"));
    }
    let trailers = fields.read("trailers", self::headers)?;
    let ends = fields.read("end_of_stream", Node::bool)?.unwrap_or(true);
    let mut events = vec![Event::Headers {
        headers,
        end_of_stream: ends && body.is_none() && trailers.is_none(),
    }];
    if let Some(body) = body {
        let chunks = match plan {
            None => vec![body],
            Some(node) => plan_of(node)?
                .split(&body)
                .map_err(|error| Wrong::new(node.place, error))?,
        };
        events.push(Event::Body {
            chunks,
            end_of_stream: ends && trailers.is_none(),
        });
    }
    events.extend(trailers.map(Event::Trailers));
    Ok(events)
}

fn plan_of(node: &Node) -> Result<ChunkPlan, Wrong> {
    match &node.kind {
        Kind::Number { .. } => Ok(ChunkPlan::Count(node.size()?)),
        Kind::List(sizes) => Ok(ChunkPlan::Sizes(
            sizes.iter().map(Node::size).collect::<Result<_, _>>()?,
        )),
        Kind::Map(_) => {
            let fields = node.fields(&["size"])?;
            match fields.get("size") {
                Some(size) => Ok(ChunkPlan::Size(size.size()?)),
                None => Err(Wrong::new(node.place, "there is no `size`")),
            }
        }
        _ => Err(node.not("a number of chunks, `{size: ..}`, or a list of sizes")),
    }
}

/// A list of headers, order and duplicates kept.
pub(super) fn headers(node: &Node) -> Result<HeaderMap, Wrong> {
    let mut headers = HeaderMap::new();
    for node in node.list()? {
        if let Kind::Text(_) = node.kind {
            let (name, value) = line(node)?;
            headers.append(name.as_bytes(), value.as_bytes());
            continue;
        }
        let fields = node.fields(&["name", "value", "hex"])?;
        let name = name_of(&fields, node)?;
        let value = match fields.one_of(&["value", "hex"])? {
            Some(("value", node)) => node.text()?.as_bytes().to_vec(),
            Some((_, node)) => hex(node)?,
            None => Vec::new(),
        };
        headers.append(name.as_bytes(), &value);
    }
    Ok(headers)
}

pub(super) fn name_of<'a>(fields: &Fields<'a>, node: &Node) -> Result<&'a str, Wrong> {
    match fields.get("name") {
        Some(name) => name.text(),
        None => Err(Wrong::new(node.place, "a header needs a `name`")),
    }
}

/// A header written as `name: value`; the name of a pseudo-header begins with a colon.
pub(super) fn line(node: &Node) -> Result<(&str, &str), Wrong> {
    let text = node.text()?;
    let colon = text
        .char_indices()
        .skip(1)
        .find(|(_, c)| *c == ':')
        .map(|(at, _)| at);
    let Some(colon) = colon else {
        return Err(Wrong::new(node.place, format!("`{text}` is no header"))
            .help("write it as \"name: value\", in quotation marks"));
    };
    Ok((text[..colon].trim(), text[colon + 1..].trim()))
}

/// A body: text, or where its bytes are.
pub(super) fn body(node: &Node, folder: &Path) -> Result<Vec<u8>, Wrong> {
    if let Kind::Text(text) = &node.kind {
        return Ok(text.as_bytes().to_vec());
    }
    if !matches!(node.kind, Kind::Map(_)) {
        return Err(node.not("a text, or a mapping with `hex`, `file` or `repeat`"));
    }
    let fields = node.fields(&["hex", "file", "repeat", "times"])?;
    match fields.one_of(&["hex", "file", "repeat"])? {
        Some(("hex", node)) => hex(node),
        Some(("file", node)) => read_file(node, folder),
        Some((_, part)) => {
            let Some(times) = fields.get("times") else {
                return Err(Wrong::new(node.place, "`repeat` needs `times`"));
            };
            let part = part.text()?.as_bytes();
            let count = times.size()?;
            match part.len().checked_mul(count) {
                Some(size) if size <= MAX_REPEATED => Ok(part.repeat(count)),
                _ => Err(Wrong::new(
                    times.place,
                    "a body of more than 256 MiB is no case",
                )),
            }
        }
        None => Err(Wrong::new(
            node.place,
            "a body is a text, or has `hex`, `file` or `repeat`",
        )),
    }
}

/// A value that is text, or bytes in hexadecimal.
pub(super) fn bytes(node: &Node) -> Result<Vec<u8>, Wrong> {
    match &node.kind {
        Kind::Map(_) => match node.fields(&["hex"])?.get("hex") {
            Some(node) => hex(node),
            None => Err(Wrong::new(node.place, "there is no `hex`")),
        },
        _ => Ok(node.text()?.as_bytes().to_vec()),
    }
}

/// A property: text, bytes, or what the ABI sends for a number, a truth value or a map.
pub(super) fn property(node: &Node) -> Result<Vec<u8>, Wrong> {
    let Kind::Map(_) = node.kind else {
        return bytes(node);
    };
    let keys = &["hex", "int", "bool", "map"];
    let fields = node.fields(keys)?;
    match fields.one_of(keys)? {
        Some(("hex", node)) => hex(node),
        Some(("bool", node)) => Ok(vec![u8::from(node.bool()?)]),
        Some(("map", node)) => {
            let mut wire = Vec::new();
            headers(node)?.encode(&mut wire);
            Ok(wire)
        }
        Some((_, node)) => match &node.kind {
            Kind::Number { json, .. } => json
                .as_i64()
                .map(|number| number.to_le_bytes().to_vec())
                .ok_or_else(|| Wrong::new(node.place, format!("`{json}` is no number of 64 bits"))),
            _ => Err(node.not("a number")),
        },
        None => Err(Wrong::new(
            node.place,
            "a property is a text, or has `hex`, `int`, `bool` or `map`",
        )),
    }
}

/// Bytes in hexadecimal, with spaces where one likes.
pub(super) fn hex(node: &Node) -> Result<Vec<u8>, Wrong> {
    let text = match &node.kind {
        Kind::Number { written, .. } => written.clone(),
        _ => node.text()?.to_owned(),
    };
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let value = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Wrong::new(node.place, format!("`{text}` has half a byte")));
    }
    pairs
        .iter()
        .map(|[high, low]| {
            let byte = value(*high)? * 16 + value(*low)?;
            u8::try_from(byte).ok()
        })
        .collect::<Option<_>>()
        .ok_or_else(|| Wrong::new(node.place, format!("`{text}` is not hexadecimal")))
}

/// The bytes of a file named relative to the file of cases.
pub(super) fn read_file(node: &Node, folder: &Path) -> Result<Vec<u8>, Wrong> {
    let path = node.text()?;
    std::fs::read(folder.join(path))
        .map_err(|error| Wrong::new(node.place, format!("cannot read `{path}`: {error}")))
}

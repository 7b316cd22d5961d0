//! The words of a story: requests, outcomes, arguments, answers, values.

use gatewright_host::Value;
pub(super) use gatewright_view::{answer, arguments};

use super::VALUE;
use crate::model::{Event, Exchange, Phase};
use crate::run::{End, ExchangeRun};
use crate::text::{shortened, shown};

/// The request line of an exchange: method and path, or what there is.
pub(crate) fn request_line(exchange: &Exchange) -> String {
    let headers = exchange.steps.iter().find_map(|step| match &step.event {
        Event::Headers { headers, .. } if step.phase == Phase::RequestHeaders => Some(headers),
        _ => None,
    });
    let get = |name: &str| {
        headers
            .and_then(|headers| headers.get(name.as_bytes()))
            .map(|value| shortened(&shown(value), VALUE))
    };
    match (get(":method"), get(":path")) {
        (Some(method), Some(path)) => format!("{method} {path}"),
        (None, Some(path)) => path,
        (Some(method), None) => method,
        (None, None) if headers.is_some() => "request".to_owned(),
        (None, None) => "exchange".to_owned(),
    }
}

/// What came of an exchange, and the body that the client gets.
pub(crate) fn outcome(run: &ExchangeRun) -> (String, Option<String>) {
    let quoted =
        |body: &[u8]| (!body.is_empty()).then(|| format!("`{}`", shortened(&shown(body), VALUE)));
    match run.end() {
        End::Reply(reply) => (
            format!("{} (the plugin's own reply)", reply.status),
            quoted(&reply.body),
        ),
        End::Failed(status) => (format!("{status} (the plugin failed)"), None),
        End::Reset => ("reset".to_owned(), None),
        End::Response(headers) => {
            let status = headers
                .get(b":status")
                .map_or_else(|| "response".to_owned(), shown);
            let body = run.body(Phase::ResponseBody);
            (status, body.and_then(|body| quoted(&body)))
        }
        End::Open => ("goes on to the upstream".to_owned(), None),
    }
}

/// A value that fits on the line of its hostcall.
pub(super) fn value_text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Number(number) => number.to_string(),
        Value::Bytes(bytes) => format!("\"{}\"", shortened(&shown(bytes), VALUE)),
        Value::Map(map) => map.name().to_owned(),
        Value::Name(name) => (*name).to_owned(),
        Value::Headers(headers) => match headers.len() {
            1 => "1 header".to_owned(),
            count => format!("{count} headers"),
        },
    })
}

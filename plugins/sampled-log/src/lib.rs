//! Logs a sample of exchanges, one line of JSON each, in which all who share a trace agree.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod line;
mod sampling;

use config::{Config, Settings};
use gatewright::{
    ConfigError, Flow, HeaderList, HostError, Plugin, RequestHeaders, ResponseHeaders, Stream,
};
use line::{Field, MAX_VALUE, Record, Shape, Why};
use sampling::{Decision, Source, Trace};
use std::rc::Rc;

struct SampledLog(Settings);

impl Plugin for SampledLog {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        config.settings().map(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange {
            plugin: Rc::clone(self),
            pending: None,
        }
    }
}

struct Exchange {
    plugin: Rc<SampledLog>,
    /// What may have to be written. Nothing is kept of an exchange that cannot be.
    pending: Option<Box<Pending>>,
}

struct Pending {
    decision: Decision,
    record: Record,
}

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let settings = &self.plugin.0;
        let may_be_forced = settings.always_from_status.is_some();
        if settings.sampler.never() && !may_be_forced {
            return Ok(Flow::Continue);
        }
        // One or two hostcalls say that an exchange is out, which most are; one reads all that
        // is written of those that are in, or may come in by their status.
        let mut decided = None;
        if !settings.sampler.always() && !may_be_forced {
            let decision = decide(settings, headers.get("traceparent")?.as_deref(), || {
                Ok(headers.get("x-request-id")?.map(|id| id.into_bytes()))
            })?;
            if !decision.sampled {
                return Ok(Flow::Continue);
            }
            decided = Some(decision);
        }
        let list = headers.read()?;
        let decision = match decided {
            Some(decision) => decision,
            None => decide(settings, list.get("traceparent"), || {
                Ok(list.get("x-request-id").map(<[u8]>::to_vec))
            })?,
        };
        self.pending = Some(Box::new(Pending {
            decision,
            record: record(settings, &list),
        }));
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        let settings = &self.plugin.0;
        let Some(pending) = &mut self.pending else {
            return Ok(Flow::Continue);
        };
        pending.record.status = headers.status()?;
        if why(settings, pending).is_none() {
            self.pending = None;
        } else if !settings.response_headers.is_empty() {
            let list = headers.read()?;
            pending.record.response_headers = fields(settings, &settings.response_headers, &list);
        }
        Ok(Flow::Continue)
    }

    fn on_done(&mut self) {
        let settings = &self.plugin.0;
        let Some(pending) = &self.pending else {
            return;
        };
        let Some(why) = why(settings, pending) else {
            return;
        };
        let shape = Shape {
            request_names: &settings.request_headers,
            response_names: &settings.response_headers,
            rate: settings.sampler.rate,
        };
        let line = pending.record.line(why, pending.decision.source, shape);
        gatewright::log::info!("{line}");
    }

    /// A request is not held up because it could not be logged.
    fn on_error(&mut self, _: &HostError) -> Flow {
        Flow::Continue
    }
}

/// The decision by the trace, else by the request's id, else by a random number.
fn decide(
    settings: &Settings,
    traceparent: Option<&[u8]>,
    request_id: impl FnOnce() -> Result<Option<Vec<u8>>, HostError>,
) -> Result<Decision, HostError> {
    if let Some(trace) = traceparent.and_then(Trace::parse) {
        return Ok(settings.sampler.by_trace(trace));
    }
    if let Some(id) = request_id()?.filter(|id| !id.is_empty()) {
        return Ok(settings.sampler.by_key(Source::RequestId, &id));
    }
    let random = gatewright::random_u64()?;
    Ok(settings
        .sampler
        .by_key(Source::Random, &random.to_le_bytes()))
}

/// Why an exchange is written, if it is.
fn why(settings: &Settings, pending: &Pending) -> Option<Why> {
    if pending.decision.sampled {
        return Some(Why::Sampled(pending.decision.reason));
    }
    let (status, from) = (pending.record.status?, settings.always_from_status?);
    (status >= from).then_some(Why::Status)
}

fn record(settings: &Settings, headers: &HeaderList) -> Record {
    let path = headers.get(":path").unwrap_or_default();
    let path = if settings.query {
        path
    } else {
        path.split(|byte| *byte == b'?').next().unwrap_or_default()
    };
    let trace = headers.get("traceparent").and_then(Trace::parse);
    Record {
        method: keep(headers.get(":method").unwrap_or_default()),
        path: keep(path),
        trace: trace.map(|trace| trace.id.to_vec()).unwrap_or_default(),
        status: None,
        request_headers: fields(settings, &settings.request_headers, headers),
        response_headers: Vec::new(),
    }
}

/// The chosen headers that are there, values of one name joined.
fn fields(settings: &Settings, names: &[String], headers: &HeaderList) -> Vec<Field> {
    let mut fields = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if !headers.contains(name) {
            continue;
        }
        let value = (!settings.is_redacted(name)).then(|| {
            let values: Vec<&[u8]> = headers.get_all(name).collect();
            keep(&values.join(&b", "[..]))
        });
        fields.push(Field { index, value });
    }
    fields
}

/// As much of a value as can be written, and one byte more so that it is seen to be cut.
fn keep(value: &[u8]) -> Vec<u8> {
    value.get(..=MAX_VALUE).unwrap_or(value).to_vec()
}

gatewright::plugin!(SampledLog);

#[cfg(test)]
mod tests;

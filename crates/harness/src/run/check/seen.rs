//! What a check looks at: a phase or a whole exchange, as each format sees it.

use std::borrow::Cow;

use gatewright_host::{
    Callout, CalloutKind, Effect, Finding, HeaderMap, LocalReply, LogLine, Trace,
};

use crate::model::{Event, Format, Phase, Step};
use crate::run::record::{End, ExchangeRun, Left, StepRun};

/// What can be seen.
#[derive(Default)]
pub(super) struct Seen<'a> {
    headers: Option<&'a HeaderMap>,
    pub(super) body: Option<Cow<'a, [u8]>>,
    pub(super) reply: Option<Cow<'a, LocalReply>>,
    pub(super) logs: Vec<&'a LogLine>,
    pub(super) findings: Vec<&'a Finding>,
    /// What a header callback returned that paused.
    pub(super) paused: Option<u32>,
    pub(super) callouts: &'a [Callout],
    pub(super) left: Option<&'a Left>,
    /// How the exchange ended, in words, when all of it is looked at.
    pub(super) end: Option<String>,
}

static NOTHING: HeaderMap = HeaderMap::new();

impl<'a> Seen<'a> {
    /// The headers; none where there are none.
    pub(super) fn headers(&self) -> &'a HeaderMap {
        self.headers.unwrap_or(&NOTHING)
    }

    /// The start of plugins. The tester does not see what is logged before there is a context.
    pub(super) fn start(starts: &'a [Trace], format: Format) -> Self {
        let visible = |line: &&LogLine| format == Format::Cases || line.context != 0;
        Self {
            logs: starts
                .iter()
                .flat_map(|trace| &trace.logs)
                .filter(visible)
                .collect(),
            findings: starts.iter().flat_map(|trace| &trace.findings).collect(),
            ..Self::default()
        }
    }

    /// One phase as our cases see it: all that it passed on, all of its logs.
    pub(super) fn phase(run: &'a ExchangeRun, phase: Phase) -> Self {
        Self {
            headers: run.headers(phase),
            body: run.body(phase).map(Cow::Owned),
            reply: run
                .reply()
                .filter(|(at, _)| *at == phase)
                .map(|(_, reply)| Cow::Borrowed(reply)),
            logs: run.logs(phase).collect(),
            findings: run
                .trace
                .findings
                .iter()
                .filter(|finding| Phase::of(finding.entry) == Some(phase))
                .collect(),
            ..Self::default()
        }
    }

    /// A whole exchange. A plugin that failed closed is seen by the client as a reply.
    pub(super) fn whole(run: &'a ExchangeRun) -> Self {
        let end = run.end();
        let in_words = match &end {
            End::Reply(_) => None,
            End::Failed(status) => Some(format!("the plugin failed and the client got {status}")),
            End::Reset => Some("the stream was reset".to_owned()),
            End::Response(headers) => Some(format!(
                "the upstream's response went back, status {}",
                crate::text::shown(headers.get(b":status").unwrap_or(b"none"))
            )),
            End::Open => Some("the request was passed on".to_owned()),
        };
        Self {
            reply: match end {
                End::Reply(reply) => Some(Cow::Borrowed(reply)),
                End::Failed(status) => Some(Cow::Owned(LocalReply {
                    status: status.into(),
                    grpc_status: -1,
                    ..LocalReply::default()
                })),
                _ => None,
            },
            logs: run.trace.logs.iter().collect(),
            findings: run.trace.findings.iter().collect(),
            callouts: &run.callouts,
            left: Some(&run.left),
            end: in_words,
            ..Self::default()
        }
    }

    /// One step as the tester sees it: only the logs of the last callback; the reply's headers
    /// and body in place of the message's; in body phases nothing but the body; and nothing at
    /// all once a reply was sent.
    pub(super) fn tester(run: &'a ExchangeRun, step: &'a Step, done: &'a StepRun) -> Self {
        if !done.delivered {
            return Self::default();
        }
        let window = done.last_event..done.end_call;
        let mut seen = Self {
            logs: run
                .trace
                .logs
                .iter()
                .filter(|line| window.contains(&line.ordinal))
                .collect(),
            ..Self::default()
        };
        if let Event::Body { chunks, .. } = &step.event {
            let mut body = Vec::new();
            for (index, effect) in done.effects.iter().enumerate() {
                match effect {
                    Effect::RequestBody { chunk, .. } | Effect::ResponseBody { chunk, .. } => {
                        body.extend_from_slice(chunk);
                    }
                    // The reply is not seen, and the chunk that was there is.
                    Effect::Reply(_) => {
                        body.extend(chunks.get(index).into_iter().flatten());
                    }
                    _ => {}
                }
            }
            seen.body = Some(Cow::Owned(body));
            return seen;
        }
        seen.paused = run.paused(done);
        for effect in &done.effects {
            match effect {
                Effect::Reply(reply) => {
                    seen.headers = Some(&reply.headers);
                    seen.body = Some(Cow::Borrowed(&reply.body));
                    seen.reply = Some(Cow::Borrowed(reply));
                }
                Effect::RequestHeaders { headers, .. }
                | Effect::ResponseHeaders { headers, .. } => seen.headers = Some(headers),
                _ => {}
            }
        }
        seen
    }

    /// A callout: its headers or metadata, and its body or message.
    pub(super) fn callout(callout: &'a Callout) -> Self {
        let (headers, body) = match &callout.kind {
            CalloutKind::Http { headers, body, .. } => (Some(headers), Some(body)),
            CalloutKind::GrpcCall {
                metadata, message, ..
            } => (Some(metadata), Some(message)),
            CalloutKind::GrpcStream { metadata, .. } => (Some(metadata), None),
            CalloutKind::GrpcSend { message, .. } => (None, Some(message)),
            _ => (None, None),
        };
        Self {
            headers,
            body: body.map(|body| Cow::Borrowed(&body[..])),
            ..Self::default()
        }
    }

    /// A local reply.
    pub(super) fn reply(reply: &'a LocalReply) -> Self {
        Self {
            headers: Some(&reply.headers),
            body: Some(Cow::Borrowed(&reply.body)),
            ..Self::default()
        }
    }
}

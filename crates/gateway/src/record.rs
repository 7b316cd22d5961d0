//! Exchanges written down as they pass plugins: what each plugin saw, what it made of it, and what the
//! clock and the dice showed to it. That is all that a replay needs, except for what a plugin keeps
//! from one exchange to the next.

use std::cell::RefCell;
use std::sync::Arc;

use gatewright_host::{Effect, Events, HeaderMap as Fields, LocalReply, LogLevel, LogLine, Trace};

use crate::exchange::{Half, Instance};
use crate::live;
use crate::snapshot::PluginUse;

/// Bytes of heads and bodies of one exchange. One with more is left out.
const MOST_BYTES: usize = 1 << 20;

/// Takes what is written down. Called on the threads that serve, so that it must not wait.
pub trait Recorder: Send + Sync {
    /// An exchange is over.
    fn record(&self, recording: Recording);

    /// An exchange is over that could not be written down, for this reason.
    fn left_out(&self, reason: &'static str);
}

/// One plugin's part in one exchange.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recording {
    /// The GCPWasmPlugin, as `namespace/name`.
    pub plugin: String,
    /// The version that served.
    pub version: String,
    /// The plugin's configuration.
    pub configuration: Arc<[u8]>,
    /// The events that its extension lists.
    pub events: Events,
    /// Messages below this level were not kept.
    pub log_level: LogLevel,
    /// The number of the request, as logs have it.
    pub request_id: u64,
    /// What the clock showed to it, in nanoseconds since the epoch.
    pub clock: u64,
    /// The seed of the random bytes that it got.
    pub seed: u64,
    /// The request.
    pub request: Message,
    /// The response, if it came to see one.
    pub response: Option<Message>,
    /// How it ended the exchange, if it did.
    pub end: Option<End>,
    /// What it logged.
    pub logs: Vec<LogLine>,
}

/// A message as a plugin saw it, and what it made of it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Message {
    /// The head, pseudo-headers first.
    pub headers: Fields,
    /// Whether nothing followed.
    pub headers_end: bool,
    /// The head that went on; nothing if it was not asked, or ended the exchange.
    pub made_headers: Option<Fields>,
    /// The parts of the body that it was shown.
    pub chunks: Vec<Vec<u8>>,
    /// Whether the last one of them was told to be the last.
    pub chunks_end: bool,
    /// What went on in their place.
    pub made_body: Vec<u8>,
}

/// How a plugin ended an exchange.
#[derive(Clone, Debug)]
pub enum End {
    /// It answered.
    Reply(LocalReply),
    /// It failed, and the client got this status.
    Failed(u16),
    /// It failed when the response had begun.
    Reset,
}

/// A recording in the making.
pub(crate) struct Tape(RefCell<Taped>);

struct Taped {
    recording: Recording,
    bytes: usize,
}

impl Tape {
    /// Begins one for a stream that was just opened: the clock's last word is about that.
    pub(crate) fn begin(of: &PluginUse, request_id: u64) -> Self {
        let (clock, seed) = live::last_told();
        let settings = &of.spec.settings;
        Self(RefCell::new(Taped {
            bytes: 0,
            recording: Recording {
                plugin: of.name.clone(),
                version: of.version.clone(),
                configuration: Arc::clone(&settings.configuration),
                events: of.spec.events,
                log_level: settings.log_level,
                request_id,
                clock,
                seed,
                request: Message::default(),
                response: None,
                end: None,
                logs: Vec::new(),
            },
        }))
    }

    /// A head came. `effect` is what the plugin made of it, if it was asked.
    pub(crate) fn head(&self, half: Half, seen: Fields, end: bool, effect: Option<&Effect>) {
        let mut taped = self.0.borrow_mut();
        taped.bytes += seen.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
        let message = taped.message(half);
        message.headers = seen;
        message.headers_end = end;
        match effect {
            Some(
                Effect::RequestHeaders { headers, .. } | Effect::ResponseHeaders { headers, .. },
            ) => message.made_headers = Some(headers.clone()),
            Some(effect) => taped.ended(effect),
            None => {}
        }
    }

    /// A part of a body was shown to the plugin.
    pub(crate) fn body(&self, half: Half, chunk: Vec<u8>, end: bool, effect: Option<&Effect>) {
        let mut taped = self.0.borrow_mut();
        taped.bytes += chunk.len();
        // Of what is too large nothing is kept.
        let keeps = taped.bytes <= MOST_BYTES;
        let message = taped.message(half);
        if keeps {
            message.chunks.push(chunk);
            message.chunks_end = end;
        }
        match effect {
            Some(Effect::RequestBody { chunk, .. } | Effect::ResponseBody { chunk, .. })
                if keeps =>
            {
                message.made_body.extend_from_slice(chunk);
            }
            Some(Effect::RequestBody { .. } | Effect::ResponseBody { .. }) => {}
            Some(effect) => taped.ended(effect),
            None => {}
        }
    }

    /// The exchange is over.
    pub(crate) fn finish(self, instance: &Instance, trace: &Trace, recorder: &dyn Recorder) {
        let Taped {
            mut recording,
            bytes,
        } = self.0.into_inner();
        if bytes > MOST_BYTES {
            return recorder.left_out("its messages are too large");
        }
        if !trace.faults.is_empty() && instance.of.spec.fail_open {
            return recorder.left_out("its plugin failed, and it went on without");
        }
        recording.logs.clone_from(&trace.logs);
        recorder.record(recording);
    }
}

impl Taped {
    fn message(&mut self, half: Half) -> &mut Message {
        match half {
            Half::Request => &mut self.recording.request,
            Half::Response => self.recording.response.get_or_insert_default(),
        }
    }

    fn ended(&mut self, effect: &Effect) {
        self.recording.end = Some(match effect {
            Effect::Reply(reply) => End::Reply(LocalReply::clone(reply)),
            Effect::Fail { status } => End::Failed(*status),
            _ => End::Reset,
        });
    }
}

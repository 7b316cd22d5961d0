//! What is said over one stream: which events are sent and how, and what an answer means. Nothing
//! here waits or touches a socket.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::answer::{BodyChange, HeadChange, Reply};
use crate::change::{HeaderChange, Rules};
use crate::config::Config;
use crate::event::{BodyMode, Event, Events, Half};
use crate::headers::Headers;
use crate::status::Failure;
use crate::wire::{self, Mutation, ResponseStatus, processing_request, processing_response};

/// An answer that belongs here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// To a head.
    Head(HeadChange),
    /// To a chunk that waits for it.
    Body(BodyChange),
    /// A part of the body, and whether it is the last.
    Part(Vec<u8>, bool),
    /// To trailers.
    Trailers(HeaderChange),
    /// The client's answer.
    Reply(Reply),
    /// The callout takes part no longer, and nothing is wrong.
    Left,
}

/// A stream's state.
#[derive(Debug)]
pub(crate) struct Session {
    config: Arc<Config>,
    events: Events,
    /// Whether the first message is on its way, which tells the modes of bodies too.
    started: bool,
    /// Whether a chunk of a body that is sent without waiting is on its way: what fails after that
    /// cannot be mended by going on.
    parted: bool,
    /// Whether the callout takes part no longer.
    over: bool,
    reply: Option<Reply>,
    failure: Option<Failure>,
    lanes: [Lane; 2],
}

/// A half's share of it.
#[derive(Debug, Default)]
struct Lane {
    head_owed: bool,
    chunk_owed: bool,
    trailers_owed: bool,
    /// Whether parts of a body may come that nobody asked for one by one.
    open: bool,
    /// Whether parts of it went to the callout, and whether some came back.
    parted: bool,
    given: bool,
    queue: VecDeque<Taken>,
}

impl Session {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            events: config.events,
            config,
            started: false,
            parted: false,
            over: false,
            reply: None,
            failure: None,
            lanes: Default::default(),
        }
    }

    /// Whether the callout is to be told of an event.
    pub(crate) fn wants(&self, event: Event) -> bool {
        !self.over && self.events.has(event)
    }

    /// Whether the callout takes part no longer.
    pub(crate) const fn is_over(&self) -> bool {
        self.over
    }

    /// A head, as a message.
    pub(crate) fn head(&mut self, half: Half, fields: &Headers, end: bool) -> bytes::Bytes {
        let shown = fields.iter().filter(|(name, _)| self.config.forwards(name));
        let headers = wire::HttpHeaders {
            headers: Some(wire::to_map(shown)),
            end_of_stream: end,
            ..Default::default()
        };
        let duplex = self.config.is_duplex(half);
        let lane = &mut self.lanes[half as usize];
        lane.head_owed = true;
        // A message without a body gets none here.
        lane.open = duplex && !end;
        self.message(match half {
            Half::Request => processing_request::Request::RequestHeaders(headers),
            Half::Response => processing_request::Request::ResponseHeaders(headers),
        })
    }

    /// A part of a body, as a message.
    pub(crate) fn body(&mut self, half: Half, chunk: &[u8], end: bool) -> bytes::Bytes {
        let body = wire::HttpBody {
            body: chunk.to_vec(),
            end_of_stream: end,
            ..Default::default()
        };
        let duplex = self.config.is_duplex(half);
        self.parted |= duplex;
        let lane = &mut self.lanes[half as usize];
        lane.chunk_owed = !duplex;
        lane.open |= duplex;
        lane.parted |= duplex;
        self.message(match half {
            Half::Request => processing_request::Request::RequestBody(body),
            Half::Response => processing_request::Request::ResponseBody(body),
        })
    }

    /// Trailers, as a message.
    pub(crate) fn trailers(&mut self, half: Half, fields: &Headers) -> bytes::Bytes {
        let shown = fields.iter().filter(|(name, _)| self.config.forwards(name));
        let trailers = wire::HttpTrailers {
            trailers: Some(wire::to_map(shown)),
        };
        self.lanes[half as usize].trailers_owed = true;
        self.message(match half {
            Half::Request => processing_request::Request::RequestTrailers(trailers),
            Half::Response => processing_request::Request::ResponseTrailers(trailers),
        })
    }

    fn message(&mut self, request: processing_request::Request) -> bytes::Bytes {
        let config = &self.config;
        let first = !std::mem::replace(&mut self.started, true);
        let mode = |half: Half| match config.events.has(Event::body(half)) {
            true => wire::body_mode(config.body(half)),
            false => wire::BodySendMode::None,
        };
        wire::frame(&wire::ProcessingRequest {
            metadata_context: wire::metadata(&config.metadata_namespace, &config.metadata),
            observability_mode: config.observability,
            protocol_config: first.then(|| wire::ProtocolConfiguration {
                request_body_mode: mode(Half::Request).into(),
                response_body_mode: mode(Half::Response).into(),
                send_body_without_waiting_for_header_response: false,
            }),
            request: Some(request),
            ..Default::default()
        })
    }

    /// A message of the callout came.
    ///
    /// # Errors
    /// The failure that it is; nothing more counts then.
    pub(crate) fn came(&mut self, message: wire::ProcessingResponse) -> Result<(), Failure> {
        use processing_response::Response as R;
        // Nobody waits for what an observer says.
        if self.config.observability || self.over {
            return Ok(());
        }
        let Some(response) = message.response else {
            // Google's samples answer so where they have nothing to say.
            return self.nothing();
        };
        let Some(half) = wire::half_of(&response) else {
            return match response {
                R::ImmediateResponse(_) if self.config.rules == Rules::Routing => self.nothing(),
                R::ImmediateResponse(response) => {
                    self.reply = Some(wire::from_immediate(response));
                    Ok(())
                }
                _ => self.broken("a streamed answer to the client"),
            };
        };
        let duplex = self.config.is_duplex(half);
        let lane = &mut self.lanes[half as usize];
        match response {
            R::RequestHeaders(answer) | R::ResponseHeaders(answer) => {
                if !std::mem::take(&mut lane.head_owed) {
                    return self.broken("an answer to a head, and none is owed");
                }
                let common = answer.response.unwrap_or_default();
                let change = self.head_change(half, common, message.mode_override.as_ref());
                self.push(half, Taken::Head(change));
            }
            R::RequestBody(answer) | R::ResponseBody(answer) => {
                let common = answer.response.unwrap_or_default();
                let mutation = common.body_mutation.and_then(|body| body.mutation);
                if duplex {
                    if lane.head_owed || !lane.open {
                        return self.broken("a part of a body, and none is due");
                    }
                    let Some(Mutation::StreamedResponse(part)) = mutation else {
                        return self.broken("a body that is no `streamed_response`");
                    };
                    let last = part.end_of_stream || part.end_of_stream_without_message;
                    lane.open = !last;
                    lane.given = true;
                    self.push(half, Taken::Part(part.body, last));
                } else {
                    if !std::mem::take(&mut lane.chunk_owed) {
                        return self.broken("an answer to a body, and none is owed");
                    }
                    let change = match mutation {
                        None | Some(Mutation::ClearBody(false)) => BodyChange::Keep,
                        Some(Mutation::Body(body)) => BodyChange::Replace(body),
                        Some(Mutation::ClearBody(true)) => BodyChange::Clear,
                        Some(Mutation::StreamedResponse(_)) => {
                            return self.broken("a `streamed_response`, and the mode is another");
                        }
                    };
                    self.push(half, Taken::Body(change));
                }
            }
            R::RequestTrailers(answer) | R::ResponseTrailers(answer) => {
                if !std::mem::take(&mut lane.trailers_owed) {
                    return self.broken("an answer to trailers, and none is owed");
                }
                lane.open = false;
                let change = wire::from_mutation(answer.header_mutation);
                self.push(half, Taken::Trailers(change));
            }
            R::ImmediateResponse(_) | R::StreamedImmediateResponse(_) => {}
        }
        Ok(())
    }

    fn head_change(
        &mut self,
        half: Half,
        common: wire::CommonResponse,
        mode: Option<&wire::ProcessingMode>,
    ) -> HeadChange {
        let replaces = common.status == ResponseStatus::ContinueAndReplace as i32;
        let duplex = self.config.is_duplex(Half::Request) || self.config.is_duplex(Half::Response);
        // Only a traffic extension's callout may choose, and not while bodies are sent unasked.
        if let Some(mode) = mode.filter(|_| self.config.rules == Rules::Traffic && !duplex) {
            let wanted = wire::events_of(mode);
            let later = Event::ALL
                .into_iter()
                .filter(|event| *event as u8 > Event::headers(half) as u8);
            for event in later {
                self.events = match wanted.has(event) {
                    true => self.events.with(event),
                    false => self.events.without(event),
                };
            }
        }
        let body = match common.body_mutation.and_then(|body| body.mutation) {
            Some(Mutation::Body(body)) if replaces => Some(body),
            _ if replaces => Some(Vec::new()),
            _ => None,
        };
        if replaces {
            self.events = self
                .events
                .without(Event::body(half))
                .without(Event::trailers(half));
            self.lanes[half as usize].open = false;
        }
        HeadChange {
            headers: wire::from_mutation(common.header_mutation),
            clear_route: common.clear_route_cache,
            body,
            events: None,
        }
    }

    /// An answer without content: whatever is owed goes on as it is.
    fn nothing(&mut self) -> Result<(), Failure> {
        let mut owed = false;
        for half in [Half::Request, Half::Response] {
            let lane = &mut self.lanes[half as usize];
            if std::mem::take(&mut lane.head_owed) {
                lane.queue.push_back(Taken::Head(HeadChange::default()));
            } else if std::mem::take(&mut lane.chunk_owed) {
                lane.queue.push_back(Taken::Body(BodyChange::Keep));
            } else if std::mem::take(&mut lane.trailers_owed) {
                lane.queue.push_back(Taken::Trailers(HeaderChange::new()));
            } else {
                continue;
            }
            owed = true;
        }
        match owed {
            true => Ok(()),
            false => self.broken("an answer without content, and none is owed"),
        }
    }

    fn broken(&mut self, what: &str) -> Result<(), Failure> {
        Err(Failure::Protocol(what.to_owned()))
    }

    fn push(&mut self, half: Half, taken: Taken) {
        self.lanes[half as usize].queue.push_back(taken);
    }

    /// The stream came to its end: well, or by a failure.
    ///
    /// A callout that ends its stream well, whatever it owes, wants no part any more and stops
    /// nothing. A body that it took in and gave nothing back of is empty then, as the documentation
    /// has it; one that it gave back in part, or whose head it still has, is lost.
    pub(crate) fn ended(&mut self, failure: Option<Failure>) {
        if self.over || self.failure.is_some() {
            return;
        }
        let held = |lane: &&mut Lane| lane.open && lane.parted;
        for lane in self.lanes.iter_mut().filter(held) {
            if failure.is_none() && (lane.given || lane.head_owed) {
                self.failure = Some(Failure::Missing);
            } else if failure.is_none() {
                lane.queue.push_back(Taken::Part(Vec::new(), true));
            }
        }
        match failure {
            None => self.over = self.failure.is_none(),
            Some(failure) => self.failure = Some(failure),
        }
    }

    /// The next answer of a half, if it is there. What came before a failure still counts.
    pub(crate) fn next(&mut self, half: Half) -> Option<Result<Taken, Failure>> {
        if let Some(taken) = self.lanes[half as usize].queue.pop_front() {
            return Some(Ok(taken));
        }
        if let Some(reply) = self.reply.take() {
            self.over = true;
            return Some(Ok(Taken::Reply(reply)));
        }
        if let Some(failure) = self.failure.clone() {
            return Some(Err(failure));
        }
        self.over.then_some(Ok(Taken::Left))
    }

    /// What waits to be taken, in bytes.
    pub(crate) fn waiting(&self) -> usize {
        let queued = self.lanes.iter().flat_map(|lane| &lane.queue);
        queued
            .map(|taken| match taken {
                Taken::Part(bytes, _) | Taken::Body(BodyChange::Replace(bytes)) => bytes.len(),
                _ => 0,
            })
            .sum()
    }

    /// It failed, and the callout takes part no longer. Gives whether the exchange goes on.
    pub(crate) fn fail(&mut self) -> bool {
        self.over = true;
        self.config.fail_open && !self.parted
    }

    /// Nobody asks it any more.
    pub(crate) fn leave(&mut self) {
        self.over = true;
    }

    /// Whether the callout was sent a part of a body that it is to give back.
    pub(crate) const fn is_parted(&self) -> bool {
        self.parted
    }

    /// How a half's body is sent.
    pub(crate) fn mode(&self, half: Half) -> BodyMode {
        match self.config.is_duplex(half) {
            true => BodyMode::FullDuplex,
            false => BodyMode::Streamed,
        }
    }
}

#[cfg(test)]
mod tests;

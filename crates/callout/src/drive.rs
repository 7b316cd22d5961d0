//! Between a stream of Envoy's messages and the methods of a callout.

use crate::answer::{Abort, Answer, BodyChange, HeadChange};
use crate::callout::{Callout, Chunk, Context, Head};
use crate::change::HeaderChange;
use crate::event::{BodyMode, Half};
use crate::wire::{
    self, BodySendMode, CommonResponse, Mutation, ProcessingRequest, ProcessingResponse,
    ResponseStatus, processing_request::Request, processing_response::Response,
};

/// One exchange.
pub(crate) struct Drive<C> {
    callout: C,
    began: bool,
    /// Whether parts of each half's body are given back one by one, asked for or not.
    duplex: [bool; 2],
}

/// What is sent back.
pub(crate) enum Said {
    /// This.
    Message(ProcessingResponse),
    /// This, and nothing after it.
    Last(ProcessingResponse),
    /// A status, and nothing after it.
    Abort(Abort),
    /// Nothing.
    Nothing,
}

impl<C: Callout> Drive<C> {
    pub(crate) fn new(callout: C) -> Self {
        Self {
            callout,
            began: false,
            duplex: [false; 2],
        }
    }

    /// A message came.
    pub(crate) async fn came(&mut self, message: ProcessingRequest) -> Said {
        let observed = message.observability_mode;
        if !std::mem::replace(&mut self.began, true) {
            self.begin(&message);
        }
        let said = match message.request {
            Some(Request::RequestHeaders(headers)) => {
                let answer = self.callout.request_headers(&head(headers)).await;
                on(answer, |change| Response::RequestHeaders(headed(change)))
            }
            Some(Request::ResponseHeaders(headers)) => {
                let answer = self.callout.response_headers(&head(headers)).await;
                on(answer, |change| Response::ResponseHeaders(headed(change)))
            }
            Some(Request::RequestBody(body)) => {
                let chunk = chunk(body);
                let answer = self.callout.request_body(&chunk).await;
                let duplex = self.duplex[Half::Request as usize];
                on(answer, |change| {
                    Response::RequestBody(embodied(change, chunk, duplex))
                })
            }
            Some(Request::ResponseBody(body)) => {
                let chunk = chunk(body);
                let answer = self.callout.response_body(&chunk).await;
                let duplex = self.duplex[Half::Response as usize];
                on(answer, |change| {
                    Response::ResponseBody(embodied(change, chunk, duplex))
                })
            }
            Some(Request::RequestTrailers(trailers)) => {
                let fields = wire::from_map(trailers.trailers);
                let answer = self.callout.request_trailers(&fields).await;
                on(answer, |change| Response::RequestTrailers(trailed(change)))
            }
            Some(Request::ResponseTrailers(trailers)) => {
                let fields = wire::from_map(trailers.trailers);
                let answer = self.callout.response_trailers(&fields).await;
                on(answer, |change| Response::ResponseTrailers(trailed(change)))
            }
            // An event of a later version of the protocol.
            None => Said::Message(ProcessingResponse::default()),
        };
        if observed { Said::Nothing } else { said }
    }

    fn begin(&mut self, message: &ProcessingRequest) {
        let modes = message.protocol_config.unwrap_or_default();
        let mode = |mode: i32| match BodySendMode::try_from(mode) {
            Ok(BodySendMode::None) | Err(_) => None,
            Ok(BodySendMode::FullDuplexStreamed) => Some(BodyMode::FullDuplex),
            Ok(_) => Some(BodyMode::Streamed),
        };
        let context = Context {
            metadata: wire::texts(message.metadata_context.clone()),
            observability: message.observability_mode,
            request_body: mode(modes.request_body_mode),
            response_body: mode(modes.response_body_mode),
        };
        self.duplex = [context.request_body, context.response_body]
            .map(|mode| mode == Some(BodyMode::FullDuplex));
        self.callout.begin(&context);
    }
}

fn on<T: Chosen>(answer: Answer<T>, response: impl FnOnce(T) -> Response) -> Said {
    let message = |response, mode| ProcessingResponse {
        mode_override: mode,
        response: Some(response),
        ..Default::default()
    };
    match answer {
        Answer::On(change) => {
            let mode = change.mode();
            Said::Message(message(response(change), mode))
        }
        Answer::Reply(reply) => {
            let immediate = Response::ImmediateResponse(wire::to_immediate(reply));
            Said::Last(message(immediate, None))
        }
        Answer::Abort(abort) => Said::Abort(abort),
    }
}

/// A change that may choose the events that follow.
trait Chosen {
    fn mode(&self) -> Option<wire::ProcessingMode> {
        None
    }
}

impl Chosen for HeadChange {
    fn mode(&self) -> Option<wire::ProcessingMode> {
        self.events.map(wire::mode_of)
    }
}

impl Chosen for BodyChange {}

impl Chosen for HeaderChange {}

fn head(headers: wire::HttpHeaders) -> Head {
    Head {
        headers: wire::from_map(headers.headers),
        end: headers.end_of_stream,
    }
}

fn chunk(body: wire::HttpBody) -> Chunk {
    Chunk {
        bytes: body.body,
        end: body.end_of_stream || body.end_of_stream_without_message,
    }
}

fn headed(change: HeadChange) -> wire::HeadersResponse {
    let status = match change.body {
        Some(_) => ResponseStatus::ContinueAndReplace,
        None => ResponseStatus::Continue,
    };
    wire::HeadersResponse {
        response: Some(CommonResponse {
            status: status.into(),
            header_mutation: wire::to_mutation(change.headers),
            body_mutation: change.body.map(|body| mutation(Mutation::Body(body))),
            clear_route_cache: change.clear_route,
            ..Default::default()
        }),
    }
}

fn embodied(change: BodyChange, chunk: Chunk, duplex: bool) -> wire::BodyResponse {
    let mutated = match (change, duplex) {
        (BodyChange::Keep, false) => None,
        (BodyChange::Replace(body), false) => Some(Mutation::Body(body)),
        (BodyChange::Clear, false) => Some(Mutation::ClearBody(true)),
        (change, true) => Some(Mutation::StreamedResponse(wire::StreamedBodyResponse {
            body: match change {
                BodyChange::Keep => chunk.bytes,
                BodyChange::Replace(body) => body,
                BodyChange::Clear => Vec::new(),
            },
            end_of_stream: chunk.end,
            ..Default::default()
        })),
    };
    wire::BodyResponse {
        response: Some(CommonResponse {
            body_mutation: mutated.map(mutation),
            ..Default::default()
        }),
    }
}

fn trailed(change: HeaderChange) -> wire::TrailersResponse {
    wire::TrailersResponse {
        header_mutation: wire::to_mutation(change),
    }
}

const fn mutation(mutation: Mutation) -> wire::BodyMutation {
    wire::BodyMutation {
        mutation: Some(mutation),
    }
}

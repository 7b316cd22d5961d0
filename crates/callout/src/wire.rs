//! Between our types and Envoy's messages, and between messages and bytes.

use bytes::{BufMut as _, Bytes, BytesMut};
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{
    HeaderMap, HeaderValue, HeaderValueOption, Metadata,
};
pub(crate) use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::ProcessingMode;
pub(crate) use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::processing_mode::{
    BodySendMode, HeaderSendMode,
};
pub(crate) use envoy_types::pb::envoy::service::ext_proc::v3::{
    BodyMutation, BodyResponse, CommonResponse, GrpcStatus, HeaderMutation, HeadersResponse,
    HttpBody, HttpHeaders, HttpTrailers, ImmediateResponse, ProcessingRequest, ProcessingResponse,
    ProtocolConfiguration, StreamedBodyResponse, TrailersResponse, body_mutation::Mutation,
    common_response::ResponseStatus, processing_request, processing_response,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::{Struct, Value, value};
use prost::Message;

use crate::answer::Reply;
use crate::change::{Action, HeaderChange};
use crate::event::{BodyMode, Event, Events, Half};
use crate::headers::Headers;

/// Bytes before each message of gRPC: whether it is compressed, and its length.
pub(crate) const PREFIX: usize = 5;

/// A message as gRPC sends it.
pub(crate) fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // The buffer grows; nothing can be missing.
    let _ = message.encode(&mut bytes);
    bytes.freeze()
}

/// Fields as they are shown: `raw_value` alone, as load balancers send them.
pub(crate) fn to_map<'h>(fields: impl Iterator<Item = (&'h str, &'h [u8])>) -> HeaderMap {
    let headers = fields.map(|(name, value)| HeaderValue {
        key: name.to_ascii_lowercase(),
        value: String::new(),
        raw_value: value.to_vec(),
    });
    HeaderMap {
        headers: headers.collect(),
    }
}

/// Fields as a server takes them: some clients write `value`.
pub(crate) fn from_map(map: Option<HeaderMap>) -> Headers {
    let headers = map.map(|map| map.headers).unwrap_or_default();
    let fields = headers.into_iter().map(|header| {
        let value = match header.raw_value.is_empty() {
            true => header.value.into_bytes(),
            false => header.raw_value,
        };
        (header.key, value)
    });
    fields.collect()
}

/// A change as a server writes it.
pub(crate) fn to_mutation(change: HeaderChange) -> Option<HeaderMutation> {
    if change.is_empty() {
        return None;
    }
    let set = change.set.into_iter().map(|(name, value, action)| {
        let action = match action {
            Action::Append => HeaderAppendAction::AppendIfExistsOrAdd,
            Action::AddIfAbsent => HeaderAppendAction::AddIfAbsent,
            Action::Overwrite => HeaderAppendAction::OverwriteIfExistsOrAdd,
            Action::OverwriteIfExists => HeaderAppendAction::OverwriteIfExists,
        };
        HeaderValueOption {
            header: Some(HeaderValue {
                key: name,
                value: String::new(),
                raw_value: value,
            }),
            append_action: action.into(),
            ..HeaderValueOption::default()
        }
    });
    Some(HeaderMutation {
        set_headers: set.collect(),
        remove_headers: change.remove,
    })
}

/// A change as load balancers read it: `value` is ignored, so that a field set by it is empty.
///
/// An `append_action` that is left out is what the messages' definition says, appending, as
/// Google's own samples take it; that of Envoy's filter has long been overwriting. The older
/// `append` goes before it, where somebody sets it.
#[expect(deprecated, reason = "callouts built long ago still send `append`")]
pub(crate) fn from_mutation(mutation: Option<HeaderMutation>) -> HeaderChange {
    let mutation = mutation.unwrap_or_default();
    let set = mutation.set_headers.into_iter().filter_map(|option| {
        let header = option.header?;
        let action = match (option.append, option.append_action) {
            (Some(append), _) if append.value => Action::Append,
            (Some(_), _) => Action::Overwrite,
            (None, 1) => Action::AddIfAbsent,
            (None, 2) => Action::Overwrite,
            (None, 3) => Action::OverwriteIfExists,
            (None, _) => Action::Append,
        };
        Some((header.key, header.raw_value, action))
    });
    HeaderChange {
        set: set.collect(),
        remove: mutation.remove_headers,
    }
}

/// A reply as a server writes it.
pub(crate) fn to_immediate(reply: Reply) -> ImmediateResponse {
    ImmediateResponse {
        status: Some(HttpStatus {
            code: i32::try_from(reply.status).unwrap_or(500),
        }),
        headers: to_mutation(reply.headers),
        body: reply.body,
        grpc_status: reply.grpc_status.map(|status| GrpcStatus { status }),
        details: reply.details,
    }
}

/// A reply as load balancers read it. One without a status is a 200, as in Envoy.
pub(crate) fn from_immediate(response: ImmediateResponse) -> Reply {
    let status = response.status.map_or(0, |status| status.code);
    Reply {
        status: match u32::try_from(status) {
            Ok(0) | Err(_) => 200,
            Ok(status) => status,
        },
        headers: from_mutation(response.headers),
        body: response.body,
        grpc_status: response.grpc_status.map(|grpc| grpc.status),
        details: response.details,
    }
}

/// Metadata of one name.
pub(crate) fn metadata(namespace: &str, entries: &[(String, String)]) -> Option<Metadata> {
    if entries.is_empty() {
        return None;
    }
    let fields = entries.iter().map(|(key, value)| {
        let kind = Some(value::Kind::StringValue(value.clone()));
        (key.clone(), Value { kind })
    });
    let fields = Struct {
        fields: fields.collect(),
    };
    Some(Metadata {
        filter_metadata: [(namespace.to_owned(), fields)].into_iter().collect(),
        ..Metadata::default()
    })
}

/// The texts among metadata, by name and key.
pub(crate) fn texts(metadata: Option<Metadata>) -> Vec<(String, String, String)> {
    let names = metadata.map(|metadata| metadata.filter_metadata);
    let mut texts: Vec<_> = names
        .into_iter()
        .flatten()
        .flat_map(|(name, fields)| {
            let fields = fields.fields.into_iter();
            fields.filter_map(move |(key, value)| match value.kind? {
                value::Kind::StringValue(text) => Some((name.clone(), key, text)),
                _ => None,
            })
        })
        .collect();
    texts.sort();
    texts
}

/// The mode of a body, as messages have it.
pub(crate) const fn body_mode(mode: BodyMode) -> BodySendMode {
    match mode {
        BodyMode::Streamed => BodySendMode::Streamed,
        BodyMode::FullDuplex => BodySendMode::FullDuplexStreamed,
    }
}

/// The events that `mode_override` leaves, as Envoy reads it: it stands for the whole of the old
/// mode, so that a body whose mode is left out is not sent any more.
pub(crate) fn events_of(mode: &ProcessingMode) -> Events {
    let mut events = Events::NONE.with(Event::RequestHeaders);
    let skip = HeaderSendMode::Skip as i32;
    let send = HeaderSendMode::Send as i32;
    let none = BodySendMode::None as i32;
    for (event, wanted) in [
        (Event::RequestBody, mode.request_body_mode != none),
        (Event::RequestTrailers, mode.request_trailer_mode == send),
        (Event::ResponseHeaders, mode.response_header_mode != skip),
        (Event::ResponseBody, mode.response_body_mode != none),
        (Event::ResponseTrailers, mode.response_trailer_mode == send),
    ] {
        if wanted {
            events = events.with(event);
        }
    }
    events
}

/// The mode that stands for these events.
pub(crate) fn mode_of(events: Events) -> ProcessingMode {
    let header = |event| match events.has(event) {
        true => HeaderSendMode::Send as i32,
        false => HeaderSendMode::Skip as i32,
    };
    let body = |event| match events.has(event) {
        true => BodySendMode::Streamed as i32,
        false => BodySendMode::None as i32,
    };
    ProcessingMode {
        request_header_mode: header(Event::RequestHeaders),
        response_header_mode: header(Event::ResponseHeaders),
        request_body_mode: body(Event::RequestBody),
        response_body_mode: body(Event::ResponseBody),
        request_trailer_mode: header(Event::RequestTrailers),
        response_trailer_mode: header(Event::ResponseTrailers),
    }
}

/// The half that an answer is about; nothing for one that is about both, or about nothing.
pub(crate) const fn half_of(response: &processing_response::Response) -> Option<Half> {
    use processing_response::Response as R;
    match response {
        R::RequestHeaders(_) | R::RequestBody(_) | R::RequestTrailers(_) => Some(Half::Request),
        R::ResponseHeaders(_) | R::ResponseBody(_) | R::ResponseTrailers(_) => Some(Half::Response),
        R::ImmediateResponse(_) | R::StreamedImmediateResponse(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(deprecated, reason = "it is what is tested")]
    fn only_raw_values_count_and_old_appends_do() {
        let option = |append: Option<bool>, action: i32| HeaderValueOption {
            header: Some(HeaderValue {
                key: "x".to_owned(),
                value: "ignored".to_owned(),
                raw_value: Vec::new(),
            }),
            append: append.map(|value| envoy_types::pb::google::protobuf::BoolValue { value }),
            append_action: action,
            keep_empty_value: false,
        };
        let read = |option| {
            let change = from_mutation(Some(HeaderMutation {
                set_headers: vec![option],
                remove_headers: Vec::new(),
            }));
            let (_, value, action) = change.set.into_iter().next().expect("one");
            assert!(value.is_empty());
            action
        };
        assert_eq!(read(option(None, 0)), Action::Append);
        assert_eq!(read(option(None, 1)), Action::AddIfAbsent);
        assert_eq!(read(option(None, 2)), Action::Overwrite);
        assert_eq!(read(option(None, 3)), Action::OverwriteIfExists);
        assert_eq!(read(option(Some(true), 2)), Action::Append);
        assert_eq!(read(option(Some(false), 0)), Action::Overwrite);
    }

    #[test]
    fn a_mode_stands_for_its_events() {
        let events = Events::HEADERS.with(Event::ResponseTrailers);
        assert_eq!(events_of(&mode_of(events)), events);
        let left_out = ProcessingMode::default();
        assert_eq!(events_of(&left_out), Events::HEADERS);
    }

    #[test]
    fn a_reply_survives_the_way() {
        let reply = Reply::new(403).header("x", "1").body("no");
        assert_eq!(from_immediate(to_immediate(reply.clone())), reply);
        assert_eq!(from_immediate(ImmediateResponse::default()).status, 200);
    }
}

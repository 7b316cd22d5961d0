//! HTTP and gRPC callouts, and foreign functions.

use gatewright_abi::Status;

use super::headers::read_pairs;
use super::{Answer, Cx, read};
use crate::callout::{Callout, CalloutKind};
use crate::headers::HeaderMap;
use crate::state::State;
use crate::trace::Value;

/// Foreign functions of Envoy that change nothing that a plugin could see here.
const BUILT_IN: &[&[u8]] = &[b"clear_route_cache", b"declare_property"];

fn dispatch(state: &mut State, token: u32, kind: CalloutKind) {
    let plugin = state.settings.index;
    state.note(|| [("token", Value::Number(token.into()))]);
    state.callouts.push(Callout {
        plugin,
        token,
        kind,
    });
}

/// Headers that a guest sends to the network, which knows lower case only.
fn sent(state: &mut State, wire: &[u8]) -> HeaderMap {
    let mut map: HeaderMap = read_pairs(state, wire).collect();
    map.lower_names();
    map
}

#[expect(clippy::too_many_arguments, reason = "the signature is the ABI's")]
pub(super) fn http(
    cx: &mut Cx<'_>,
    upstream: u32,
    upstream_length: u32,
    headers: u32,
    headers_length: u32,
    body: u32,
    body_length: u32,
    trailers: u32,
    trailers_length: u32,
    timeout_ms: u32,
    out: u32,
) -> Answer {
    let upstream = read(cx.memory, upstream, upstream_length)?.to_vec();
    let body = read(cx.memory, body, body_length)?.to_vec();
    let headers = read(cx.memory, headers, headers_length)?;
    let trailers = read(cx.memory, trailers, trailers_length)?;
    let state = &mut *cx.state;
    let mut headers = sent(state, headers);
    if !body.is_empty() {
        headers.replace(b"content-length", body.len().to_string().as_bytes());
    }
    let trailers = if trailers.is_empty() {
        HeaderMap::new()
    } else {
        sent(state, trailers)
    };
    // The token's place is written first, so that a bad pointer starts no call.
    cx.write(out, 0_u32.to_le_bytes())?;
    let state = &mut *cx.state;
    state.note(|| {
        [
            ("upstream", Value::Bytes(upstream.clone())),
            ("headers", Value::Headers(headers.clone())),
        ]
    });
    let complete = [&b":path"[..], b":method", b":authority"]
        .iter()
        .all(|n| headers.contains(n));
    if !complete || timeout_ms > i32::MAX as u32 || !state.door.knows_upstream(&upstream) {
        return Err(Status::BadArgument);
    }
    let token = state.tokens.http();
    dispatch(
        state,
        token,
        CalloutKind::Http {
            upstream,
            headers,
            body,
            trailers,
            timeout_ms,
        },
    );
    cx.write(out, token.to_le_bytes())
}

#[expect(clippy::too_many_arguments, reason = "the signature is the ABI's")]
pub(super) fn grpc_call(
    cx: &mut Cx<'_>,
    upstream: u32,
    upstream_length: u32,
    service: u32,
    service_length: u32,
    method: u32,
    method_length: u32,
    metadata: u32,
    metadata_length: u32,
    message: u32,
    message_length: u32,
    timeout_ms: u32,
    out: u32,
) -> Answer {
    let message = read(cx.memory, message, message_length)?.to_vec();
    let (upstream, service, method, metadata) = grpc_target(
        cx,
        (upstream, upstream_length),
        (service, service_length),
        (method, method_length),
        (metadata, metadata_length),
    )?;
    cx.write(out, 0_u32.to_le_bytes())?;
    let state = &mut *cx.state;
    let token = state.tokens.grpc(false);
    let kind = CalloutKind::GrpcCall {
        upstream,
        service,
        method,
        metadata,
        message,
        timeout_ms,
    };
    dispatch(state, token, kind);
    cx.write(out, token.to_le_bytes())
}

#[expect(clippy::too_many_arguments, reason = "the signature is the ABI's")]
pub(super) fn grpc_stream(
    cx: &mut Cx<'_>,
    upstream: u32,
    upstream_length: u32,
    service: u32,
    service_length: u32,
    method: u32,
    method_length: u32,
    metadata: u32,
    metadata_length: u32,
    out: u32,
) -> Answer {
    let (upstream, service, method, metadata) = grpc_target(
        cx,
        (upstream, upstream_length),
        (service, service_length),
        (method, method_length),
        (metadata, metadata_length),
    )?;
    cx.write(out, 0_u32.to_le_bytes())?;
    let state = &mut *cx.state;
    let token = state.tokens.grpc(true);
    dispatch(
        state,
        token,
        CalloutKind::GrpcStream {
            upstream,
            service,
            method,
            metadata,
        },
    );
    cx.write(out, token.to_le_bytes())
}

type Target = (Vec<u8>, Vec<u8>, Vec<u8>, HeaderMap);

fn grpc_target(
    cx: &mut Cx<'_>,
    upstream: (u32, u32),
    service: (u32, u32),
    method: (u32, u32),
    metadata: (u32, u32),
) -> Result<Target, Status> {
    let upstream = read(cx.memory, upstream.0, upstream.1)?.to_vec();
    let service = read(cx.memory, service.0, service.1)?.to_vec();
    let method = read(cx.memory, method.0, method.1)?.to_vec();
    let metadata = read(cx.memory, metadata.0, metadata.1)?;
    let state = &mut *cx.state;
    let metadata = if metadata.is_empty() {
        HeaderMap::new()
    } else {
        sent(state, metadata)
    };
    state.note(|| {
        [
            ("upstream", Value::Bytes(upstream.clone())),
            ("service", Value::Bytes(service.clone())),
            ("method", Value::Bytes(method.clone())),
        ]
    });
    if !state.door.knows_upstream(&upstream) {
        return Err(Status::ParseFailure);
    }
    Ok((upstream, service, method, metadata))
}

/// A call has an odd number and takes no further message; only its number is known to the host.
fn open(cx: &mut Cx<'_>, token: u32) -> Answer {
    cx.state.note(|| [("token", Value::Number(token.into()))]);
    if cx.state.tokens.is_open(token) {
        Ok(())
    } else {
        Err(Status::NotFound)
    }
}

pub(super) fn grpc_send(
    cx: &mut Cx<'_>,
    token: u32,
    message: u32,
    length: u32,
    end_of_stream: u32,
) -> Answer {
    let message = read(cx.memory, message, length)?.to_vec();
    if token % 2 == 1 {
        return Err(Status::BadArgument);
    }
    open(cx, token)?;
    let end_of_stream = end_of_stream != 0;
    dispatch(
        cx.state,
        token,
        CalloutKind::GrpcSend {
            message,
            end_of_stream,
        },
    );
    Ok(())
}

pub(super) fn grpc_cancel(cx: &mut Cx<'_>, token: u32) -> Answer {
    open(cx, token)?;
    cx.state.tokens.close(token);
    dispatch(cx.state, token, CalloutKind::GrpcCancel);
    Ok(())
}

pub(super) fn grpc_close(cx: &mut Cx<'_>, token: u32) -> Answer {
    open(cx, token)?;
    if token % 2 == 1 {
        cx.state.tokens.close(token);
    }
    // Of a stream only this half is closed: what the other side still sends is shown.
    dispatch(cx.state, token, CalloutKind::GrpcClose);
    Ok(())
}

/// The status of the gRPC callout that a callback speaks of.
pub(super) fn status(cx: &mut Cx<'_>, out: &mut Vec<u8>, out_code: u32) -> Answer {
    let (code, message) = match cx.state.rules.status {
        Some((code, message)) => (code, message.into()),
        None => cx.state.incoming.status.clone(),
    };
    cx.state.note(|| {
        [
            ("code", Value::Number(code.into())),
            ("message", Value::Bytes(message.clone())),
        ]
    });
    *out = message;
    cx.write(out_code, code.to_le_bytes())
}

pub(super) fn foreign(
    cx: &mut Cx<'_>,
    out: &mut Vec<u8>,
    name: u32,
    length: u32,
    arguments: u32,
    arguments_length: u32,
) -> Answer {
    let name = read(cx.memory, name, length)?;
    let arguments = read(cx.memory, arguments, arguments_length)?;
    cx.state.meter.bytes_from_guest += (name.len() + arguments.len()) as u64;
    cx.state.note(|| {
        [
            ("name", Value::Bytes(name.to_vec())),
            ("arguments", Value::Bytes(arguments.to_vec())),
        ]
    });
    let answer = cx.state.door.call_foreign(name, arguments);
    *out = match answer {
        Some(answer) => answer?,
        // What Envoy offers itself and this host has no part in: routes, and types of properties.
        None if cx.state.rules.pause && BUILT_IN.contains(&name) => Vec::new(),
        None => return Err(Status::NotFound),
    };
    cx.state.note(|| [("results", Value::Bytes(out.clone()))]);
    Ok(())
}

//! Buffers: bodies and configuration.

use gatewright_abi::{BufferType, Status};

use super::{Answer, Cx, read};
use crate::fault::Ended;
use crate::finding::FindingKind;
use crate::profile::{AbsentBody, BufferWrites};
use crate::state::{Place, State};
use crate::trace::Value;

/// Which of a stream's bodies a buffer is.
fn body_index(buffer: BufferType) -> Option<usize> {
    match buffer {
        BufferType::HttpRequestBody => Some(0),
        BufferType::HttpResponseBody => Some(1),
        _ => None,
    }
}

/// The bytes of a buffer, if it is there now.
fn bytes(state: &State, buffer: BufferType) -> Option<&[u8]> {
    let absent = match state.rules.absent_body {
        AbsentBody::NotFound => None,
        AbsentBody::Empty => Some(&[][..]),
    };
    if let Some(index) = body_index(buffer) {
        let body = match state.effective {
            Place::Stream(slot) => {
                let stream = state.stream(slot);
                let shown = index == 1 || !stream.request_hidden;
                stream.bodies[index].as_deref().filter(|_| shown)
            }
            Place::Root => None,
        };
        return body.or(absent);
    }
    match buffer {
        BufferType::VmConfiguration if state.rules.vm_configuration => {
            Some(&state.settings.vm_configuration)
        }
        BufferType::PluginConfiguration
            if state.configuring == Some(buffer) || state.rules.configuration_always =>
        {
            Some(&state.settings.configuration)
        }
        BufferType::HttpCallResponseBody => state.incoming.http_body.as_deref(),
        BufferType::GrpcReceiveBuffer => state.incoming.grpc_message.as_deref().or(absent),
        BufferType::CallData => state.incoming.call_data.as_deref().or(absent),
        BufferType::DownstreamData | BufferType::UpstreamData => absent,
        _ => None,
    }
}

fn parse(state: &mut State, buffer: u32) -> Result<BufferType, Status> {
    let buffer = BufferType::from_u32(buffer).ok_or(Status::BadArgument)?;
    state.note(|| [("buffer", Value::Name(buffer.name()))]);
    Ok(buffer)
}

pub(super) fn get(
    cx: &mut Cx<'_>,
    out: &mut Vec<u8>,
    buffer: u32,
    start: u32,
    size: u32,
) -> Answer {
    let buffer = parse(cx.state, buffer)?;
    cx.state.note(|| {
        [
            ("start", Value::Number(start.into())),
            ("max_size", Value::Number(size.into())),
        ]
    });
    let bytes = bytes(cx.state, buffer).ok_or(Status::NotFound)?;
    // Libraries ask for everything with the largest number there is, from wherever they start.
    let end = (start as usize).saturating_add(size as usize);
    // A read past the end is cut off, and one that starts there is empty.
    let part = bytes
        .get(start as usize..end.min(bytes.len()))
        .unwrap_or_default();
    out.extend_from_slice(part);
    cx.state.note(|| [("value", Value::Bytes(out.clone()))]);
    Ok(())
}

pub(super) fn status(cx: &mut Cx<'_>, buffer: u32, size: u32, flags: u32) -> Answer {
    let buffer = parse(cx.state, buffer)?;
    let length = bytes(cx.state, buffer).ok_or(Status::NotFound)?.len() as u32;
    cx.state.note(|| [("size", Value::Number(length.into()))]);
    cx.write(size, length.to_le_bytes())?;
    cx.write(flags, 0_u32.to_le_bytes())
}

pub(super) fn set(
    cx: &mut Cx<'_>,
    buffer: u32,
    start: u32,
    size: u32,
    data: u32,
    length: u32,
) -> Answer {
    let buffer = parse(cx.state, buffer)?;
    let data = read(cx.memory, data, length)?;
    let state = &mut *cx.state;
    state.meter.bytes_from_guest += u64::from(length);
    state.note(|| {
        [
            ("start", Value::Number(start.into())),
            ("size", Value::Number(size.into())),
            ("value", Value::Bytes(data.to_vec())),
        ]
    });
    let Some(index) = body_index(buffer) else {
        let there = bytes(state, buffer).is_some();
        return Err(if there {
            Status::BadArgument
        } else {
            Status::NotFound
        });
    };
    if let Some(limit) = state
        .limits
        .mutation_bytes
        .filter(|limit| data.len() > *limit)
    {
        let size = data.len();
        state.find(FindingKind::MutationTooLarge, || {
            format!("a body chunk of {size} bytes")
        });
        cx.ended = Some(Ended::Mutation { size, limit });
        return Ok(());
    }
    let writes = state.rules.buffer_writes;
    let absent = match state.rules.absent_body {
        AbsentBody::NotFound => Status::NotFound,
        AbsentBody::Empty => Status::BadArgument,
    };
    let body = state
        .current_stream()
        .filter(|stream| index == 1 || !stream.request_hidden)
        .and_then(|stream| stream.bodies[index].as_mut())
        .ok_or(absent)?;
    let (start, size) = (start as usize, size as usize);
    match writes {
        BufferWrites::Anywhere => {}
        BufferWrites::Ends if start > 0 && start < body.len() => {
            return Err(Status::BadArgument);
        }
        BufferWrites::Ends => {}
    }
    let start = start.min(body.len());
    let end = start.saturating_add(size).min(body.len());
    body.splice(start..end, data.iter().copied());
    Ok(())
}

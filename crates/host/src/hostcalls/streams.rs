//! Continuing and closing streams. No platform but Envoy offers it, so the answers are Envoy's.

use gatewright_abi::{Status, StreamType};

use super::{Answer, Cx};
use crate::state::State;
use crate::trace::Value;
use crate::vm::Direction;

fn parse(state: &mut State, stream: u32) -> Result<StreamType, Status> {
    let stream = StreamType::from_u32(stream).ok_or(Status::BadArgument)?;
    state.note(|| [("stream", Value::Name(stream.name()))]);
    Ok(stream)
}

pub(super) fn proceed(cx: &mut Cx<'_>, stream: u32) -> Answer {
    let direction = match parse(cx.state, stream)? {
        StreamType::HttpRequest => Direction::Request,
        StreamType::HttpResponse => Direction::Response,
        // Only HTTP passes through this host, so there is no connection to continue.
        StreamType::Downstream => return Ok(()),
        StreamType::Upstream => return Err(Status::Unimplemented),
    };
    if let Some(slot) = cx.state.touch() {
        let stream = cx.state.stream_mut(slot);
        stream.resume[direction as usize] = true;
        // Envoy forgets the request here, whichever half goes on.
        stream.request_hidden = true;
    }
    Ok(())
}

pub(super) fn close(cx: &mut Cx<'_>, stream: u32) -> Answer {
    match parse(cx.state, stream)? {
        StreamType::HttpRequest | StreamType::HttpResponse => {
            if let Some(slot) = cx.state.touch() {
                cx.state.stream_mut(slot).closed = true;
            }
        }
        StreamType::Downstream | StreamType::Upstream => {}
    }
    Ok(())
}

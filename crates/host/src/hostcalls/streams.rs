//! Continuing and closing streams.

use gatewright_abi::{Status, StreamType};

use super::{Answer, Cx};
use crate::state::State;
use crate::trace::Value;
use crate::vm::Direction;

fn parse(state: &mut State, stream: u32) -> Result<Direction, Status> {
    let stream = StreamType::from_u32(stream).ok_or(Status::BadArgument)?;
    state.note(|| [("stream", Value::Name(stream.name()))]);
    match stream {
        StreamType::HttpRequest => Ok(Direction::Request),
        StreamType::HttpResponse => Ok(Direction::Response),
        // Only HTTP passes through this host.
        StreamType::Downstream | StreamType::Upstream => Err(Status::BadArgument),
    }
}

pub(super) fn proceed(cx: &mut Cx<'_>, stream: u32) -> Answer {
    let direction = parse(cx.state, stream)?;
    let slot = cx.state.touch();
    if let Some(stream) = slot {
        cx.state.stream_mut(stream).resume[direction as usize] = true;
    }
    Ok(())
}

pub(super) fn close(cx: &mut Cx<'_>, stream: u32) -> Answer {
    parse(cx.state, stream)?;
    let slot = cx.state.touch();
    if let Some(stream) = slot {
        cx.state.stream_mut(stream).closed = true;
    }
    Ok(())
}

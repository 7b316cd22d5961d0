//! Replies and resets: the one place that reads what a plugin asked for a stream as a whole.

use super::flow::Unit;
use super::{Chain, Course, Effect, Returning, StreamId};
use crate::headers::HeaderMap;
use crate::profile::LateReply;
use crate::reply::LocalReply;
use crate::vm::Direction;

/// The gRPC status of a request that its proxy could not serve.
const GRPC_UNAVAILABLE: i32 = 14;

impl Chain {
    /// Carries out what a plugin asked for a stream as a whole: a reply or a reset. Says whether
    /// the unit on its way there goes no further.
    ///
    /// Both ways lead here: a callback of the stream itself, and one of another context that acted
    /// on it. Whether a reply comes too late is one question with one answer for both: it does
    /// once response headers have left the chain.
    pub(super) fn conclude(
        &mut self,
        id: StreamId,
        index: usize,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let stream = &mut self.streams[id.0];
        let Some(member) = stream.members.get(index) else {
            return false;
        };
        let (Some(slot), false) = (member.slot, stream.is_over()) else {
            return false;
        };
        let Some(vm) = self.links[index].vm(member.generation) else {
            return false;
        };
        let context = vm.stream_mut(slot);
        if let Some(reply) = context.reply.take() {
            if stream.response_started && self.rules.late_reply == LateReply::Dropped {
                return false;
            }
            if stream.response_started || self.rules.replies_pass_plugins {
                self.answer(id, *reply, false, effects);
            } else {
                stream.course = Course::Over;
                effects.push(Effect::Reply(reply));
            }
            return true;
        }
        if context.closed {
            stream.course = Course::Over;
            effects.push(Effect::Reset);
            return true;
        }
        false
    }

    /// A plugin failed closed.
    pub(super) fn fail(&mut self, id: StreamId, effects: &mut Vec<Effect>) {
        let reply = LocalReply {
            status: self.rules.failure_status.into(),
            grpc_status: GRPC_UNAVAILABLE,
            ..LocalReply::default()
        };
        self.answer(id, reply, true, effects);
    }

    /// More of a body is held than the platform buffers.
    pub(super) fn too_large(
        &mut self,
        id: StreamId,
        direction: Direction,
        effects: &mut Vec<Effect>,
    ) {
        let (status, body) = match direction {
            Direction::Request => (413, "Payload Too Large"),
            Direction::Response => (500, "Internal Server Error"),
        };
        let reply = LocalReply {
            status,
            body: body.into(),
            grpc_status: -1,
            ..LocalReply::default()
        };
        self.answer(id, reply, false, effects);
    }

    /// Answers the client in the upstream's place.
    ///
    /// A response that began cannot be taken back, so its stream is reset. Where the platform shows
    /// replies to the response callbacks, this one goes through them first, unless a response is on
    /// its way through them already.
    fn answer(
        &mut self,
        id: StreamId,
        mut reply: LocalReply,
        failed: bool,
        effects: &mut Vec<Effect>,
    ) {
        let stream = &mut self.streams[id.0];
        if stream.response_started {
            stream.course = Course::Over;
            effects.push(Effect::Reset);
            return;
        }
        if !self.rules.replies_pass_plugins {
            stream.course = Course::Over;
            effects.push(effect(reply, failed));
            return;
        }
        let mut headers = dress(&mut reply, stream.is_grpc);
        if stream.is_head {
            // The length of a body that is not sent stays in the headers.
            reply.body.clear();
        }
        if stream.response_arrived {
            stream.course = Course::Over;
            stream.left[2] = Some(headers.clone());
            take_status(&mut reply, headers);
            effects.push(effect(reply, failed));
            return;
        }
        stream.response_arrived = true;
        let mut body = std::mem::take(&mut reply.body);
        stream.course = Course::Returning(Box::new(Returning { reply, failed }));
        let end = body.is_empty();
        let mut unit = Unit::Headers(&mut headers, end);
        self.pass(id, Direction::Response, 0, &mut unit, effects);
        if !end && !self.streams[id.0].is_over() {
            let mut unit = Unit::Body(&mut body, true);
            self.pass(id, Direction::Response, 0, &mut unit, effects);
        }
    }

    /// A part of a reply has passed the response callbacks: with its last part, it goes out.
    pub(super) fn returned(
        &mut self,
        id: StreamId,
        unit: &mut Unit<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let stream = &mut self.streams[id.0];
        let Course::Returning(returning) = &mut stream.course else {
            return;
        };
        let reply = &mut returning.reply;
        let end = match unit {
            Unit::Headers(headers, end) => {
                stream.response_started = true;
                stream.left[2] = Some(headers.clone());
                take_status(reply, std::mem::take(headers));
                *end
            }
            Unit::Body(chunk, end) => {
                reply.body.append(chunk);
                *end
            }
            Unit::Trailers(_) => true,
        };
        if end {
            let reply = std::mem::take(reply);
            let failed = returning.failed;
            stream.course = Course::Over;
            effects.push(effect(reply, failed));
        }
    }
}

/// A failure that nobody changed on its way is told as such.
fn effect(reply: LocalReply, failed: bool) -> Effect {
    let untouched = reply.headers.is_empty() && reply.body.is_empty();
    match u16::try_from(reply.status) {
        Ok(status) if failed && untouched => Effect::Fail { status },
        _ => Effect::Reply(Box::new(reply)),
    }
}

/// The headers of a reply as Envoy makes them: the status, what the plugin gave, the length and
/// type of a body; for a gRPC request what gRPC calls a response of trailers only.
fn dress(reply: &mut LocalReply, is_grpc: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(reply.headers.len() + 3, 128);
    let status = if is_grpc { 200 } else { reply.status };
    headers.append(b":status", status.to_string().as_bytes());
    headers.extend(reply.headers.iter());
    if is_grpc {
        let status = match reply.grpc_status {
            0..=16 => reply.grpc_status,
            _ => grpc_status_of(reply.status),
        };
        headers.replace(b"content-type", b"application/grpc");
        headers.append(b"grpc-status", status.to_string().as_bytes());
        let message = std::mem::take(&mut reply.body);
        if !message.is_empty() {
            headers.append(b"grpc-message", &percent_encoded(&message));
        }
    } else if reply.body.is_empty() {
        headers.remove(b"content-length");
        headers.remove(b"content-type");
    } else {
        headers.replace(b"content-length", reply.body.len().to_string().as_bytes());
        if !headers.contains(b"content-type") {
            headers.append(b"content-type", b"text/plain");
        }
    }
    headers
}

/// Moves headers back into a reply, whose status stands beside them.
fn take_status(reply: &mut LocalReply, mut headers: HeaderMap) {
    let status = headers
        .get(b":status")
        .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    reply.status = status.unwrap_or(reply.status);
    headers.remove(b":status");
    reply.headers = headers;
}

/// The gRPC status that stands for an HTTP status, by gRPC's own table.
const fn grpc_status_of(http: u32) -> i32 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => GRPC_UNAVAILABLE,
        _ => 2,
    }
}

/// A gRPC message: what is not printable ASCII, and the percent sign, as `%` and two digits.
fn percent_encoded(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for byte in message {
        match byte {
            b' '..=b'~' if *byte != b'%' => out.push(*byte),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

//! Callbacks of stream contexts.

use gatewright_abi::Callback;

use super::{Context, Direction, Failed, Vm};
use crate::headers::HeaderMap;
use crate::trace::{Seen, Trace, TraceLevel};

/// A copy of what a callback is about, if it is written down.
#[inline]
fn before<T: Clone>(trace: &Trace, part: &T) -> Option<T> {
    if trace.level < TraceLevel::Full {
        return None;
    }
    Some(copy(part))
}

#[cold]
fn copy<T: Clone>(part: &T) -> T {
    part.clone()
}

/// Writes down what a callback made of headers or trailers.
#[cold]
fn saw_headers(trace: &mut Trace, before: HeaderMap, after: &HeaderMap) {
    let after = after.clone();
    trace.saw(Seen::Headers { before, after });
}

impl Vm {
    /// A header callback. The map is lent to the guest for as long as it runs.
    pub(crate) fn on_headers(
        &mut self,
        slot: usize,
        direction: Direction,
        headers: &mut HeaderMap,
        end_of_stream: bool,
        trace: &mut Box<Trace>,
    ) -> Result<u32, Failed> {
        let callback = match direction {
            Direction::Request => Callback::OnRequestHeaders,
            Direction::Response => Callback::OnResponseHeaders,
        };
        let place = direction.headers();
        let count = headers.len() as u32;
        let eos = u32::from(end_of_stream);
        let before = before(trace, headers);
        let context = self.stream_mut(slot);
        let id = context.id;
        context.maps[place] = Some(std::mem::take(headers));
        context.request_hidden = false;
        let context = Context::of_stream(slot, id);
        let answer = self.traced(trace, |vm| vm.callback(callback, context, &[count, eos]));
        *headers = self.stream_mut(slot).maps[place].take().unwrap_or_default();
        if let Some(before) = before {
            saw_headers(trace, before, headers);
        }
        answer
    }

    /// A body callback. The chunk is lent to the guest for as long as it runs.
    pub(crate) fn on_body(
        &mut self,
        slot: usize,
        direction: Direction,
        chunk: &mut Vec<u8>,
        end_of_stream: bool,
        trace: &mut Box<Trace>,
    ) -> Result<u32, Failed> {
        let callback = match direction {
            Direction::Request => Callback::OnRequestBody,
            Direction::Response => Callback::OnResponseBody,
        };
        let size = chunk.len() as u32;
        let eos = u32::from(end_of_stream);
        let before = before(trace, chunk);
        let context = self.stream_mut(slot);
        let id = context.id;
        context.bodies[direction as usize] = Some(std::mem::take(chunk));
        context.body_ends[direction as usize] = end_of_stream;
        context.request_hidden = false;
        let context = Context::of_stream(slot, id);
        let answer = self.traced(trace, |vm| vm.callback(callback, context, &[size, eos]));
        *chunk = self.stream_mut(slot).bodies[direction as usize]
            .take()
            .unwrap_or_default();
        if let Some(before) = before {
            let after = chunk.clone();
            trace.saw(Seen::Body { before, after });
        }
        answer
    }

    /// A trailer callback. The map is lent to the guest for as long as it runs.
    pub(crate) fn on_trailers(
        &mut self,
        slot: usize,
        direction: Direction,
        trailers: &mut HeaderMap,
        trace: &mut Box<Trace>,
    ) -> Result<u32, Failed> {
        let callback = match direction {
            Direction::Request => Callback::OnRequestTrailers,
            Direction::Response => Callback::OnResponseTrailers,
        };
        let place = direction.headers() + 1;
        let count = trailers.len() as u32;
        let before = before(trace, trailers);
        let context = self.stream_mut(slot);
        let id = context.id;
        context.maps[place] = Some(std::mem::take(trailers));
        context.request_hidden = false;
        let context = Context::of_stream(slot, id);
        let answer = self.traced(trace, |vm| vm.callback(callback, context, &[count]));
        *trailers = self.stream_mut(slot).maps[place].take().unwrap_or_default();
        if let Some(before) = before {
            saw_headers(trace, before, trailers);
        }
        answer
    }

    /// The end of a stream: `on_log` where the platform has it, `on_done`, `on_delete`. Envoy
    /// writes its logs before it takes its filters apart. The log is about the headers as they
    /// left the chain, or as far as they came; afterwards the guest sees what it saw before.
    /// Its context is gone afterwards, whatever the guest did.
    pub(crate) fn close_stream(
        &mut self,
        slot: usize,
        left: &[Option<HeaderMap>; 4],
        trace: &mut Box<Trace>,
    ) -> Result<(), Failed> {
        let id = self.stream(slot).id;
        let has_log = self.store.data().rules.on_log;
        let closed = self.traced(trace, |vm| {
            let ended = Context::of_stream(slot, id);
            if has_log {
                let context = vm.stream_mut(slot);
                context.read_only = true;
                let held = context.maps.clone();
                for (map, left) in context.maps.iter_mut().zip(left) {
                    if left.is_some() {
                        map.clone_from(left);
                    }
                }
                // Envoy's log knows no trailers of the request.
                context.maps[1] = None;
                let hidden = std::mem::take(&mut context.request_hidden);
                vm.callback(Callback::OnLog, ended, &[])?;
                let context = vm.stream_mut(slot);
                context.read_only = false;
                context.maps = held;
                context.request_hidden = hidden;
            }
            vm.callback(Callback::OnDone, ended, &[])?;
            vm.callback(Callback::OnDelete, ended, &[])
        });
        if self.account == Some(slot) {
            self.account = None;
        }
        self.store.data_mut().close_stream(slot);
        closed.map(|_| ())
    }
}

//! What a plugin that paused holds back, and how it is let go.

use super::flow::{Part, Unit};
use super::{Chain, Effect, StreamId};
use crate::headers::HeaderMap;
use crate::vm::{Direction, Vm};

/// What a plugin that paused holds back, in one direction.
///
/// The part that it paused on lies in its stream context, where it can still be read and changed:
/// headers, the body gathered so far, or trailers. What came after headers that are held was not
/// shown to the plugin yet and waits here.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) stopped_at: Part,
    /// What is gathered of a body while the plugin holds.
    pub(super) gather: Gather,
    /// Whether nothing follows the held headers, or the held body.
    end_of_stream: bool,
    /// The body that came while headers were held, and whether nothing follows it.
    body: Option<(Vec<u8>, bool)>,
    /// Trailers that came while headers were held.
    trailers: Option<HeaderMap>,
    /// What is held of a body and not shown again with what comes after it.
    aside: Vec<u8>,
    /// What was held, once the VM that held it failed.
    pub(super) rescued: Option<Held>,
}

/// What becomes of a body that a paused plugin holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gather {
    /// It is gathered up to the buffer's limit; past that the exchange ends.
    Buffer,
    /// It is gathered out of the plugin's sight, which is shown each chunk alone, and the sender is
    /// asked to wait past the limit.
    Watermark,
    /// It is dropped.
    Drop,
}

/// The parts that a plugin paused on: headers, body, trailers.
pub(super) type Held = (Option<HeaderMap>, Option<Vec<u8>>, Option<HeaderMap>);

impl Gate {
    /// Trailers that came while headers were held.
    pub(super) fn waiting_trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// Takes in a unit that comes while the plugin holds an earlier one. Returns what the plugin is
    /// shown of it: nothing while it holds headers, the whole body gathered so far while it holds
    /// that.
    pub(super) fn take_in(
        &mut self,
        unit: Unit,
        vm: &mut Vm,
        slot: usize,
        direction: Direction,
    ) -> Option<Unit> {
        match (self.stopped_at, unit) {
            (Part::Headers, Unit::Body(chunk, end)) => {
                let (body, ended) = self.body.get_or_insert_default();
                body.extend_from_slice(&chunk);
                *ended = end;
                None
            }
            (Part::Headers, Unit::Trailers(trailers)) => {
                self.trailers = Some(trailers);
                None
            }
            (Part::Body, Unit::Body(chunk, end)) => {
                let held = vm.stream_mut(slot).bodies[direction as usize].take();
                let mut body = held.unwrap_or_default();
                if self.gather == Gather::Watermark {
                    self.aside.append(&mut body);
                    return Some(Unit::Body(chunk, end));
                }
                body.extend_from_slice(&chunk);
                Some(Unit::Body(body, end))
            }
            (_, unit) => Some(unit),
        }
    }

    /// Bytes of body that wait here, not counting those in the plugin's stream context.
    pub(super) fn waiting(&self) -> usize {
        self.aside.len() + self.body.as_ref().map_or(0, |(body, _)| body.len())
    }

    /// A body with what was held of it out of the plugin's sight.
    pub(super) fn whole(&mut self, mut body: Vec<u8>) -> Vec<u8> {
        if self.aside.is_empty() {
            return body;
        }
        self.aside.append(&mut body);
        std::mem::take(&mut self.aside)
    }
}

/// Puts the unit that a plugin paused on back into its stream context.
pub(super) fn hold(
    gate: &mut Option<Box<Gate>>,
    vm: &mut Vm,
    slot: usize,
    direction: Direction,
    unit: Unit,
    gather: Gather,
) {
    let part = unit.part();
    let context = vm.stream_mut(slot);
    let end_of_stream = match unit {
        Unit::Headers(headers, end) => {
            context.maps[direction.headers()] = Some(headers);
            end
        }
        Unit::Body(mut body, end) => {
            if gather == Gather::Drop {
                body.clear();
            }
            context.bodies[direction as usize] = Some(body);
            end
        }
        Unit::Trailers(trailers) => {
            context.maps[direction.headers() + 1] = Some(trailers);
            true
        }
    };
    let held = gate.get_or_insert_with(|| {
        Box::new(Gate {
            stopped_at: part,
            gather,
            end_of_stream,
            body: None,
            trailers: None,
            aside: Vec::new(),
            rescued: None,
        })
    });
    held.stopped_at = part;
    held.gather = gather;
    held.end_of_stream = end_of_stream;
}

/// Takes what a plugin holds out of its stream context.
pub(super) fn take_held(vm: &mut Vm, slot: usize, direction: Direction) -> Held {
    let context = vm.stream_mut(slot);
    (
        context.maps[direction.headers()].take(),
        context.bodies[direction as usize].take(),
        context.maps[direction.headers() + 1].take(),
    )
}

impl Chain {
    /// Bytes of body that plugins hold back in one exchange, of the request and of the response.
    /// An embedder that reads from a socket stops reading while it is above its watermark.
    pub fn held_bytes(&mut self, id: StreamId) -> [usize; 2] {
        let mut held = [0; 2];
        for (link, member) in self.links.iter_mut().zip(&self.streams[id.0].members) {
            let mut vm = link.vm(member.generation).zip(member.slot);
            for direction in [Direction::Request, Direction::Response] {
                let Some(gate) = &member.gates[direction as usize] else {
                    continue;
                };
                let shown = vm.as_mut().and_then(|(vm, slot)| {
                    let body = vm.stream_mut(*slot).bodies[direction as usize].as_ref()?;
                    Some(body.len())
                });
                held[direction as usize] += gate.waiting() + shown.unwrap_or(0);
            }
        }
        held
    }

    /// Lets what a plugin holds in one direction go on.
    pub(super) fn release(
        &mut self,
        id: StreamId,
        index: usize,
        direction: Direction,
        effects: &mut Vec<Effect>,
    ) {
        let step = self.step(direction, index);
        let member = &mut self.streams[id.0].members[index];
        let Some(mut gate) = member.gates[direction as usize].take() else {
            return;
        };
        let (slot, generation) = (member.slot, member.generation);
        let vm = slot.and_then(|slot| Some((self.links[index].vm(generation)?, slot)));
        let (headers, body, trailers) = match vm {
            Some((vm, slot)) => take_held(vm, slot, direction),
            None => gate.rescued.take().unwrap_or_default(),
        };
        let body = body.map(|body| gate.whole(body));
        let gate = *gate;
        let mut then = Vec::new();
        let mut to_plugin = Vec::new();
        match gate.stopped_at {
            Part::Headers => {
                let headers = headers.unwrap_or_default();
                then.push(Unit::Headers(headers, gate.end_of_stream));
                to_plugin.extend(gate.body.map(|(chunk, end)| Unit::Body(chunk, end)));
                to_plugin.extend(gate.trailers.map(Unit::Trailers));
            }
            Part::Body => {
                // There are trailers if the plugin made them when the body ended.
                let end = gate.end_of_stream && trailers.is_none();
                then.push(Unit::Body(body.unwrap_or_default(), end));
                then.extend(trailers.map(Unit::Trailers));
            }
            Part::Trailers => {
                then.extend(body.map(|chunk| Unit::Body(chunk, false)));
                then.push(Unit::Trailers(trailers.unwrap_or_default()));
            }
        }
        for (units, from) in [(then, step + 1), (to_plugin, step)] {
            for unit in units {
                if self.streams[id.0].is_over() {
                    return;
                }
                self.pass(id, direction, from, unit, effects);
            }
        }
    }

    /// Lets a body go on ahead of the trailers that released it, or that its end was given.
    ///
    /// Returns the trailers if they still go on: what came of the body may have ended the exchange.
    pub(super) fn body_before_trailers(
        &mut self,
        id: StreamId,
        index: usize,
        direction: Direction,
        body: Vec<u8>,
        trailers: Unit,
        effects: &mut Vec<Effect>,
    ) -> Option<Unit> {
        let step = self.step(direction, index);
        self.pass(id, direction, step + 1, Unit::Body(body, false), effects);
        (!self.streams[id.0].is_over()).then_some(trailers)
    }
}

//! What a plugin that paused holds back, and how it is let go.

use std::mem::take;

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

/// What a plugin is shown of a unit that comes while it holds an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing: it waits at the gate.
    Nothing,
    /// The unit, as it is now.
    Unit,
}

/// The parts that a plugin paused on: headers, body, trailers.
pub(super) type Held = (Option<HeaderMap>, Option<Vec<u8>>, Option<HeaderMap>);

impl Gate {
    /// Trailers that came while headers were held.
    pub(super) fn waiting_trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// Takes in a unit that comes while the plugin holds an earlier one. While it holds a body, the
    /// unit becomes the whole body gathered so far.
    #[inline(never)]
    pub(super) fn take_in(
        &mut self,
        unit: &mut Unit<'_>,
        vm: &mut Vm,
        slot: usize,
        direction: Direction,
    ) -> Shown {
        match (self.stopped_at, unit) {
            (Part::Headers, Unit::Body(chunk, end)) => {
                let (body, ended) = self.body.get_or_insert_default();
                body.append(chunk);
                *ended = *end;
                Shown::Nothing
            }
            (Part::Headers, Unit::Trailers(trailers)) => {
                self.trailers = Some(take(trailers));
                Shown::Nothing
            }
            (Part::Body, Unit::Body(chunk, _)) => {
                let held = vm.stream_mut(slot).bodies[direction as usize].take();
                let mut body = held.unwrap_or_default();
                if self.gather == Gather::Watermark {
                    self.aside.append(&mut body);
                } else {
                    body.append(chunk);
                    **chunk = body;
                }
                Shown::Unit
            }
            _ => Shown::Unit,
        }
    }

    /// Bytes of body that wait here, not counting those in the plugin's stream context.
    pub(super) fn waiting(&self) -> usize {
        self.aside.len() + self.body.as_ref().map_or(0, |(body, _)| body.len())
    }

    /// Makes a body whole with what was held of it out of the plugin's sight.
    pub(super) fn complete(&mut self, body: &mut Vec<u8>) {
        if !self.aside.is_empty() {
            self.aside.append(body);
            *body = take(&mut self.aside);
        }
    }
}

/// Puts the unit that a plugin paused on back into its stream context.
pub(super) fn hold(
    gate: &mut Option<Box<Gate>>,
    vm: &mut Vm,
    slot: usize,
    direction: Direction,
    unit: &mut Unit<'_>,
    gather: Gather,
) {
    let part = unit.part();
    let context = vm.stream_mut(slot);
    let end_of_stream = match unit {
        Unit::Headers(headers, end) => {
            context.maps[direction.headers()] = Some(take(headers));
            *end
        }
        Unit::Body(body, end) => {
            if gather == Gather::Drop {
                body.clear();
            }
            context.bodies[direction as usize] = Some(take(body));
            *end
        }
        Unit::Trailers(trailers) => {
            context.maps[direction.headers() + 1] = Some(take(trailers));
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
        let (headers, mut body, trailers) = match vm {
            Some((vm, slot)) => take_held(vm, slot, direction),
            None => gate.rescued.take().unwrap_or_default(),
        };
        if let Some(body) = &mut body {
            gate.complete(body);
        }
        match gate.stopped_at {
            Part::Headers => {
                let end = gate.end_of_stream;
                let mut headers = headers.unwrap_or_default();
                self.go_on(
                    id,
                    direction,
                    step + 1,
                    Unit::Headers(&mut headers, end),
                    effects,
                );
                // What waited here has not been shown to the plugin yet.
                if let Some((mut chunk, end)) = gate.body.take() {
                    self.go_on(id, direction, step, Unit::Body(&mut chunk, end), effects);
                }
                if let Some(mut trailers) = gate.trailers.take() {
                    self.go_on(id, direction, step, Unit::Trailers(&mut trailers), effects);
                }
            }
            part @ (Part::Body | Part::Trailers) => {
                // What it stopped at goes on whatever is left of it.
                let (body, trailers) = match part {
                    Part::Body => (Some(body.unwrap_or_default()), trailers),
                    _ => (body, Some(trailers.unwrap_or_default())),
                };
                // There are trailers if the plugin made them when the body ended.
                let end = gate.end_of_stream && trailers.is_none();
                let next = step + 1;
                if let Some(mut body) = body {
                    self.go_on(id, direction, next, Unit::Body(&mut body, end), effects);
                }
                if let Some(mut trailers) = trailers {
                    self.go_on(id, direction, next, Unit::Trailers(&mut trailers), effects);
                }
            }
        }
    }

    /// Takes a unit past the plugins from a step on, unless what went before it ended the exchange.
    fn go_on(
        &mut self,
        id: StreamId,
        direction: Direction,
        from: usize,
        mut unit: Unit<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if !self.streams[id.0].is_over() {
            self.pass(id, direction, from, &mut unit, effects);
        }
    }

    /// Lets a body go on ahead of the trailers that released it, or that its end was given. What
    /// comes of the body may end the exchange, and then the trailers go nowhere.
    pub(super) fn body_before_trailers(
        &mut self,
        id: StreamId,
        index: usize,
        direction: Direction,
        body: &mut Vec<u8>,
        trailers: Unit<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let next = self.step(direction, index) + 1;
        self.pass(id, direction, next, &mut Unit::Body(body, false), effects);
        self.go_on(id, direction, next, trailers, effects);
    }
}

//! How the parts of a message pass the plugins of a chain.

use std::mem::take;

use gatewright_abi::{Action, MapType};

use super::gate::{Gate, Gather, Shown, hold, take_held};
use super::{Chain, Course, Effect, StreamId, response_order};
use crate::finding::{Finding, FindingKind};
use crate::headers::HeaderMap;
use crate::hostcalls::settle;
use crate::profile::{Duplicates, HeaderAccess, Rules};
use crate::trace::{Entry, Trace};
use crate::vm::{Direction, Failed, Vm};

/// A part of a message on its way. It stays where its owner has it, and is lent to one plugin after
/// the other; who keeps it takes it from there.
#[derive(Debug)]
pub(super) enum Unit<'a> {
    /// Headers, and whether nothing follows.
    Headers(&'a mut HeaderMap, bool),
    /// A chunk of the body, and whether nothing follows.
    Body(&'a mut Vec<u8>, bool),
    /// Trailers, which nothing follows.
    Trailers(&'a mut HeaderMap),
}

/// What a plugin's turn means for a unit.
enum Turn {
    /// It goes on.
    Pass,
    /// The plugin holds it.
    Held,
    /// It goes no further: the exchange is over, or something took its place.
    Over,
}

impl Chain {
    /// A part of a message came from outside. After a reply or a failure nothing more is taken.
    pub(super) fn arrive(
        &mut self,
        id: StreamId,
        direction: Direction,
        mut unit: Unit<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let stream = &mut self.streams[id.0];
        if !matches!(stream.course, Course::Running) {
            return;
        }
        let which = unit.map(direction);
        if let Unit::Headers(map, _) | Unit::Trailers(map) = &mut unit {
            if self.rules.lower_names {
                map.lower_names();
            }
            if self.rules.duplicates != Duplicates::Kept {
                settle(map, which, self.rules.duplicates);
            }
        }
        match (direction, &unit) {
            (Direction::Request, Unit::Headers(headers, _)) if self.rules.replies_pass_plugins => {
                let kind = headers.get(b"content-type");
                stream.is_head = headers.get(b":method") == Some(b"HEAD");
                stream.is_grpc = kind.is_some_and(|kind| kind.starts_with(b"application/grpc"));
            }
            // Without headers of its own, a body belongs to a response that began elsewhere.
            (Direction::Response, Unit::Body(..) | Unit::Trailers(_))
                if !stream.response_arrived =>
            {
                stream.response_started = true;
            }
            _ => {}
        }
        stream.response_arrived |= direction == Direction::Response;
        self.pass(id, direction, 0, &mut unit, effects);
    }

    /// Takes a unit past the plugins from a step on, and out of the chain.
    pub(super) fn pass(
        &mut self,
        id: StreamId,
        direction: Direction,
        from: usize,
        unit: &mut Unit<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let plugins = self.links.len();
        for step in from..plugins {
            let index = match direction {
                Direction::Request => step,
                Direction::Response => response_order(step, plugins),
            };
            match self.visit(id, index, direction, unit, effects) {
                Turn::Pass => {}
                Turn::Held => return self.act(id, index, effects),
                Turn::Over => return,
            }
        }
        self.leave(id, direction, unit, effects);
    }

    /// A unit has passed all plugins.
    #[inline(never)]
    fn leave(
        &mut self,
        id: StreamId,
        direction: Direction,
        unit: &mut Unit<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let stream = &mut self.streams[id.0];
        if self.rules.on_log {
            if matches!(stream.course, Course::Returning(_)) {
                return self.returned(id, unit, effects);
            }
            // Logs are written at the end, of the headers as they left.
            let trailers = usize::from(matches!(unit, Unit::Trailers(_)));
            if let Unit::Headers(map, _) | Unit::Trailers(map) = unit {
                stream.left[direction.headers() + trailers] = Some(HeaderMap::clone(map));
            }
        }
        if let (Direction::Response, Unit::Headers(..)) = (direction, &*unit) {
            stream.response_started = true;
        }
        effects.push(match (direction, unit) {
            (Direction::Request, Unit::Headers(headers, end_of_stream)) => Effect::RequestHeaders {
                headers: take(headers),
                end_of_stream: *end_of_stream,
            },
            (Direction::Request, Unit::Body(chunk, end_of_stream)) => Effect::RequestBody {
                chunk: take(chunk),
                end_of_stream: *end_of_stream,
            },
            (Direction::Request, Unit::Trailers(map)) => Effect::RequestTrailers(take(map)),
            (Direction::Response, Unit::Headers(headers, end_of_stream)) => {
                Effect::ResponseHeaders {
                    headers: take(headers),
                    end_of_stream: *end_of_stream,
                }
            }
            (Direction::Response, Unit::Body(chunk, end_of_stream)) => Effect::ResponseBody {
                chunk: take(chunk),
                end_of_stream: *end_of_stream,
            },
            (Direction::Response, Unit::Trailers(map)) => Effect::ResponseTrailers(take(map)),
        });
    }

    /// Gives one plugin its turn on a unit.
    #[inline(never)]
    fn visit(
        &mut self,
        id: StreamId,
        index: usize,
        direction: Direction,
        unit: &mut Unit<'_>,
        effects: &mut Vec<Effect>,
    ) -> Turn {
        let part = unit.part();
        let link = &mut self.links[index];
        if !part.concerns(link.spec().events, direction) {
            return Turn::Pass;
        }
        let stream = &mut self.streams[id.0];
        if part == Part::Trailers && !self.rules.trailers {
            undelivered(&mut stream.trace, index, direction);
            return Turn::Pass;
        }
        let member = &mut stream.members[index];
        match direction {
            Direction::Request => member.began = true,
            // A reply is not shown to plugins that the request did not come to.
            Direction::Response => {
                if !member.began
                    && link.spec().events.headers[0]
                    && matches!(stream.course, Course::Returning(_))
                {
                    return Turn::Pass;
                }
            }
        }
        let fail_open = link.spec().fail_open;
        let (Some(slot), generation) = (member.slot, member.generation) else {
            return self.failed(id, fail_open, effects);
        };
        let Some(vm) = link.vm(generation) else {
            return self.failed(id, fail_open, effects);
        };
        if let Some(gate) = member.gates[direction as usize].as_deref_mut() {
            let gather = gate.gather;
            let shown = gate.take_in(unit, vm, slot, direction);
            let size = match (shown, &unit) {
                (Shown::Nothing, _) => gate.waiting(),
                (Shown::Unit, Unit::Body(body, _)) => body.len(),
                (Shown::Unit, _) => 0,
            };
            if is_too_large(self.rules, gather, size) {
                self.too_large(id, direction, effects);
                return Turn::Over;
            }
            if shown == Shown::Nothing {
                return Turn::Held;
            }
        }
        let answer = callback(
            vm,
            slot,
            direction,
            unit,
            self.rules.end_of_stream_on_headers,
            &mut stream.trace,
        );
        match answer {
            Ok(action)
                if action == Action::Continue.as_u32()
                    && member.gates[direction as usize].is_none()
                    && !vm.has_asked(slot) =>
            {
                Turn::Pass
            }
            Ok(action) => self.heed(id, index, direction, action, unit, effects),
            Err(Failed) => self.trapped(id, index, direction, unit, effects),
        }
    }

    /// The plugin paused, held something, or asked for more than that the unit goes on.
    #[inline(never)]
    fn heed(
        &mut self,
        id: StreamId,
        index: usize,
        direction: Direction,
        action: u32,
        unit: &mut Unit<'_>,
        effects: &mut Vec<Effect>,
    ) -> Turn {
        let member = &self.streams[id.0].members[index];
        let Some((vm, slot)) = self.links[index].vm(member.generation).zip(member.slot) else {
            return Turn::Pass;
        };
        if vm.begin_heeding(slot) {
            self.spread(id, index);
        }
        if self.rules.header_access == HeaderAccess::UntilContinued {
            self.keep_answered(id, index, direction, unit);
        }
        if self.conclude(id, index, effects) {
            return Turn::Over;
        }
        let part = unit.part();
        let stream = &mut self.streams[id.0];
        let member = &mut stream.members[index];
        let gate = &mut member.gates[direction as usize];
        let Some((vm, slot)) = self.links[index].vm(member.generation).zip(member.slot) else {
            return Turn::Pass;
        };
        let context = vm.stream_mut(slot);
        let Some(gather) = pauses(part, action) else {
            context.resume[direction as usize] = false;
            let made = &mut context.maps[direction.headers() + 1];
            return match unit {
                // The plugin gave the end of the body trailers, so the body is not the end.
                Unit::Body(body, true) if made.is_some() => {
                    let mut trailers = made.take().unwrap_or_default();
                    if let Some(mut gate) = gate.take() {
                        gate.complete(body);
                    }
                    let trailers = Unit::Trailers(&mut trailers);
                    self.body_before_trailers(id, index, direction, body, trailers, effects);
                    Turn::Over
                }
                // Trailers release the body that was held before them.
                Unit::Trailers(trailers)
                    if gate
                        .as_ref()
                        .is_some_and(|gate| gate.stopped_at == Part::Body) =>
                {
                    let held = context.bodies[direction as usize].take();
                    let mut body = held.unwrap_or_default();
                    if let Some(mut gate) = gate.take() {
                        gate.complete(&mut body);
                    }
                    let trailers = Unit::Trailers(trailers);
                    self.body_before_trailers(id, index, direction, &mut body, trailers, effects);
                    Turn::Over
                }
                unit => {
                    if let Some(mut gate) = gate.take() {
                        unit.follow(&mut gate);
                    }
                    Turn::Pass
                }
            };
        };
        if !self.rules.pause {
            let trace = &mut stream.trace;
            trace.findings.push(Finding {
                kind: FindingKind::PauseIgnored,
                plugin: index,
                entry: part.entry(direction),
                ordinal: trace.ordinal.saturating_sub(1),
                detail: format!("the callback returned {action}"),
            });
            return Turn::Pass;
        }
        let size = match unit {
            Unit::Body(body, _) => body.len(),
            Unit::Headers(..) | Unit::Trailers(_) => 0,
        };
        hold(gate, vm, slot, direction, unit, gather);
        if is_too_large(self.rules, gather, size) {
            self.too_large(id, direction, effects);
            return Turn::Over;
        }
        Turn::Held
    }

    /// Headers that a plugin answers itself stay in its sight until its stream ends, where the
    /// platform takes them from it only when they go on.
    fn keep_answered(&mut self, id: StreamId, index: usize, direction: Direction, unit: &Unit<'_>) {
        let (Unit::Headers(map, _) | Unit::Trailers(map)) = unit else {
            return;
        };
        let member = &self.streams[id.0].members[index];
        let Some((vm, slot)) = self.links[index].vm(member.generation).zip(member.slot) else {
            return;
        };
        let context = vm.stream_mut(slot);
        if context.reply.is_some() || context.closed {
            context.maps[unit.map(direction).as_u32() as usize] = Some(HeaderMap::clone(map));
        }
    }

    /// The plugin's VM failed in its turn: the unit goes on without it, after what it held, or the
    /// exchange fails.
    #[cold]
    fn trapped(
        &mut self,
        id: StreamId,
        index: usize,
        direction: Direction,
        unit: &mut Unit<'_>,
        effects: &mut Vec<Effect>,
    ) -> Turn {
        self.plugin_failed(index, Some(id));
        if !self.links[index].spec().fail_open || !self.rules.open_when_it_fails {
            self.fail(id, effects);
            return Turn::Over;
        }
        self.release(id, index, direction.other(), effects);
        if self.streams[id.0].is_over() {
            return Turn::Over;
        }
        let gate = self.streams[id.0].members[index].gates[direction as usize].take();
        let Some(mut gate) = gate else {
            return Turn::Pass;
        };
        match unit {
            // The body that waited for the trailers goes ahead of them, trap or not.
            Unit::Trailers(trailers) if gate.stopped_at == Part::Body => {
                let (_, body, _) = gate.rescued.take().unwrap_or_default();
                let mut body = body.unwrap_or_default();
                gate.complete(&mut body);
                let trailers = Unit::Trailers(trailers);
                self.body_before_trailers(id, index, direction, &mut body, trailers, effects);
                Turn::Over
            }
            unit => {
                unit.follow(&mut gate);
                Turn::Pass
            }
        }
    }

    /// The plugin cannot take its turn: the unit goes on without it, or the exchange is over.
    #[cold]
    fn failed(&mut self, id: StreamId, fail_open: bool, effects: &mut Vec<Effect>) -> Turn {
        // What answers in a failed plugin's place is not answered once more because of it.
        let answered = matches!(self.streams[id.0].course, Course::Returning(_));
        if fail_open || answered {
            return Turn::Pass;
        }
        self.fail(id, effects);
        Turn::Over
    }

    /// Carries out what a plugin asked for a stream outside of the stream's own callbacks: a
    /// reply, a reset, or that what it holds goes on.
    pub(super) fn act(&mut self, id: StreamId, index: usize, effects: &mut Vec<Effect>) {
        if self.conclude(id, index, effects) {
            return;
        }
        let stream = &mut self.streams[id.0];
        let Some(member) = stream.members.get(index) else {
            return;
        };
        let (Some(slot), false) = (member.slot, stream.is_over()) else {
            return;
        };
        let Some(vm) = self.links[index].vm(member.generation) else {
            return;
        };
        let context = vm.stream_mut(slot);
        let resume = std::mem::take(&mut context.resume);
        for direction in [Direction::Request, Direction::Response] {
            let stream = &self.streams[id.0];
            // A request that was answered does not go on.
            let answered = matches!(stream.course, Course::Returning(_));
            if resume[direction as usize] && !(answered && direction == Direction::Request) {
                self.release(id, index, direction, effects);
            }
        }
    }

    /// What a callback did beyond its own stream context: properties that the other plugins of the
    /// exchange see, and streams of its VM that it acted on.
    fn spread(&mut self, id: StreamId, index: usize) {
        let stream = &mut self.streams[id.0];
        let member = &stream.members[index];
        let Some((vm, slot)) = self.links[index].vm(member.generation).zip(member.slot) else {
            return;
        };
        let written = take(&mut vm.stream_mut(slot).written);
        let touched: Vec<_> = vm
            .take_touched()
            .into_iter()
            .map(|slot| StreamId(vm.stream_mut(slot).owner))
            .filter(|other| *other != id)
            .collect();
        if !written.is_empty() {
            for (link, member) in self.links.iter_mut().zip(&stream.members) {
                if let Some((vm, slot)) = link.vm(member.generation).zip(member.slot) {
                    for (path, value) in &written {
                        vm.stream_mut(slot)
                            .set_property(path.clone(), value.clone());
                    }
                }
            }
        }
        for other in touched {
            let mut effects = Vec::new();
            self.act(other, index, &mut effects);
            self.pending
                .extend(effects.into_iter().map(|effect| (other, effect)));
        }
    }

    /// A plugin's VM failed: it is thrown away, and streams that it held back fail or go on without
    /// it. Those that it did not hold find out when they come to it.
    pub(super) fn plugin_failed(&mut self, index: usize, current: Option<StreamId>) {
        let fail_open = self.links[index].spec().fail_open;
        let generation = self.links[index].generation();
        let mut holding = Vec::new();
        for place in 0..self.streams.len() {
            let stream = &mut self.streams[place];
            let Some(member) = stream.members.get_mut(index).filter(|_| stream.open) else {
                continue;
            };
            let (Some(slot), true) = (member.slot.take(), member.generation == generation) else {
                continue;
            };
            for direction in [Direction::Request, Direction::Response] {
                let gate = member.gates[direction as usize].as_deref_mut();
                if let (Some(gate), Some(vm)) = (gate, self.links[index].vm(generation)) {
                    gate.rescued = Some(take_held(vm, slot, direction));
                    holding.push((StreamId(place), direction));
                }
            }
        }
        self.links[index].discard(self.door.as_mut());
        for (id, direction) in holding {
            if current == Some(id) || self.streams[id.0].is_over() {
                continue;
            }
            let mut effects = Vec::new();
            if fail_open {
                self.release(id, index, direction, &mut effects);
            } else {
                self.fail(id, &mut effects);
            }
            self.pending
                .extend(effects.into_iter().map(|effect| (id, effect)));
        }
    }

    /// The step at which a plugin comes in a direction.
    pub(super) fn step(&self, direction: Direction, index: usize) -> usize {
        match direction {
            Direction::Request => index,
            Direction::Response => response_order(index, self.links.len()),
        }
    }
}

/// Runs the callback that a unit calls for. The unit is lent to the guest meanwhile.
#[inline]
fn callback(
    vm: &mut Vm,
    slot: usize,
    direction: Direction,
    unit: &mut Unit<'_>,
    tell_end: bool,
    trace: &mut Box<Trace>,
) -> Result<u32, Failed> {
    match unit {
        Unit::Headers(headers, end) => {
            vm.on_headers(slot, direction, headers, *end && tell_end, trace)
        }
        Unit::Body(chunk, end) => vm.on_body(slot, direction, chunk, *end, trace),
        Unit::Trailers(trailers) => vm.on_trailers(slot, direction, trailers, trace),
    }
}

/// Whether more of a body is held than the platform buffers.
fn is_too_large(rules: &Rules, gather: Gather, size: usize) -> bool {
    let limit = rules.limits.buffer_bytes;
    gather == Gather::Buffer && limit.is_some_and(|limit| size > limit)
}

/// Whether what a callback returned pauses, and what then becomes of a body. The numbers past
/// `Pause` are Envoy's, which plugins in C++ return.
const fn pauses(part: Part, action: u32) -> Option<Gather> {
    match (part, action) {
        // 2 ends the stream after the headers; the message goes on as it is.
        (_, 0) | (Part::Headers, 2) => None,
        (Part::Headers, 3) | (Part::Body, 1) => Some(Gather::Buffer),
        (Part::Headers, _) | (Part::Body, 2) => Some(Gather::Watermark),
        (Part::Body, _) => Some(Gather::Drop),
        (Part::Trailers, _) => Some(Gather::Watermark),
    }
}

/// The platform does not show trailers to plugins.
#[cold]
fn undelivered(trace: &mut Trace, plugin: usize, direction: Direction) {
    trace.findings.push(Finding {
        kind: FindingKind::TrailersNotDelivered,
        plugin,
        entry: Part::Trailers.entry(direction),
        ordinal: trace.ordinal,
        detail: match direction {
            Direction::Request => "of the request".to_owned(),
            Direction::Response => "of the response".to_owned(),
        },
    });
}

/// Which part of a message an event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Headers,
    Body,
    Trailers,
}

impl Unit<'_> {
    /// Puts what a gate held of the same body before it.
    fn follow(&mut self, gate: &mut Gate) {
        if let Self::Body(body, _) = self {
            gate.complete(body);
        }
    }

    /// Which of a stream's maps it fills; that of its headers for a body, which has none.
    const fn map(&self, direction: Direction) -> MapType {
        match (direction, self) {
            (Direction::Request, Self::Trailers(_)) => MapType::HttpRequestTrailers,
            (Direction::Request, _) => MapType::HttpRequestHeaders,
            (Direction::Response, Self::Trailers(_)) => MapType::HttpResponseTrailers,
            (Direction::Response, _) => MapType::HttpResponseHeaders,
        }
    }

    pub(super) fn part(&self) -> Part {
        match self {
            Self::Headers(..) => Part::Headers,
            Self::Body(..) => Part::Body,
            Self::Trailers(_) => Part::Trailers,
        }
    }
}

impl Part {
    fn concerns(self, events: super::Events, direction: Direction) -> bool {
        let events = match self {
            Self::Headers => events.headers,
            Self::Body => events.bodies,
            Self::Trailers => events.trailers,
        };
        events[direction as usize]
    }

    fn entry(self, direction: Direction) -> Entry {
        use gatewright_abi::Callback as C;
        Entry::Callback(match (direction, self) {
            (Direction::Request, Self::Headers) => C::OnRequestHeaders,
            (Direction::Request, Self::Body) => C::OnRequestBody,
            (Direction::Request, Self::Trailers) => C::OnRequestTrailers,
            (Direction::Response, Self::Headers) => C::OnResponseHeaders,
            (Direction::Response, Self::Body) => C::OnResponseBody,
            (Direction::Response, Self::Trailers) => C::OnResponseTrailers,
        })
    }
}

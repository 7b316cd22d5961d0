//! How the parts of a message pass the plugins of a chain, and what holds them back.

use gatewright_abi::Action;

use super::{Chain, Effect, StreamId, response_order};
use crate::finding::{Finding, FindingKind};
use crate::headers::HeaderMap;
use crate::hostcalls::settle;
use crate::profile::LateReply;
use crate::trace::{Entry, Trace};
use crate::vm::{Direction, Failed, Vm};

/// A part of a message on its way.
#[derive(Debug)]
pub(super) enum Unit {
    /// Headers, and whether nothing follows.
    Headers(HeaderMap, bool),
    /// A chunk of the body, and whether nothing follows.
    Body(Vec<u8>, bool),
    /// Trailers, which nothing follows.
    Trailers(HeaderMap),
}

/// What a plugin that paused holds back, in one direction.
///
/// The part that it paused on lies in its stream context, where it can still be read and changed:
/// headers, the body gathered so far, or trailers. What came after headers that are held was not
/// shown to the plugin yet and waits here.
#[derive(Debug)]
pub(super) struct Gate {
    stopped_at: Part,
    /// Whether nothing follows the held headers, or the held body.
    end_of_stream: bool,
    /// The body that came while headers were held, and whether nothing follows it.
    body: Option<(Vec<u8>, bool)>,
    /// Trailers that came while headers were held.
    trailers: Option<HeaderMap>,
    /// What was held, once the VM that held it failed.
    rescued: Option<Held>,
}

/// The parts that a plugin paused on: headers, body, trailers.
type Held = (Option<HeaderMap>, Option<Vec<u8>>, Option<HeaderMap>);

/// What a plugin's turn means for a unit.
enum Turn {
    /// It goes on.
    Pass(Unit),
    /// The plugin holds it.
    Held,
    /// The exchange is over, and the effect is pushed.
    Over,
}

impl Chain {
    /// A part of a message came from outside.
    pub(super) fn arrive(
        &mut self,
        id: StreamId,
        direction: Direction,
        mut unit: Unit,
        effects: &mut Vec<Effect>,
    ) {
        if self.streams[id.0].over {
            return;
        }
        if let Unit::Headers(map, _) | Unit::Trailers(map) = &mut unit {
            if self.rules.lower_names {
                map.lower_names();
            }
            settle(map, self.rules.duplicates);
        }
        self.pass(id, direction, 0, unit, effects);
    }

    /// Takes a unit past the plugins from a step on, and out of the chain.
    fn pass(
        &mut self,
        id: StreamId,
        direction: Direction,
        from: usize,
        mut unit: Unit,
        effects: &mut Vec<Effect>,
    ) {
        let plugins = self.links.len();
        for step in from..plugins {
            let index = match direction {
                Direction::Request => step,
                Direction::Response => response_order(step, plugins),
            };
            match self.visit(id, index, direction, unit, effects) {
                Turn::Pass(on) => unit = on,
                Turn::Held => return self.act(id, index, effects),
                Turn::Over => return,
            }
        }
        effects.push(match (direction, unit) {
            (Direction::Request, Unit::Headers(headers, end_of_stream)) => Effect::RequestHeaders {
                headers,
                end_of_stream,
            },
            (Direction::Request, Unit::Body(chunk, end_of_stream)) => Effect::RequestBody {
                chunk,
                end_of_stream,
            },
            (Direction::Request, Unit::Trailers(trailers)) => Effect::RequestTrailers(trailers),
            (Direction::Response, Unit::Headers(headers, end_of_stream)) => {
                self.streams[id.0].response_started = true;
                Effect::ResponseHeaders {
                    headers,
                    end_of_stream,
                }
            }
            (Direction::Response, Unit::Body(chunk, end_of_stream)) => Effect::ResponseBody {
                chunk,
                end_of_stream,
            },
            (Direction::Response, Unit::Trailers(trailers)) => Effect::ResponseTrailers(trailers),
        });
    }

    /// Gives one plugin its turn on a unit.
    #[inline]
    fn visit(
        &mut self,
        id: StreamId,
        index: usize,
        direction: Direction,
        mut unit: Unit,
        effects: &mut Vec<Effect>,
    ) -> Turn {
        let part = unit.part();
        let link = &mut self.links[index];
        if !part.concerns(link.spec().events, direction)
            || (part == Part::Trailers && !self.rules.trailers)
        {
            return Turn::Pass(unit);
        }
        let stream = &mut self.streams[id.0];
        let member = &mut stream.members[index];
        let fail_open = link.spec().fail_open;
        let (Some(slot), generation) = (member.slot, member.generation) else {
            return self.failed(id, fail_open, unit, effects);
        };
        let Some(vm) = link.vm(generation) else {
            return self.failed(id, fail_open, unit, effects);
        };
        if let Some(gate) = member.gates[direction as usize].as_deref_mut() {
            match gate.take_in(unit, vm, slot, direction) {
                Some(shown) => unit = shown,
                None => return Turn::Held,
            }
        }
        match callback(
            vm,
            slot,
            direction,
            &mut unit,
            self.rules.end_of_stream_on_headers,
            &mut stream.trace,
        ) {
            Err(Failed) => {
                self.plugin_failed(index, Some(id));
                if fail_open {
                    self.release(id, index, direction.other(), effects);
                }
                self.failed(id, fail_open, unit, effects)
            }
            Ok(action) => {
                let context = vm.stream_mut(slot);
                if let Some(reply) = context.reply.take() {
                    let late = stream.response_started
                        || (direction == Direction::Response && part != Part::Headers);
                    match self.rules.late_reply {
                        LateReply::Dropped if late => return Turn::Pass(unit),
                        LateReply::Resets if late => effects.push(Effect::Reset),
                        _ => effects.push(Effect::Reply(reply)),
                    }
                    stream.over = true;
                    return Turn::Over;
                }
                if context.closed {
                    stream.over = true;
                    effects.push(Effect::Reset);
                    return Turn::Over;
                }
                if action == Action::Continue.as_u32() {
                    context.resume[direction as usize] = false;
                    return match member.gates[direction as usize].take() {
                        // Trailers release the body that was held before them.
                        Some(gate) if part == Part::Trailers && gate.stopped_at == Part::Body => {
                            let body = context.bodies[direction as usize].take();
                            let body = Unit::Body(body.unwrap_or_default(), false);
                            let step = self.step(direction, index);
                            self.pass(id, direction, step + 1, body, effects);
                            if self.streams[id.0].over {
                                Turn::Over
                            } else {
                                Turn::Pass(unit)
                            }
                        }
                        _ => Turn::Pass(unit),
                    };
                }
                if !self.rules.pause {
                    let trace = &mut stream.trace;
                    trace.findings.push(Finding {
                        kind: FindingKind::PauseIgnored,
                        plugin: index,
                        entry: part.entry(direction),
                        ordinal: trace.ordinal.saturating_sub(1),
                        detail: format!("the callback returned {action}"),
                    });
                    return Turn::Pass(unit);
                }
                hold(
                    &mut member.gates[direction as usize],
                    vm,
                    slot,
                    direction,
                    unit,
                );
                Turn::Held
            }
        }
    }

    /// The plugin cannot take its turn: the unit goes on without it, or the exchange is over.
    #[cold]
    fn failed(
        &mut self,
        id: StreamId,
        fail_open: bool,
        unit: Unit,
        effects: &mut Vec<Effect>,
    ) -> Turn {
        if fail_open {
            return Turn::Pass(unit);
        }
        self.fail(id, effects);
        Turn::Over
    }

    /// A plugin failed closed.
    pub(super) fn fail(&mut self, id: StreamId, effects: &mut Vec<Effect>) {
        let stream = &mut self.streams[id.0];
        stream.over = true;
        effects.push(if stream.response_started {
            Effect::Reset
        } else {
            Effect::Fail {
                status: self.rules.failure_status,
            }
        });
    }

    /// Carries out what a plugin asked for a stream of its own or of another callback: a reply, a
    /// reset, or that what it holds goes on.
    pub(super) fn act(&mut self, id: StreamId, index: usize, effects: &mut Vec<Effect>) {
        let stream = &mut self.streams[id.0];
        let Some(member) = stream.members.get_mut(index) else {
            return;
        };
        let (Some(slot), false) = (member.slot, stream.over) else {
            return;
        };
        let Some(vm) = self.links[index].vm(member.generation) else {
            return;
        };
        let context = vm.stream_mut(slot);
        if let Some(reply) = context.reply.take() {
            stream.over = true;
            effects.push(if stream.response_started {
                Effect::Reset
            } else {
                Effect::Reply(reply)
            });
            return;
        }
        if context.closed {
            stream.over = true;
            effects.push(Effect::Reset);
            return;
        }
        let resume = std::mem::take(&mut context.resume);
        for direction in [Direction::Request, Direction::Response] {
            if resume[direction as usize] {
                self.release(id, index, direction, effects);
            }
        }
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
            Part::Body => then.push(Unit::Body(body.unwrap_or_default(), gate.end_of_stream)),
            Part::Trailers => {
                then.extend(body.map(|chunk| Unit::Body(chunk, false)));
                then.push(Unit::Trailers(trailers.unwrap_or_default()));
            }
        }
        for (units, from) in [(then, step + 1), (to_plugin, step)] {
            for unit in units {
                if self.streams[id.0].over {
                    return;
                }
                self.pass(id, direction, from, unit, effects);
            }
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
            if current == Some(id) || self.streams[id.0].over {
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
    fn step(&self, direction: Direction, index: usize) -> usize {
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
    unit: &mut Unit,
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

/// Takes what a plugin holds out of its stream context.
fn take_held(vm: &mut Vm, slot: usize, direction: Direction) -> Held {
    let context = vm.stream_mut(slot);
    (
        context.maps[direction.headers()].take(),
        context.bodies[direction as usize].take(),
        context.maps[direction.headers() + 1].take(),
    )
}

/// Puts the unit that a plugin paused on back into its stream context.
fn hold(gate: &mut Option<Box<Gate>>, vm: &mut Vm, slot: usize, direction: Direction, unit: Unit) {
    let part = unit.part();
    let context = vm.stream_mut(slot);
    let end_of_stream = match unit {
        Unit::Headers(headers, end) => {
            context.maps[direction.headers()] = Some(headers);
            end
        }
        Unit::Body(body, end) => {
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
            end_of_stream,
            body: None,
            trailers: None,
            rescued: None,
        })
    });
    held.stopped_at = part;
    held.end_of_stream = end_of_stream;
}

impl Gate {
    /// Takes in a unit that comes while the plugin holds an earlier one. Returns what the plugin is
    /// shown of it: nothing while it holds headers, the whole body gathered so far while it holds
    /// that.
    fn take_in(
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
                body.extend_from_slice(&chunk);
                Some(Unit::Body(body, end))
            }
            (_, unit) => Some(unit),
        }
    }
}

/// Which part of a message an event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Headers,
    Body,
    Trailers,
}

impl Unit {
    fn part(&self) -> Part {
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

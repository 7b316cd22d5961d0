//! A chain of plugins, each in its own VM, and the exchanges that pass through it.
//!
//! Events go in, effects come out: the chain is told that request headers came, and answers that
//! they go on, changed, or that a reply goes back. It never waits and never calls back.

use std::sync::Arc;

use gatewright_abi::Action;

use crate::attributes::Attributes;
use crate::door::Door;
use crate::engine::Plugin;
use crate::fault::Fault;
use crate::finding::{Finding, FindingKind};
use crate::headers::HeaderMap;
use crate::hostcalls::settle;
use crate::profile::{LateReply, Profile, Rules};
use crate::reply::LocalReply;
use crate::trace::{Entry, Trace, TraceLevel};
use crate::vm::{Direction, Failed, Vm, VmSettings};

/// The phases of an exchange that a plugin takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events {
    /// Headers, of request and response.
    pub headers: [bool; 2],
    /// Bodies, of request and response.
    pub bodies: [bool; 2],
    /// Trailers, of request and response.
    pub trailers: [bool; 2],
}

impl Events {
    /// All of them.
    pub const ALL: Self = Self {
        headers: [true; 2],
        bodies: [true; 2],
        trailers: [true; 2],
    };
}

/// A plugin in a chain.
#[derive(Clone, Debug)]
pub struct PluginSpec {
    /// The compiled module.
    pub plugin: Plugin,
    /// Its configuration and the platform's. `index` is set by the chain.
    pub settings: VmSettings,
    /// Whether an exchange goes on without the plugin when it fails.
    pub fail_open: bool,
    /// The phases that it takes part in.
    pub events: Events,
}

impl PluginSpec {
    /// A plugin with no configuration that takes part in every phase and fails closed.
    pub fn new(plugin: Plugin, profile: Profile) -> Self {
        Self {
            plugin,
            settings: VmSettings::new(profile),
            fail_open: false,
            events: Events::ALL,
        }
    }
}

/// Makes a door for each VM of a chain.
pub trait Keeper {
    /// A new door.
    fn door(&self) -> Box<dyn Door>;
}

impl<F: Fn() -> Box<dyn Door>> Keeper for F {
    fn door(&self) -> Box<dyn Door> {
        self()
    }
}

/// What is to be done next for an exchange.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Send the request's headers on.
    RequestHeaders {
        /// The headers.
        headers: HeaderMap,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// Send a chunk of the request's body on.
    RequestBody {
        /// The chunk, which may be empty.
        chunk: Vec<u8>,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// Send the request's trailers on.
    RequestTrailers(HeaderMap),
    /// Send the response's headers back.
    ResponseHeaders {
        /// The headers.
        headers: HeaderMap,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// Send a chunk of the response's body back.
    ResponseBody {
        /// The chunk, which may be empty.
        chunk: Vec<u8>,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// Send the response's trailers back.
    ResponseTrailers(HeaderMap),
    /// A plugin answers itself: send this instead of any other response. The exchange is over.
    Reply(LocalReply),
    /// A plugin failed closed before the response began: send an empty response of this status.
    /// The exchange is over.
    Fail {
        /// The HTTP status code.
        status: u16,
    },
    /// The response has begun and cannot go on: reset the stream. The exchange is over.
    Reset,
}

/// An exchange in a [`Chain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(usize);

/// A plugin and its VM.
struct Link {
    spec: PluginSpec,
    settings: Arc<VmSettings>,
    vm: Option<Vm>,
    /// How often the VM was made; a stream of an earlier one has failed.
    generation: u32,
    start: Box<Trace>,
}

/// One exchange.
#[derive(Default)]
struct Stream {
    members: Vec<Member>,
    trace: Box<Trace>,
    response_started: bool,
    over: bool,
}

/// A plugin's part in one exchange.
struct Member {
    /// Its context, by its slot in the VM; `None` when the plugin is bypassed.
    slot: Option<usize>,
    generation: u32,
}

/// What a plugin's callback means for the exchange.
enum Turn {
    Continue,
    /// The exchange is over; the effect is pushed.
    Over,
    Fail,
    Reset,
}

/// A chain of plugins. A request passes them in order; see [`response_order`] for the response.
pub struct Chain {
    rules: &'static Rules,
    level: TraceLevel,
    links: Vec<Link>,
    streams: Vec<Stream>,
    free: Vec<usize>,
    keeper: Box<dyn Keeper + Send>,
}

impl Chain {
    /// Starts every plugin of a chain. One that does not start is an outcome, not an error: see
    /// [`Chain::start_faults`].
    pub fn start(
        profile: Profile,
        specs: Vec<PluginSpec>,
        keeper: impl Keeper + Send + 'static,
        level: TraceLevel,
    ) -> Self {
        let mut chain = Self {
            rules: profile.rules(),
            level,
            links: Vec::with_capacity(specs.len()),
            streams: Vec::new(),
            free: Vec::new(),
            keeper: Box::new(keeper),
        };
        for (index, spec) in specs.into_iter().enumerate() {
            let mut settings = spec.settings.clone();
            settings.index = index;
            let settings = Arc::new(settings);
            let mut link = Link {
                spec,
                settings,
                vm: None,
                generation: 0,
                start: Box::default(),
            };
            chain.start_vm(&mut link);
            chain.links.push(link);
        }
        chain
    }

    fn start_vm(&self, link: &mut Link) {
        let door = self.keeper.door();
        let settings = Arc::clone(&link.settings);
        let (vm, trace) = Vm::start(&link.spec.plugin, settings, door, self.level);
        link.vm = vm;
        link.generation += 1;
        link.start = trace;
    }

    /// What happened when a plugin was last started.
    pub fn start_trace(&self, plugin: usize) -> Option<&Trace> {
        self.links.get(plugin).map(|link| &*link.start)
    }

    /// The faults of plugins that did not start.
    pub fn start_faults(&self) -> impl Iterator<Item = &Fault> {
        self.links.iter().flat_map(|link| &link.start.faults)
    }

    /// Bytes of memory that a plugin's VM has now; `None` when it has no VM.
    pub fn memory_bytes(&self, plugin: usize) -> Option<usize> {
        self.links.get(plugin)?.vm.as_ref().map(Vm::memory_bytes)
    }

    /// Opens an exchange. Each plugin gets a stream context for it.
    pub fn open(&mut self, attributes: &Arc<Attributes>) -> StreamId {
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                self.streams.push(Stream::default());
                self.streams.len() - 1
            }
        };
        let stream = &mut self.streams[id];
        stream.trace.level = self.level;
        stream.response_started = false;
        stream.over = false;
        stream.members.clear();
        for link in &mut self.links {
            let mut slot = None;
            if let Some(vm) = &mut link.vm {
                match vm.open_stream(Arc::clone(attributes), &mut stream.trace) {
                    Ok(opened) => slot = Some(opened),
                    Err(Failed) => link.vm = None,
                }
            }
            stream.members.push(Member {
                slot,
                generation: link.generation,
            });
        }
        StreamId(id)
    }

    /// The request's headers came.
    pub fn request_headers(
        &mut self,
        id: StreamId,
        headers: HeaderMap,
        end_of_stream: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.headers(id, Direction::Request, headers, end_of_stream, effects);
    }

    /// A chunk of the request's body came; an empty one may carry the end.
    pub fn request_body(
        &mut self,
        id: StreamId,
        chunk: Vec<u8>,
        end_of_stream: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.body(id, Direction::Request, chunk, end_of_stream, effects);
    }

    /// The request's trailers came.
    pub fn request_trailers(
        &mut self,
        id: StreamId,
        trailers: HeaderMap,
        effects: &mut Vec<Effect>,
    ) {
        self.trailers(id, Direction::Request, trailers, effects);
    }

    /// The response's headers came.
    pub fn response_headers(
        &mut self,
        id: StreamId,
        headers: HeaderMap,
        end_of_stream: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.headers(id, Direction::Response, headers, end_of_stream, effects);
    }

    /// A chunk of the response's body came; an empty one may carry the end.
    pub fn response_body(
        &mut self,
        id: StreamId,
        chunk: Vec<u8>,
        end_of_stream: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.body(id, Direction::Response, chunk, end_of_stream, effects);
    }

    /// The response's trailers came.
    pub fn response_trailers(
        &mut self,
        id: StreamId,
        trailers: HeaderMap,
        effects: &mut Vec<Effect>,
    ) {
        self.trailers(id, Direction::Response, trailers, effects);
    }

    /// What happened in an exchange so far.
    pub fn trace(&self, id: StreamId) -> &Trace {
        &self.streams[id.0].trace
    }

    /// The exchange is over, or its client went away: contexts are ended, and its story is told.
    pub fn close(&mut self, id: StreamId) -> Trace {
        let stream = &mut self.streams[id.0];
        for (link, member) in self.links.iter_mut().zip(&stream.members) {
            let (Some(slot), Some(vm)) = (member.slot, link.vm.as_mut()) else {
                continue;
            };
            if member.generation == link.generation
                && vm.close_stream(slot, &mut stream.trace).is_err()
            {
                link.vm = None;
            }
        }
        self.free.push(id.0);
        std::mem::take(&mut *stream.trace)
    }

    /// The end of the chain: root contexts are ended.
    pub fn stop(mut self) -> Trace {
        let mut trace = Box::new(Trace::new(self.level));
        for link in &mut self.links {
            if let Some(vm) = &mut link.vm {
                // A fault here is in the trace; the VM is gone either way.
                let _ = vm.stop(&mut trace);
            }
        }
        *trace
    }

    fn headers(
        &mut self,
        id: StreamId,
        direction: Direction,
        mut headers: HeaderMap,
        end_of_stream: bool,
        effects: &mut Vec<Effect>,
    ) {
        if self.streams[id.0].over {
            return;
        }
        if self.rules.lower_names {
            headers.lower_names();
        }
        settle(&mut headers, self.rules.duplicates);
        let eos = end_of_stream && self.rules.end_of_stream_on_headers;
        for index in order(direction, self.links.len()) {
            let turn = self.turn(
                id,
                index,
                direction,
                Part::Headers,
                effects,
                |vm, slot, trace| vm.on_headers(slot, direction, &mut headers, eos, trace),
            );
            if self.end(id, turn, effects) {
                return;
            }
        }
        effects.push(match direction {
            Direction::Request => Effect::RequestHeaders {
                headers,
                end_of_stream,
            },
            Direction::Response => {
                self.streams[id.0].response_started = true;
                Effect::ResponseHeaders {
                    headers,
                    end_of_stream,
                }
            }
        });
    }

    fn body(
        &mut self,
        id: StreamId,
        direction: Direction,
        mut chunk: Vec<u8>,
        end_of_stream: bool,
        effects: &mut Vec<Effect>,
    ) {
        if self.streams[id.0].over {
            return;
        }
        for index in order(direction, self.links.len()) {
            let turn = self.turn(
                id,
                index,
                direction,
                Part::Body,
                effects,
                |vm, slot, trace| vm.on_body(slot, direction, &mut chunk, end_of_stream, trace),
            );
            if self.end(id, turn, effects) {
                return;
            }
        }
        effects.push(match direction {
            Direction::Request => Effect::RequestBody {
                chunk,
                end_of_stream,
            },
            Direction::Response => Effect::ResponseBody {
                chunk,
                end_of_stream,
            },
        });
    }

    fn trailers(
        &mut self,
        id: StreamId,
        direction: Direction,
        mut trailers: HeaderMap,
        effects: &mut Vec<Effect>,
    ) {
        if self.streams[id.0].over {
            return;
        }
        if self.rules.trailers {
            if self.rules.lower_names {
                trailers.lower_names();
            }
            for index in order(direction, self.links.len()) {
                let turn = self.turn(
                    id,
                    index,
                    direction,
                    Part::Trailers,
                    effects,
                    |vm, slot, trace| vm.on_trailers(slot, direction, &mut trailers, trace),
                );
                if self.end(id, turn, effects) {
                    return;
                }
            }
        }
        effects.push(match direction {
            Direction::Request => Effect::RequestTrailers(trailers),
            Direction::Response => Effect::ResponseTrailers(trailers),
        });
    }

    /// Gives one plugin its turn and reads what its callback decided.
    #[inline]
    fn turn(
        &mut self,
        id: StreamId,
        index: usize,
        direction: Direction,
        part: Part,
        effects: &mut Vec<Effect>,
        callback: impl FnOnce(&mut Vm, usize, &mut Box<Trace>) -> Result<u32, Failed>,
    ) -> Turn {
        let link = &mut self.links[index];
        let stream = &mut self.streams[id.0];
        let events = &link.spec.events;
        let takes_part = match part {
            Part::Headers => events.headers,
            Part::Body => events.bodies,
            Part::Trailers => events.trailers,
        };
        if !takes_part[direction as usize] {
            return Turn::Continue;
        }
        let member = &mut stream.members[index];
        let failed = |fail_open: bool| {
            if fail_open {
                Turn::Continue
            } else {
                Turn::Fail
            }
        };
        let Some(vm) = link
            .vm
            .as_mut()
            .filter(|_| member.generation == link.generation)
        else {
            return failed(link.spec.fail_open);
        };
        let Some(slot) = member.slot else {
            return failed(link.spec.fail_open);
        };
        match callback(vm, slot, &mut stream.trace) {
            Err(Failed) => {
                link.vm = None;
                member.slot = None;
                failed(link.spec.fail_open)
            }
            Ok(action) => {
                if let Some(reply) = vm.stream_mut(slot).reply.take() {
                    let late = stream.response_started
                        || (direction, part) == (Direction::Response, Part::Body);
                    return match self.rules.late_reply {
                        LateReply::Resets if late => Turn::Reset,
                        LateReply::Dropped if late => Turn::Continue,
                        _ => {
                            effects.push(Effect::Reply(reply));
                            Turn::Over
                        }
                    };
                }
                if action != Action::Continue.as_u32() && !self.rules.pause {
                    let trace = &mut stream.trace;
                    trace.findings.push(Finding {
                        kind: FindingKind::PauseIgnored,
                        plugin: index,
                        entry: part.entry(direction),
                        ordinal: trace.ordinal.saturating_sub(1),
                        detail: format!("the callback returned {action}"),
                    });
                }
                Turn::Continue
            }
        }
    }

    /// Ends the exchange if the turn says so.
    fn end(&mut self, id: StreamId, turn: Turn, effects: &mut Vec<Effect>) -> bool {
        let stream = &mut self.streams[id.0];
        let effect = match turn {
            Turn::Continue => return false,
            Turn::Over => {
                stream.over = true;
                return true;
            }
            Turn::Fail if stream.response_started => Effect::Reset,
            Turn::Fail => Effect::Fail {
                status: self.rules.failure_status,
            },
            Turn::Reset => Effect::Reset,
        };
        stream.over = true;
        effects.push(effect);
        true
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("plugins", &self.links.len())
            .finish_non_exhaustive()
    }
}

/// Which part of a message an event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Headers,
    Body,
    Trailers,
}

impl Part {
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

/// The order in which a chain's plugins see the parts of a message.
fn order(direction: Direction, plugins: usize) -> impl Iterator<Item = usize> {
    (0..plugins).map(move |step| match direction {
        Direction::Request => step,
        Direction::Response => response_order(step, plugins),
    })
}

/// Which plugin comes at this step on the way back.
///
/// The load balancer's documents do not say. Its engine, Envoy, runs the filters of a response in
/// the reverse of their order on the request, so that the plugin nearest to the client has the
/// last word on what the client sees; so do we.
pub const fn response_order(step: usize, plugins: usize) -> usize {
    plugins - 1 - step
}

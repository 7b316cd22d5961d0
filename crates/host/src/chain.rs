//! A chain of plugins, each in its own VM, and the exchanges that pass through it.
//!
//! Events go in, effects come out: the chain is told that request headers came, and answers that
//! they go on, changed, or that a reply goes back. It never waits and never calls back.

mod answer;
mod events;
mod flow;
mod gate;
mod link;

use std::sync::Arc;

use crate::attributes::Attributes;
use crate::door::Door;
use crate::engine::Plugin;
use crate::fault::Fault;
use crate::guest_profile::GuestProfile;
use crate::headers::HeaderMap;
use crate::profile::{Profile, Rules};
use crate::reply::LocalReply;
use crate::trace::{Trace, TraceLevel};
use crate::vm::{Direction, VmSettings};
use flow::Unit;
use gate::Gate;
use link::Link;

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

/// Makes a door for each VM of a chain, and one for the chain itself.
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
    ///
    /// Where the platform shows replies to the response callbacks, it has passed them, and its
    /// headers are all that go out.
    Reply(Box<LocalReply>),
    /// A plugin failed closed before the response began: send an empty response of this status.
    /// The exchange is over.
    Fail {
        /// The HTTP status code.
        status: u16,
    },
    /// The stream cannot go on, or a plugin closed it: reset it. The exchange is over.
    Reset,
}

/// An exchange in a [`Chain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(usize);

/// One exchange.
#[derive(Default)]
struct Stream {
    members: Vec<Member>,
    trace: Box<Trace>,
    open: bool,
    course: Course,
    /// Whether some part of a response came: the upstream's, or a reply on its way back.
    response_arrived: bool,
    /// Whether response headers left the chain.
    response_started: bool,
    /// Whether the request is one of gRPC, asked where replies depend on it.
    is_grpc: bool,
    /// Whether the request is a `HEAD`, asked where replies depend on it.
    is_head: bool,
    /// The header maps as they left, by the first four numbers of the map types, where plugins may
    /// read them in the end.
    left: [Option<HeaderMap>; 4],
}

/// How far an exchange is.
#[derive(Default)]
enum Course {
    /// It takes events.
    #[default]
    Running,
    /// A reply passes the response callbacks; nothing from outside is taken any more.
    Returning(Box<Returning>),
    /// Its last effect is out.
    Over,
}

/// A reply on its way back: what has left so far.
struct Returning {
    reply: LocalReply,
    /// Whether it stands for a plugin that failed.
    failed: bool,
}

impl Stream {
    fn is_over(&self) -> bool {
        matches!(self.course, Course::Over)
    }

    /// Makes room for what each plugin has of it.
    #[cold]
    fn seat(&mut self, plugins: usize) {
        self.members.resize_with(plugins, Member::default);
    }

    /// Envoy's log knows trailers that came while a plugin held the response's headers.
    fn keep_waiting_trailers(&mut self) {
        if self.left[3].is_none() {
            self.left[3] = self.members.iter().find_map(|member| {
                let gate = member.gates[Direction::Response as usize].as_deref()?;
                gate.waiting_trailers().cloned()
            });
        }
    }
}

/// A plugin's part in one exchange.
#[derive(Default)]
struct Member {
    /// Its context, by its slot in the VM; `None` when the plugin is bypassed.
    slot: Option<usize>,
    /// Which start of the VM the slot belongs to.
    generation: u32,
    /// Whether the request came to it.
    began: bool,
    /// What the plugin holds back of the request and of the response.
    gates: [Option<Box<Gate>>; 2],
}

/// A chain of plugins. A request passes them in order; see [`response_order`] for the response.
pub struct Chain {
    rules: &'static Rules,
    level: TraceLevel,
    links: Vec<Link>,
    streams: Vec<Stream>,
    free: Vec<usize>,
    keeper: Box<dyn Keeper + Send>,
    door: Box<dyn Door>,
    /// What happened to the plugins themselves: ticks, queues, callouts.
    root: Box<Trace>,
    /// Effects for streams whose plugin failed on another stream.
    pending: Vec<(StreamId, Effect)>,
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
            door: keeper.door(),
            keeper: Box::new(keeper),
            root: Box::new(Trace::new(level)),
            pending: Vec::new(),
        };
        for (index, spec) in specs.into_iter().enumerate() {
            let mut link = Link::new(spec, index);
            link.start(chain.keeper.door(), level);
            chain.links.push(link);
        }
        chain
    }

    /// What happened when a plugin was last started.
    pub fn start_trace(&self, plugin: usize) -> Option<&Trace> {
        self.links.get(plugin).map(Link::start_trace)
    }

    /// The faults of plugins that did not start.
    pub fn start_faults(&self) -> impl Iterator<Item = &Fault> {
        self.links
            .iter()
            .flat_map(|link| &link.start_trace().faults)
    }

    /// Bytes of memory that a plugin's VM has now; `None` when it has no VM.
    pub fn memory_bytes(&self, plugin: usize) -> Option<usize> {
        self.links.get(plugin)?.memory_bytes()
    }

    /// Sets how much is written down of exchanges that are opened from now on.
    pub fn set_level(&mut self, level: TraceLevel) {
        self.level = level;
    }

    /// Sets how much is written down of an exchange from now on.
    pub fn set_stream_level(&mut self, id: StreamId, level: TraceLevel) {
        self.streams[id.0].trace.level = level;
    }

    /// How often a plugin was started.
    pub fn starts(&self, plugin: usize) -> u32 {
        self.links.get(plugin).map_or(0, Link::generation)
    }

    /// Whether an exchange goes on without a plugin, since it failed or did not start.
    pub fn is_bypassed(&self, id: StreamId, plugin: usize) -> bool {
        let member = self.streams[id.0].members.get(plugin);
        member.is_none_or(|member| member.slot.is_none())
    }

    /// Where the fuel of a plugin's VM went since this was last asked; `None` when it has no VM or
    /// was not compiled by [`Engine::compile_profiled`](crate::Engine::compile_profiled).
    pub fn take_profile(&mut self, plugin: usize) -> Option<GuestProfile> {
        self.links.get_mut(plugin)?.take_profile()
    }

    /// Opens an exchange. Each plugin gets a stream context for it; one that failed earlier is
    /// started afresh if it is time.
    pub fn open(&mut self, attributes: &Arc<Attributes>) -> StreamId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.streams.push(Stream::default());
            self.streams.len() - 1
        });
        let stream = &mut self.streams[id];
        stream.trace.level = self.level;
        stream.open = true;
        stream.course = Course::Running;
        stream.response_arrived = false;
        stream.response_started = false;
        stream.is_grpc = false;
        stream.is_head = false;
        if stream.members.len() != self.links.len() {
            stream.seat(self.links.len());
        }
        for (link, member) in self.links.iter_mut().zip(&mut stream.members) {
            link.restart_if_due(self.door.as_mut(), &*self.keeper, self.level);
            member.slot = link.open_stream(id, attributes, &mut stream.trace, self.door.as_mut());
            member.generation = link.generation();
            member.began = false;
            if member.gates.iter().any(Option::is_some) {
                member.gates = [None, None];
            }
        }
        StreamId(id)
    }

    /// The request's headers came.
    pub fn request_headers(
        &mut self,
        id: StreamId,
        mut headers: HeaderMap,
        end_of_stream: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.arrive(
            id,
            Direction::Request,
            Unit::Headers(&mut headers, end_of_stream),
            effects,
        );
    }

    /// A chunk of the request's body came; an empty one may carry the end.
    pub fn request_body(
        &mut self,
        id: StreamId,
        mut chunk: Vec<u8>,
        end_of_stream: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.arrive(
            id,
            Direction::Request,
            Unit::Body(&mut chunk, end_of_stream),
            effects,
        );
    }

    /// The request's trailers came.
    pub fn request_trailers(
        &mut self,
        id: StreamId,
        mut trailers: HeaderMap,
        effects: &mut Vec<Effect>,
    ) {
        self.arrive(
            id,
            Direction::Request,
            Unit::Trailers(&mut trailers),
            effects,
        );
    }

    /// The response's headers came.
    pub fn response_headers(
        &mut self,
        id: StreamId,
        mut headers: HeaderMap,
        end_of_stream: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.arrive(
            id,
            Direction::Response,
            Unit::Headers(&mut headers, end_of_stream),
            effects,
        );
    }

    /// A chunk of the response's body came; an empty one may carry the end.
    pub fn response_body(
        &mut self,
        id: StreamId,
        mut chunk: Vec<u8>,
        end_of_stream: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.arrive(
            id,
            Direction::Response,
            Unit::Body(&mut chunk, end_of_stream),
            effects,
        );
    }

    /// The response's trailers came.
    pub fn response_trailers(
        &mut self,
        id: StreamId,
        mut trailers: HeaderMap,
        effects: &mut Vec<Effect>,
    ) {
        self.arrive(
            id,
            Direction::Response,
            Unit::Trailers(&mut trailers),
            effects,
        );
    }

    /// What happened in an exchange so far.
    pub fn trace(&self, id: StreamId) -> &Trace {
        &self.streams[id.0].trace
    }

    /// The exchange is over, or its client went away: contexts are ended, and its story is told.
    pub fn close(&mut self, id: StreamId) -> Trace {
        let stream = &mut self.streams[id.0];
        if self.rules.on_log {
            stream.keep_waiting_trailers();
        }
        for (link, member) in self.links.iter_mut().zip(&stream.members) {
            if let Some(slot) = member.slot {
                link.close_stream(
                    (slot, member.generation),
                    &stream.left,
                    &mut stream.trace,
                    self.door.as_mut(),
                );
            }
        }
        if self.rules.on_log {
            stream.left = Default::default();
        }
        stream.open = false;
        self.free.push(id.0);
        std::mem::take(&mut *stream.trace)
    }

    /// The end of the chain: root contexts are ended. Returns what happened to the plugins
    /// themselves since it was last asked.
    pub fn stop(mut self) -> Trace {
        for link in &mut self.links {
            link.stop(&mut self.root);
        }
        *self.root
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("plugins", &self.links.len())
            .finish_non_exhaustive()
    }
}

/// Which plugin comes at this step on the way back.
///
/// The load balancer's documents do not say. Its engine, Envoy, runs the filters of a response in
/// the reverse of their order on the request, so that the plugin nearest to the client has the
/// last word on what the client sees; so do we.
pub const fn response_order(step: usize, plugins: usize) -> usize {
    plugins - 1 - step
}

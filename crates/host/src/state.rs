//! What a VM's hostcalls see: its contexts, and the callback that runs now.

use std::sync::Arc;

use gatewright_abi::{BufferType, Callback, Hostcall, LogLevel, MapType, Status, Version};
use wasmtime::{Memory, ResourceLimiter, TypedFunc};

use crate::attributes::Attributes;
use crate::callout::{Callout, Incoming, Tokens};
use crate::door::Door;
use crate::fault::Ended;
use crate::finding::{Finding, FindingKind};
use crate::guest_profile::Recorder;
use crate::headers::HeaderMap;
use crate::limits::Limits;
use crate::profile::{Clock, Rules, Support};
use crate::reply::LocalReply;
use crate::trace::{
    Arguments, Cost, Entry, HostcallRecord, LogLine, LogSource, Span, Trace, TraceLevel, Value,
};
use crate::vm::VmSettings;

/// The id that every root context gets; streams follow.
pub(crate) const ROOT_CONTEXT: u32 = 1;

/// How many hostcalls a fault report shows.
const RECENT: usize = 8;

/// How many bytes of a guest's last words a fault report shows.
const LAST_WORDS: usize = 4096;

/// What the guest may call at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything.
    Normal,
    /// `_initialize` or `_start` runs: logs and WASI only.
    Initializing,
    /// The guest's allocator runs, called by the host from inside a hostcall: logs only.
    Allocating,
}

/// Which context a hostcall speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The root context, or none yet.
    Root,
    /// The stream in this slot.
    Stream(usize),
}

/// What an invocation has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    pub(crate) hostcalls: u32,
    pub(crate) bytes_from_guest: u64,
    pub(crate) bytes_to_guest: u64,
    pub(crate) log_entries: usize,
    pub(crate) log_bytes: usize,
    pub(crate) log_dropped: bool,
    /// On an engine that meters by epochs: the thread's CPU clock when the first epoch ended
    /// during this invocation, and what was used since.
    pub(crate) cpu_from: Option<u64>,
    pub(crate) cpu_used: u64,
    /// Fuel that it may burn, where epochs meter.
    pub(crate) budget: u64,
}

impl Meter {
    /// Begins anew, field by field: a whole new one would be put together elsewhere and copied here
    /// in other pieces than it was written in, for which a processor waits.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.hostcalls = 0;
        self.bytes_from_guest = 0;
        self.bytes_to_guest = 0;
        self.log_entries = 0;
        self.log_bytes = 0;
        self.log_dropped = false;
    }

    /// Begins anew on an engine that meters by epochs.
    #[inline]
    pub(crate) fn reset_cpu(&mut self, budget: u64) {
        self.cpu_from = None;
        self.cpu_used = 0;
        self.budget = budget;
    }
}

/// A stream context: what the guest can reach of one request and its response.
#[derive(Debug, Default)]
pub(crate) struct StreamContext {
    pub(crate) id: u32,
    /// The stream of the chain that it is part of.
    pub(crate) owner: usize,
    pub(crate) clock: u64,
    /// Header maps that are there now, by the first four numbers of [`MapType`].
    pub(crate) maps: [Option<HeaderMap>; 4],
    /// Body chunks that are there now: of the request, of the response.
    pub(crate) bodies: [Option<Vec<u8>>; 2],
    /// Whether the maps may only be read.
    pub(crate) read_only: bool,
    /// In a box, because it is handed on as soon as it is written.
    pub(crate) reply: Option<Box<LocalReply>>,
    pub(crate) attributes: Arc<Attributes>,
    /// Fuel that the request has burnt.
    pub(crate) fuel: u64,
    /// Whether the guest asked for a held request or response to go on.
    pub(crate) resume: [bool; 2],
    /// Whether the guest asked for the stream to be reset.
    pub(crate) closed: bool,
    /// Whether it asked for anything that the chain must look at after the callback.
    pub(crate) asked: bool,
    /// Whether the message's body ends with the chunk that is there now.
    pub(crate) body_ends: [bool; 2],
    /// Whether the guest let the stream go on, which takes the request from its sight.
    pub(crate) request_hidden: bool,
    /// Properties that a plugin of the exchange set, each under its whole path.
    pub(crate) properties: Vec<(Vec<u8>, Vec<u8>)>,
    /// Those that this callback set, for the other plugins of the exchange.
    pub(crate) written: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The timer of a root context, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(crate) period: u64,
    pub(crate) next: u64,
}

impl StreamContext {
    /// Makes the slot ready for another stream, in place.
    fn clear(&mut self) {
        if self.holds_anything() {
            self.let_go();
        }
        self.read_only = false;
        self.fuel = 0;
        self.resume = [false; 2];
        self.closed = false;
        self.asked = false;
        self.request_hidden = false;
    }

    /// Whether there is something of the stream's messages, or a property.
    #[inline]
    fn holds_anything(&self) -> bool {
        self.maps.iter().any(Option::is_some)
            || self.bodies.iter().any(Option::is_some)
            || self.reply.is_some()
            || !self.properties.is_empty()
            || !self.written.is_empty()
    }

    #[inline(never)]
    fn let_go(&mut self) {
        self.maps = Default::default();
        self.bodies = Default::default();
        self.reply = None;
        self.properties.clear();
        self.written.clear();
    }

    /// Sets a property for the rest of the stream.
    pub(crate) fn set_property(&mut self, path: Vec<u8>, value: Vec<u8>) {
        match self.properties.iter_mut().find(|(known, _)| *known == path) {
            Some(property) => property.1 = value,
            None => self.properties.push((path, value)),
        }
    }
}

/// The data of a VM's store.
pub(crate) struct State {
    pub(crate) rules: &'static Rules,
    pub(crate) limits: Limits,
    pub(crate) settings: Arc<VmSettings>,
    pub(crate) door: Box<dyn Door>,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocator: Option<TypedFunc<u32, u32>>,
    pub(crate) mode: Mode,
    pub(crate) memory_bytes: usize,
    /// The ABI that the guest was built for.
    pub(crate) version: Version,
    /// Hostcalls that the platform carries out and the guest has the capability for, a bit each.
    granted: u64,
    /// What the callback that runs wrote to standard error or logged as critical: what a panic
    /// says, whatever log level the guest set.
    pub(crate) last_words: Vec<u8>,

    streams: Vec<StreamContext>,
    /// The id of the context in each slot, 0 in a free one. Opening and closing a stream costs no
    /// look-up this way; finding one by its id, which only callouts do, is a scan of this list.
    ids: Vec<u32>,
    free: Vec<usize>,
    next_context: u32,
    pub(crate) root_clock: u64,
    /// Whether the root context said that it is not done yet.
    pub(crate) done_pending: bool,
    /// The configuration that can be read now: the VM's in `on_vm_start`, the plugin's in
    /// `on_configure`.
    pub(crate) configuring: Option<BufferType>,

    pub(crate) tick: Option<Tick>,
    /// Callouts that the embedder has not taken yet.
    pub(crate) callouts: Vec<Callout>,
    pub(crate) tokens: Tokens,
    pub(crate) incoming: Incoming,
    /// Streams on which a callback of another context acted.
    pub(crate) touched: Vec<usize>,

    pub(crate) entry: Entry,
    /// The context whose callback runs, and the one that hostcalls act on.
    pub(crate) running: u32,
    pub(crate) effective: Place,
    pub(crate) meter: Meter,
    /// Boxed, because it is swapped with a stream's at every callback.
    pub(crate) trace: Box<Trace>,
    /// Hostcalls of the callback that runs, at the full level.
    pub(crate) calls: Vec<HostcallRecord>,
    values: Vec<(&'static str, Value)>,
    recent: [Option<(Hostcall, u32)>; RECENT],
    recent_next: usize,
    pub(crate) scratch: Vec<u8>,
    /// Where the fuel goes, if somebody wants to know.
    pub(crate) recorder: Option<Box<Recorder>>,
}

impl State {
    pub(crate) fn new(
        settings: Arc<VmSettings>,
        mut door: Box<dyn Door>,
        trace: Box<Trace>,
    ) -> Self {
        let root_clock = door.realtime();
        let rules = settings.profile.rules();
        let is_granted =
            |call: &&Hostcall| rules.support(**call) == Support::Works && settings.allows(**call);
        let granted = Hostcall::ALL
            .iter()
            .filter(is_granted)
            .fold(0, |bits, call| bits | 1 << *call as u64);
        Self {
            rules,
            limits: settings.limits.clone(),
            settings,
            door,
            memory: None,
            allocator: None,
            mode: Mode::Initializing,
            memory_bytes: 0,
            version: Version::V0_2_1,
            granted,
            last_words: Vec::new(),
            streams: Vec::new(),
            ids: Vec::new(),
            free: Vec::new(),
            next_context: ROOT_CONTEXT + 1,
            root_clock,
            done_pending: false,
            configuring: None,
            tick: None,
            callouts: Vec::new(),
            tokens: Tokens::default(),
            incoming: Incoming::default(),
            touched: Vec::new(),
            entry: Entry::Initialize,
            running: 0,
            effective: Place::Root,
            meter: Meter::default(),
            trace,
            calls: Vec::new(),
            values: Vec::new(),
            recent: [None; RECENT],
            recent_next: 0,
            scratch: Vec::new(),
            recorder: None,
        }
    }

    /// Opens a stream context and says where it is and its id.
    pub(crate) fn open_stream(
        &mut self,
        owner: usize,
        attributes: &Arc<Attributes>,
    ) -> (usize, u32) {
        let id = self.next_context;
        self.next_context = self.next_context.wrapping_add(1).max(ROOT_CONTEXT + 1);
        let clock = self.door.realtime();
        let slot = self.free.pop().unwrap_or_else(|| {
            self.streams.push(StreamContext::default());
            self.ids.push(0);
            self.streams.len() - 1
        });
        let stream = &mut self.streams[slot];
        stream.id = id;
        stream.owner = owner;
        stream.clock = clock;
        // Streams often share one set, and counting its owners twice a stream is not free.
        if !Arc::ptr_eq(&stream.attributes, attributes) {
            stream.attributes = Arc::clone(attributes);
        }
        self.ids[slot] = id;
        (slot, id)
    }

    pub(crate) fn close_stream(&mut self, slot: usize) {
        self.ids[slot] = 0;
        self.streams[slot].clear();
        self.free.push(slot);
    }

    pub(crate) fn stream(&self, slot: usize) -> &StreamContext {
        &self.streams[slot]
    }

    pub(crate) fn stream_mut(&mut self, slot: usize) -> &mut StreamContext {
        &mut self.streams[slot]
    }

    /// Fuel that the next call may burn.
    pub(crate) fn budget(&self, place: Place) -> u64 {
        match place {
            Place::Root => self.limits.fuel_at_start,
            Place::Stream(slot) => self.limits.fuel_left(self.stream(slot).fuel),
        }
    }

    /// Fuel that a call burnt.
    pub(crate) fn burn(&mut self, place: Place, fuel: u64) {
        if let Place::Stream(slot) = place {
            self.stream_mut(slot).fuel += fuel;
        }
    }

    /// The place of a context by its id.
    pub(crate) fn place(&self, context: u32) -> Option<Place> {
        if context == ROOT_CONTEXT {
            return Some(Place::Root);
        }
        let slot = self
            .ids
            .iter()
            .position(|id| *id == context && context != 0)?;
        Some(Place::Stream(slot))
    }

    /// The stream that hostcalls act on, if they act on one.
    pub(crate) fn current_stream(&mut self) -> Option<&mut StreamContext> {
        match self.effective {
            Place::Root => None,
            Place::Stream(slot) => self.streams.get_mut(slot),
        }
    }

    /// The slot of the stream that hostcalls act on, remembered if it is not the one that runs.
    #[inline]
    pub(crate) fn touch(&mut self) -> Option<usize> {
        let Place::Stream(slot) = self.effective else {
            return None;
        };
        let stream = &mut self.streams[slot];
        stream.asked = true;
        if stream.id != self.running {
            self.touch_other(slot);
        }
        Some(slot)
    }

    #[cold]
    fn touch_other(&mut self, slot: usize) {
        if !self.touched.contains(&slot) {
            self.touched.push(slot);
        }
    }

    /// A header map for reading.
    pub(crate) fn map(&mut self, map: MapType) -> Result<&mut HeaderMap, Status> {
        let index = map.as_u32() as usize;
        if let Some(incoming) = index.checked_sub(4) {
            // What came back from a callout is the root context's, whoever asks.
            let map = self
                .incoming
                .maps
                .get_mut(incoming)
                .and_then(Option::as_mut);
            return map.ok_or(Status::BadArgument);
        }
        self.current_stream()
            .filter(|stream| index > 1 || !stream.request_hidden)
            .and_then(|stream| stream.maps.get_mut(index)?.as_mut())
            .ok_or(Status::BadArgument)
    }

    /// A header map for writing.
    pub(crate) fn map_mut(&mut self, map: MapType) -> Result<&mut HeaderMap, Status> {
        let is_incoming = map.as_u32() >= MapType::GrpcReceiveInitialMetadata.as_u32();
        if is_incoming || self.current_stream().is_some_and(|stream| stream.read_only) {
            return Err(Status::BadArgument);
        }
        if self.rules.trailers
            && matches!(
                map,
                MapType::HttpRequestTrailers | MapType::HttpResponseTrailers
            )
        {
            self.make_trailers(map);
        }
        self.map(map)
    }

    /// Where a body ends without trailers, asking for them to write to makes them.
    #[cold]
    fn make_trailers(&mut self, map: MapType) {
        let Entry::Callback(callback) = self.entry else {
            return;
        };
        let direction = match (callback, map) {
            (Callback::OnRequestBody, MapType::HttpRequestTrailers) => 0,
            (Callback::OnResponseBody, MapType::HttpResponseTrailers) => 1,
            _ => return,
        };
        let index = map.as_u32() as usize;
        if let Some(stream) = self.current_stream().filter(|s| s.body_ends[direction]) {
            stream.maps[index].get_or_insert_default();
            stream.asked = true;
        }
    }

    /// What the clock shows to the context that hostcalls act on.
    pub(crate) fn now(&mut self) -> u64 {
        match (self.rules.clock, self.effective) {
            (Clock::Live, _) => self.door.realtime(),
            (Clock::FrozenPerContext, Place::Root) => self.root_clock,
            (Clock::FrozenPerContext, Place::Stream(slot)) => self.streams[slot].clock,
        }
    }

    /// Counts a hostcall and says what it answers when the platform does not carry it out.
    #[inline]
    pub(crate) fn enter(&mut self, call: Hostcall) -> Result<Option<Status>, Ended> {
        if self.mode == Mode::Normal && self.granted & (1 << call as u64) != 0 {
            self.meter.hostcalls += 1;
            return Ok(None);
        }
        self.enter_checked(call)
    }

    /// The same for a hostcall that may be no business of this platform, this guest or this moment.
    #[cold]
    fn enter_checked(&mut self, call: Hostcall) -> Result<Option<Status>, Ended> {
        let during = match self.mode {
            Mode::Normal => None,
            Mode::Initializing => Some("the module initialises"),
            Mode::Allocating => Some("the allocator runs"),
        };
        if let Some(during) = during.filter(|_| call != Hostcall::Log) {
            return Err(Ended::Restricted(call.name(), during));
        }
        self.meter.hostcalls += 1;
        if !self.settings.allows(call) {
            self.find(FindingKind::CapabilityDenied, || call.name().to_owned());
            return Ok(Some(Status::InternalFailure));
        }
        let status = match self.rules.support(call) {
            Support::Works => return Ok(None),
            Support::Unimplemented => Status::Unimplemented,
            Support::NotFound => Status::NotFound,
            Support::Ignored => Status::Ok,
        };
        self.find(FindingKind::UnsupportedHostcall, || call.name().to_owned());
        Ok(Some(status))
    }

    /// Writes down the call into the guest that is over.
    #[cold]
    pub(crate) fn write_span(
        &mut self,
        fuel: u64,
        memory_before: usize,
        arguments: &[u32],
        returned: Option<u32>,
    ) {
        let cost = Cost {
            fuel,
            hostcalls: self.meter.hostcalls,
            bytes_from_guest: self.meter.bytes_from_guest,
            bytes_to_guest: self.meter.bytes_to_guest,
            memory_growth: self.memory_bytes.saturating_sub(memory_before) as u64,
        };
        self.trace.spans.push(Span {
            plugin: self.settings.index,
            context: self.running,
            entry: self.entry,
            arguments: Arguments::new(arguments),
            returned,
            cost,
            hostcalls: std::mem::take(&mut self.calls),
            seen: None,
        });
    }

    /// Writes down what a hostcall answered.
    pub(crate) fn leave(&mut self, call: Hostcall, status: u32) {
        self.recent[self.recent_next % RECENT] = Some((call, status));
        self.recent_next = self.recent_next.wrapping_add(1);
        if self.trace.level == TraceLevel::Full {
            self.record(call, status);
        }
    }

    #[cold]
    fn record(&mut self, call: Hostcall, status: u32) {
        let values = std::mem::take(&mut self.values);
        self.calls.push(HostcallRecord {
            call,
            status,
            values,
        });
    }

    /// Adds values to the record of the hostcall that runs; the closure runs only at full level.
    #[inline]
    pub(crate) fn note<const N: usize>(
        &mut self,
        values: impl FnOnce() -> [(&'static str, Value); N],
    ) {
        if self.trace.level == TraceLevel::Full {
            self.note_all(values);
        }
    }

    #[cold]
    fn note_all<const N: usize>(&mut self, values: impl FnOnce() -> [(&'static str, Value); N]) {
        self.values.extend(values());
    }

    /// The last hostcalls, oldest first.
    pub(crate) fn recent_hostcalls(&self) -> Vec<(Hostcall, u32)> {
        (0..RECENT)
            .filter_map(|back| self.recent[(self.recent_next.wrapping_add(back)) % RECENT])
            .collect()
    }

    /// Records a finding at the callback that runs.
    #[cold]
    pub(crate) fn find(&mut self, kind: FindingKind, detail: impl FnOnce() -> String) {
        let (plugin, entry, ordinal) = (self.settings.index, self.entry, self.trace.ordinal);
        let detail = detail();
        self.trace.findings.push(Finding {
            kind,
            plugin,
            entry,
            ordinal,
            detail,
        });
    }

    /// Takes a log message from the guest, within the limits of an invocation.
    pub(crate) fn log(&mut self, level: LogLevel, source: LogSource, message: &[u8]) {
        if level == LogLevel::Critical || source == LogSource::Stderr {
            let room = LAST_WORDS.saturating_sub(self.last_words.len());
            self.last_words
                .extend_from_slice(&message[..message.len().min(room)]);
            self.last_words.push(b'\n');
        }
        if level < self.settings.log_level {
            return;
        }
        let entries = self.meter.log_entries + 1;
        let bytes = self.meter.log_bytes + message.len();
        if self.limits.log_entries.is_some_and(|limit| entries > limit)
            || self.limits.log_bytes.is_some_and(|limit| bytes > limit)
        {
            if !self.meter.log_dropped {
                self.meter.log_dropped = true;
                self.find(FindingKind::LogDropped, || {
                    format!("message {entries}, {bytes} bytes in all")
                });
            }
            return;
        }
        self.meter.log_entries = entries;
        self.meter.log_bytes = bytes;
        self.trace.logs.push(LogLine {
            plugin: self.settings.index,
            context: self.running,
            entry: self.entry,
            ordinal: self.trace.ordinal,
            level,
            source,
            message: message.to_vec(),
        });
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let limit = self.limits.memory_bytes;
        if desired > limit {
            return Err(wasmtime::Error::new(Ended::Memory {
                wanted: desired,
                limit,
            }));
        }
        self.memory_bytes = desired;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.limits.table_elements)
    }
}

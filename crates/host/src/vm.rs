//! One VM: a plugin started in its own memory, and the calls into it.

mod cpu;
mod root;
mod stream;

use std::sync::Arc;

use gatewright_abi::{BufferType, Callback, Hostcall, LogLevel};
use wasmtime::Store;

use crate::attach::AttachPoint;
use crate::attributes::Attributes;
use crate::capabilities::Capabilities;
use crate::door::Door;
use crate::engine::{Metering, Plugin};
use crate::exports::Exports;
use crate::fault::{self, Fault, FaultKind};
use crate::guest_profile::{self, GuestProfile, Recorder};
use crate::limits::Limits;
use crate::profile::Profile;
use crate::shared::Shared;
use crate::state::{Mode, Place, ROOT_CONTEXT, State, StreamContext};
use crate::trace::{Entry, Trace, TraceLevel};

/// What a VM is started with.
#[derive(Clone, Debug)]
pub struct VmSettings {
    /// The platform.
    pub profile: Profile,
    /// What the plugin may use; the platform's limits unless they are overridden.
    pub limits: Limits,
    /// The plugin's place in its chain, from 0.
    pub index: usize,
    /// The plugin's configuration.
    pub configuration: Arc<[u8]>,
    /// The VM's configuration, empty on Google's platforms.
    pub vm_configuration: Arc<[u8]>,
    /// The plugin's root id, empty on Google's platforms.
    pub root_id: String,
    /// The id under which VMs share data and queues, empty on Google's platforms.
    pub vm_id: String,
    /// What is shared.
    pub shared: Arc<Shared>,
    /// Log messages below this level are not kept.
    pub log_level: LogLevel,
    /// The plugin's name, empty on Google's platforms.
    pub name: String,
    /// Where in the load balancer the plugin is attached, which decides on the attributes that
    /// exist and the headers that it may not change.
    pub attach: AttachPoint,
    /// What the plugin may call and be called with; `None` for everything.
    pub capabilities: Option<Arc<Capabilities>>,
    /// Whether the plugin is started again after it failed. Envoy does so only under
    /// `FAIL_RELOAD`.
    pub restarts: bool,
}

impl VmSettings {
    /// The platform's defaults and no configuration.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            limits: profile.rules().limits.clone(),
            index: 0,
            configuration: Arc::from([]),
            vm_configuration: Arc::from([]),
            root_id: String::new(),
            vm_id: String::new(),
            shared: Arc::default(),
            log_level: LogLevel::Info,
            name: String::new(),
            attach: AttachPoint::default(),
            capabilities: None,
            restarts: profile.rules().restarts,
        }
    }

    /// Whether the plugin has the capability for a hostcall.
    pub(crate) fn allows(&self, call: Hostcall) -> bool {
        let held = self.capabilities.as_ref();
        held.is_none_or(|held| held.allows(call.name()))
    }
}

/// The plugin failed; the fault is in the trace, and the VM is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

/// Which half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request = 0,
    Response = 1,
}

impl Direction {
    /// The other half.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Request => Self::Response,
            Self::Response => Self::Request,
        }
    }

    /// The place of this direction's headers among a stream's maps; its trailers follow.
    pub(crate) const fn headers(self) -> usize {
        match self {
            Self::Request => 0,
            Self::Response => 2,
        }
    }
}

/// A context of the guest: where the host keeps it, and what the guest calls it.
#[derive(Clone, Copy)]
struct Context {
    place: Place,
    id: u32,
}

impl Context {
    /// None yet.
    const NONE: Self = Self {
        place: Place::Root,
        id: 0,
    };
    /// The plugin's own.
    const ROOT: Self = Self {
        place: Place::Root,
        id: ROOT_CONTEXT,
    };

    const fn of_stream(slot: usize, id: u32) -> Self {
        let place = Place::Stream(slot);
        Self { place, id }
    }
}

/// A plugin started in a VM of its own.
pub(crate) struct Vm {
    store: Store<State>,
    exports: Exports,
    metering: Metering,
    /// The stream whose fuel the store's is, from one of its callbacks to the next.
    account: Option<usize>,
    /// The store's fuel when it was last set or read.
    filled: u64,
}

impl Vm {
    /// Makes a VM, initialises the module, creates the root context, starts and configures it.
    /// What happened is in the trace either way.
    pub(crate) fn start(
        plugin: &Plugin,
        settings: Arc<VmSettings>,
        door: Box<dyn Door>,
        level: TraceLevel,
    ) -> (Option<Self>, Box<Trace>) {
        let mut state = State::new(settings, door, Box::new(Trace::new(level)));
        state.version = plugin.version();
        let mut store = Store::new(&plugin.engine, state);
        if let Some(functions) = &plugin.functions {
            let recorder = Recorder::new(Arc::clone(functions));
            store.data_mut().recorder = Some(Box::new(recorder));
        }
        store.limiter(|state| state);
        if plugin.metering == Metering::Epoch {
            store.epoch_deadline_callback(|mut store| cpu::epoch_ended(store.data_mut()));
        }
        let mut vm = Self {
            store,
            exports: Exports::default(),
            metering: plugin.metering,
            account: None,
            filled: 0,
        };
        let ready = vm
            .admit(plugin)
            .and_then(|()| vm.initialise(plugin))
            .and_then(|()| vm.configure())
            .is_ok();
        let trace = std::mem::take(&mut vm.store.data_mut().trace);
        (ready.then_some(vm), trace)
    }

    /// Refuses a module that is too large together with its configuration.
    fn admit(&mut self, plugin: &Plugin) -> Result<(), Failed> {
        let state = self.store.data();
        let size = plugin.info().size + state.settings.configuration.len();
        match state.limits.module_bytes {
            Some(limit) if size > limit => {
                let message = format!(
                    "module and configuration are {size} bytes together, {} more than the limit",
                    size - limit
                );
                self.fail(FaultKind::ModuleTooLarge, message, Vec::new());
                Err(Failed)
            }
            _ => Ok(()),
        }
    }

    fn initialise(&mut self, plugin: &Plugin) -> Result<(), Failed> {
        let mut found = None;
        let result = self.call(Entry::Initialize, Context::NONE, &[], |_, store| {
            let instance = plugin.pre.instantiate(&mut *store)?;
            store.data_mut().memory = instance.get_memory(&mut *store, "memory");
            if plugin.functions.is_some() {
                guest_profile::attach(&instance, store)?;
            }
            if let Ok(initialise) = instance.get_typed_func::<(), ()>(&mut *store, "_initialize") {
                initialise.call(&mut *store, ())?;
                if let Ok(main) = instance.get_typed_func::<(u32, u32), u32>(&mut *store, "main") {
                    main.call(&mut *store, (0, 0))?;
                } else if let Ok(main) =
                    instance.get_typed_func::<(), u32>(&mut *store, "__main_void")
                {
                    main.call(&mut *store, ())?;
                }
            } else if let Ok(start) = instance.get_typed_func::<(), ()>(&mut *store, "_start") {
                start.call(&mut *store, ())?;
            }
            let allocator = plugin
                .info()
                .allocator()
                .and_then(|name| instance.get_typed_func::<u32, u32>(&mut *store, name).ok());
            let mut exports = Exports::find(&instance, store);
            let state = store.data_mut();
            if let Some(capabilities) = &state.settings.capabilities {
                exports.restrict(capabilities);
            }
            found = Some(exports);
            state.allocator = allocator;
            state.mode = Mode::Normal;
            Ok(0)
        });
        self.exports = found.unwrap_or_default();
        result.map(|_| ())
    }

    fn configure(&mut self) -> Result<(), Failed> {
        self.callback(Callback::OnContextCreate, Context::ROOT, &[0])?;
        let size = self.settings().vm_configuration.len() as u32;
        self.configuring(Callback::OnVmStart, BufferType::VmConfiguration, size)?;
        let size = self.settings().configuration.len() as u32;
        self.configuring(Callback::OnConfigure, BufferType::PluginConfiguration, size)
    }

    /// One of the two callbacks that may read a configuration and refuse it.
    fn configuring(
        &mut self,
        callback: Callback,
        buffer: BufferType,
        size: u32,
    ) -> Result<(), Failed> {
        self.store.data_mut().configuring = Some(buffer);
        let answer = self.callback(callback, Context::ROOT, &[size]);
        self.store.data_mut().configuring = None;
        if answer? != 0 {
            return Ok(());
        }
        let (kind, name) = match callback {
            Callback::OnVmStart => (FaultKind::VmStartRefused, callback.name()),
            _ => (FaultKind::ConfigureRefused, callback.name()),
        };
        self.fail(kind, format!("`{name}` returned false"), Vec::new());
        Err(Failed)
    }

    fn settings(&self) -> &Arc<VmSettings> {
        &self.store.data().settings
    }

    /// Opens a stream context in the host and in the guest.
    pub(crate) fn open_stream(
        &mut self,
        owner: usize,
        attributes: &Arc<Attributes>,
        trace: &mut Box<Trace>,
    ) -> Result<usize, Failed> {
        let (slot, id) = self.store.data_mut().open_stream(owner, attributes);
        let context = Context::of_stream(slot, id);
        self.traced(trace, |vm| {
            vm.callback(Callback::OnContextCreate, context, &[ROOT_CONTEXT])
        })?;
        Ok(slot)
    }

    pub(crate) fn stream(&self, slot: usize) -> &StreamContext {
        self.store.data().stream(slot)
    }

    pub(crate) fn stream_mut(&mut self, slot: usize) -> &mut StreamContext {
        self.store.data_mut().stream_mut(slot)
    }

    /// Bytes of the guest's memory now.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().memory_bytes
    }

    /// Where the fuel went since this was last asked, if the plugin was compiled for it.
    pub(crate) fn take_profile(&mut self) -> Option<GuestProfile> {
        let recorder = self.store.data_mut().recorder.as_mut()?;
        Some(recorder.take())
    }

    /// Runs calls with the caller's trace in place of the VM's own.
    fn traced<R>(&mut self, trace: &mut Box<Trace>, calls: impl FnOnce(&mut Self) -> R) -> R {
        std::mem::swap(trace, &mut self.store.data_mut().trace);
        let result = calls(self);
        std::mem::swap(trace, &mut self.store.data_mut().trace);
        result
    }

    /// One callback of the ABI. The arguments are those after the context's id.
    #[inline(never)]
    fn callback(
        &mut self,
        callback: Callback,
        context: Context,
        arguments: &[u32],
    ) -> Result<u32, Failed> {
        let entry = Entry::Callback(callback);
        self.call(entry, context, arguments, |exports, store| {
            exports.call(store, callback, context.id, arguments)
        })
    }

    /// One call into the guest: sets the budget, runs it, writes down what it cost.
    #[inline]
    fn call(
        &mut self,
        entry: Entry,
        context: Context,
        arguments: &[u32],
        call: impl FnOnce(&Exports, &mut Store<State>) -> wasmtime::Result<u32>,
    ) -> Result<u32, Failed> {
        let place = context.place;
        let state = self.store.data_mut();
        state.entry = entry;
        state.running = context.id;
        state.effective = place;
        state.meter.reset();
        state.last_words.clear();
        let memory_before = state.memory_bytes;
        self.grant(place);
        let result = call(&self.exports, &mut self.store);
        let fuel = self.charge(place);
        let state = self.store.data_mut();
        state.trace.ordinal += 1;
        if state.trace.level >= TraceLevel::Cost {
            let returned = result.as_ref().ok().copied();
            state.write_span(fuel, memory_before, arguments, returned);
        }
        result.map_err(|error| self.trapped(&error))
    }

    /// The guest was ended: the fault goes into the trace.
    #[cold]
    fn trapped(&mut self, error: &wasmtime::Error) -> Failed {
        let (kind, message, frames) = fault::read(error);
        self.fail(kind, message, frames);
        Failed
    }

    /// Whether a callback asked for something that the chain must look at: for its own stream, or
    /// for another of this VM.
    #[inline]
    pub(crate) fn has_asked(&self, slot: usize) -> bool {
        let state = self.store.data();
        state.stream(slot).asked || !state.touched.is_empty()
    }

    /// What a stream's callback asked for is about to be done. Says whether it reaches beyond the
    /// stream: to the other plugins of the exchange, or to other streams of this VM.
    #[inline]
    pub(crate) fn begin_heeding(&mut self, slot: usize) -> bool {
        let state = self.store.data_mut();
        let touched = !state.touched.is_empty();
        let context = state.stream_mut(slot);
        context.asked = false;
        touched || !context.written.is_empty()
    }

    #[cold]
    fn fail(&mut self, kind: FaultKind, message: String, frames: Vec<fault::Frame>) {
        let state = self.store.data_mut();
        let message = match kind {
            FaultKind::Trap => fault::with_last_words(message, &state.last_words),
            _ => message,
        };
        let fault = Fault {
            kind,
            plugin: state.settings.index,
            context: state.running,
            entry: state.entry,
            message,
            frames,
            last_hostcalls: state.recent_hostcalls(),
        };
        state.trace.faults.push(fault);
    }
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm")
            .field("memory_bytes", &self.memory_bytes())
            .finish_non_exhaustive()
    }
}

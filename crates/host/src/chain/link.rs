//! A plugin of a chain and its VM: started, thrown away when it failed, started again.

use std::sync::Arc;

use super::{Keeper, PluginSpec};
use crate::attributes::Attributes;
use crate::door::Door;
use crate::guest_profile::GuestProfile;
use crate::headers::HeaderMap;
use crate::trace::{Trace, TraceLevel};
use crate::vm::{Failed, Vm, VmSettings};

/// The first wait before a plugin that failed is started again, in nanoseconds.
///
/// Production says that it throttles restarts and not how. These are our numbers: a second, doubled
/// with each failure that follows another, a minute at the most.
const FIRST_WAIT: u64 = 1_000_000_000;
/// The longest wait.
const LONGEST_WAIT: u64 = 60 * FIRST_WAIT;

/// A plugin and its VM.
pub(super) struct Link {
    spec: PluginSpec,
    settings: Arc<VmSettings>,
    vm: Option<Vm>,
    /// How often the VM was made; a stream of an earlier one has failed.
    generation: u32,
    start: Box<Trace>,
    /// Failures since a stream last ended well.
    failures: u32,
    /// When it may be started again, on the door's monotonic clock.
    not_before: u64,
}

impl Link {
    pub(super) fn new(spec: PluginSpec, index: usize) -> Self {
        let mut settings = spec.settings.clone();
        settings.index = index;
        Self {
            spec,
            settings: Arc::new(settings),
            vm: None,
            generation: 0,
            start: Box::default(),
            failures: 0,
            not_before: 0,
        }
    }

    pub(super) fn spec(&self) -> &PluginSpec {
        &self.spec
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn start_trace(&self) -> &Trace {
        &self.start
    }

    pub(super) fn memory_bytes(&self) -> Option<usize> {
        self.vm.as_ref().map(Vm::memory_bytes)
    }

    pub(super) fn take_profile(&mut self) -> Option<GuestProfile> {
        self.vm.as_mut()?.take_profile()
    }

    /// The VM, if it is the one that a stream of this generation belongs to.
    pub(super) fn vm(&mut self, generation: u32) -> Option<&mut Vm> {
        self.vm.as_mut().filter(|_| generation == self.generation)
    }

    /// The VM as it is now.
    pub(super) fn current_vm(&mut self) -> Option<&mut Vm> {
        self.vm.as_mut()
    }

    #[cold]
    pub(super) fn start(&mut self, mut door: Box<dyn Door>, level: TraceLevel) {
        let now = door.monotonic();
        let settings = Arc::clone(&self.settings);
        let (vm, trace) = Vm::start(&self.spec.plugin, settings, door, level);
        self.generation += 1;
        self.start = trace;
        if vm.is_none() {
            self.back_off(now);
        }
        self.vm = vm;
    }

    pub(super) fn restart_if_due(
        &mut self,
        clock: &mut dyn Door,
        keeper: &dyn Keeper,
        level: TraceLevel,
    ) {
        if self.vm.is_none() && self.settings.restarts && clock.monotonic() >= self.not_before {
            self.start(keeper.door(), level);
        }
    }

    /// The plugin failed: its VM is thrown away with every stream in it.
    #[cold]
    pub(super) fn discard(&mut self, clock: &mut dyn Door) {
        self.vm = None;
        self.back_off(clock.monotonic());
    }

    fn back_off(&mut self, now: u64) {
        let wait = FIRST_WAIT
            .checked_shl(self.failures)
            .unwrap_or(LONGEST_WAIT);
        self.failures += 1;
        self.not_before = now.saturating_add(wait.min(LONGEST_WAIT));
    }

    pub(super) fn open_stream(
        &mut self,
        owner: usize,
        attributes: &Arc<Attributes>,
        trace: &mut Box<Trace>,
        clock: &mut dyn Door,
    ) -> Option<usize> {
        match self.vm.as_mut()?.open_stream(owner, attributes, trace) {
            Ok(slot) => Some(slot),
            Err(Failed) => {
                self.discard(clock);
                None
            }
        }
    }

    pub(super) fn close_stream(
        &mut self,
        (slot, generation): (usize, u32),
        left: &[Option<HeaderMap>; 4],
        trace: &mut Box<Trace>,
        clock: &mut dyn Door,
    ) {
        let Some(vm) = self.vm(generation) else {
            return;
        };
        match vm.close_stream(slot, left, trace) {
            Ok(()) => self.failures = 0,
            Err(Failed) => self.discard(clock),
        }
    }

    /// The end of the plugin. A fault here is in the trace; the VM is gone either way.
    pub(super) fn stop(&mut self, trace: &mut Box<Trace>) {
        if let Some(mut vm) = self.vm.take() {
            let _: Result<(), Failed> = vm.stop(trace);
        }
    }
}

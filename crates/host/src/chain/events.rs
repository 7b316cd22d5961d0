//! What comes to the plugins themselves: ticks, queues, answers to callouts.
//!
//! Such a callback may act on any stream of its VM, so effects come out with the stream they are
//! for.

use gatewright_abi::Hostcall;

use super::{Chain, Effect, StreamId};
use crate::callout::{Callout, CalloutResponse, GrpcEvent};
use crate::profile::Support;
use crate::trace::{Trace, TraceLevel};
use crate::vm::{Failed, Vm};

/// Items of queues that plugins are told of at a time; the rest waits for the next.
const MOST_ANNOUNCEMENTS: usize = 1000;

impl Chain {
    /// When a tick is due next, in nanoseconds of the door's monotonic clock.
    pub fn next_tick(&mut self) -> Option<u64> {
        self.links
            .iter_mut()
            .filter_map(|link| link.current_vm()?.next_tick())
            .min()
    }

    /// Calls what is due: ticks by the door's clock, and queues that got items.
    pub fn run_due(&mut self, effects: &mut Vec<(StreamId, Effect)>) {
        for index in 0..self.links.len() {
            self.root_event(index, effects, |vm, trace| vm.tick(trace).map(|_| ()));
        }
        // Plugins that put an item into a queue for each that they take would keep this going.
        for _ in 0..MOST_ANNOUNCEMENTS {
            let Some((owner, queue)) = self.announcement() else {
                break;
            };
            self.root_event(owner, effects, |vm, trace| vm.on_queue_ready(queue, trace));
        }
    }

    fn announcement(&self) -> Option<(usize, u32)> {
        self.links
            .iter()
            .find_map(|link| link.spec().settings.shared.take_announcement())
    }

    /// Callouts that plugins dispatched since this was last asked. The embedder carries them out.
    pub fn take_callouts(&mut self) -> Vec<Callout> {
        self.links
            .iter_mut()
            .filter_map(|link| link.current_vm().map(Vm::take_callouts))
            .flatten()
            .collect()
    }

    /// An HTTP callout of a plugin was answered; `None` when it failed or took too long.
    pub fn http_call_response(
        &mut self,
        plugin: usize,
        token: u32,
        response: Option<CalloutResponse>,
        effects: &mut Vec<(StreamId, Effect)>,
    ) {
        self.root_event(plugin, effects, |vm, trace| {
            vm.on_http_call_response(token, response, trace)
        });
    }

    /// Something came in on a gRPC callout of a plugin.
    pub fn grpc_event(
        &mut self,
        plugin: usize,
        token: u32,
        event: GrpcEvent,
        effects: &mut Vec<(StreamId, Effect)>,
    ) {
        self.root_event(plugin, effects, |vm, trace| vm.on_grpc(token, event, trace));
    }

    /// Calls a foreign function of a plugin, by a number that embedder and plugin know.
    pub fn foreign_function(
        &mut self,
        plugin: usize,
        function: u32,
        arguments: Vec<u8>,
        effects: &mut Vec<(StreamId, Effect)>,
    ) {
        // Where plugins can call no function of the host, it calls none of theirs.
        if self.rules.support(Hostcall::CallForeignFunction) != Support::Works {
            return;
        }
        self.root_event(plugin, effects, |vm, trace| {
            vm.on_foreign_function(function, arguments, trace)
        });
    }

    /// Tells what happened to the plugins themselves as part of an exchange's story.
    pub fn tell(&mut self, id: StreamId) {
        if self.root.ordinal() > 0 || !self.root.faults.is_empty() {
            let root = self.take_root_trace();
            self.streams[id.0].trace.append(root);
        }
    }

    /// What happened to the plugins themselves since this was last asked.
    pub fn take_root_trace(&mut self) -> Trace {
        let level: TraceLevel = self.level;
        std::mem::replace(&mut *self.root, Trace::new(level))
    }

    /// Runs a callback of a root context, then carries out what it asked for streams.
    fn root_event(
        &mut self,
        plugin: usize,
        effects: &mut Vec<(StreamId, Effect)>,
        event: impl FnOnce(&mut Vm, &mut Box<Trace>) -> Result<(), Failed>,
    ) {
        let Some(link) = self.links.get_mut(plugin) else {
            return;
        };
        let Some(vm) = link.current_vm() else {
            return;
        };
        if event(vm, &mut self.root).is_err() {
            self.plugin_failed(plugin, None);
            effects.append(&mut self.pending);
            return;
        }
        let touched: Vec<_> = vm
            .take_touched()
            .into_iter()
            .map(|slot| vm.stream_mut(slot).owner)
            .collect();
        for owner in touched {
            let id = StreamId(owner);
            self.collect(id, effects, |chain, out| chain.act(id, plugin, out));
        }
    }

    /// Effects for streams other than the one whose event was the last: those that a plugin held
    /// back when its VM failed on another stream.
    pub fn take_pending(&mut self) -> Vec<(StreamId, Effect)> {
        std::mem::take(&mut self.pending)
    }

    /// Collects the effects of one stream among those of many.
    fn collect(
        &mut self,
        id: StreamId,
        effects: &mut Vec<(StreamId, Effect)>,
        act: impl FnOnce(&mut Self, &mut Vec<Effect>),
    ) {
        let mut own = Vec::new();
        act(self, &mut own);
        effects.extend(own.into_iter().map(|effect| (id, effect)));
    }
}

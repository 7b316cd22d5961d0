//! Callbacks of the root context: timers, queues, what comes back from callouts, and the end.

use gatewright_abi::Callback;

use super::{Context, Failed, Vm};
use crate::callout::{Callout, CalloutResponse, GrpcEvent, Incoming};
use crate::trace::Trace;

impl Vm {
    /// When the next tick is due, in nanoseconds of the door's monotonic clock.
    pub(crate) fn next_tick(&self) -> Option<u64> {
        self.store.data().tick.map(|tick| tick.next)
    }

    /// Calls `on_tick` if a tick is due.
    pub(crate) fn tick(&mut self, trace: &mut Box<Trace>) -> Result<bool, Failed> {
        let state = self.store.data_mut();
        let now = state.door.monotonic();
        let Some(tick) = state.tick.as_mut().filter(|tick| tick.next <= now) else {
            return Ok(false);
        };
        // One call a period at most: what was missed is not made up for.
        tick.next = now.saturating_add(tick.period);
        self.root(Callback::OnTick, &[], trace)?;
        Ok(true)
    }

    /// A queue of this plugin got an item.
    pub(crate) fn on_queue_ready(
        &mut self,
        queue: u32,
        trace: &mut Box<Trace>,
    ) -> Result<(), Failed> {
        self.root(Callback::OnQueueReady, &[queue], trace)
    }

    /// An HTTP callout was answered, or failed, which the guest sees as a response of no headers.
    pub(crate) fn on_http_call_response(
        &mut self,
        token: u32,
        response: Option<CalloutResponse>,
        trace: &mut Box<Trace>,
    ) -> Result<(), Failed> {
        let (headers, size, trailers) = match &response {
            Some(response) => (
                response.headers.len(),
                response.body.len(),
                response.trailers.len(),
            ),
            None => (0, 0, 0),
        };
        let (headers, size, trailers) = (headers as u32, size as u32, trailers as u32);
        self.store.data_mut().incoming = match response {
            // What Envoy says of a callout that failed: a broken connection.
            None => Incoming {
                status: (11, b"reset".to_vec()),
                ..Incoming::default()
            },
            Some(response) => Incoming {
                maps: [None, None, Some(response.headers), Some(response.trailers)],
                http_body: Some(response.body),
                ..Incoming::default()
            },
        };
        let arguments = [token, headers, size, trailers];
        self.root(Callback::OnHttpCallResponse, &arguments, trace)
    }

    /// Something came in on a gRPC call or stream. What comes for one that the guest closed or
    /// cancelled is dropped.
    pub(crate) fn on_grpc(
        &mut self,
        token: u32,
        event: GrpcEvent,
        trace: &mut Box<Trace>,
    ) -> Result<(), Failed> {
        let state = self.store.data_mut();
        if !state.tokens.is_open(token) {
            return Ok(());
        }
        let is_call = token % 2 == 1;
        let (callback, argument) = match event {
            GrpcEvent::InitialMetadata(metadata) => {
                let count = metadata.len() as u32;
                state.incoming.maps[0] = Some(metadata);
                (Callback::OnGrpcReceiveInitialMetadata, count)
            }
            GrpcEvent::Message(message) => {
                let size = message.len() as u32;
                state.incoming.grpc_message = Some(message);
                if is_call {
                    state.tokens.close(token);
                }
                (Callback::OnGrpcReceive, size)
            }
            GrpcEvent::TrailingMetadata(metadata) => {
                let count = metadata.len() as u32;
                state.incoming.maps[1] = Some(metadata);
                (Callback::OnGrpcReceiveTrailingMetadata, count)
            }
            GrpcEvent::Close(status, message) => {
                state.incoming.status = (status, message);
                state.tokens.close(token);
                (Callback::OnGrpcClose, status)
            }
        };
        self.root(callback, &[token, argument], trace)
    }

    /// The embedder calls a function of the guest's, by a number that both know.
    pub(crate) fn on_foreign_function(
        &mut self,
        function: u32,
        arguments: Vec<u8>,
        trace: &mut Box<Trace>,
    ) -> Result<(), Failed> {
        let size = arguments.len() as u32;
        self.store.data_mut().incoming.call_data = Some(arguments);
        self.root(Callback::OnForeignFunction, &[function, size], trace)
    }

    /// Callouts that the guest dispatched since this was last asked.
    pub(crate) fn take_callouts(&mut self) -> Vec<Callout> {
        std::mem::take(&mut self.store.data_mut().callouts)
    }

    /// Slots of streams on which callbacks of other contexts acted since this was last asked.
    pub(crate) fn take_touched(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.store.data_mut().touched)
    }

    /// The end of the plugin: `on_done` and `on_delete` of the root context.
    pub(crate) fn stop(&mut self, trace: &mut Box<Trace>) -> Result<(), Failed> {
        self.traced(trace, |vm| {
            let done = vm.callback(Callback::OnDone, Context::ROOT, &[])?;
            // It waits for something, which does not come any more: it is never deleted.
            if done == 0 {
                vm.store.data_mut().done_pending = true;
                return Ok(0);
            }
            vm.callback(Callback::OnDelete, Context::ROOT, &[])
        })
        .map(|_| ())
    }

    /// A callback of the root context; what came in is gone afterwards.
    fn root(
        &mut self,
        callback: Callback,
        arguments: &[u32],
        trace: &mut Box<Trace>,
    ) -> Result<(), Failed> {
        let result = self.traced(trace, |vm| vm.callback(callback, Context::ROOT, arguments));
        self.store.data_mut().incoming = Incoming::default();
        result.map(|_| ())
    }
}

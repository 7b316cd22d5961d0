//! Callbacks of the root context: timers, queues, what comes back from callouts, and the end.

use gatewright_abi::Callback;

use super::{Failed, Vm};
use crate::callout::{Callout, CalloutResponse, GrpcEvent, Incoming};
use crate::state::{Place, ROOT_CONTEXT};
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
        self.root(Callback::OnTick, trace, |vm, callback| {
            vm.callback(
                callback,
                Place::Root,
                &[],
                |exports, store| match &exports.on_tick {
                    Some(function) => function.call(store, ROOT_CONTEXT).map(|()| 0),
                    None => Ok(0),
                },
            )
        })?;
        Ok(true)
    }

    /// A queue of this plugin got an item.
    pub(crate) fn on_queue_ready(
        &mut self,
        queue: u32,
        trace: &mut Box<Trace>,
    ) -> Result<(), Failed> {
        self.root(Callback::OnQueueReady, trace, |vm, callback| {
            vm.callback(
                callback,
                Place::Root,
                &[queue],
                |exports, store| match &exports.on_queue_ready {
                    Some(function) => function.call(store, (ROOT_CONTEXT, queue)).map(|()| 0),
                    None => Ok(0),
                },
            )
        })
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
        self.root(Callback::OnHttpCallResponse, trace, |vm, callback| {
            vm.callback(
                callback,
                Place::Root,
                &arguments,
                |exports, store| match &exports.on_http_call_response {
                    Some(function) => function
                        .call(store, (ROOT_CONTEXT, token, headers, size, trailers))
                        .map(|()| 0),
                    None => Ok(0),
                },
            )
        })
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
        let (kind, callback, argument) = match event {
            GrpcEvent::InitialMetadata(metadata) => {
                let count = metadata.len() as u32;
                state.incoming.maps[0] = Some(metadata);
                (0, Callback::OnGrpcReceiveInitialMetadata, count)
            }
            GrpcEvent::Message(message) => {
                let size = message.len() as u32;
                state.incoming.grpc_message = Some(message);
                if is_call {
                    state.tokens.close(token);
                }
                (1, Callback::OnGrpcReceive, size)
            }
            GrpcEvent::TrailingMetadata(metadata) => {
                let count = metadata.len() as u32;
                state.incoming.maps[1] = Some(metadata);
                (2, Callback::OnGrpcReceiveTrailingMetadata, count)
            }
            GrpcEvent::Close(status, message) => {
                state.incoming.status = (status, message);
                state.tokens.close(token);
                (3, Callback::OnGrpcClose, status)
            }
        };
        self.root(callback, trace, |vm, callback| {
            vm.callback(
                callback,
                Place::Root,
                &[token, argument],
                |exports, store| match &exports.on_grpc[kind] {
                    Some(function) => function
                        .call(store, (ROOT_CONTEXT, token, argument))
                        .map(|()| 0),
                    None => Ok(0),
                },
            )
        })
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
        self.root(Callback::OnForeignFunction, trace, |vm, callback| {
            vm.callback(
                callback,
                Place::Root,
                &[function, size],
                |exports, store| match &exports.on_foreign_function {
                    Some(call) => call.call(store, (ROOT_CONTEXT, function, size)).map(|()| 0),
                    None => Ok(0),
                },
            )
        })
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
            let done =
                vm.callback(
                    Callback::OnDone,
                    Place::Root,
                    &[],
                    |exports, store| match &exports.on_done {
                        Some(function) => function.call(store, ROOT_CONTEXT),
                        None => Ok(1),
                    },
                )?;
            // It waits for something, which does not come any more: it is never deleted.
            if done == 0 {
                vm.store.data_mut().done_pending = true;
                return Ok(0);
            }
            vm.callback(
                Callback::OnDelete,
                Place::Root,
                &[],
                |exports, store| match &exports.on_delete {
                    Some(function) => function.call(store, ROOT_CONTEXT).map(|()| 0),
                    None => Ok(0),
                },
            )
        })
        .map(|_| ())
    }

    /// A callback of the root context; what came in is gone afterwards.
    fn root(
        &mut self,
        callback: Callback,
        trace: &mut Box<Trace>,
        call: impl FnOnce(&mut Self, Callback) -> Result<u32, Failed>,
    ) -> Result<(), Failed> {
        let result = self.traced(trace, |vm| call(vm, callback));
        self.store.data_mut().incoming = Incoming::default();
        result.map(|_| ())
    }
}

//! The guest's side: the callbacks that it exports, looked up once a VM.

use gatewright_abi::{Callback, Version};
use wasmtime::{AsContextMut, Instance, TypedFunc};

use crate::capabilities::Capabilities;
use crate::module::{LoadError, ModuleInfo};

/// Parameters and results that a callback must have, in the letters of
/// [`Signature`](crate::Signature).
fn signature(callback: Callback, version: Version) -> (&'static str, &'static str) {
    use Callback as C;
    match callback {
        C::OnRequestHeaders | C::OnResponseHeaders if version == Version::V0_1_0 => ("ii", "i"),
        C::OnRequestHeaders | C::OnResponseHeaders => ("iii", "i"),
        C::OnRequestBody | C::OnResponseBody | C::OnDownstreamData | C::OnUpstreamData => {
            ("iii", "i")
        }
        C::OnVmStart | C::OnConfigure | C::OnRequestTrailers | C::OnResponseTrailers => ("ii", "i"),
        C::OnNewConnection | C::OnDone => ("i", "i"),
        C::OnTick | C::OnLog | C::OnDelete => ("i", ""),
        C::OnContextCreate
        | C::OnQueueReady
        | C::OnDownstreamConnectionClose
        | C::OnUpstreamConnectionClose => ("ii", ""),
        C::OnHttpCallResponse => ("iiiii", ""),
        C::OnGrpcReceiveInitialMetadata
        | C::OnGrpcReceive
        | C::OnGrpcReceiveTrailingMetadata
        | C::OnGrpcClose
        | C::OnForeignFunction => ("iii", ""),
    }
}

/// Checks that each callback of the ABI that the module exports has the ABI's type.
pub(crate) fn check(info: &ModuleInfo, version: Version) -> Result<(), LoadError> {
    for callback in Callback::ALL {
        let Some(found) = info.exports.get(callback.name()) else {
            continue;
        };
        let (parameters, results) = signature(*callback, version);
        if found.parameters != parameters || found.results != results {
            return Err(LoadError::WrongType(format!(
                "exports `{}` as ({}) -> ({}); ABI {version} has it as ({parameters}) -> ({results})",
                callback.name(),
                found.parameters,
                found.results,
            )));
        }
    }
    for name in ["malloc", "proxy_on_memory_allocate"] {
        let signature = info.exports.get(name);
        if signature.is_some_and(|found| found.parameters != "i" || found.results != "i") {
            return Err(LoadError::WrongType(format!(
                "exports `{name}` as something else than (i) -> (i)"
            )));
        }
    }
    Ok(())
}

/// A header callback, which older guests export without `end_of_stream`.
pub(crate) enum OnHeaders {
    Short(TypedFunc<(u32, u32), u32>),
    Long(TypedFunc<(u32, u32, u32), u32>),
}

/// Context, size of the chunk, end of stream.
type OnBody = TypedFunc<(u32, u32, u32), u32>;
/// Context, token, number of headers, size of the body, number of trailers.
type OnResponse = TypedFunc<(u32, u32, u32, u32, u32), ()>;
/// Context, token or function, size or status.
type OnGrpc = TypedFunc<(u32, u32, u32), ()>;

/// The callbacks of one VM. A guest exports what it cares for.
#[derive(Default)]
pub(crate) struct Exports {
    pub(crate) on_context_create: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) on_vm_start: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) on_configure: Option<TypedFunc<(u32, u32), u32>>,
    /// Of the request, of the response.
    pub(crate) on_headers: [Option<OnHeaders>; 2],
    pub(crate) on_body: [Option<OnBody>; 2],
    pub(crate) on_trailers: [Option<TypedFunc<(u32, u32), u32>>; 2],
    pub(crate) on_tick: Option<TypedFunc<u32, ()>>,
    pub(crate) on_queue_ready: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) on_http_call_response: Option<OnResponse>,
    /// Initial metadata, message, trailing metadata, close: context, token, size or status.
    pub(crate) on_grpc: [Option<OnGrpc>; 4],
    pub(crate) on_foreign_function: Option<OnGrpc>,
    pub(crate) on_done: Option<TypedFunc<u32, u32>>,
    pub(crate) on_log: Option<TypedFunc<u32, ()>>,
    pub(crate) on_delete: Option<TypedFunc<u32, ()>>,
}

impl Exports {
    /// Leaves out the callbacks that the capabilities do not hold: they are not called.
    pub(crate) fn restrict(&mut self, capabilities: &Capabilities) {
        use Callback as C;
        macro_rules! keep {
            ($($field:expr => $callback:ident;)*) => {
                $(if !capabilities.allows(C::$callback.name()) {
                    $field = None;
                })*
            };
        }
        keep! {
            self.on_context_create => OnContextCreate;
            self.on_vm_start => OnVmStart;
            self.on_configure => OnConfigure;
            self.on_headers[0] => OnRequestHeaders;
            self.on_headers[1] => OnResponseHeaders;
            self.on_body[0] => OnRequestBody;
            self.on_body[1] => OnResponseBody;
            self.on_trailers[0] => OnRequestTrailers;
            self.on_trailers[1] => OnResponseTrailers;
            self.on_tick => OnTick;
            self.on_queue_ready => OnQueueReady;
            self.on_http_call_response => OnHttpCallResponse;
            self.on_grpc[0] => OnGrpcReceiveInitialMetadata;
            self.on_grpc[1] => OnGrpcReceive;
            self.on_grpc[2] => OnGrpcReceiveTrailingMetadata;
            self.on_grpc[3] => OnGrpcClose;
            self.on_foreign_function => OnForeignFunction;
            self.on_done => OnDone;
            self.on_log => OnLog;
            self.on_delete => OnDelete;
        }
    }

    /// Looks up what the guest exports. Types were checked when the plugin was loaded.
    pub(crate) fn find<T: 'static>(
        instance: &Instance,
        store: &mut impl AsContextMut<Data = T>,
        version: Version,
    ) -> Self {
        macro_rules! get {
            ($callback:ident) => {
                instance
                    .get_typed_func(store.as_context_mut(), Callback::$callback.name())
                    .ok()
            };
        }
        let long = version != Version::V0_1_0;
        let on_headers = if long {
            [
                get!(OnRequestHeaders).map(OnHeaders::Long),
                get!(OnResponseHeaders).map(OnHeaders::Long),
            ]
        } else {
            [
                get!(OnRequestHeaders).map(OnHeaders::Short),
                get!(OnResponseHeaders).map(OnHeaders::Short),
            ]
        };
        Self {
            on_context_create: get!(OnContextCreate),
            on_vm_start: get!(OnVmStart),
            on_configure: get!(OnConfigure),
            on_headers,
            on_body: [get!(OnRequestBody), get!(OnResponseBody)],
            on_trailers: [get!(OnRequestTrailers), get!(OnResponseTrailers)],
            on_tick: get!(OnTick),
            on_queue_ready: get!(OnQueueReady),
            on_http_call_response: get!(OnHttpCallResponse),
            on_grpc: [
                get!(OnGrpcReceiveInitialMetadata),
                get!(OnGrpcReceive),
                get!(OnGrpcReceiveTrailingMetadata),
                get!(OnGrpcClose),
            ],
            on_foreign_function: get!(OnForeignFunction),
            on_done: get!(OnDone),
            on_log: get!(OnLog),
            on_delete: get!(OnDelete),
        }
    }
}

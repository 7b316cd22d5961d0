//! A guest that does what its configuration says, with every export of the ABI written out.
//!
//! It uses no SDK, so that a callback may return any number, and callbacks that no SDK binds reach
//! the script too. What a script can say is described in `tests/guests/README.md`.
#![cfg(target_os = "wasi")]
#![expect(unsafe_code, reason = "exports are named after the ABI's functions")]

use guest_script::Argument::{self, Context, Number, Size, Token};
use guest_script::{Callback, call};

/// The version of the ABI that this guest speaks.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for the host to put bytes into, of exactly this size.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    core::mem::ManuallyDrop::new(Vec::with_capacity(size)).as_mut_ptr()
}

/// Exports callbacks: name, variant, arguments after the context's id, and what is returned where
/// the script does not say.
macro_rules! export {
    ($($name:ident $variant:ident ($($argument:ident: $kind:expr),*) $(-> $answer:literal)?;)*) => {
        $(export!(@one $name $variant ($($argument: $kind),*) $($answer)?);)*
    };
    (@one $name:ident $variant:ident ($($argument:ident: $kind:expr),*)) => {
        #[doc = concat!("`", stringify!($name), "`.")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(context: u32, $($argument: u32),*) {
            let arguments: &[Argument] = &[$($kind($argument)),*];
            let _ = call(Callback::$variant, context, arguments);
        }
    };
    (@one $name:ident $variant:ident ($($argument:ident: $kind:expr),*) $answer:literal) => {
        #[doc = concat!("`", stringify!($name), "`.")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(context: u32, $($argument: u32),*) -> u32 {
            let arguments: &[Argument] = &[$($kind($argument)),*];
            call(Callback::$variant, context, arguments).unwrap_or($answer)
        }
    };
}

export! {
    proxy_on_context_create OnContextCreate (parent: Context);
    proxy_on_vm_start OnVmStart (size: Size) -> 1;
    proxy_on_configure OnConfigure (size: Size) -> 1;
    proxy_on_tick OnTick ();
    proxy_on_queue_ready OnQueueReady (queue: Token);
    proxy_on_new_connection OnNewConnection () -> 0;
    proxy_on_downstream_data OnDownstreamData (size: Number, end: Number) -> 0;
    proxy_on_upstream_data OnUpstreamData (size: Number, end: Number) -> 0;
    proxy_on_downstream_connection_close OnDownstreamConnectionClose (peer: Number);
    proxy_on_upstream_connection_close OnUpstreamConnectionClose (peer: Number);
    proxy_on_request_headers OnRequestHeaders (count: Number, end: Number) -> 0;
    proxy_on_request_body OnRequestBody (size: Number, end: Number) -> 0;
    proxy_on_request_trailers OnRequestTrailers (count: Number) -> 0;
    proxy_on_response_headers OnResponseHeaders (count: Number, end: Number) -> 0;
    proxy_on_response_body OnResponseBody (size: Number, end: Number) -> 0;
    proxy_on_response_trailers OnResponseTrailers (count: Number) -> 0;
    proxy_on_http_call_response OnHttpCallResponse
        (call_id: Token, headers: Number, body: Number, trailers: Number);
    proxy_on_grpc_receive_initial_metadata OnGrpcReceiveInitialMetadata
        (call_id: Token, count: Number);
    proxy_on_grpc_receive OnGrpcReceive (call_id: Token, size: Number);
    proxy_on_grpc_receive_trailing_metadata OnGrpcReceiveTrailingMetadata
        (call_id: Token, count: Number);
    proxy_on_grpc_close OnGrpcClose (call_id: Token, code: Number);
    proxy_on_foreign_function OnForeignFunction (function: Number, size: Number);
    proxy_on_done OnDone () -> 1;
    proxy_on_log OnLog ();
    proxy_on_delete OnDelete ();
}

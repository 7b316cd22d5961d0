//! The methods of `proxy-wasm`'s traits that nothing calls, each replaced by an empty one.
//!
//! Its dispatcher calls only the `on_…` methods of a context. The others are hostcalls for the
//! context's own use, which ours makes through its own bindings; but a vtable keeps every method
//! alive, and with them the code of dozens of hostcalls, in every plugin.

/// Declares methods that trap: the types that have them never leave this crate.
macro_rules! never_called {
    ($($name:ident($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        $(
            fn $name(&self $(, _: $arg)*) $(-> $ret)? {
                core::arch::wasm32::unreachable()
            }
        )*
    };
}

macro_rules! never_called_of_context {
    () => {
        never_called! {
            get_current_time() -> SystemTime;
            get_property(Vec<&str>) -> Option<Bytes>;
            set_property(Vec<&str>, Option<&[u8]>);
            get_shared_data(&str) -> (Option<Bytes>, Option<u32>);
            set_shared_data(&str, Option<&[u8]>, Option<u32>) -> Result<(), Status>;
            remove_shared_data(&str, Option<u32>) -> Result<(), Status>;
            register_shared_queue(&str) -> u32;
            resolve_shared_queue(&str, &str) -> Option<u32>;
            dequeue_shared_queue(u32) -> Result<Option<Bytes>, Status>;
            enqueue_shared_queue(u32, Option<&[u8]>) -> Result<(), Status>;
            dispatch_http_call(&str, Vec<(&str, &str)>, Option<&[u8]>, Vec<(&str, &str)>, Duration) -> Result<u32, Status>;
            get_http_call_response_headers() -> Vec<(String, String)>;
            get_http_call_response_headers_bytes() -> Vec<(String, Bytes)>;
            get_http_call_response_header(&str) -> Option<String>;
            get_http_call_response_header_bytes(&str) -> Option<Bytes>;
            get_http_call_response_body(usize, usize) -> Option<Bytes>;
            get_http_call_response_trailers() -> Vec<(String, String)>;
            get_http_call_response_trailers_bytes() -> Vec<(String, Bytes)>;
            get_http_call_response_trailer(&str) -> Option<String>;
            get_http_call_response_trailer_bytes(&str) -> Option<Bytes>;
            dispatch_grpc_call(&str, &str, &str, Vec<(&str, &[u8])>, Option<&[u8]>, Duration) -> Result<u32, Status>;
            get_grpc_call_response_body(usize, usize) -> Option<Bytes>;
            cancel_grpc_call(u32);
            open_grpc_stream(&str, &str, &str, Vec<(&str, &[u8])>) -> Result<u32, Status>;
            get_grpc_stream_initial_metadata() -> Vec<(String, Bytes)>;
            get_grpc_stream_initial_metadata_value(&str) -> Option<Bytes>;
            send_grpc_stream_message(u32, Option<&[u8]>, bool);
            get_grpc_stream_trailing_metadata() -> Vec<(String, Bytes)>;
            get_grpc_stream_trailing_metadata_value(&str) -> Option<Bytes>;
            cancel_grpc_stream(u32);
            close_grpc_stream(u32);
            get_grpc_status() -> (u32, Option<String>);
            call_foreign_function(&str, Option<&[u8]>) -> Result<Option<Bytes>, Status>;
            done();
        }
        fn get_grpc_stream_message(&mut self, _: usize, _: usize) -> Option<Bytes> {
            core::arch::wasm32::unreachable()
        }
    };
}

macro_rules! never_called_of_root {
    () => {
        never_called! {
            get_vm_configuration() -> Option<Bytes>;
            get_plugin_configuration() -> Option<Bytes>;
            set_tick_period(Duration);
            create_stream_context(u32) -> Option<Box<dyn StreamContext>>;
        }
    };
}

macro_rules! never_called_of_http {
    () => {
        never_called! {
            get_http_request_headers() -> Vec<(String, String)>;
            get_http_request_headers_bytes() -> Vec<(String, Bytes)>;
            set_http_request_headers(Vec<(&str, &str)>);
            set_http_request_headers_bytes(Vec<(&str, &[u8])>);
            get_http_request_header(&str) -> Option<String>;
            get_http_request_header_bytes(&str) -> Option<Bytes>;
            set_http_request_header(&str, Option<&str>);
            set_http_request_header_bytes(&str, Option<&[u8]>);
            add_http_request_header(&str, &str);
            add_http_request_header_bytes(&str, &[u8]);
            remove_http_request_header(&str);
            get_http_request_body(usize, usize) -> Option<Bytes>;
            set_http_request_body(usize, usize, &[u8]);
            get_http_request_trailers() -> Vec<(String, String)>;
            get_http_request_trailers_bytes() -> Vec<(String, Bytes)>;
            set_http_request_trailers(Vec<(&str, &str)>);
            set_http_request_trailers_bytes(Vec<(&str, &[u8])>);
            get_http_request_trailer(&str) -> Option<String>;
            get_http_request_trailer_bytes(&str) -> Option<Bytes>;
            set_http_request_trailer(&str, Option<&str>);
            set_http_request_trailer_bytes(&str, Option<&[u8]>);
            add_http_request_trailer(&str, &str);
            add_http_request_trailer_bytes(&str, &[u8]);
            remove_http_request_trailer(&str);
            resume_http_request();
            reset_http_request();
            get_http_response_headers() -> Vec<(String, String)>;
            get_http_response_headers_bytes() -> Vec<(String, Bytes)>;
            set_http_response_headers(Vec<(&str, &str)>);
            set_http_response_headers_bytes(Vec<(&str, &[u8])>);
            get_http_response_header(&str) -> Option<String>;
            get_http_response_header_bytes(&str) -> Option<Bytes>;
            set_http_response_header(&str, Option<&str>);
            set_http_response_header_bytes(&str, Option<&[u8]>);
            add_http_response_header(&str, &str);
            add_http_response_header_bytes(&str, &[u8]);
            remove_http_response_header(&str);
            get_http_response_body(usize, usize) -> Option<Bytes>;
            set_http_response_body(usize, usize, &[u8]);
            get_http_response_trailers() -> Vec<(String, String)>;
            get_http_response_trailers_bytes() -> Vec<(String, Bytes)>;
            set_http_response_trailers(Vec<(&str, &str)>);
            set_http_response_trailers_bytes(Vec<(&str, &[u8])>);
            get_http_response_trailer(&str) -> Option<String>;
            get_http_response_trailer_bytes(&str) -> Option<Bytes>;
            set_http_response_trailer(&str, Option<&str>);
            set_http_response_trailer_bytes(&str, Option<&[u8]>);
            add_http_response_trailer(&str, &str);
            add_http_response_trailer_bytes(&str, &[u8]);
            remove_http_response_trailer(&str);
            resume_http_response();
            reset_http_response();
            send_http_response(u32, Vec<(&str, &str)>, Option<&[u8]>);
            send_grpc_response(GrpcStatusCode, Option<&str>, Vec<(&str, &[u8])>);
        }
    };
}

pub(super) use {
    never_called, never_called_of_context, never_called_of_http, never_called_of_root,
};

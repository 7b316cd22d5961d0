//! The functions that a host finds a plugin by.
//!
//! They are written out in the plugin's own crate, for its own type, so that the module holds what
//! this plugin needs and nothing of what others would: no table of methods, no callback of TCP.

/// Makes a type the plugin of this crate, which must be a `cdylib`. Once a crate.
///
/// On `wasm32-wasip1` this exports what a host calls. Elsewhere, and under test, it only checks
/// that the type is a [`Plugin`](crate::Plugin).
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        $crate::__exports! { $plugin;
            fn proxy_on_context_create(context: u32, parent: u32) => create;
            fn proxy_on_configure(context: u32, size: usize) -> bool => configure;
            fn proxy_on_request_headers(context: u32, count: usize, end_of_stream: bool) -> u32
                => request_headers;
            fn proxy_on_request_body(context: u32, size: usize, end_of_stream: bool) -> u32
                => request_body;
            fn proxy_on_response_headers(context: u32, count: usize, end_of_stream: bool) -> u32
                => response_headers;
            fn proxy_on_response_body(context: u32, size: usize, end_of_stream: bool) -> u32
                => response_body;
            fn proxy_on_done(context: u32) -> bool => done;
            fn proxy_on_log(context: u32) => log;
            fn proxy_on_delete(context: u32) => delete;
        }
    };
}

/// As [`plugin!`](crate::plugin), for a type that is also an [`envoy::Service`](crate::envoy::Service).
#[macro_export]
macro_rules! envoy_plugin {
    ($plugin:ty) => {
        $crate::__exports! { $plugin;
            fn proxy_on_context_create(context: u32, parent: u32) => create;
            fn proxy_on_configure(context: u32, size: usize) -> bool => configure;
            fn proxy_on_request_headers(context: u32, count: usize, end_of_stream: bool) -> u32
                => request_headers;
            fn proxy_on_request_body(context: u32, size: usize, end_of_stream: bool) -> u32
                => request_body;
            fn proxy_on_response_headers(context: u32, count: usize, end_of_stream: bool) -> u32
                => response_headers;
            fn proxy_on_response_body(context: u32, size: usize, end_of_stream: bool) -> u32
                => response_body;
            fn proxy_on_done(context: u32) -> bool => done_with_tasks;
            fn proxy_on_log(context: u32) => log;
            fn proxy_on_delete(context: u32) => delete_with_tasks;
            fn proxy_on_tick(context: u32) => tick;
            fn proxy_on_queue_ready(context: u32, queue: u32) => queue_ready;
            fn proxy_on_http_call_response(
                context: u32, token: u32, headers: u32, body: usize, trailers: u32
            ) => http_call_response;
            fn proxy_on_grpc_receive_initial_metadata(context: u32, token: u32, count: u32)
                => grpc_initial_metadata;
            fn proxy_on_grpc_receive(context: u32, token: u32, size: usize) => grpc_receive;
            fn proxy_on_grpc_receive_trailing_metadata(context: u32, token: u32, count: u32)
                => grpc_trailing_metadata;
            fn proxy_on_grpc_close(context: u32, token: u32, status: u32) => grpc_close;
        }
    };
}

/// What `plugin!` and `envoy_plugin!` expand to.
#[cfg(all(target_os = "wasi", not(feature = "testing")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __exports {
    ($plugin:ty; $(
        fn $export:ident($($argument:ident: $type:ty),*) $(-> $answer:ty)? => $method:ident;
    )*) => {
        #[expect(unsafe_code, reason = "the names by which a host finds them")]
        const _: () = {
            use $crate::__private::{Answer as _, Dispatcher};

            ::std::thread_local! {
                static DISPATCHER: Dispatcher<$plugin> = const { Dispatcher::new() };
            }

            #[unsafe(no_mangle)]
            extern "C" fn _initialize() {
                $crate::__private::initialize::<$plugin>();
            }

            #[unsafe(no_mangle)]
            extern "C" fn proxy_abi_version_0_2_1() {}

            #[unsafe(no_mangle)]
            extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
                $crate::__private::allocate(size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn proxy_on_vm_start(_context: u32, _size: usize) -> bool {
                true
            }

            $(
                #[unsafe(no_mangle)]
                extern "C" fn $export($($argument: $type),*) $(-> $answer)? {
                    DISPATCHER.with(|dispatcher| dispatcher.$method($($argument),*).answer())
                }
            )*
        };
    };
}

/// Where there is no host, and under test.
#[cfg(not(all(target_os = "wasi", not(feature = "testing"))))]
#[doc(hidden)]
#[macro_export]
macro_rules! __exports {
    ($plugin:ty; $($exports:tt)*) => {
        const _: () = {
            const fn is_a_plugin<P: $crate::Plugin>() {}
            is_a_plugin::<$plugin>();
        };
    };
}

/// How an answer of the dispatcher crosses to the host.
#[cfg(all(target_os = "wasi", not(feature = "testing")))]
pub trait Answer {
    /// The type of the ABI.
    type Raw;
    /// The value of the ABI.
    fn answer(self) -> Self::Raw;
}

#[cfg(all(target_os = "wasi", not(feature = "testing")))]
mod answers {
    use super::Answer;
    use gatewright_abi::Action;

    impl Answer for Action {
        type Raw = u32;
        fn answer(self) -> u32 {
            self.as_u32()
        }
    }

    impl Answer for bool {
        type Raw = bool;
        fn answer(self) -> bool {
            self
        }
    }

    impl Answer for () {
        type Raw = ();
        fn answer(self) {}
    }
}

/// What `_initialize` does for a plugin.
#[cfg(all(target_os = "wasi", not(feature = "testing")))]
pub fn initialize<P: crate::Plugin>() {
    crate::sys::call_constructors();
    crate::logger::install(P::LOG_LEVEL);
}

/// Memory for the host to fill, which `sys` takes over as a `Vec`; null if there is none.
#[cfg(all(target_os = "wasi", not(feature = "testing")))]
pub fn allocate(size: usize) -> *mut u8 {
    let mut bytes = Vec::<u8>::new();
    if bytes.try_reserve_exact(size).is_err() {
        return core::ptr::null_mut();
    }
    core::mem::ManuallyDrop::new(bytes).as_mut_ptr()
}

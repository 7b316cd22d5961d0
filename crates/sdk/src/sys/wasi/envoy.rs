//! Hostcalls that Envoy answers and production does not.

use super::receive;
use core::ptr::null_mut;

mod env {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_set_effective_context(context: u32) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_continue_stream(stream: u32) -> u32;
        pub(super) fn proxy_get_status(code: *mut u32, data: *mut *mut u8, size: *mut usize)
        -> u32;
        pub(super) fn proxy_http_call(
            upstream: *const u8,
            upstream_size: usize,
            headers: *const u8,
            headers_size: usize,
            body: *const u8,
            body_size: usize,
            trailers: *const u8,
            trailers_size: usize,
            timeout: u32,
            token: *mut u32,
        ) -> u32;
        pub(super) fn proxy_grpc_call(
            upstream: *const u8,
            upstream_size: usize,
            service: *const u8,
            service_size: usize,
            method: *const u8,
            method_size: usize,
            metadata: *const u8,
            metadata_size: usize,
            message: *const u8,
            message_size: usize,
            timeout: u32,
            token: *mut u32,
        ) -> u32;
        pub(super) fn proxy_grpc_stream(
            upstream: *const u8,
            upstream_size: usize,
            service: *const u8,
            service_size: usize,
            method: *const u8,
            method_size: usize,
            metadata: *const u8,
            metadata_size: usize,
            token: *mut u32,
        ) -> u32;
        pub(super) fn proxy_grpc_send(
            token: u32,
            message: *const u8,
            size: usize,
            end_of_stream: u32,
        ) -> u32;
        pub(super) fn proxy_grpc_cancel(token: u32) -> u32;
        pub(super) fn proxy_grpc_close(token: u32) -> u32;
        pub(super) fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
            cas: u32,
        ) -> u32;
        pub(super) fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            cas: *mut u32,
        ) -> u32;
        pub(super) fn proxy_register_shared_queue(
            name: *const u8,
            size: usize,
            queue: *mut u32,
        ) -> u32;
        pub(super) fn proxy_resolve_shared_queue(
            vm: *const u8,
            vm_size: usize,
            name: *const u8,
            name_size: usize,
            queue: *mut u32,
        ) -> u32;
        pub(super) fn proxy_enqueue_shared_queue(queue: u32, value: *const u8, size: usize) -> u32;
        pub(super) fn proxy_dequeue_shared_queue(
            queue: u32,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_define_metric(
            kind: u32,
            name: *const u8,
            size: usize,
            metric: *mut u32,
        ) -> u32;
        pub(super) fn proxy_record_metric(metric: u32, value: u64) -> u32;
        pub(super) fn proxy_increment_metric(metric: u32, by: i64) -> u32;
        pub(super) fn proxy_get_metric(metric: u32, value: *mut u64) -> u32;
        pub(super) fn proxy_set_property(
            path: *const u8,
            path_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            arguments: *const u8,
            arguments_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
    }
}

pub(crate) fn set_effective_context(context: u32) -> u32 {
    // SAFETY: no pointer crosses.
    unsafe { env::proxy_set_effective_context(context) }
}

pub(crate) fn set_tick_period(milliseconds: u32) -> u32 {
    // SAFETY: no pointer crosses.
    unsafe { env::proxy_set_tick_period_milliseconds(milliseconds) }
}

pub(crate) fn continue_stream(stream: u32) -> u32 {
    // SAFETY: no pointer crosses.
    unsafe { env::proxy_continue_stream(stream) }
}

pub(crate) fn get_status(code: &mut u32, out: &mut Vec<u8>) -> u32 {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the out-parameters outlive the call.
    let status = unsafe { env::proxy_get_status(code, &mut data, &mut size) };
    receive(status, data, size, out)
}

pub(crate) fn http_call(
    upstream: &[u8],
    headers: &[u8],
    body: &[u8],
    trailers: &[u8],
    timeout: u32,
    token: &mut u32,
) -> u32 {
    // SAFETY: the host reads the slices during the call only; the out-parameter outlives it.
    unsafe {
        env::proxy_http_call(
            upstream.as_ptr(),
            upstream.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout,
            token,
        )
    }
}

pub(crate) fn grpc_call(
    [upstream, service, method]: [&[u8]; 3],
    metadata: &[u8],
    message: &[u8],
    timeout: u32,
    token: &mut u32,
) -> u32 {
    // SAFETY: the host reads the slices during the call only; the out-parameter outlives it.
    unsafe {
        env::proxy_grpc_call(
            upstream.as_ptr(),
            upstream.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            message.as_ptr(),
            message.len(),
            timeout,
            token,
        )
    }
}

pub(crate) fn grpc_stream(
    [upstream, service, method]: [&[u8]; 3],
    metadata: &[u8],
    token: &mut u32,
) -> u32 {
    // SAFETY: the host reads the slices during the call only; the out-parameter outlives it.
    unsafe {
        env::proxy_grpc_stream(
            upstream.as_ptr(),
            upstream.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            token,
        )
    }
}

pub(crate) fn grpc_send(token: u32, message: &[u8], end_of_stream: bool) -> u32 {
    // SAFETY: the host reads `message` during the call only.
    unsafe { env::proxy_grpc_send(token, message.as_ptr(), message.len(), end_of_stream.into()) }
}

pub(crate) fn grpc_cancel(token: u32) -> u32 {
    // SAFETY: no pointer crosses.
    unsafe { env::proxy_grpc_cancel(token) }
}

pub(crate) fn grpc_close(token: u32) -> u32 {
    // SAFETY: no pointer crosses.
    unsafe { env::proxy_grpc_close(token) }
}

pub(crate) fn set_shared_data(key: &[u8], value: &[u8], cas: u32) -> u32 {
    // SAFETY: the host reads the slices during the call only.
    unsafe { env::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) }
}

pub(crate) fn get_shared_data(key: &[u8], out: &mut Vec<u8>, cas: &mut u32) -> u32 {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the host reads `key` during the call only; the out-parameters outlive it.
    let status =
        unsafe { env::proxy_get_shared_data(key.as_ptr(), key.len(), &mut data, &mut size, cas) };
    receive(status, data, size, out)
}

pub(crate) fn register_shared_queue(name: &[u8], queue: &mut u32) -> u32 {
    // SAFETY: the host reads `name` during the call only; the out-parameter outlives it.
    unsafe { env::proxy_register_shared_queue(name.as_ptr(), name.len(), queue) }
}

pub(crate) fn resolve_shared_queue(vm: &[u8], name: &[u8], queue: &mut u32) -> u32 {
    // SAFETY: the host reads the slices during the call only; the out-parameter outlives it.
    unsafe {
        env::proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), queue)
    }
}

pub(crate) fn enqueue_shared_queue(queue: u32, value: &[u8]) -> u32 {
    // SAFETY: the host reads `value` during the call only.
    unsafe { env::proxy_enqueue_shared_queue(queue, value.as_ptr(), value.len()) }
}

pub(crate) fn dequeue_shared_queue(queue: u32, out: &mut Vec<u8>) -> u32 {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the out-parameters outlive the call.
    let status = unsafe { env::proxy_dequeue_shared_queue(queue, &mut data, &mut size) };
    receive(status, data, size, out)
}

pub(crate) fn define_metric(kind: u32, name: &[u8], metric: &mut u32) -> u32 {
    // SAFETY: the host reads `name` during the call only; the out-parameter outlives it.
    unsafe { env::proxy_define_metric(kind, name.as_ptr(), name.len(), metric) }
}

pub(crate) fn record_metric(metric: u32, value: u64) -> u32 {
    // SAFETY: no pointer crosses.
    unsafe { env::proxy_record_metric(metric, value) }
}

pub(crate) fn increment_metric(metric: u32, by: i64) -> u32 {
    // SAFETY: no pointer crosses.
    unsafe { env::proxy_increment_metric(metric, by) }
}

pub(crate) fn get_metric(metric: u32, value: &mut u64) -> u32 {
    // SAFETY: the out-parameter outlives the call.
    unsafe { env::proxy_get_metric(metric, value) }
}

pub(crate) fn set_property(path: &[u8], value: &[u8]) -> u32 {
    // SAFETY: the host reads the slices during the call only.
    unsafe { env::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) }
}

pub(crate) fn call_foreign_function(name: &[u8], arguments: &[u8], out: &mut Vec<u8>) -> u32 {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the host reads the slices during the call only; the out-parameters outlive it.
    let status = unsafe {
        env::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            &mut data,
            &mut size,
        )
    };
    receive(status, data, size, out)
}

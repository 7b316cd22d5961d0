//! Hostcalls of the ABI, bound so that a host may answer any number.
//!
//! These are bindings of our own rather than those of `proxy-wasm`, whose functions return a Rust
//! enum: a number that the enum lacks, such as 12, is undefined behaviour there.

#![expect(
    unsafe_code,
    reason = "foreign functions, and memory that the host filled"
)]

pub(crate) mod envoy;

use core::ptr::null_mut;
use gatewright_abi::Status;

mod env {
    // The import module is named because `rustc` 1.96 no longer defaults to `env`.
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_buffer_bytes(
            buffer: u32,
            start: usize,
            size: usize,
            data: *const u8,
            data_size: usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_pairs(
            map: u32,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_add_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_remove_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
        ) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    }
}

mod preview1 {
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn random_get(buffer: *mut u8, size: usize) -> u32;
    }
}

pub(crate) fn log(level: u32, message: &[u8]) -> u32 {
    // SAFETY: the host reads `message` during the call only.
    unsafe { env::proxy_log(level, message.as_ptr(), message.len()) }
}

pub(crate) fn get_buffer_bytes(
    buffer: u32,
    start: usize,
    max_size: usize,
    out: &mut Vec<u8>,
) -> u32 {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: both out-parameters outlive the call.
    let status =
        unsafe { env::proxy_get_buffer_bytes(buffer, start, max_size, &mut data, &mut size) };
    receive(status, data, size, out)
}

pub(crate) fn set_buffer_bytes(buffer: u32, start: usize, size: usize, bytes: &[u8]) -> u32 {
    // SAFETY: the host reads `bytes` during the call only.
    unsafe { env::proxy_set_buffer_bytes(buffer, start, size, bytes.as_ptr(), bytes.len()) }
}

pub(crate) fn get_header_map_pairs(map: u32, out: &mut Vec<u8>) -> u32 {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: both out-parameters outlive the call.
    let status = unsafe { env::proxy_get_header_map_pairs(map, &mut data, &mut size) };
    receive(status, data, size, out)
}

pub(crate) fn set_header_map_pairs(map: u32, wire: &[u8]) -> u32 {
    // SAFETY: the host reads `wire` during the call only.
    unsafe { env::proxy_set_header_map_pairs(map, wire.as_ptr(), wire.len()) }
}

pub(crate) fn get_header_map_value(map: u32, name: &[u8], out: &mut Vec<u8>) -> u32 {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the host reads `name` during the call only; both out-parameters outlive it.
    let status = unsafe {
        env::proxy_get_header_map_value(map, name.as_ptr(), name.len(), &mut data, &mut size)
    };
    receive(status, data, size, out)
}

pub(crate) fn add_header_map_value(map: u32, name: &[u8], value: &[u8]) -> u32 {
    // SAFETY: the host reads `name` and `value` during the call only.
    unsafe {
        env::proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    }
}

pub(crate) fn replace_header_map_value(map: u32, name: &[u8], value: &[u8]) -> u32 {
    // SAFETY: the host reads `name` and `value` during the call only.
    unsafe {
        env::proxy_replace_header_map_value(
            map,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    }
}

pub(crate) fn remove_header_map_value(map: u32, name: &[u8]) -> u32 {
    // SAFETY: the host reads `name` during the call only.
    unsafe { env::proxy_remove_header_map_value(map, name.as_ptr(), name.len()) }
}

pub(crate) fn send_local_response(
    status: u32,
    details: &[u8],
    body: &[u8],
    headers: &[u8],
    grpc_status: i32,
) -> u32 {
    // SAFETY: the host reads all four slices during the call only.
    unsafe {
        env::proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    }
}

pub(crate) fn get_property(path: &[u8], out: &mut Vec<u8>) -> u32 {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the host reads `path` during the call only; both out-parameters outlive it.
    let status =
        unsafe { env::proxy_get_property(path.as_ptr(), path.len(), &mut data, &mut size) };
    receive(status, data, size, out)
}

pub(crate) fn get_current_time(nanoseconds: &mut u64) -> u32 {
    // SAFETY: the out-parameter outlives the call.
    unsafe { env::proxy_get_current_time_nanoseconds(nanoseconds) }
}

pub(crate) fn random(buffer: &mut [u8]) -> u32 {
    // SAFETY: the host writes inside of `buffer` during the call only.
    unsafe { preview1::random_get(buffer.as_mut_ptr(), buffer.len()) }
}

/// Takes over the bytes that a host allocated through `proxy_on_memory_allocate`.
///
/// A host that says OK and points outside of memory is treated as if it had said so.
fn receive(status: u32, data: *mut u8, size: usize, out: &mut Vec<u8>) -> u32 {
    if status != Status::Ok.as_u32() || data.is_null() {
        return status;
    }
    let memory = core::arch::wasm32::memory_size(0) << 16;
    match (data as usize).checked_add(size) {
        Some(end) if end <= memory => {}
        _ => return Status::InvalidMemoryAccess.as_u32(),
    }
    // SAFETY: the host obtained `data` from our allocator with exactly this size, wrote all of
    // it, and hands it over; `proxy_on_memory_allocate` allocates with alignment one.
    *out = unsafe { Vec::from_raw_parts(data, size, size) };
    status
}

/// Runs the constructors of the module, which nothing else does in a library.
pub(crate) fn call_constructors() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: called once, first thing in `_initialize`.
    unsafe { __wasm_call_ctors() }
}

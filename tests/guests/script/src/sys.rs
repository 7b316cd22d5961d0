//! The host's functions, as numbers in and a number out.
//!
//! A status is a `u32` here, whatever a host makes of it. Outside of wasm every call answers
//! `UNIMPLEMENTED`, so that the rest of this crate can be compiled and tested natively.
#![cfg_attr(
    target_os = "wasi",
    expect(unsafe_code, reason = "this file is the guest's side of the ABI")
)]

use gatewright_abi::Hostcall;

#[cfg(target_os = "wasi")]
mod imports {
    macro_rules! declare {
        ($($variant:ident $name:literal ($($parameter:ident),*);)*) => {
            #[link(wasm_import_module = "env")]
            unsafe extern "C" {
                $(#[link_name = $name] pub(super) fn $variant($(_: $parameter),*) -> u32;)*
            }
        };
    }
    gatewright_abi::foreach_hostcall!(declare);

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn random_get(buffer: u32, length: u32) -> u32;
        pub(super) fn clock_time_get(clock: u32, precision: u64, out: u32) -> u32;
        pub(super) fn fd_write(file: u32, vectors: u32, count: u32, out: u32) -> u32;
        pub(super) fn proc_exit(code: u32);
    }
}

/// Makes a hostcall. Arguments that are missing are zero.
#[cfg(target_os = "wasi")]
pub(crate) fn hostcall(call: Hostcall, arguments: &[u64]) -> u32 {
    let mut arguments = arguments.iter().copied();
    macro_rules! make {
        ($($variant:ident $name:literal ($($parameter:ident),*);)*) => {
            match call {
                $(Hostcall::$variant => {
                    // SAFETY: the host checks every pointer; what it writes goes to out
                    // parameters that the caller owns.
                    unsafe { imports::$variant($(arguments.next().unwrap_or(0) as $parameter),*) }
                })*
            }
        };
    }
    gatewright_abi::foreach_hostcall!(make)
}

/// Makes no hostcall: there is no host.
#[cfg(not(target_os = "wasi"))]
pub(crate) fn hostcall(_call: Hostcall, _arguments: &[u64]) -> u32 {
    gatewright_abi::Status::Unimplemented.as_u32()
}

/// The address of something, as the ABI takes it.
#[cfg(target_os = "wasi")]
pub(crate) fn address<T: ?Sized>(thing: *const T) -> u64 {
    thing.cast::<u8>() as usize as u64
}

/// There are no addresses outside of wasm.
#[cfg(not(target_os = "wasi"))]
pub(crate) fn address<T: ?Sized>(_thing: *const T) -> u64 {
    0
}

/// Bytes that the host handed over, in memory that it asked the guest for.
#[cfg(target_os = "wasi")]
pub(crate) fn take(pointer: u32, length: u32) -> Vec<u8> {
    if pointer == 0 || length == 0 {
        return Vec::new();
    }
    let length = length as usize;
    // SAFETY: the guest's allocator makes vectors of exactly the capacity that is asked for.
    unsafe { Vec::from_raw_parts(pointer as usize as *mut u8, length, length) }
}

/// No host hands anything over.
#[cfg(not(target_os = "wasi"))]
pub(crate) fn take(_pointer: u32, _length: u32) -> Vec<u8> {
    Vec::new()
}

/// A call of WASI by its name: its error number, and the number that it gives.
#[cfg(target_os = "wasi")]
pub(crate) fn wasi(name: &str, number: u64, bytes: &[u8]) -> Option<(u32, Option<u64>)> {
    let mut out = 0_u64;
    let there = address(&raw mut out) as u32;
    let (error, gives) = match name {
        "wasi_random_get" => {
            let mut buffer = vec![0_u8; number as usize];
            let pointer = address(buffer.as_mut_ptr()) as u32;
            // SAFETY: the buffer is as long as is said.
            let error = unsafe { imports::random_get(pointer, number as u32) };
            (error, false)
        }
        "wasi_clock_time_get" => {
            // SAFETY: the number goes to `out`.
            let error = unsafe { imports::clock_time_get(number as u32, 1, there) };
            (error, true)
        }
        "wasi_fd_write" => {
            let vector = [address(bytes.as_ptr()) as u32, bytes.len() as u32];
            let vectors = address(vector.as_ptr()) as u32;
            // SAFETY: the vector and what it names live; the count goes to `out`.
            let error = unsafe { imports::fd_write(number as u32, vectors, 1, there) };
            (error, true)
        }
        "wasi_proc_exit" => {
            // SAFETY: it takes no pointer. Hosts of plugins may return from it.
            unsafe { imports::proc_exit(number as u32) };
            (0, false)
        }
        _ => return None,
    };
    Some((error, gives.then_some(core::hint::black_box(out))))
}

/// No WASI outside of wasm.
#[cfg(not(target_os = "wasi"))]
pub(crate) fn wasi(_name: &str, _number: u64, _bytes: &[u8]) -> Option<(u32, Option<u64>)> {
    None
}

/// Asks for pages of memory, and gives what `memory.grow` gives.
#[cfg(target_os = "wasi")]
pub(crate) fn grow(pages: usize) -> i64 {
    let before = core::arch::wasm32::memory_grow(0, pages);
    if before == usize::MAX {
        -1
    } else {
        before as i64
    }
}

/// No memory of its own to grow.
#[cfg(not(target_os = "wasi"))]
pub(crate) fn grow(_pages: usize) -> i64 {
    -1
}

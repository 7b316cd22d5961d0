//! The functions of module `env`: one file a family, defined here.
//!
//! Each is a function from a [`Cx`] and the guest's numbers to an [`Answer`]. What they share stands
//! here: the bounds of every pointer, what a platform does not offer, the record in the trace, and
//! the one way in which bytes are handed to a guest.

mod buffers;
mod callouts;
mod clock;
mod computed;
mod contexts;
mod headers;
mod log;
mod metrics;
mod properties;
mod reply;
mod shared_data;
mod streams;

use gatewright_abi::{Hostcall, Status};
use wasmtime::{Caller, Linker};

use crate::fault::Ended;
use crate::state::{Mode, State};

pub(crate) use headers::settle;

/// What a hostcall does, but for the guest being ended by it.
pub(crate) type Answer = Result<(), Status>;

/// What a hostcall works on: the guest's memory, and the state of its VM.
pub(crate) struct Cx<'a> {
    pub(crate) memory: &'a mut [u8],
    pub(crate) state: &'a mut State,
    /// Set by a hostcall that ends the guest.
    pub(crate) ended: Option<Ended>,
}

impl Cx<'_> {
    /// The guest's bytes at a pointer that it gave.
    pub(crate) fn read(&self, pointer: u32, length: u32) -> Result<&[u8], Status> {
        read(self.memory, pointer, length)
    }

    /// Writes a number to where the guest wants it.
    pub(crate) fn write<const N: usize>(&mut self, pointer: u32, bytes: [u8; N]) -> Answer {
        write(self.memory, pointer, &bytes)
    }
}

/// The guest's bytes in a range that it gave, if they lie within its memory.
pub(crate) fn read(memory: &[u8], pointer: u32, length: u32) -> Result<&[u8], Status> {
    let start = pointer as usize;
    memory
        .get(start..)
        .and_then(|rest| rest.get(..length as usize))
        .ok_or(Status::InvalidMemoryAccess)
}

/// Writes bytes to where the guest wants them, if all of them fit into its memory.
pub(crate) fn write(memory: &mut [u8], pointer: u32, bytes: &[u8]) -> Answer {
    memory
        .get_mut(pointer as usize..)
        .and_then(|rest| rest.get_mut(..bytes.len()))
        .ok_or(Status::InvalidMemoryAccess)?
        .copy_from_slice(bytes);
    Ok(())
}

/// The guest's memory. It is looked up by name only until the VM is made, for start functions.
pub(crate) fn memory(caller: &mut Caller<'_, State>) -> wasmtime::Result<wasmtime::Memory> {
    if let Some(memory) = caller.data().memory {
        return Ok(memory);
    }
    let export = caller
        .get_export("memory")
        .and_then(wasmtime::Extern::into_memory);
    let memory = export.ok_or_else(|| wasmtime::Error::new(Ended::NoMemory))?;
    caller.data_mut().memory = Some(memory);
    Ok(memory)
}

/// Carries out a hostcall that answers with a status only.
fn call(
    mut caller: Caller<'_, State>,
    call: Hostcall,
    body: impl FnOnce(&mut Cx<'_>) -> Answer,
) -> wasmtime::Result<u32> {
    let memory = memory(&mut caller)?;
    let (memory, state) = memory.data_and_store_mut(&mut caller);
    let answer = match state.enter(call).map_err(wasmtime::Error::new)? {
        Some(status) => Err(status),
        None => {
            let mut cx = Cx {
                memory,
                state: &mut *state,
                ended: None,
            };
            let answer = body(&mut cx);
            if let Some(ended) = cx.ended {
                return Err(wasmtime::Error::new(ended));
            }
            answer
        }
    };
    let status = answer.err().unwrap_or(Status::Ok).as_u32();
    state.leave(call, status);
    Ok(status)
}

/// Carries out a hostcall that hands bytes to the guest: it asks the guest for memory, copies them
/// there, and writes pointer and length to where the guest wants them.
fn fill(
    mut caller: Caller<'_, State>,
    call: Hostcall,
    out: (u32, u32),
    body: impl FnOnce(&mut Cx<'_>, &mut Vec<u8>) -> Answer,
) -> wasmtime::Result<u32> {
    let memory = memory(&mut caller)?;
    let (bytes, state) = memory.data_and_store_mut(&mut caller);
    let mut answer = match state.enter(call).map_err(wasmtime::Error::new)? {
        Some(status) => Err(status),
        None => {
            let mut scratch = std::mem::take(&mut state.scratch);
            scratch.clear();
            let mut cx = Cx {
                memory: bytes,
                state: &mut *state,
                ended: None,
            };
            let answer = body(&mut cx, &mut scratch);
            state.scratch = scratch;
            answer
        }
    };
    if answer.is_ok() {
        answer = hand_over(&mut caller, memory, out)?;
    }
    let state = caller.data_mut();
    let status = answer.err().unwrap_or(Status::Ok).as_u32();
    state.leave(call, status);
    Ok(status)
}

/// Copies the scratch buffer to the guest.
fn hand_over(
    caller: &mut Caller<'_, State>,
    memory: wasmtime::Memory,
    (out_pointer, out_length): (u32, u32),
) -> wasmtime::Result<Answer> {
    let length = caller.data().scratch.len();
    let Ok(wanted) = u32::try_from(length) else {
        return Ok(Err(Status::InternalFailure));
    };
    let pointer = if wanted == 0 {
        0
    } else {
        allocate(caller, wanted)?
    };
    let (bytes, state) = memory.data_and_store_mut(caller);
    if wanted != 0 && pointer == 0 {
        return Ok(Err(Status::InvalidMemoryAccess));
    }
    state.meter.bytes_to_guest += u64::from(wanted);
    Ok(write(bytes, pointer, &state.scratch)
        .and_then(|()| write(bytes, out_pointer, &pointer.to_le_bytes()))
        .and_then(|()| write(bytes, out_length, &wanted.to_le_bytes())))
}

/// Asks the guest's allocator for memory: the one call into a guest from inside a hostcall.
fn allocate(caller: &mut Caller<'_, State>, length: u32) -> wasmtime::Result<u32> {
    let state = caller.data_mut();
    let Some(allocator) = state.allocator.take() else {
        return Ok(0);
    };
    let mode = std::mem::replace(&mut state.mode, Mode::Allocating);
    let pointer = allocator.call(&mut *caller, length);
    let state = caller.data_mut();
    state.mode = mode;
    state.allocator = Some(allocator);
    pointer
}

macro_rules! calls {
    ($linker:ident; $($call:ident($($arg:ident: $ty:ty),*) => $body:expr;)*) => {
        $($linker.func_wrap(
            "env",
            Hostcall::$call.name(),
            |caller: Caller<'_, State>, $($arg: $ty),*| -> wasmtime::Result<u32> {
                call(caller, Hostcall::$call, move |cx| $body(cx, $($arg),*))
            },
        )?;)*
    };
}

macro_rules! fills {
    ($linker:ident; $($call:ident($($arg:ident: u32),*; $($tail:ident),*) => $body:expr;)*) => {
        $($linker.func_wrap(
            "env",
            Hostcall::$call.name(),
            |caller: Caller<'_, State>, $($arg: u32,)* pointer: u32, length: u32 $(, $tail: u32)*|
                -> wasmtime::Result<u32> {
                fill(caller, Hostcall::$call, (pointer, length), move |cx, out| {
                    $body(cx, out, $($arg,)* $($tail),*)
                })
            },
        )?;)*
    };
}

/// Defines every hostcall of the ABI.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    calls! { linker;
        Log(level: u32, message: u32, length: u32) => log::log;
        GetLogLevel(out: u32) => log::get_level;
        GetCurrentTimeNanoseconds(out: u32) => clock::now;
        SetTickPeriodMilliseconds(milliseconds: u32) => clock::set_tick_period;
        ContinueStream(stream: u32) => streams::proceed;
        CloseStream(stream: u32) => streams::close;
        HttpCall(
            upstream: u32, upstream_length: u32, headers: u32, headers_length: u32,
            body: u32, body_length: u32, trailers: u32, trailers_length: u32,
            timeout_ms: u32, out: u32
        ) => callouts::http;
        GrpcCall(
            upstream: u32, upstream_length: u32, service: u32, service_length: u32,
            method: u32, method_length: u32, metadata: u32, metadata_length: u32,
            message: u32, message_length: u32, timeout_ms: u32, out: u32
        ) => callouts::grpc_call;
        GrpcStream(
            upstream: u32, upstream_length: u32, service: u32, service_length: u32,
            method: u32, method_length: u32, metadata: u32, metadata_length: u32, out: u32
        ) => callouts::grpc_stream;
        GrpcSend(token: u32, message: u32, length: u32, end_of_stream: u32)
            => callouts::grpc_send;
        GrpcCancel(token: u32) => callouts::grpc_cancel;
        GrpcClose(token: u32) => callouts::grpc_close;
        SetSharedData(key: u32, key_length: u32, value: u32, length: u32, cas: u32)
            => shared_data::set;
        RegisterSharedQueue(name: u32, length: u32, out: u32) => shared_data::register_queue;
        ResolveSharedQueue(vm: u32, vm_length: u32, name: u32, length: u32, out: u32)
            => shared_data::resolve_queue;
        EnqueueSharedQueue(queue: u32, item: u32, length: u32) => shared_data::enqueue;
        DefineMetric(kind: u32, name: u32, length: u32, out: u32) => metrics::define;
        IncrementMetric(id: u32, offset: i64) => metrics::increment;
        RecordMetric(id: u32, value: u64) => metrics::record;
        GetMetric(id: u32, out: u32) => metrics::get;
        SetProperty(key: u32, key_length: u32, value: u32, length: u32) => properties::set;
        Done() => contexts::done;
        SetEffectiveContext(context: u32) => contexts::set_effective;
        SetBufferBytes(buffer: u32, start: u32, size: u32, data: u32, length: u32) => buffers::set;
        GetBufferStatus(buffer: u32, size: u32, flags: u32) => buffers::status;
        GetHeaderMapSize(map: u32, out: u32) => headers::size;
        SetHeaderMapPairs(map: u32, data: u32, length: u32) => headers::set_pairs;
        AddHeaderMapValue(map: u32, key: u32, key_length: u32, value: u32, length: u32)
            => headers::add;
        ReplaceHeaderMapValue(map: u32, key: u32, key_length: u32, value: u32, length: u32)
            => headers::replace;
        RemoveHeaderMapValue(map: u32, key: u32, key_length: u32) => headers::remove;
        SendLocalResponse(
            status: u32, details: u32, details_length: u32, body: u32, body_length: u32,
            headers: u32, headers_length: u32, grpc_status: i32
        ) => reply::send;
    }
    fills! { linker;
        GetBufferBytes(buffer: u32, start: u32, size: u32;) => buffers::get;
        GetHeaderMapPairs(map: u32;) => headers::get_pairs;
        GetHeaderMapValue(map: u32, key: u32, key_length: u32;) => headers::get;
        GetProperty(path: u32, path_length: u32;) => properties::get;
        GetSharedData(key: u32, key_length: u32; cas) => shared_data::get;
        DequeueSharedQueue(queue: u32;) => shared_data::dequeue;
        CallForeignFunction(name: u32, name_length: u32, arguments: u32, arguments_length: u32;)
            => callouts::foreign;
    }
    // The one call whose other out pointer comes before those of the bytes.
    fills! { linker;
        GetStatus(out_code: u32;) => callouts::status;
    }
    linker.func_wrap("env", "emscripten_notify_memory_growth", |_index: u32| {})?;
    linker.func_wrap("env", "pthread_equal", |a: u32, b: u32| u32::from(a == b))?;
    Ok(())
}

//! The same for hostcalls that Envoy answers and production does not.

use super::{NOT_FOUND, OK, done};
use crate::{HostError, sys};
use gatewright_abi::{Hostcall, MetricType, Status, StreamType};

/// A hostcall that answers a number besides its status.
fn number<T: Default>(call: Hostcall, f: impl FnOnce(&mut T) -> u32) -> Result<T, HostError> {
    let mut value = T::default();
    let status = f(&mut value);
    done(call.name(), status).map(|()| value)
}

/// A hostcall that answers something or that there is none.
fn option<T>(
    call: Hostcall,
    status: u32,
    nothing: Status,
    value: T,
) -> Result<Option<T>, HostError> {
    if status == nothing.as_u32() {
        return Ok(None);
    }
    done(call.name(), status).map(|()| Some(value))
}

pub(crate) fn set_effective_context(context: u32) -> Result<(), HostError> {
    let status = sys::envoy::set_effective_context(context);
    done(Hostcall::SetEffectiveContext.name(), status)
}

pub(crate) fn set_tick_period(milliseconds: u32) -> Result<(), HostError> {
    let status = sys::envoy::set_tick_period(milliseconds);
    done(Hostcall::SetTickPeriodMilliseconds.name(), status)
}

pub(crate) fn continue_stream(stream: StreamType) -> Result<(), HostError> {
    let status = sys::envoy::continue_stream(stream.as_u32());
    done(Hostcall::ContinueStream.name(), status)
}

/// Code and message of the gRPC call that has just closed.
pub(crate) fn status() -> Result<(u32, Vec<u8>), HostError> {
    let mut message = Vec::new();
    number(Hostcall::GetStatus, |code| {
        sys::envoy::get_status(code, &mut message)
    })
    .map(|code| (code, message))
}

pub(crate) fn http_call(
    upstream: &[u8],
    headers: &[u8],
    body: &[u8],
    trailers: &[u8],
    timeout: u32,
) -> Result<u32, HostError> {
    number(Hostcall::HttpCall, |token| {
        sys::envoy::http_call(upstream, headers, body, trailers, timeout, token)
    })
}

pub(crate) fn grpc_call(
    names: [&[u8]; 3],
    metadata: &[u8],
    message: &[u8],
    timeout: u32,
) -> Result<u32, HostError> {
    number(Hostcall::GrpcCall, |token| {
        sys::envoy::grpc_call(names, metadata, message, timeout, token)
    })
}

pub(crate) fn grpc_stream(names: [&[u8]; 3], metadata: &[u8]) -> Result<u32, HostError> {
    number(Hostcall::GrpcStream, |token| {
        sys::envoy::grpc_stream(names, metadata, token)
    })
}

pub(crate) fn grpc_send(token: u32, message: &[u8], end: bool) -> Result<(), HostError> {
    let status = sys::envoy::grpc_send(token, message, end);
    done(Hostcall::GrpcSend.name(), status)
}

pub(crate) fn grpc_cancel(token: u32) {
    // A call that is over already is what was wanted.
    let _ = sys::envoy::grpc_cancel(token);
}

pub(crate) fn grpc_close(token: u32) -> Result<(), HostError> {
    done(Hostcall::GrpcClose.name(), sys::envoy::grpc_close(token))
}

/// Says whether the value was set, which it is not where another came between.
pub(crate) fn set_shared_data(key: &[u8], value: &[u8], cas: u32) -> Result<bool, HostError> {
    let status = sys::envoy::set_shared_data(key, value, cas);
    let set = option(Hostcall::SetSharedData, status, Status::CasMismatch, ())?;
    Ok(set.is_some())
}

/// The value and its version.
pub(crate) fn shared_data(key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, HostError> {
    let (mut value, mut cas) = (Vec::new(), 0);
    let status = sys::envoy::get_shared_data(key, &mut value, &mut cas);
    option(
        Hostcall::GetSharedData,
        status,
        Status::NotFound,
        (value, cas),
    )
}

pub(crate) fn register_shared_queue(name: &[u8]) -> Result<u32, HostError> {
    number(Hostcall::RegisterSharedQueue, |queue| {
        sys::envoy::register_shared_queue(name, queue)
    })
}

pub(crate) fn resolve_shared_queue(vm: &[u8], name: &[u8]) -> Result<Option<u32>, HostError> {
    let mut queue = 0;
    let status = sys::envoy::resolve_shared_queue(vm, name, &mut queue);
    option(
        Hostcall::ResolveSharedQueue,
        status,
        Status::NotFound,
        queue,
    )
}

pub(crate) fn enqueue_shared_queue(queue: u32, value: &[u8]) -> Result<(), HostError> {
    let status = sys::envoy::enqueue_shared_queue(queue, value);
    done(Hostcall::EnqueueSharedQueue.name(), status)
}

pub(crate) fn dequeue_shared_queue(queue: u32) -> Result<Option<Vec<u8>>, HostError> {
    let mut value = Vec::new();
    let status = sys::envoy::dequeue_shared_queue(queue, &mut value);
    option(Hostcall::DequeueSharedQueue, status, Status::Empty, value)
}

pub(crate) fn define_metric(kind: MetricType, name: &[u8]) -> Result<u32, HostError> {
    number(Hostcall::DefineMetric, |metric| {
        sys::envoy::define_metric(kind.as_u32(), name, metric)
    })
}

pub(crate) fn record_metric(metric: u32, value: u64) -> Result<(), HostError> {
    let status = sys::envoy::record_metric(metric, value);
    done(Hostcall::RecordMetric.name(), status)
}

pub(crate) fn increment_metric(metric: u32, by: i64) -> Result<(), HostError> {
    let status = sys::envoy::increment_metric(metric, by);
    done(Hostcall::IncrementMetric.name(), status)
}

pub(crate) fn metric(metric: u32) -> Result<u64, HostError> {
    number(Hostcall::GetMetric, |value| {
        sys::envoy::get_metric(metric, value)
    })
}

pub(crate) fn set_property(path: &[u8], value: &[u8]) -> Result<(), HostError> {
    let status = sys::envoy::set_property(path, value);
    done(Hostcall::SetProperty.name(), status)
}

/// What the function answered; none if the host has no such function.
pub(crate) fn call_foreign(name: &[u8], arguments: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
    let mut results = Vec::new();
    match sys::envoy::call_foreign_function(name, arguments, &mut results) {
        OK => Ok(Some(results)),
        NOT_FOUND => Ok(None),
        status => Err(HostError::status(
            Hostcall::CallForeignFunction.name(),
            status,
        )),
    }
}

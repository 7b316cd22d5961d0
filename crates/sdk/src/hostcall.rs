//! Hostcalls with a meaning: every status becomes a value or a [`HostError`].

pub(crate) mod envoy;

use crate::{HostError, sys};
use gatewright_abi::{BufferType, Hostcall, LogLevel, MapType, Status};

const OK: u32 = Status::Ok.as_u32();
const NOT_FOUND: u32 = Status::NotFound.as_u32();

fn done(call: &'static str, status: u32) -> Result<(), HostError> {
    if status == OK {
        Ok(())
    } else {
        Err(HostError::status(call, status))
    }
}

pub(crate) fn log(level: LogLevel, message: &[u8]) {
    // A host that cannot log leaves nobody to tell.
    let _ = sys::log(level.as_u32(), message);
}

pub(crate) fn buffer(
    buffer: BufferType,
    start: usize,
    max_size: usize,
) -> Result<Vec<u8>, HostError> {
    let mut bytes = Vec::new();
    let status = sys::get_buffer_bytes(buffer.as_u32(), start, max_size, &mut bytes);
    // Hosts differ in how they say that a buffer is empty.
    if status == OK || status == NOT_FOUND {
        Ok(bytes)
    } else {
        Err(HostError::status(Hostcall::GetBufferBytes.name(), status))
    }
}

pub(crate) fn set_buffer(
    buffer: BufferType,
    start: usize,
    size: usize,
    bytes: &[u8],
) -> Result<(), HostError> {
    done(
        Hostcall::SetBufferBytes.name(),
        sys::set_buffer_bytes(buffer.as_u32(), start, size, bytes),
    )
}

pub(crate) fn pairs(map: MapType) -> Result<Vec<u8>, HostError> {
    let mut wire = Vec::new();
    let status = sys::get_header_map_pairs(map.as_u32(), &mut wire);
    done(Hostcall::GetHeaderMapPairs.name(), status).map(|()| wire)
}

pub(crate) fn set_pairs(map: MapType, wire: &[u8]) -> Result<(), HostError> {
    done(
        Hostcall::SetHeaderMapPairs.name(),
        sys::set_header_map_pairs(map.as_u32(), wire),
    )
}

pub(crate) fn header(map: MapType, name: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
    let mut value = Vec::new();
    match sys::get_header_map_value(map.as_u32(), name, &mut value) {
        OK => Ok(Some(value)),
        NOT_FOUND => Ok(None),
        status => Err(HostError::status(
            Hostcall::GetHeaderMapValue.name(),
            status,
        )),
    }
}

pub(crate) fn add_header(map: MapType, name: &[u8], value: &[u8]) -> Result<(), HostError> {
    done(
        Hostcall::AddHeaderMapValue.name(),
        sys::add_header_map_value(map.as_u32(), name, value),
    )
}

pub(crate) fn replace_header(map: MapType, name: &[u8], value: &[u8]) -> Result<(), HostError> {
    done(
        Hostcall::ReplaceHeaderMapValue.name(),
        sys::replace_header_map_value(map.as_u32(), name, value),
    )
}

pub(crate) fn remove_header(map: MapType, name: &[u8]) -> Result<(), HostError> {
    match sys::remove_header_map_value(map.as_u32(), name) {
        OK | NOT_FOUND => Ok(()),
        status => Err(HostError::status(
            Hostcall::RemoveHeaderMapValue.name(),
            status,
        )),
    }
}

pub(crate) fn send_local_response(
    status: u32,
    details: &[u8],
    body: &[u8],
    headers: &[u8],
    grpc_status: i32,
) -> Result<(), HostError> {
    done(
        Hostcall::SendLocalResponse.name(),
        sys::send_local_response(status, details, body, headers, grpc_status),
    )
}

pub(crate) fn random(buffer: &mut [u8]) -> Result<(), HostError> {
    done("random_get", sys::random(buffer))
}

/// The bytes of a property; none if there is no such property.
pub(crate) fn property(path: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
    let mut value = Vec::new();
    match sys::get_property(path, &mut value) {
        OK => Ok(Some(value)),
        NOT_FOUND => Ok(None),
        status => Err(HostError::status(Hostcall::GetProperty.name(), status)),
    }
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn current_time() -> Result<u64, HostError> {
    let mut nanoseconds = 0;
    let status = sys::get_current_time(&mut nanoseconds);
    done(Hostcall::GetCurrentTimeNanoseconds.name(), status).map(|()| nanoseconds)
}

//! What a build of Envoy offers beyond the ABI.

use crate::{HostError, hostcall};
use gatewright_abi::path;

/// Calls a function that this host offers under a name; `None` if it offers none.
///
/// # Errors
/// What the host or the function answered, if it was not OK.
pub fn call_foreign_function(
    name: impl AsRef<[u8]>,
    arguments: impl AsRef<[u8]>,
) -> Result<Option<Vec<u8>>, HostError> {
    hostcall::envoy::call_foreign(name.as_ref(), arguments.as_ref())
}

/// Sets a property, which other filters see in the filter state and this one reads with
/// [`attributes::raw`](crate::attributes::raw).
///
/// # Errors
/// What the host answered, if it was not OK.
pub fn set_property<'a>(
    segments: impl IntoIterator<Item = &'a str>,
    value: impl AsRef<[u8]>,
) -> Result<(), HostError> {
    hostcall::envoy::set_property(&path::join(segments), value.as_ref())
}

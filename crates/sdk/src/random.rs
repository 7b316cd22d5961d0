//! Random numbers from the host, which a test freezes.

use crate::{HostError, hostcall};

/// A random number. One hostcall.
///
/// # Errors
/// What the host answered, if it was not OK.
pub fn random_u64() -> Result<u64, HostError> {
    random_bytes().map(u64::from_le_bytes)
}

/// Random bytes, fit for secrets: production's come from the system. One hostcall.
///
/// ```
/// use gatewright::{HostError, random_bytes};
///
/// /// 128 bits in hexadecimal, as request ids are.
/// fn request_id() -> Result<String, HostError> {
///     random_bytes::<16>().map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
/// }
/// # assert_eq!(request_id().map(|id| id.len()), Ok(32));
/// ```
///
/// # Errors
/// What the host answered, if it was not OK.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], HostError> {
    let mut bytes = [0; N];
    hostcall::random(&mut bytes)?;
    Ok(bytes)
}

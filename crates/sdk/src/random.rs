//! Random numbers from the host, which a test freezes.

use crate::{HostError, hostcall};

/// A random number. One hostcall.
///
/// # Errors
/// What the host answered, if it was not OK.
pub fn random_u64() -> Result<u64, HostError> {
    let mut bytes = [0; 8];
    hostcall::random(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

//! The host's clock, which a test sets.

use crate::{HostError, hostcall};
use core::time::Duration;

/// Time since the Unix epoch. One hostcall.
///
/// Production shows a stream the moment at which it began, however long it takes: time cannot be
/// measured with this clock, and a plugin that waits for it to move waits for ever.
///
/// ```
/// use gatewright::{HostError, unix_time};
///
/// fn has_expired(expiry: u64) -> Result<bool, HostError> {
///     Ok(unix_time()?.as_secs() >= expiry)
/// }
/// # gatewright::testing::set_clock(std::time::Duration::from_secs(7));
/// # assert_eq!((has_expired(7), has_expired(8)), (Ok(true), Ok(false)));
/// ```
///
/// # Errors
/// What the host answered, if it was not OK.
pub fn unix_time() -> Result<Duration, HostError> {
    hostcall::current_time().map(Duration::from_nanos)
}

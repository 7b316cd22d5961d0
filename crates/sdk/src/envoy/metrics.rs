//! Metrics, which Envoy shows with its own under `wasmcustom`.

use crate::{HostError, hostcall};
use gatewright_abi::MetricType;

/// Only ever goes up.
///
/// ```
/// use gatewright::HostError;
/// use gatewright::envoy::Counter;
///
/// # gatewright::testing::reset();
/// let refused = Counter::define("guard.refused")?;
/// refused.increment(1)?;
/// assert_eq!(refused.get()?, 1);
/// # Ok::<(), HostError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(u32);

/// Goes up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge(u32);

/// Records a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram(u32);

impl Counter {
    /// Defines a counter, or finds the one of this name.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn define(name: impl AsRef<[u8]>) -> Result<Self, HostError> {
        hostcall::envoy::define_metric(MetricType::Counter, name.as_ref()).map(Self)
    }

    /// Adds to it.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn increment(self, by: u32) -> Result<(), HostError> {
        hostcall::envoy::increment_metric(self.0, by.into())
    }

    /// Its value, over all VMs.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn get(self) -> Result<u64, HostError> {
        hostcall::envoy::metric(self.0)
    }
}

impl Gauge {
    /// Defines a gauge, or finds the one of this name.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn define(name: impl AsRef<[u8]>) -> Result<Self, HostError> {
        hostcall::envoy::define_metric(MetricType::Gauge, name.as_ref()).map(Self)
    }

    /// Sets it.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn set(self, value: u64) -> Result<(), HostError> {
        hostcall::envoy::record_metric(self.0, value)
    }

    /// Moves it up, or down by a negative number.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn shift(self, by: i64) -> Result<(), HostError> {
        hostcall::envoy::increment_metric(self.0, by)
    }

    /// Its value, over all VMs.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn get(self) -> Result<u64, HostError> {
        hostcall::envoy::metric(self.0)
    }
}

impl Histogram {
    /// Defines a histogram, or finds the one of this name.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn define(name: impl AsRef<[u8]>) -> Result<Self, HostError> {
        hostcall::envoy::define_metric(MetricType::Histogram, name.as_ref()).map(Self)
    }

    /// Records a value.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn record(self, value: u64) -> Result<(), HostError> {
        hostcall::envoy::record_metric(self.0, value)
    }
}

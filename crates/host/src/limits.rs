//! The limits of each platform, in one place, and who says so.

/// What a plugin may use. `None` means that the platform sets no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the module and its configuration together.
    pub module_bytes: Option<usize>,
    /// Bytes of linear memory in a VM, stack included.
    pub memory_bytes: usize,
    /// Elements in a table.
    pub table_elements: usize,
    /// Fuel that one invocation may burn; needs an engine that meters fuel.
    pub fuel_per_invocation: Option<u64>,
    /// Fuel that all invocations of one request may burn together.
    pub fuel_per_request: Option<u64>,
    /// Fuel for each of initialisation, start and configuration. No platform documents such a
    /// limit; this one only keeps an endless loop from hanging the host.
    pub fuel_at_start: u64,
    /// Log messages in one invocation; more are dropped.
    pub log_entries: Option<usize>,
    /// Bytes of log messages in one invocation; a message that would pass it is dropped.
    pub log_bytes: Option<usize>,
    /// Bytes of one header or body mutation.
    pub mutation_bytes: Option<usize>,
    /// Bytes of an encoded header map that a guest hands over; a larger one is read as empty.
    pub pairs_bytes: usize,
    /// Pairs in such a map; one with more is read as empty.
    pub pairs_count: usize,
    /// Bytes that one `random_get` may ask for.
    pub random_bytes: usize,
    /// Bytes of a body that are buffered for a plugin that pauses on it; past it the client gets
    /// an error.
    pub buffer_bytes: Option<usize>,
}

const MIB: usize = 1024 * 1024;

/// A second of normalised CPU: what ends a guest that would never stop, where the platform itself
/// sets no limit.
const RUNAWAY: u64 = 1_000 * FUEL_PER_MILLISECOND;

/// Fuel that stands for one millisecond of the normalised CPU on which production judges a plugin.
///
/// Production speaks of a processor at about 4 GHz, so a millisecond is 4,000,000 cycles. Wasmtime
/// burns about one unit of fuel for each wasm instruction. How many of them a cycle gets done
/// depends on the work; `scripts/figures calibrate` measures it for six kinds. On one core of an
/// AMD EPYC at 2.6 GHz it found, in units of a million for each 4,000,000 cycles: divisions 4.2,
/// calls through a table 11, hashing 12, arithmetic 34, a scan for a byte 43, copying 67.
///
/// We take one instruction a cycle, which is below the least of these: a plugin that stays within
/// its fuel stays within its millisecond, and one that overruns it may have had room left there.
/// [`Limits::calibrated`] gives limits by another measure.
pub const FUEL_PER_MILLISECOND: u64 = 4_000_000;

/// Fuel that stands for one nanosecond of a thread's CPU time, where that is what is measured.
pub(crate) const FUEL_PER_NANOSECOND: u64 = FUEL_PER_MILLISECOND / 1_000_000;

impl Limits {
    /// Service Extensions' documented quotas and limits for plugins, and for what the documents
    /// leave out the library that production is built on.
    pub const GOOGLE: Self = Self {
        module_bytes: Some(5 * MIB),
        memory_bytes: 16 * MIB,
        table_elements: 10_000,
        fuel_per_invocation: Some(FUEL_PER_MILLISECOND),
        fuel_per_request: Some(FUEL_PER_MILLISECOND),
        fuel_at_start: RUNAWAY,
        log_entries: Some(16),
        log_bytes: Some(16 * 1024),
        mutation_bytes: Some(128 * 1024),
        pairs_bytes: MIB,
        pairs_count: 1024,
        random_bytes: 64 * 1024,
        buffer_bytes: None,
    };

    /// Google's tester, which calls itself an approximation and enforces what its library does.
    pub const TESTER: Self = Self {
        module_bytes: None,
        memory_bytes: 1024 * MIB,
        fuel_per_invocation: None,
        fuel_per_request: None,
        log_entries: None,
        log_bytes: None,
        mutation_bytes: None,
        ..Self::GOOGLE
    };

    /// Envoy with proxy-wasm-cpp-host.
    pub const ENVOY: Self = Self {
        // `per_connection_buffer_limit_bytes`, unless a listener sets it.
        buffer_bytes: Some(MIB),
        ..Self::TESTER
    };

    /// The same limits with another measure for a millisecond of CPU.
    #[must_use]
    pub fn calibrated(self, fuel_per_millisecond: u64) -> Self {
        let scaled = |limit: Option<u64>| limit.map(|_| fuel_per_millisecond);
        Self {
            fuel_per_invocation: scaled(self.fuel_per_invocation),
            fuel_per_request: scaled(self.fuel_per_request),
            ..self
        }
    }

    /// The fuel that the next invocation of a request gets, which has burnt some already.
    pub(crate) fn fuel_left(&self, burnt: u64) -> u64 {
        let invocation = self.fuel_per_invocation.unwrap_or(RUNAWAY);
        let request = self
            .fuel_per_request
            .map_or(RUNAWAY, |limit| limit.saturating_sub(burnt));
        invocation.min(request)
    }

    /// Whether an invocation may always burn all that its request has left.
    pub(crate) fn is_per_request(&self) -> bool {
        self.fuel_per_request == Some(self.fuel_left(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_gets_what_the_request_has_left() {
        let limits = Limits::GOOGLE;
        assert_eq!(limits.fuel_left(0), FUEL_PER_MILLISECOND);
        assert_eq!(limits.fuel_left(FUEL_PER_MILLISECOND - 7), 7);
        assert_eq!(limits.fuel_left(FUEL_PER_MILLISECOND + 7), 0);
        assert_eq!(Limits::ENVOY.fuel_left(5), RUNAWAY);
    }

    #[test]
    fn a_request_has_one_budget_where_its_own_limit_is_the_nearer_one() {
        assert!(Limits::GOOGLE.is_per_request());
        assert!(!Limits::ENVOY.is_per_request());
        let looser = Limits {
            fuel_per_request: Some(2 * FUEL_PER_MILLISECOND),
            ..Limits::GOOGLE
        };
        assert!(!looser.is_per_request());
        assert_eq!(looser.fuel_left(FUEL_PER_MILLISECOND), FUEL_PER_MILLISECOND);
    }
}

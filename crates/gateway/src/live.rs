//! The door to this machine: its clocks and its randomness.

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gatewright_host::{Door, Recorded};

/// A door that asks the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live;

/// Since when the monotonic clock counts.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Door for Live {
    fn realtime(&mut self) -> u64 {
        nanoseconds(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }

    fn monotonic(&mut self) -> u64 {
        nanoseconds(START.elapsed())
    }

    fn random(&mut self, buffer: &mut [u8]) {
        random(buffer);
    }

    fn cpu(&mut self) -> u64 {
        let now = thread_cpu();
        FIRST_LOOK.with(|look| {
            if look.get().is_none() {
                look.set(Some((Instant::now(), now)));
            }
        });
        now
    }
}

/// A door that asks the machine too, and tells what it showed: for exchanges that are written down.
/// Random bytes follow a seed that is drawn anew whenever the clock is asked, which is when a stream
/// is opened.
pub(crate) struct Telling(Recorded);

impl Telling {
    pub(crate) const fn new() -> Self {
        Self(Recorded::new(0, 0))
    }
}

impl Door for Telling {
    fn realtime(&mut self) -> u64 {
        let now = Live.realtime();
        let mut seed = [0; 4];
        random(&mut seed);
        let seed = u64::from(u32::from_le_bytes(seed));
        self.0 = Recorded::new(now, seed);
        LAST_TOLD.set((now, seed));
        now
    }

    fn monotonic(&mut self) -> u64 {
        Live.monotonic()
    }

    fn random(&mut self, buffer: &mut [u8]) {
        self.0.random(buffer);
    }

    fn cpu(&mut self) -> u64 {
        Live.cpu()
    }
}

/// What the clock showed when it was last asked on this thread, and the seed that was drawn then.
pub(crate) fn last_told() -> (u64, u64) {
    LAST_TOLD.get()
}

thread_local! {
    static LAST_TOLD: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    /// The first look at the CPU clock since [`began`]: when it was, and what it showed.
    static FIRST_LOOK: Cell<Option<(Instant, u64)>> = const { Cell::new(None) };
}

/// A call into a plugin begins.
pub(crate) fn began() -> Instant {
    FIRST_LOOK.set(None);
    Instant::now()
}

/// How long a call took, and the CPU that it used.
///
/// Reading the CPU clock costs more than most calls. So it is read only for calls during which an
/// epoch ended: what came before is taken as it is, which is at most an epoch; what came after is
/// exact. A shorter call is hardly ever interrupted, and its time is its CPU.
pub(crate) fn spent(began: Instant) -> (Duration, Duration) {
    let elapsed = began.elapsed();
    let cpu = match FIRST_LOOK.take() {
        None => elapsed,
        Some((at, cpu)) => {
            let exact = thread_cpu().saturating_sub(cpu);
            at.saturating_duration_since(began) + Duration::from_nanos(exact)
        }
    };
    (elapsed, cpu.min(elapsed))
}

/// Fills a buffer with random bytes.
pub(crate) fn random(buffer: &mut [u8]) {
    let source = rustls::crypto::ring::default_provider().secure_random;
    // The system's generator does not fail once it worked, and it worked when TLS was set up; a
    // buffer of zeros is then no secret to anybody.
    let _ = source.fill(buffer);
}

/// Nanoseconds of CPU that this thread has used.
#[expect(unsafe_code, reason = "the standard library has no such clock")]
pub(crate) fn thread_cpu() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec that lives longer than the call.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0;
    if failed {
        return 0;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_on_and_bytes_differ() {
        let mut door = Live;
        let (monotonic, cpu) = (door.monotonic(), door.cpu());
        let (mut a, mut b) = ([0; 16], [0; 16]);
        door.random(&mut a);
        door.random(&mut b);
        assert_ne!(a, b);
        assert!(door.monotonic() >= monotonic && door.cpu() > cpu);
        assert!(door.realtime() > 1_700_000_000_000_000_000);
    }
}

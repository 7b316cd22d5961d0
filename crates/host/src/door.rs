//! The one door to the outside: time, randomness and the network.
//!
//! The host itself reads no clock, draws no random number and opens no socket. What it needs comes
//! through a [`Door`], of which there are two keepers: one that replays what a case recorded, and
//! one that asks the machine.

use gatewright_abi::Status;

/// What the host may ask of the world. One door belongs to one VM.
pub trait Door: Send {
    /// Nanoseconds since the Unix epoch.
    fn realtime(&mut self) -> u64;

    /// Nanoseconds since some fixed moment; never goes back.
    fn monotonic(&mut self) -> u64;

    /// Fills the buffer with random bytes.
    fn random(&mut self, buffer: &mut [u8]);

    /// Nanoseconds of CPU that the calling thread has used. Asked only while a guest runs on an
    /// engine that meters by epochs, and there only when an epoch ends; a door that knows no such
    /// clock gives the monotonic one, on which a busy machine costs guests their time.
    fn cpu(&mut self) -> u64 {
        self.monotonic()
    }

    /// Whether there is an upstream of this name (or description) for callouts. None unless said.
    fn knows_upstream(&mut self, _name: &[u8]) -> bool {
        false
    }

    /// Calls a function that the embedder offers under this name, if it offers one. None unless
    /// said.
    fn call_foreign(&mut self, _name: &[u8], _arguments: &[u8]) -> Option<Result<Vec<u8>, Status>> {
        None
    }
}

/// A door that opens on nothing but what it was given: a clock that stands still until it is set,
/// and bytes drawn from a seed. The same seed gives the same bytes on every machine.
///
/// ```
/// use gatewright_host::{Door, Recorded};
///
/// let (mut a, mut b) = (Recorded::new(1_000, 7), Recorded::new(1_000, 7));
/// let (mut x, mut y) = ([0; 16], [0; 16]);
/// a.random(&mut x);
/// b.random(&mut y);
/// assert_eq!(x, y);
/// assert_eq!(a.realtime(), 1_000);
/// ```
#[derive(Clone, Debug)]
pub struct Recorded {
    now: u64,
    state: u64,
}

impl Recorded {
    /// A door whose clock shows `now` nanoseconds since the epoch and whose bytes follow `seed`.
    pub const fn new(now: u64, seed: u64) -> Self {
        Self { now, state: seed }
    }

    /// Moves the clock.
    pub fn set_clock(&mut self, now: u64) {
        self.now = now;
    }
}

impl Door for Recorded {
    fn realtime(&mut self) -> u64 {
        self.now
    }

    fn monotonic(&mut self) -> u64 {
        self.now
    }

    fn random(&mut self, buffer: &mut [u8]) {
        // SplitMix64: every seed, zero included, starts a full-length sequence.
        for chunk in buffer.chunks_mut(8) {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_however_they_are_asked_for() {
        let mut whole = [0; 16];
        Recorded::new(0, 3).random(&mut whole);
        let mut door = Recorded::new(0, 3);
        let mut half = [0; 8];
        door.random(&mut half);
        assert_eq!(half, whole[..8]);
        door.random(&mut half);
        assert_eq!(half, whole[8..]);
        let mut other = [0; 16];
        Recorded::new(0, 4).random(&mut other);
        assert_ne!(other, whole);
    }
}

//! Timing: several things in turn, medians of the rounds.

use std::time::Instant;

pub(crate) use gatewright_tests::measured::median;

/// Seconds that a call takes.
pub(crate) fn seconds(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64()
}

/// The median over rounds of the time of `a` over the time of `b`, measured one after the other in
/// each round.
pub(crate) fn ratio(rounds: usize, mut a: impl FnMut(), mut b: impl FnMut()) -> f64 {
    a();
    b();
    let rounds = (0..rounds)
        .map(|_| seconds(&mut a) / seconds(&mut b))
        .collect();
    median(rounds)
}

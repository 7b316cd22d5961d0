//! Timing: several things in turn, medians of the rounds.

use std::time::Instant;

/// The median of some numbers.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

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

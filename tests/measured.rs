//! What measuring programs ask of numbers and of the processes they start.

use std::path::{Path, PathBuf};

/// The median of some numbers; not a number of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The program `gatewright`, which is built beside the one that asks.
pub fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().unwrap_or(Path::new(".")).join("gatewright")
}

/// A line of what the system says of a process, such as `VmRSS`, in KiB.
pub fn kib(process: u32, line: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix(line)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        let own = std::process::id();
        assert!(kib(own, "VmRSS").is_some_and(|now| now > 0.0));
        assert!(kib(own, "VmNothing").is_none());
    }
}

//! `figures GROUP…`: measures on the spot and prints a line a figure, tab-separated: group, id,
//! value, unit, bound, and whether it holds.
//!
//! Timings on shared machines drift, so whatever is compared is measured in turn in one run, and
//! what is printed is the median of the rounds.

#[path = "../../crates/cli/src/allocator.rs"]
mod allocator;
mod calibrate;
mod exchange;
mod explore;
mod gateway;
mod gke;
mod host;
mod measure;
mod parity;
mod sdk;
mod vertical;

use std::process::ExitCode;

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

/// Every group, whether it has figures already or not.
const GROUPS: &[&str] = &[
    "vertical",
    "host",
    "parity",
    "sdk",
    "oci",
    "gke",
    "gateway",
    "bench",
    "kubectl",
    "calibrate",
];

/// A figure's bound.
#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            // A count, which a float holds as it is.
            Self::Exactly(count) => (value - count).abs() < f64::EPSILON,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::Exactly(count) => write!(f, "= {count}"),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the program's output is its figures")]
fn figure(group: &str, id: &str, value: f64, unit: &str, bound: Bound) {
    let verdict = if bound.holds(value) { "holds" } else { "short" };
    println!("{group}\t{id}\t{value:.3}\t{unit}\t{bound}\t{verdict}");
}

#[expect(clippy::print_stderr, reason = "usage errors go to people")]
fn main() -> ExitCode {
    for group in std::env::args().skip(1) {
        match group.as_str() {
            "vertical" => vertical::measure(),
            "host" => {
                host::measure();
                explore::measure();
            }
            "calibrate" => calibrate::measure(),
            "gateway" => gateway::measure(),
            "gke" => gke::measure(),
            "sdk" => sdk::measure(),
            "parity" => parity::measure(),
            // What only whole processes show: `scripts/figures` runs them.
            "bench" | "kubectl" => {}
            group if GROUPS.contains(&group) => eprintln!("no figures in group `{group}` yet"),
            other => {
                eprintln!(
                    "unknown group `{other}`; the groups are: {}",
                    GROUPS.join(" ")
                );
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

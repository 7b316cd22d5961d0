//! What the emulator's agreement with a real Envoy comes to.

use gatewright_envoy::EXCEPTIONS;
use gatewright_tests::parity;

use crate::{Bound, figure};

/// Generated exchanges, beside the cases of plugins and suites.
const GENERATED: usize = 1_500;

#[expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a figure that cannot be measured is a failure, and says why"
)]
pub(crate) fn measure() {
    let envoy = parity::envoy().expect("`scripts/setup` installs Envoy");
    let tally = parity::run_all(&envoy, GENERATED).expect("Envoy runs");
    for (name, difference) in &tally.unexplained {
        eprintln!("{name}: {}\n{}", difference.what(), difference.diff());
    }
    for (name, reason) in &tally.inexpressible {
        eprintln!("not compared: {name}: {reason}");
    }
    // An exception that no longer occurs is none: it has to go from the list.
    let stale = EXCEPTIONS
        .iter()
        .filter(|known| !tally.exceptions.contains_key(known.id));
    let stale: Vec<_> = stale.map(|known| known.id).collect();
    assert!(stale.is_empty(), "exceptions that do not occur: {stale:?}");
    let count = |number: usize| number as f64;
    let report = |id, value, unit, bound| figure("parity", id, value, unit, bound);
    report(
        "compared",
        count(tally.compared),
        "exchanges",
        Bound::AtLeast(1_000.0),
    );
    report(
        "unexplained",
        count(tally.unexplained.len()),
        "differences",
        Bound::AtMost(0.0),
    );
    report(
        "exceptions",
        count(EXCEPTIONS.len()),
        "exceptions",
        Bound::AtMost(15.0),
    );
    report(
        "hostcalls-in-envoy",
        count(tally.hostcalls.len()),
        "hostcalls",
        Bound::AtLeast(30.0),
    );
}

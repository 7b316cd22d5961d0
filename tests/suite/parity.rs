//! The emulator and a real Envoy do the same.

use std::fmt::Write as _;

use gatewright_tests::parity::{self, Tally};

/// Generated exchanges that CI compares; `scripts/figures parity` compares all of them.
const SHARE: usize = 300;
/// Names another number, for whoever changes the host.
const VARIABLE: &str = "GATEWRIGHT_PARITY_EXCHANGES";

fn differences(tally: &Tally) -> String {
    let mut text = String::new();
    for (name, difference) in &tally.unexplained {
        let place = difference
            .exchange
            .map_or_else(String::new, |at| format!(", exchange {at}"));
        writeln!(
            text,
            "{name}{place}: {}\n{}",
            difference.what(),
            difference.diff()
        )
        .expect("text grows");
    }
    text
}

#[test]
fn plugins_suites_and_generated_exchanges_do_the_same_in_envoy() {
    let Some(envoy) = parity::envoy() else { return };
    let share = std::env::var(VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok());
    let share = share.unwrap_or(SHARE);
    let tally = parity::run_all(&envoy, share).expect("Envoy runs");
    assert!(tally.unexplained.is_empty(), "{}", differences(&tally));
    assert!(
        tally.compared >= share,
        "only {} were compared",
        tally.compared
    );
    // Envoy counts by itself what came to it: nothing was compared that it did not see.
    assert_eq!(tally.counted, tally.compared as u64);
    assert!(tally.hostcalls.len() >= 30, "{:?}", tally.hostcalls);
}

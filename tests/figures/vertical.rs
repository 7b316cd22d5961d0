//! The whole way through, small: what the host adds to bare wasm.

use gatewright_host::{Metering, TraceLevel};

use crate::exchange::{ROUNDS, Served, compile, over_floor};
use crate::measure::{median, seconds};
use crate::{Bound, figure};

pub(crate) fn measure() {
    let wasm = gatewright_tests::wasm("local-reply");
    let value = over_floor(&wasm, Metering::None, TraceLevel::Off);
    figure(
        "vertical",
        "warm-ratio-off",
        value,
        "ratio",
        Bound::AtMost(1.5),
    );

    let value = over_floor(&wasm, Metering::None, TraceLevel::Full);
    figure(
        "vertical",
        "warm-ratio-full",
        value,
        "ratio",
        Bound::AtMost(3.0),
    );

    let metered = compile(&wasm, Metering::Fuel);
    let rounds = (0..ROUNDS).map(|_| {
        seconds(|| {
            for _ in 0..1_000 {
                drop(Served::start(&metered, TraceLevel::Off));
            }
        }) * 1_000.0
    });
    let value = median(rounds.collect());
    figure("vertical", "fresh-vm-us", value, "us", Bound::AtMost(100.0));
}

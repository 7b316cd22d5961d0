//! The host, complete: what metering, fresh VMs and many streams cost.

use std::collections::VecDeque;

use gatewright_harness::{Job, Link, RunOptions, Subject, load, run};
use gatewright_host::{Metering, Plugin, Profile, TraceLevel};
use gatewright_tests::conformance::{Ours, hostcalls_held};

use crate::exchange::{ROUNDS, Served, compile, over_floor};
use crate::measure::{median, ratio, seconds};
use crate::{Bound, figure};

pub(crate) fn measure() {
    let wasm = gatewright_tests::wasm("local-reply");
    let bare = compile(&wasm, Metering::None);
    let metered = compile(&wasm, Metering::Fuel);
    warm(&wasm);
    fresh_cases(&metered);
    streams_growth(&bare);
    hostcalls_covered();
}

/// Hostcalls with a case in the conformance kit that shows them, and to all of whose cases our
/// host holds: in the profile where they are the fewest.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn hostcalls_covered() {
    let mut host = Ours::new().expect("the engine starts");
    let held = Profile::ALL
        .iter()
        .map(|profile| hostcalls_held(&mut host, profile.name()));
    let fewest = held.min().unwrap_or(0);
    let all = Bound::Exactly(39.0);
    figure("host", "hostcalls-covered", fewest as f64, "hostcalls", all);
}

/// A warm exchange without fuel and with it, both over the floor without.
fn warm(wasm: &[u8]) {
    for (id, metering, bound) in [
        ("warm-ratio-off", Metering::None, 1.5),
        ("warm-ratio-fuel", Metering::Fuel, 1.9),
    ] {
        let value = over_floor(wasm, metering, TraceLevel::Off);
        figure("host", id, value, "ratio", Bound::AtMost(bound));
    }
}

/// Cases of local-reply, each in a VM of its own, through the harness on one thread.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn fresh_cases(plugin: &Plugin) {
    const CASES: usize = 2_000;
    let file = gatewright_tests::root().join("plugins/local-reply/cases/default.yaml");
    let suite = load(&file).expect("the plugin's cases are readable");
    let subject = Subject::new(Link::new(plugin.clone()));
    let mut job = Job::new(&suite, &subject);
    job.selected = job.selected.iter().copied().cycle().take(CASES).collect();
    let options = RunOptions {
        threads: 1,
        ..RunOptions::default()
    };
    let jobs = [job];
    let rounds = (0..ROUNDS).map(|_| {
        let mut reports = Vec::new();
        let seconds = seconds(|| reports = run(&jobs, &options));
        let passed = reports.iter().flat_map(|suite| &suite.cases);
        assert_eq!(
            passed.filter(|case| case.passed()).count(),
            CASES,
            "every case passes"
        );
        CASES as f64 / seconds
    });
    let value = median(rounds.collect());
    figure(
        "host",
        "fresh-cases-per-s",
        value,
        "1/s",
        Bound::AtLeast(10_000.0),
    );
}

/// What an exchange costs among many open ones, over what it costs among few.
fn streams_growth(plugin: &Plugin) {
    // Each round comes by every stream, and is still short.
    const ROUNDS: usize = 301;
    const EXCHANGES: usize = 1_000;
    let mut many = Crowd::start(plugin, 1_000);
    let mut few = Crowd::start(plugin, 10);
    let value = ratio(ROUNDS, || many.run(EXCHANGES), || few.run(EXCHANGES));
    figure("host", "streams-growth", value, "ratio", Bound::AtMost(1.2));
}

/// A VM with a number of open streams. As one begins, the oldest ends, so that every exchange
/// finds its own place in host and guest, and none is always the same.
struct Crowd {
    served: Served,
    open: VecDeque<gatewright_host::StreamId>,
}

impl Crowd {
    fn start(plugin: &Plugin, streams: usize) -> Self {
        let mut served = Served::start(plugin, TraceLevel::Off);
        let open = (0..streams).map(|_| served.begin()).collect();
        Self { served, open }
    }

    fn run(&mut self, exchanges: usize) {
        for _ in 0..exchanges {
            let begun = self.served.begin();
            self.open.push_back(begun);
            if let Some(oldest) = self.open.pop_front() {
                self.served.end(oldest);
            }
        }
    }
}

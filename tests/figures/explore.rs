//! How fast cases are explored: variants of the plugins' own cases, each in a fresh VM.

use gatewright_harness::{Job, Link, RunOptions, Subject, Suite, find, load, run};
use gatewright_host::{Engine, EngineOptions};

use crate::measure::{median, seconds};
use crate::{Bound, figure};

const ROUNDS: usize = 5;
const PLUGINS: [&str; 2] = ["local-reply", "header-rewrite"];

#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
pub(crate) fn measure() {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let mut suites: Vec<(Suite, Subject)> = Vec::new();
    for name in PLUGINS {
        let plugin = engine.compile(&gatewright_tests::wasm(name));
        let subject = Subject::new(Link::new(plugin.expect("the plugin compiles")));
        let folder = gatewright_tests::root()
            .join("plugins")
            .join(name)
            .join("cases");
        for file in find(&folder).expect("the plugin has cases") {
            suites.push((load(&file).expect("the cases load"), subject.clone()));
        }
    }
    let jobs: Vec<_> = suites
        .iter()
        .map(|(suite, subject)| Job::new(suite, subject))
        .collect();
    let options = RunOptions {
        threads: 1,
        explore: Some(0),
        ..RunOptions::default()
    };
    let rounds = (0..ROUNDS).map(|_| {
        let mut variants = 0;
        let time = seconds(|| {
            let reports = run(&jobs, &options);
            let cases = reports.iter().flat_map(|suite| &suite.cases);
            variants = cases
                .filter_map(|case| Some(case.explored.as_ref()?.variants))
                .sum::<usize>();
        });
        assert!(variants > 0, "nothing was explored");
        variants as f64 / time
    });
    figure(
        "host",
        "explore-variants-per-s",
        median(rounds.collect()),
        "variants/s",
        Bound::AtLeast(5000.0),
    );
}

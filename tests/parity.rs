//! The emulator held against a real Envoy: which exchanges, how they are run, what is counted.

mod dice;
mod exchanges;
mod files;
mod generate;
mod scripts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gatewright_envoy::{CaseVerdict, Difference, Error, Inexpressible, Peer, Subject, Trial};
use gatewright_harness::Format;
use gatewright_host::{Engine, EngineOptions};

pub use files::{Loaded, files};
pub use generate::{Generated, SEED, generate};

/// The Envoy that `scripts/setup` installed, or the one that is named; `None`, and one visible
/// line, where there is none.
///
/// # Panics
/// When there is none and `GATEWRIGHT_REQUIRE_PEERS` asks for one.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn envoy() -> Option<PathBuf> {
    if let Some(envoy) = std::env::var_os("GATEWRIGHT_ENVOY").filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(envoy));
    }
    let required = std::env::var_os("GATEWRIGHT_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(
        !required,
        "Envoy is required and GATEWRIGHT_ENVOY does not name it"
    );
    eprintln!("skipped: there is no Envoy; GATEWRIGHT_ENVOY says where it is");
    None
}

/// Google's suites, where they are here.
pub fn suites() -> Option<PathBuf> {
    let beside = crate::root().join("../shared/google-suites");
    let folder = std::env::var_os("GATEWRIGHT_SUITES").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// What a run showed.
#[derive(Debug, Default)]
pub struct Tally {
    /// Exchanges that both engines ran.
    pub compared: usize,
    /// Differences that no exception explains, each with the name of its case.
    pub unexplained: Vec<(String, Difference)>,
    /// Exceptions that explained a difference, and how many.
    pub exceptions: BTreeMap<&'static str, usize>,
    /// Cases that HTTP cannot carry.
    pub inexpressible: Vec<(String, Inexpressible)>,
    /// Hostcalls that Envoy carried out.
    pub hostcalls: BTreeSet<String>,
    /// Requests that Envoy counted itself.
    pub counted: u64,
}

/// Runs trials and counts.
///
/// # Errors
/// [`Error`] when Envoy fails.
pub fn run(peer: &Peer, trials: &[Trial<'_>]) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    for (trial, verdict) in trials.iter().zip(peer.run(trials)?) {
        let name = trial.case.name.clone();
        match verdict {
            CaseVerdict::Inexpressible(reason) => tally.inexpressible.push((name, reason)),
            CaseVerdict::Ran(verdict) => {
                tally.compared += verdict.exchanges.len();
                let counted = verdict.statistics.get("downstream_rq_total");
                tally.counted += counted.copied().unwrap_or_default();
                let hostcalls = verdict.hostcalls();
                tally
                    .hostcalls
                    .extend(hostcalls.into_iter().map(str::to_owned));
                for difference in verdict.differences() {
                    for known in &difference.known {
                        *tally.exceptions.entry(known.id).or_default() += 1;
                    }
                    if difference.known.is_empty() {
                        tally.unexplained.push((name.clone(), difference));
                    }
                }
            }
        }
    }
    Ok(tally)
}

/// Runs the cases of all plugins, Google's suites, and so many generated exchanges.
///
/// # Errors
/// [`Error`] when Envoy fails.
///
/// # Panics
/// When a plugin or guest does not compile, or cases cannot be read.
#[expect(
    clippy::expect_used,
    reason = "without its input there is nothing to compare"
)]
pub fn run_all(envoy: &Path, generated: usize) -> Result<Tally, Error> {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let files = files(&engine, suites().as_deref()).expect("cases can be read");
    let cases = generate(SEED, generated);
    let guest = Subject {
        plugin: engine
            .compile(&crate::guest("raw"))
            .expect("a guest compiles"),
        wasm: crate::plugins().join("guest_raw.wasm"),
    };
    let mut trials: Vec<_> = files.iter().flat_map(Loaded::trials).collect();
    trials.extend(cases.iter().map(|generated| Trial {
        case: &generated.case,
        format: Format::Cases,
        subject: &guest,
        config: None,
        policy: generated.policy,
    }));
    run(&Peer::new(envoy), &trials)
}

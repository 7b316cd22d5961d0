//! The rows: both sides in turn, round after round.

use gatewright_tests::measured::median;

use crate::load::{Load, Seen};
use crate::setup::Setup;
use crate::side::{Callout, Running, Side};
use crate::{figure, say};

/// The names of the rows, for the command line.
pub(crate) const NAMES: [&str; 8] = [
    "none",
    "direct",
    "local-reply",
    "header-rewrite",
    "chain3",
    "body64k",
    "sampled-log",
    "callout",
];

/// One round of one side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) seen: Seen,
    /// Microseconds of CPU for a request.
    pub(crate) cpu: f64,
    /// MiB at the most.
    pub(crate) peak: f64,
    /// Milliseconds to the first answer.
    pub(crate) start: f64,
}

/// A row with its rounds: ours, and those of Envoy.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) rounds: [Vec<Round>; 2],
}

impl Row {
    /// The median of something over the rounds of a side.
    pub(crate) fn of(&self, side: Side, what: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds[side as usize].iter().map(what).collect())
    }

    /// The least and the most of it.
    pub(crate) fn spread(&self, side: Side, what: impl Fn(&Round) -> f64) -> (f64, f64) {
        let values = self.rounds[side as usize].iter().map(what);
        values.fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(least, most), value| (least.min(value), most.max(value)),
        )
    }

    /// The median over the rounds of ours over Envoy's, each of one round.
    pub(crate) fn ratio(&self, what: impl Fn(&Round) -> f64) -> f64 {
        let [ours, theirs] = &self.rounds;
        median(
            ours.iter()
                .zip(theirs)
                .map(|(a, b)| what(a) / what(b))
                .collect(),
        )
    }
}

/// Measures rows. In each round all of them come in turn, so that what the machine does meanwhile
/// is the same for those that are held against each other.
pub(crate) fn measure(setups: &[Setup], load: &Load, rounds: usize) -> Result<Vec<Row>, String> {
    let row = |setup: &Setup| Row {
        name: setup.name,
        what: setup.what,
        rounds: [Vec::new(), Vec::new()],
    };
    let mut rows: Vec<_> = setups.iter().map(row).collect();
    setups.iter().try_for_each(fill_cache)?;
    for number in 1..=rounds {
        say(&format!("round {number} of {rounds}, {} rows", rows.len()));
        for (setup, row) in setups.iter().zip(&mut rows) {
            for side in Side::BOTH {
                row.rounds[side as usize].push(round(setup, side, 1, load)?);
            }
        }
    }
    Ok(rows)
}

/// Starts our side once, so that no round finds its modules not yet compiled.
pub(crate) fn fill_cache(setup: &Setup) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
    let callout = setup.callout.then(Callout::start).transpose()?;
    let prepared = setup.write(folder.path(), callout.as_ref().map(|callout| callout.port))?;
    Running::start(Side::Ours, &prepared, 1, setup).map(drop)
}

/// One round of one side, from its start to its end.
pub(crate) fn round(
    setup: &Setup,
    side: Side,
    workers: usize,
    load: &Load,
) -> Result<Round, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
    let callout = setup.callout.then(Callout::start).transpose()?;
    let prepared = setup.write(folder.path(), callout.as_ref().map(|callout| callout.port))?;
    let running = Running::start(side, &prepared, workers, setup)?;
    // Connections, caches and pools are warm before anything counts.
    Load {
        seconds: 1,
        ..*load
    }
    .run(running.port, setup.path)?;
    let before = running.cpu();
    let seen = load.run(running.port, setup.path)?;
    let cpu = (running.cpu() - before) / seen.requests;
    Ok(Round {
        seen,
        cpu,
        peak: running.peak(),
        start: 1e3 * running.start.as_secs_f64(),
    })
}

/// The figures that the rows give.
pub(crate) fn figures(rows: &[Row]) {
    let find = |name: &str| rows.iter().find(|row| row.name == name);
    for (name, id, bound) in [
        ("none", "rps-none", 1.2),
        ("local-reply", "rps-local-reply", 2.0),
        ("header-rewrite", "rps-header-rewrite", 1.5),
        ("chain3", "rps-chain3", 2.0),
        ("body64k", "rps-body64k", 1.2),
        ("callout", "rps-callout", 1.0),
    ] {
        if let Some(row) = find(name) {
            figure(id, row.ratio(|round| round.seen.rate), true, bound);
        }
    }
    let worst = rows
        .iter()
        .map(|row| row.ratio(|round| round.seen.p99))
        .fold(f64::NEG_INFINITY, f64::max);
    if worst.is_finite() {
        figure("p99-worst", worst, false, 1.0);
    }
    if let (Some(none), Some(rewrite)) = (find("none"), find("header-rewrite")) {
        let added = |side| {
            let pairs = rewrite.rounds[side as usize].iter();
            let pairs = pairs.zip(&none.rounds[side as usize]);
            median(
                pairs
                    .map(|(with, without)| with.cpu - without.cpu)
                    .collect(),
            )
        };
        let ratio = added(Side::Ours) / added(Side::Envoy);
        figure("cpu-added", ratio, false, 0.2);
    }
    if let Some(row) = find("header-rewrite") {
        figure("start", row.ratio(|round| round.start), false, 0.1);
    }
    let memory = rows
        .iter()
        .map(|row| row.ratio(|round| round.peak))
        .fold(f64::NEG_INFINITY, f64::max);
    if memory.is_finite() {
        figure("memory", memory, false, 0.6);
    }
}

//! Reruns a case in ways that must not change what comes of it, and reports the smallest that does.
//!
//! A proxy cuts bodies where it likes, tells the end of a message with its last bytes or after
//! them, and sends many streams through one VM. A plugin that looks at its first chunk only, or keeps
//! one stream's state where another finds it, passes every case that is sent in one piece.

mod change;
pub(crate) mod outcome;
pub(crate) mod write;

use std::path::Path;

use gatewright_host::TraceLevel;

use crate::load::load_text;
use crate::model::{Case, Format, Phase, Variation};
use crate::run::{CaseRun, Mismatch, Subject, run_case};
use change::{Change, InWords, Kind, Random, changes, pair};
use outcome::{Difference, Outcome};

/// What exploring one case came to.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// How many variants were run.
    pub variants: usize,
    /// The smallest failing variant of each way to vary it.
    pub failing: Vec<FailingVariant>,
    /// What was left out, each with the case's reason.
    pub left_out: Vec<(Variation, String)>,
}

/// A variant of a case from which something else comes.
#[derive(Clone, Debug)]
pub struct FailingVariant {
    /// The way in which it was varied.
    pub variation: Variation,
    /// What was changed, in words.
    pub change: String,
    /// What is different, in sentences, with the two texts where there are two.
    pub differences: Vec<(String, Option<Mismatch>)>,
    /// A file of cases with this variant and what should come of it, or why there is none.
    pub case: Result<String, String>,
}

/// Explores a case that passes. `run` is how it went.
///
/// The same seed gives the same variants.
pub(crate) fn explore(
    case: &Case,
    run: &CaseRun,
    subject: &Subject,
    format: Format,
    seed: u64,
) -> Explored {
    let explorer = Explorer {
        case,
        subject,
        format,
        outcomes: outcome::of(run),
    };
    let mut random = Random::new(seed, &case.name);
    let mut explored = Explored {
        left_out: case.unexplored.clone(),
        ..Explored::default()
    };
    // A case of several streams at once has an order of its own, and no twins beside it.
    let interleaved = case.turns.is_some();
    for variation in Variation::ALL {
        let is_left_out = explored.left_out.iter().any(|(out, _)| out == variation);
        if is_left_out || (interleaved && *variation == Variation::Twins) {
            continue;
        }
        explorer.vary(*variation, &mut random, &mut explored);
    }
    explored
}

struct Explorer<'a> {
    case: &'a Case,
    subject: &'a Subject,
    format: Format,
    outcomes: Vec<Outcome>,
}

impl Explorer<'_> {
    /// Tries every change of one way; the first that fails is made as small as it goes.
    fn vary(&self, variation: Variation, random: &mut Random, explored: &mut Explored) {
        for change in changes(self.case, variation, random) {
            explored.variants += 1;
            let found = self.differences(&change);
            if found.is_empty() {
                continue;
            }
            let (change, found) = self.shrink(change, found, &mut explored.variants);
            explored.failing.push(self.report(&change, found));
            return;
        }
    }

    fn shrink(
        &self,
        mut change: Change,
        mut found: Vec<Difference>,
        variants: &mut usize,
    ) -> (Change, Vec<Difference>) {
        // Each round makes the change smaller, so there is an end.
        while let Some((smaller, differences)) = change.smaller().into_iter().find_map(|smaller| {
            *variants += 1;
            let differences = self.differences(&smaller);
            (!differences.is_empty()).then_some((smaller, differences))
        }) {
            (change, found) = (smaller, differences);
        }
        (change, found)
    }

    /// In what the case with this change differs from what it should be.
    fn differences(&self, change: &Change) -> Vec<Difference> {
        let mut case = change.apply(self.case);
        if let Kind::Twins { .. } = change.kind {
            return self.twins(change, &mut case);
        }
        let run = run_case(&case, self.subject, TraceLevel::Cost);
        let outcomes = outcome::of(&run);
        let pairs = self.outcomes.iter().zip(&outcomes).enumerate();
        match change.kind.variation() {
            Variation::Case | Variation::Duplicates => pairs
                .flat_map(|(place, (should, is))| outcome::new_trouble(should, is, place))
                .collect(),
            _ => {
                let mut found: Vec<_> = pairs
                    .flat_map(|(place, (should, is))| outcome::differences(should, is, place))
                    .collect();
                if found.is_empty() {
                    found = self.expectations(&case, &run);
                }
                found
            }
        }
    }

    /// Twins in turns against twins one after the other, which may differ from each other: a plugin
    /// may count its streams.
    fn twins(&self, change: &Change, case: &mut Case) -> Vec<Difference> {
        let one_by_one = Case {
            exchanges: pair(self.case, change.exchange),
            turns: None,
            ..case.clone()
        };
        let run = run_case(&one_by_one, self.subject, TraceLevel::Cost);
        let should = outcome::of(&run);
        let holds = run.check(&one_by_one, self.format).is_empty();
        let run = run_case(case, self.subject, TraceLevel::Cost);
        let is = outcome::of(&run);
        let mut found: Vec<_> = should
            .iter()
            .zip(&is)
            .enumerate()
            .flat_map(|(place, (should, is))| outcome::differences(should, is, place))
            .collect();
        if found.is_empty() && holds {
            found = self.expectations(case, &run);
        }
        found
    }

    /// What the case itself expects and does not get: its logs, above all.
    fn expectations(&self, case: &Case, run: &CaseRun) -> Vec<Difference> {
        let failures = run.check(case, self.format).into_iter();
        failures
            .map(|failure| Difference {
                exchange: failure.exchange.unwrap_or(0),
                message: match failure.phase {
                    Some(phase) => format!("{}: {}", phase.name(), failure.message),
                    None => failure.message,
                },
                mismatch: failure.mismatch,
                expect: None,
            })
            .collect()
    }

    fn report(&self, change: &Change, found: Vec<Difference>) -> FailingVariant {
        let mut case = change.apply(self.case);
        let expected = |found: &Difference| found.expect.is_some();
        let trap = found
            .iter()
            .any(|found| found.message.starts_with("the plugin fails"));
        let by_expectation = !trap && !found.iter().any(expected);
        for (place, exchange) in case.exchanges.iter_mut().enumerate() {
            // What else the case expects is beside the point, unless it is the point.
            let keep = |check: &crate::model::Check| by_expectation && write::is_apart(check);
            exchange.whole.retain(keep);
            exchange.open.retain(keep);
            exchange.done.retain(keep);
            for step in &mut exchange.steps {
                step.checks.retain(keep);
            }
            for difference in found.iter().filter(|found| found.exchange == place) {
                let Some((phase, check)) = &difference.expect else {
                    continue;
                };
                let checks = match phase {
                    None => Some(&mut exchange.whole),
                    Some(phase) => step_checks(exchange, *phase),
                };
                if let Some(checks) = checks {
                    checks.push(check.clone());
                }
            }
        }
        case.start.clear();
        FailingVariant {
            variation: change.kind.variation(),
            change: InWords(change, self.case).to_string(),
            case: self.written(&case),
            differences: found
                .into_iter()
                .map(|found| (found.message, found.mismatch))
                .collect(),
        }
    }

    /// The case as a file that fails as the variant did; that it does is tried.
    fn written(&self, case: &Case) -> Result<String, String> {
        let text = write::case_file(case)?;
        let suite = load_text(&text, Path::new("explored.yaml"))
            .map_err(|error| format!("it does not load back: {error}"))?;
        let Some(case) = suite.cases.first() else {
            return Err("it does not load back".to_owned());
        };
        let run = run_case(case, self.subject, TraceLevel::Cost);
        if run.check(case, Format::Cases).is_empty() {
            return Err(
                "written down as a case it passes: what differs is nothing that cases can \
                        expect"
                    .to_owned(),
            );
        }
        Ok(text)
    }
}

fn step_checks(
    exchange: &mut crate::model::Exchange,
    phase: Phase,
) -> Option<&mut Vec<crate::model::Check>> {
    let step = exchange.steps.iter_mut().find(|step| step.phase == phase)?;
    Some(&mut step.checks)
}

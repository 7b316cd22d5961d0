//! Runs cases: a fresh VM each, in parallel, results in the order of the cases.

mod check;
mod drive;
mod record;
mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatewright_host::{Events, Limits, Plugin, Profile, TraceLevel};

use crate::explore::{Explored, explore};
use crate::model::{Case, Format, Suite};
pub use check::{Failure, Mismatch};
pub(crate) use drive::open_streams;
pub use drive::run_case;
pub use record::{CaseRun, End, ExchangeRun, Left, QueueLeft, StepRun};

/// A plugin under test, or one beside it in its chain.
#[derive(Clone, Debug)]
pub struct Link {
    /// The compiled module.
    pub plugin: Plugin,
    /// Its configuration where the case gives none.
    pub config: Option<Arc<[u8]>>,
    /// Whether an exchange goes on without it when it fails.
    pub fail_open: bool,
    /// The phases that it takes part in.
    pub events: Events,
    /// Limits in place of the platform's.
    pub limits: Option<Limits>,
}

impl Link {
    /// A plugin in every phase that fails closed and has no configuration of its own.
    pub const fn new(plugin: Plugin) -> Self {
        Self {
            plugin,
            config: None,
            fail_open: false,
            events: Events::ALL,
            limits: None,
        }
    }

    /// The same with a configuration for cases that give none.
    #[must_use]
    pub fn config(mut self, config: impl Into<Arc<[u8]>>) -> Self {
        self.config = Some(config.into());
        self
    }
}

/// What cases run against.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The chain. Cases configure its first plugin.
    pub chain: Vec<Link>,
    /// The platform in place of the one that cases name.
    pub profile: Option<Profile>,
    /// A configuration for the first plugin that goes before the one that cases give.
    pub config: Option<Arc<[u8]>>,
}

impl Subject {
    /// A plugin alone.
    pub fn new(link: Link) -> Self {
        Self {
            chain: vec![link],
            profile: None,
            config: None,
        }
    }
}

/// The cases of one suite to run, and what against.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// Its cases that are to run, by their place in it.
    pub selected: Vec<usize>,
    /// The chain.
    pub subject: &'a Subject,
}

impl<'a> Job<'a> {
    /// All cases of a suite.
    pub fn new(suite: &'a Suite, subject: &'a Subject) -> Self {
        Self {
            suite,
            selected: (0..suite.cases.len()).collect(),
            subject,
        }
    }

    /// Only the cases that the filter takes.
    #[must_use]
    pub fn filtered(mut self, mut filter: impl FnMut(&Case) -> bool) -> Self {
        let cases = &self.suite.cases;
        self.selected
            .retain(|index| cases.get(*index).is_some_and(&mut filter));
        self
    }
}

/// How cases are run.
#[derive(Clone, Copy)]
pub struct RunOptions<'a> {
    /// Threads; 0 for one.
    pub threads: usize,
    /// How much each trace holds.
    pub level: TraceLevel,
    /// The seed with which cases that pass are explored; `None` for not at all.
    pub explore: Option<u64>,
    /// Time since some moment, for the time that each case took. The harness reads no clock of
    /// its own.
    pub stopwatch: Option<&'a (dyn Fn() -> Duration + Sync)>,
}

impl Default for RunOptions<'_> {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            level: TraceLevel::Cost,
            explore: None,
            stopwatch: None,
        }
    }
}

impl std::fmt::Debug for RunOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunOptions")
            .field("threads", &self.threads)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// What became of a case.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Its line in the file, from 1.
    pub line: u32,
    /// Why it failed; empty when it passed.
    pub failures: Vec<Failure>,
    /// Fuel that its callbacks burnt, those of the start included.
    pub fuel: u64,
    /// How long it took, if there was a stopwatch.
    pub time: Option<Duration>,
    /// What exploring it came to, if it passed and was explored.
    pub explored: Option<Explored>,
}

impl CaseReport {
    /// Whether everything that was expected happened, in every variant too.
    pub fn passed(&self) -> bool {
        let explored = self.explored.as_ref();
        self.failures.is_empty() && explored.is_none_or(|explored| explored.failing.is_empty())
    }
}

/// What became of the cases of one job, in their order.
#[derive(Clone, Debug)]
pub struct SuiteReport {
    /// The suite's file, as it was loaded.
    pub file: std::path::PathBuf,
    /// Its cases.
    pub cases: Vec<CaseReport>,
}

/// Runs all cases of all jobs and reports in their order.
pub fn run(jobs: &[Job<'_>], options: &RunOptions<'_>) -> Vec<SuiteReport> {
    let work: Vec<(&Job<'_>, &Case)> = jobs
        .iter()
        .flat_map(|job| {
            job.selected
                .iter()
                .filter_map(move |index| Some((job, job.suite.cases.get(*index)?)))
        })
        .collect();
    let next = AtomicUsize::new(0);
    let threads = options.threads.clamp(1, work.len().max(1));
    let mut reports: Vec<Option<CaseReport>> = Vec::new();
    reports.resize_with(work.len(), || None);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads)
            .map(|_| scope.spawn(|| numbered(&next, &work, options)))
            .collect();
        let mut done = numbered(&next, &work, options);
        for worker in workers {
            match worker.join() {
                Ok(more) => done.extend(more),
                // A panic in a check is ours, and goes on.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        for (index, report) in done {
            reports[index] = Some(report);
        }
    });
    let mut reports = reports.into_iter().flatten();
    jobs.iter()
        .map(|job| SuiteReport {
            file: job.suite.file.clone(),
            cases: reports.by_ref().take(job.selected.len()).collect(),
        })
        .collect()
}

/// Takes cases from the list until it is empty; each report with the place of its case.
fn numbered(
    next: &AtomicUsize,
    work: &[(&Job<'_>, &Case)],
    options: &RunOptions<'_>,
) -> Vec<(usize, CaseReport)> {
    let mut done = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some((job, case)) = work.get(index) else {
            return done;
        };
        done.push((index, report(job.subject, job.suite.format, case, options)));
    }
}

fn report(subject: &Subject, format: Format, case: &Case, options: &RunOptions<'_>) -> CaseReport {
    let before = options.stopwatch.map(|now| now());
    let run = run_case(case, subject, options.level);
    let failures = run.check(case, format);
    let explored = options
        .explore
        .filter(|_| failures.is_empty())
        .map(|seed| explore(case, &run, subject, format, seed));
    CaseReport {
        name: case.name.clone(),
        line: case.place.line,
        failures,
        fuel: run.fuel(),
        time: options
            .stopwatch
            .zip(before)
            .map(|(now, before)| now().saturating_sub(before)),
        explored,
    }
}

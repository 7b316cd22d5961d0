//! Files of cases with what they run against, as commands that run cases are told them.

use std::path::PathBuf;

use gatewright_harness::{Job, Report, Subject, Suite, find, load};
use regex::Regex;

use crate::exit::Usage;
use crate::subjects::{Found, Overrides, Subjects};

/// The folder that is meant when none is named.
pub(crate) const DEFAULT: &str = "plugins";

/// A file of cases and what it runs against.
pub(crate) struct Gathered {
    pub(crate) suite: Suite,
    pub(crate) subject: Subject,
    /// The module's file.
    pub(crate) wasm: PathBuf,
}

/// Reads files of cases and builds the plugins that they are for. What could not be used is in the
/// report. `None` when cargo could not build, and said so.
pub(crate) fn gather(
    paths: &[PathBuf],
    overrides: Overrides,
    report: &mut Report,
) -> anyhow::Result<Option<Vec<Gathered>>> {
    let default = [PathBuf::from(DEFAULT)];
    let paths = if paths.is_empty() {
        &default[..]
    } else {
        paths
    };
    let mut suites = Vec::new();
    for path in paths {
        for file in find(path).map_err(|error| Usage(error.to_string()))? {
            match load(&file) {
                Ok(suite) => suites.push(suite),
                Err(error) => report.errors.push((file, error.to_string())),
            }
        }
    }
    if suites.is_empty() && report.errors.is_empty() {
        let searched: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(Usage(format!("there are no cases in `{}`", searched.join("`, `"))).into());
    }
    let mut subjects = Subjects::new(overrides)?;
    if !subjects.build(&suites)? {
        return Ok(None);
    }
    let mut gathered = Vec::new();
    for suite in suites {
        match subjects.of(&suite)? {
            Found::Subject(subject, wasm) => gathered.push(Gathered {
                suite,
                subject,
                wasm,
            }),
            Found::NotHere(why) => report.skipped.push((suite.file.clone(), why)),
        }
    }
    Ok(Some(gathered))
}

/// The cases to run: those whose name matches, if a filter is given.
pub(crate) fn jobs<'a>(
    gathered: &'a [Gathered],
    filter: Option<&Regex>,
    report: &Report,
) -> anyhow::Result<Vec<(Job<'a>, &'a Gathered)>> {
    let jobs: Vec<_> = gathered
        .iter()
        .map(|from| {
            let job = Job::new(&from.suite, &from.subject);
            match filter {
                Some(filter) => (job.filtered(|case| filter.is_match(&case.name)), from),
                None => (job, from),
            }
        })
        .filter(|(job, _)| !job.selected.is_empty() || filter.is_none())
        .collect();
    if jobs.is_empty() && report.errors.is_empty() {
        let why = match filter {
            Some(filter) => format!("no case matches `{filter}`"),
            None => format!("no case could be run: {}", reasons(report)),
        };
        return Err(Usage(why).into());
    }
    Ok(jobs)
}

fn reasons(report: &Report) -> String {
    let mut reasons: Vec<_> = report.skipped.iter().map(|(_, why)| why.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    format!(
        "{} files of cases were passed over; {}",
        report.skipped.len(),
        reasons.join("; ")
    )
}

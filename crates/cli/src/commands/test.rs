//! `gatewright test`: cases replayed in the emulator.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gatewright_harness::{Job, Report, ReportFormat, RunOptions, Suite, find, load, run};
use gatewright_host::Profile;
use notify::{RecursiveMode, Watcher as _};
use regex::Regex;

use crate::exit::{Outcome, Usage};
use crate::subjects::{Found, Overrides, Subjects};

/// Replay cases against built plugins.
///
/// Cases are our YAML files and Google's `tests.textpb` and `tests.yaml`. The plugins that they are
/// for are built first, so a result is never about an old module. A file of cases names its plugin,
/// lies in its folder, or is listed in `tests/google-suites.toml`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright test                                   the cases of all plugins here\n  \
    gatewright test plugins/local-reply --watch       again at each change\n  \
    gatewright test tests.textpb --plugin my.wasm     a suite of Google's, against any module\n  \
    gatewright test --filter 'hello' --format junit   some cases, for a build server\n  \
    gatewright test plugins/local-reply --explore     also in other chunks, twice at once, …\n\n\
    `--explore` reruns each case that passes with its bodies in other chunks, with the end of a \
    message on its headers or in an empty last chunk, and as two streams that take turns in one \
    VM, none of which may change what comes of it; and with header names in another case and \
    headers twice, which may bring no failure and no new finding. The smallest variant that does \
    is printed as a case to paste into a file. `explore: {splits: \"why\"}` in a case leaves \
    one of splits, end_of_stream, case, duplicates and twins out.")]
pub(crate) struct Arguments {
    /// Files of cases, or folders with some [default: plugins]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Run this module instead of building a plugin
    #[arg(long, value_name = "WASM")]
    plugin: Option<PathBuf>,
    /// Give the plugin this configuration instead of the cases'
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Emulate this platform instead of the one that each case names
    #[arg(long, value_name = "google|tester|envoy")]
    profile: Option<Profile>,
    /// Run only cases whose name matches this regular expression
    #[arg(long, value_name = "RE")]
    filter: Option<Regex>,
    /// Form of the report
    #[arg(long, value_name = "human|json|junit", default_value = "human")]
    format: ReportFormat,
    /// Rerun each case in ways that must not change what comes of it
    #[arg(long)]
    explore: bool,
    /// Seed of what exploring chooses at random; the same seed gives the same variants
    #[arg(long, value_name = "N", default_value_t = 0, requires = "explore")]
    seed: u64,
    /// Run again whenever a case or a plugin's source changes
    #[arg(long)]
    watch: bool,
}

pub(crate) fn run_cases(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if arguments.watch {
        return watch(arguments);
    }
    once(arguments)
}

/// The folder that is meant when none is named.
const DEFAULT: &str = "plugins";

fn once(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let default = [PathBuf::from(DEFAULT)];
    let paths = if arguments.paths.is_empty() {
        &default[..]
    } else {
        &arguments.paths
    };
    let mut report = Report::default();
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
    let mut subjects = Subjects::new(Overrides {
        plugin: arguments.plugin.clone(),
        config: arguments.config.clone(),
        profile: arguments.profile,
    })?;
    if !subjects.build(&suites)? {
        return Ok(Outcome::Failed);
    }
    let mut found = Vec::new();
    for suite in &suites {
        match subjects.of(suite)? {
            Found::Subject(subject) => found.push((suite, subject)),
            Found::NotHere(why) => report.skipped.push((suite.file.clone(), why)),
        }
    }
    let jobs: Vec<_> = found
        .iter()
        .map(|(suite, subject)| match &arguments.filter {
            Some(filter) => Job::new(suite, subject).filtered(|case| filter.is_match(&case.name)),
            None => Job::new(suite, subject),
        })
        .filter(|job| !job.selected.is_empty() || arguments.filter.is_none())
        .collect();
    if jobs.is_empty() && report.errors.is_empty() {
        let why = match &arguments.filter {
            Some(filter) => format!("no case matches `{filter}`"),
            None => format!("no case could be run: {}", reasons(&suites, &report)),
        };
        return Err(Usage(why).into());
    }
    let stopwatch = || start.elapsed();
    let options = RunOptions {
        explore: arguments.explore.then_some(arguments.seed),
        stopwatch: Some(&stopwatch),
        ..RunOptions::default()
    };
    report.suites = run(&jobs, &options);
    report.time = Some(start.elapsed());
    let colour = arguments.format == ReportFormat::Human && super::colour();
    anstream::print!("{}", report.render(arguments.format, colour));
    Ok(if report.is_success() {
        Outcome::Fine
    } else {
        Outcome::Failed
    })
}

fn reasons(suites: &[Suite], report: &Report) -> String {
    let mut reasons: Vec<_> = report.skipped.iter().map(|(_, why)| why.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    format!(
        "{} files of cases were passed over; {}",
        suites.len(),
        reasons.join("; ")
    )
}

/// How long changes are gathered before the cases run again: editors write a file in several steps.
const SETTLE: Duration = Duration::from_millis(100);

fn watch(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (sender, changes) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access() && concerns(&event.paths)) {
            // The receiver only goes away with the program.
            let _ = sender.send(());
        }
    })
    .context("cannot watch files")?;
    let mut watched: Vec<PathBuf> = arguments.paths.clone();
    watched.extend(arguments.plugin.clone());
    watched.extend(arguments.config.clone());
    watched.extend([DEFAULT, "crates/sdk", "crates/abi"].map(PathBuf::from));
    for path in watched.iter().filter(|path| path.exists()) {
        let watched = watcher.watch(path, RecursiveMode::Recursive);
        watched.with_context(|| format!("cannot watch `{}`", path.display()))?;
    }
    loop {
        if std::io::stdout().is_terminal() {
            anstream::print!("\x1b[2J\x1b[H");
        }
        // A mistake in a file is what the next change mends, so it does not end the watch.
        if let Err(error) = once(arguments) {
            anstream::eprintln!("{}error{}: {error:#}", super::RED, super::RESET);
        }
        anstream::eprintln!(
            "{}waiting for a change; Ctrl-C ends{}",
            super::DIM,
            super::RESET
        );
        changes.recv().context("the watch ended")?;
        while changes.recv_timeout(SETTLE).is_ok() {}
    }
}

/// Build output changes at every run and must not start the next one.
fn concerns(paths: &[PathBuf]) -> bool {
    let is_output = |path: &Path| path.components().any(|part| part.as_os_str() == "target");
    paths
        .iter()
        .any(|path| !is_output(path) || path.extension().is_some_and(|e| e == "wasm"))
}

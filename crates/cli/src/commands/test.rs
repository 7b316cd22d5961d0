//! `gatewright test`: cases replayed in the emulator.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gatewright_envoy::{CaseVerdict, Peer, unseen};
use gatewright_harness::{CaseReport, Job, Report, ReportFormat, RunOptions, SuiteReport, run};
use gatewright_host::Profile;
use notify::{RecursiveMode, Watcher as _};
use regex::Regex;

use crate::engines::{ask, peer, tell_unasked};
use crate::exit::{Outcome, Usage};
use crate::gather::{DEFAULT, Gathered, gather, jobs};
use crate::subjects::Overrides;

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
    gatewright test plugins/local-reply --explore     also in other chunks, twice at once, …\n  \
    gatewright test --against envoy                   the same cases in a real Envoy\n\n\
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
    /// What runs the cases: our emulator, or a real Envoy
    #[arg(
        long,
        value_name = "emulator|envoy",
        default_value = "emulator",
        hide_possible_values = true
    )]
    against: Against,
    /// The Envoy to ask [default: the one that GATEWRIGHT_ENVOY names]
    #[arg(long, value_name = "PATH", requires = "against")]
    envoy: Option<PathBuf>,
    /// Rerun each case in ways that must not change what comes of it
    #[arg(long, conflicts_with = "envoy")]
    explore: bool,
    /// Seed of what exploring chooses at random; the same seed gives the same variants
    #[arg(long, value_name = "N", default_value_t = 0, requires = "explore")]
    seed: u64,
    /// Run again whenever a case or a plugin's source changes
    #[arg(long)]
    watch: bool,
}

/// What runs cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Against {
    Emulator,
    Envoy,
}

pub(crate) fn run_cases(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if arguments.watch {
        return watch(arguments);
    }
    once(arguments)
}

fn once(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let mut report = Report::default();
    let overrides = Overrides {
        plugin: arguments.plugin.clone(),
        config: arguments.config.clone(),
        profile: arguments.profile,
    };
    let peer = match arguments.against {
        Against::Emulator => None,
        Against::Envoy if arguments.explore => {
            let why = "`--explore` varies cases in the emulator; leave out `--against envoy`";
            return Err(Usage(why.to_owned()).into());
        }
        Against::Envoy => Some(peer(arguments.envoy.as_ref())?),
    };
    let Some(gathered) = gather(&arguments.paths, overrides, &mut report)? else {
        return Ok(Outcome::Failed);
    };
    let jobs = jobs(&gathered, arguments.filter.as_ref(), &report)?;
    report.suites = match peer {
        None => {
            let stopwatch = || start.elapsed();
            let options = RunOptions {
                explore: arguments.explore.then_some(arguments.seed),
                stopwatch: Some(&stopwatch),
                ..RunOptions::default()
            };
            let jobs: Vec<_> = jobs.into_iter().map(|(job, _)| job).collect();
            run(&jobs, &options)
        }
        Some(peer) => in_envoy(&peer, &jobs)?,
    };
    report.time = Some(start.elapsed());
    let colour = arguments.format == ReportFormat::Human && super::colour();
    anstream::print!("{}", report.render(arguments.format, colour));
    Ok(if report.is_success() {
        Outcome::Fine
    } else {
        Outcome::Failed
    })
}

/// The same cases in a real Envoy, judged by what they expect. Those that it cannot be asked are
/// told apart, and are neither passed nor failed.
fn in_envoy<'a>(peer: &Peer, jobs: &[(Job<'a>, &'a Gathered)]) -> anyhow::Result<Vec<SuiteReport>> {
    let mut suites: Vec<SuiteReport> = Vec::new();
    let mut unasked = Vec::new();
    for asked in ask(peer, jobs)? {
        let (suite, case) = (&asked.from.suite, asked.case);
        if suites.last().is_none_or(|last| last.file != suite.file) {
            suites.push(SuiteReport {
                file: suite.file.clone(),
                cases: Vec::new(),
            });
        }
        let run = match (asked.verdict, unseen(case)) {
            (CaseVerdict::Inexpressible(reason), _) | (_, Some(reason)) => {
                unasked.push((asked.from, case, reason));
                continue;
            }
            (CaseVerdict::Ran(verdict), None) => verdict.run,
        };
        if let Some(last) = suites.last_mut() {
            last.cases.push(CaseReport {
                name: case.name.clone(),
                line: case.place.line,
                failures: run.check(case, suite.format),
                fuel: 0,
                time: None,
                explored: None,
            });
        }
    }
    tell_unasked(&unasked);
    Ok(suites)
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

//! `gatewright compare`: cases in the emulator and in a real Envoy, and where the two differ.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gatewright_envoy::{CaseVerdict, Difference, EXCEPTIONS};
use gatewright_harness::Report;
use regex::Regex;

use crate::engines::{ask, peer, tell_unasked};
use crate::exit::Outcome;
use crate::gather::{Gathered, gather, jobs};
use crate::subjects::Overrides;

/// Run cases in the emulator and in a real Envoy, and show where they differ.
///
/// Both are told the same: what a plugin of a stock Envoy sees of the case's messages. Compared are
/// every call into the plugin with its hostcalls and their answers, log messages, the request as
/// the upstream saw it, the response as the client saw it, and callouts. The emulator runs in its
/// profile `envoy`, whatever the case names, and what a case expects is not looked at.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright compare                                 the cases of all plugins here\n  \
    gatewright compare --envoy ./envoy plugins/local-reply\n  \
    gatewright compare tests.textpb --plugin my.wasm   a suite of Google's, with any module\n\n\
    In a diff, `-` is what the emulator alone did and `+` what Envoy alone did. Differences that \
    are known to stay are counted by name and do not fail the comparison.")]
pub(crate) struct Arguments {
    /// Files of cases, or folders with some [default: plugins]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The Envoy to ask [default: the one that GATEWRIGHT_ENVOY names]
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// Run this module instead of building a plugin
    #[arg(long, value_name = "WASM")]
    plugin: Option<PathBuf>,
    /// Give the plugin this configuration instead of the cases'
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Compare only cases whose name matches this regular expression
    #[arg(long, value_name = "RE")]
    filter: Option<Regex>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let peer = peer(arguments.envoy.as_ref())?;
    let overrides = Overrides {
        plugin: arguments.plugin.clone(),
        config: arguments.config.clone(),
        profile: None,
    };
    let mut report = Report::default();
    let Some(gathered) = gather(&arguments.paths, overrides, &mut report)? else {
        return Ok(Outcome::Failed);
    };
    let jobs = jobs(&gathered, arguments.filter.as_ref(), &report)?;
    let mut compared = 0;
    let mut unexplained = 0;
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unasked = Vec::new();
    for asked in ask(&peer, &jobs)? {
        let verdict = match asked.verdict {
            CaseVerdict::Inexpressible(reason) => {
                unasked.push((asked.from, asked.case, reason));
                continue;
            }
            CaseVerdict::Ran(verdict) => verdict,
        };
        compared += verdict.exchanges.len();
        for difference in verdict.differences() {
            for exception in &difference.known {
                *known.entry(exception.id).or_default() += 1;
            }
            if difference.known.is_empty() {
                unexplained += 1;
                tell(
                    asked.from,
                    &asked.case.name,
                    asked.case.place.line,
                    &difference,
                );
            }
        }
    }
    for (file, error) in &report.errors {
        anstream::println!(
            "{}error{} {}: {error}",
            super::RED,
            super::RESET,
            file.display()
        );
    }
    for (file, why) in &report.skipped {
        anstream::println!(
            "{}passed over{} {}: {why}",
            super::DIM,
            super::RESET,
            file.display()
        );
    }
    for exception in EXCEPTIONS {
        if let Some(count) = known.get(exception.id) {
            anstream::println!("known: {} ({count}): {}", exception.id, exception.envoy);
        }
    }
    let style = if unexplained == 0 {
        super::GREEN
    } else {
        super::RED
    };
    anstream::println!(
        "{compared} exchanges compared: {style}{unexplained} differences{}, {} known",
        super::RESET,
        known.values().sum::<usize>()
    );
    tell_unasked(&unasked);
    Ok(if unexplained == 0 && report.errors.is_empty() {
        Outcome::Fine
    } else {
        Outcome::Failed
    })
}

fn tell(from: &Gathered, case: &str, line: u32, difference: &Difference) {
    let place = match difference.exchange {
        Some(at) => format!(", exchange {}", at + 1),
        None => String::new(),
    };
    anstream::println!(
        "{}differs{} {}:{line}: {case}{place}: {}",
        super::RED,
        super::RESET,
        from.suite.file.display(),
        difference.what()
    );
    for line in difference.diff().lines() {
        let style = match line.chars().next() {
            Some('-') => super::RED,
            Some('+') => super::GREEN,
            _ => super::DIM,
        };
        anstream::println!("    {style}{line}{}", super::RESET);
    }
}

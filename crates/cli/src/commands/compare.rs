//! `gatewright compare`: cases in the emulator and in a real Envoy, or in two versions of a plugin,
//! and where the two differ.

mod versions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gatewright_envoy::{CaseVerdict, Difference, EXCEPTIONS};
use gatewright_harness::{Report, ReportFormat};
use regex::Regex;

use crate::engines::{ask, peer, tell_unasked};
use crate::exit::{Outcome, Usage};
use crate::gather::{Gathered, gather, jobs};
use crate::subjects::Overrides;

/// Run cases in the emulator and in a real Envoy, or in two versions of a plugin, and show where they
/// differ.
///
/// Two modules before the cases are two versions: what the second makes of each case is held against
/// what the first does. Whether a plugin starts, how an exchange ends, what is passed on, failures,
/// findings and log messages count. With what `gatewright serve --record` wrote, that shows what live
/// traffic would see before a weight is moved.
///
/// Without modules the emulator is held against Envoy.
/// Both are told the same: what a plugin of a stock Envoy sees of the case's messages. Compared are
/// every call into the plugin with its hostcalls and their answers, log messages, the request as
/// the upstream saw it, the response as the client saw it, and callouts. The emulator runs in its
/// profile `envoy`, whatever the case names, and what a case expects is not looked at.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright compare v1.wasm v2.wasm recorded/       what a new version would change\n  \
    gatewright compare                                 the cases of all plugins here, with Envoy\n  \
    gatewright compare --envoy ./envoy plugins/local-reply\n  \
    gatewright compare tests.textpb --plugin my.wasm   a suite of Google's, with any module\n\n\
    In a diff, `-` is what the emulator or the first version alone did and `+` what Envoy or the \
    second did. Differences that \
    are known to stay are counted by name and do not fail the comparison.")]
pub(crate) struct Arguments {
    /// Files of cases, or folders with some [default: plugins]; before them, two modules or none
    #[arg(value_name = "V1.wasm V2.wasm | PATH")]
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
    /// Form of what is said of two versions
    #[arg(
        long,
        value_name = "human|json",
        default_value = "human",
        hide_default_value = true
    )]
    format: ReportFormat,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.paths[..] {
        [old, new, paths @ ..] if is_module(old) && is_module(new) => {
            return two(arguments, [old, new], paths);
        }
        paths if paths.iter().any(|path| is_module(path)) => {
            let why =
                "two versions are two modules before the cases: `compare V1.wasm V2.wasm PATH…`";
            return Err(Usage(why.to_owned()).into());
        }
        _ => {}
    }
    if arguments.format != ReportFormat::Human {
        let why = "`--format` is for two versions; leave it out to compare with Envoy";
        return Err(Usage(why.to_owned()).into());
    }
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

/// Whether a path is a module by its name, or by its first bytes.
fn is_module(path: &Path) -> bool {
    use std::io::Read as _;

    let mut magic = [0; 4];
    path.extension().is_some_and(|ending| ending == "wasm")
        || std::fs::File::open(path)
            .and_then(|mut file| file.read_exact(&mut magic))
            .is_ok_and(|()| magic == *b"\0asm")
}

fn two(
    arguments: &Arguments,
    modules: [&PathBuf; 2],
    paths: &[PathBuf],
) -> anyhow::Result<Outcome> {
    let conflict = if arguments.envoy.is_some() {
        Some("`--envoy` is for comparing with Envoy; leave out the two modules")
    } else if arguments.plugin.is_some() {
        Some("the two modules are the plugin; leave out `--plugin`")
    } else if paths.is_empty() {
        Some("say which cases the two versions are to be given")
    } else if arguments.format == ReportFormat::Junit {
        Some("there is no such form for two versions; take `human` or `json`")
    } else {
        None
    };
    if let Some(why) = conflict {
        return Err(Usage(why.to_owned()).into());
    }
    versions::run(&versions::Versions {
        modules: modules.map(PathBuf::as_path),
        paths,
        config: arguments.config.as_deref(),
        filter: arguments.filter.as_ref(),
        format: arguments.format,
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

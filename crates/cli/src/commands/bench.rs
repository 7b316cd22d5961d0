//! `gatewright bench`: what a plugin costs, and where in it.

mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use gatewright_harness::{
    Case, CaseCost, Link, Subject, Suite, bench, find, load, load_text, profile,
};
use gatewright_host::{GuestProfile, Profile};

use crate::cargo::Workspace;
use crate::exit::{Outcome, Usage};
use crate::images;
use crate::modules::{self, Compiler, Module};

/// Measure what a plugin costs, in fuel and bytes.
///
/// Each callback of a case with its fuel, its part of the millisecond that a request may take, its
/// hostcalls and bytes; the memory of the VM at its peak, and for each of 1,000 streams that are
/// open at a time; the size of the module. Fuel is about one unit a wasm instruction and the same
/// on every run and every machine, so a change of a number is a change of the plugin.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright bench local-reply                               its own cases\n  \
    gatewright bench header-rewrite 'renames'                  one of them\n  \
    gatewright bench new.wasm --cases cases/ --compare old.wasm\n  \
    gatewright bench local-reply --profile-guest               which functions it goes to\n  \
    gatewright bench my.wasm --profile-guest=my.folded --format json\n\n\
    The file of --profile-guest holds folded stacks, one `caller;callee fuel` a line, which \
    flamegraph.pl, inferno, speedscope and the Firefox Profiler open. A `budget` in a case file \
    makes `gatewright test` fail a case that costs more.")]
pub(crate) struct Arguments {
    /// A plugin of the workspace, by the name of its package, or a module's file
    #[arg(value_name = "PLUGIN|FILE.wasm")]
    plugin: String,
    /// The case: its name or a part of it [default: all]
    #[arg(value_name = "CASE")]
    case: Option<String>,
    /// Files of cases, or a folder with some [default: the plugin's own, or one plain exchange]
    #[arg(long, value_name = "PATH")]
    cases: Option<PathBuf>,
    /// Measure this module too, and show the difference
    #[arg(long, value_name = "OLD.wasm")]
    compare: Option<PathBuf>,
    /// Say which functions the fuel goes to, and write folded stacks [default: PLUGIN.folded]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    profile_guest: Option<PathBuf>,
    /// Give the plugin this configuration instead of the cases'
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Emulate this platform instead of the one that each case names
    #[arg(long, value_name = "google|tester|envoy")]
    profile: Option<Profile>,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A table a case
    Human,
    /// One object
    Json,
}

/// What a module without cases of its own is measured with.
const PLAIN: &str = "cases:\n  - name: one plain exchange\n    \
    request: {method: POST, path: /, headers: [\"accept: */*\", \"user-agent: bench\"], body: {repeat: x, times: 1024}}\n    \
    response: {status: 200, headers: [\"content-type: text/plain\"], body: {repeat: x, times: 1024}}\n";

/// A module and what each case costs with it.
struct Measured {
    module: Module,
    costs: Vec<CaseCost>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = match &arguments.config {
        Some(path) => Some(images::read_file(path, images::CONFIG_LIMIT)?.into()),
        None => None,
    };
    let suites = suites(arguments)?;
    let cases = cases(&suites, arguments.case.as_deref())?;
    let Some(module) = modules::find(&arguments.plugin)? else {
        return Ok(Outcome::Failed);
    };
    let compiler = Compiler::new()?;
    let measure = |module: Module| -> anyhow::Result<Measured> {
        let plugin = compiler
            .compile(&module.wasm)
            .map_err(|error| Usage(format!("`{}`: {error}", module.path.display())))?;
        let subject = subject(Link::new(plugin), arguments, config.as_ref());
        let costs = cases.iter().map(|case| bench(case, &subject)).collect();
        Ok(Measured { module, costs })
    };
    let old = match &arguments.compare {
        Some(path) => Some(measure(modules::read_module(path)?)?),
        None => None,
    };
    let new = measure(module)?;
    let mut profiles = Vec::new();
    if let Some(path) = &arguments.profile_guest {
        let plugin = compiler
            .engine
            .compile_profiled(&new.module.wasm)
            .map_err(|error| Usage(format!("`{}`: {error}", new.module.path.display())))?;
        let subject = subject(Link::new(plugin), arguments, config.as_ref());
        let found = cases
            .iter()
            .filter_map(|case| Some((case.name.as_str(), profile(case, &subject)?)));
        profiles.extend(found);
        let path = folded_path(path, &new.module);
        let written = std::fs::write(&path, folded(&profiles));
        written.with_context(|| format!("cannot write `{}`", path.display()))?;
        if arguments.format == Format::Human {
            anstream::eprintln!("folded stacks are in `{}`", path.display());
        }
    }
    match arguments.format {
        Format::Human => anstream::print!("{}", report::human(&new, old.as_ref(), &profiles)),
        Format::Json => anstream::println!("{:#}", report::json(&new, old.as_ref(), &profiles)),
    }
    // A plugin that fails shows a cost that is none.
    let whole = |cost: &CaseCost| cost.memory.is_some();
    Ok(if new.costs.iter().all(whole) {
        Outcome::Fine
    } else {
        Outcome::Failed
    })
}

fn subject(link: Link, arguments: &Arguments, config: Option<&Arc<[u8]>>) -> Subject {
    let mut subject = Subject::new(link);
    subject.profile = arguments.profile;
    subject.config = config.cloned();
    subject
}

fn suites(arguments: &Arguments) -> anyhow::Result<Vec<Suite>> {
    let usage = |error: &dyn std::fmt::Display| Usage(error.to_string());
    let folder = match &arguments.cases {
        Some(path) => Some(path.clone()),
        None if modules::is_file(&arguments.plugin) => None,
        None => {
            let workspace = Workspace::find()?;
            let folder = workspace.require(&arguments.plugin)?.folder.join("cases");
            Some(folder).filter(|folder| folder.exists())
        }
    };
    let Some(folder) = folder else {
        let plain = load_text(PLAIN, Path::new("plain.yaml")).map_err(|error| usage(&error))?;
        return Ok(vec![plain]);
    };
    let mut suites = Vec::new();
    for file in find(&folder).map_err(|error| usage(&error))? {
        suites.push(load(&file).map_err(|error| usage(&error))?);
    }
    Ok(suites)
}

/// The cases that are meant: all that start the plugin, or those that match.
fn cases<'a>(suites: &'a [Suite], name: Option<&str>) -> Result<Vec<&'a Case>, Usage> {
    let all: Vec<&Case> = suites.iter().flat_map(|suite| &suite.cases).collect();
    let chosen: Vec<&Case> = match name {
        None => all
            .iter()
            .copied()
            .filter(|case| !case.start_fails)
            .collect(),
        Some(name) => match all.iter().find(|case| case.name == name) {
            Some(exact) => vec![*exact],
            None => all
                .iter()
                .copied()
                .filter(|case| case.name.contains(name))
                .collect(),
        },
    };
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let names: Vec<_> = all
        .iter()
        .map(|case| format!("\n  {}", case.name))
        .collect();
    Err(Usage(match name {
        Some(name) => format!("no case `{name}`; there are:{}", names.concat()),
        None => "there are no cases to measure with".to_owned(),
    }))
}

fn folded_path(asked: &Path, module: &Module) -> PathBuf {
    if !asked.as_os_str().is_empty() {
        return asked.to_path_buf();
    }
    let name = Path::new(&module.name).file_stem().unwrap_or_default();
    Path::new(name).with_extension("folded")
}

/// Folded stacks with the case below each.
fn folded(profiles: &[(&str, GuestProfile)]) -> String {
    let mut out = String::new();
    for (case, profile) in profiles {
        let case = case.replace([';', '\n'], ",");
        for line in profile.folded().lines() {
            out += &format!("{case};{line}\n");
        }
    }
    out
}

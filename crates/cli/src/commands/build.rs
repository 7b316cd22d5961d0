//! `gatewright build`: plugins as they are packed for production.

use anyhow::Context as _;
use gatewright_host::{Limits, ModuleInfo};

use super::{DIM, GREEN, RED, RESET};
use crate::cargo::{self, Built, Workspace};
use crate::exit::Outcome;
use crate::finish::Optimised;

/// Build plugins for production and check their size.
///
/// Runs `cargo build --target wasm32-wasip1 --profile plugin` for the plugins of this workspace,
/// then Binaryen's `wasm-opt` if it is on the path, and holds each module against the load
/// balancer's limit. Names of functions go to a file beside the module, where `gatewright test` and
/// `gatewright trace` find them.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright build                  all plugins of the workspace\n  \
    gatewright build local-reply      one of them")]
pub(crate) struct Arguments {
    /// Plugins, by the name of their package; all if none is named
    #[arg(value_name = "PLUGIN")]
    plugins: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let workspace = Workspace::find()?;
    let mut chosen = Vec::new();
    for name in &arguments.plugins {
        chosen.push(workspace.require(name)?);
    }
    if chosen.is_empty() {
        chosen.extend(&workspace.plugins);
    }
    let Some(built) = cargo::build(&workspace, chosen.into_iter(), false)? else {
        return Ok(Outcome::Failed);
    };
    let limit = Limits::GOOGLE.module_bytes.unwrap_or(usize::MAX);
    let mut outcome = Outcome::Fine;
    let width = built
        .iter()
        .map(|plugin| plugin.name.len())
        .max()
        .unwrap_or(0);
    for plugin in &built {
        let wasm = std::fs::read(&plugin.wasm)
            .with_context(|| format!("cannot read `{}`", plugin.wasm.display()))?;
        let info = ModuleInfo::read(&wasm);
        let problem = match &info {
            Err(error) => Some(error.to_string()),
            Ok(info) => info.require_plugin().err().map(|error| error.to_string()),
        };
        let problem = problem.or_else(|| {
            (wasm.len() > limit).then(|| format!("larger than the {} KiB allowed", limit / 1024))
        });
        let (style, mark) = match problem {
            None => (GREEN, "ok"),
            Some(_) => (RED, "no"),
        };
        let path = plugin
            .wasm
            .strip_prefix(&workspace.root)
            .unwrap_or(&plugin.wasm);
        anstream::println!(
            "{style}{mark}{RESET}  {:width$}  {:>6.1} KiB  {DIM}{:.1} % of the limit  {}{RESET}",
            plugin.name,
            wasm.len() as f64 / 1024.0,
            100.0 * wasm.len() as f64 / limit as f64,
            path.display(),
        );
        if let Some(problem) = problem {
            anstream::println!("    {problem}");
            outcome = Outcome::Failed;
        }
    }
    anstream::println!("{DIM}{}{RESET}", optimiser(&built));
    Ok(outcome)
}

/// A line on whether the optimiser ran.
fn optimiser(built: &[Built]) -> String {
    for plugin in built {
        if let Optimised::Failed(why) = &plugin.optimised {
            return format!("not optimised: {}: {why}", plugin.name);
        }
    }
    match built.first().map(|plugin| &plugin.optimised) {
        Some(Optimised::By(version)) => format!("optimised by wasm-opt {version}"),
        _ => "not optimised: `wasm-opt` is not on the path (npm's `binaryen` has a current one)"
            .to_owned(),
    }
}

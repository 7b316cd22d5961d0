//! `gatewright trace`: one case, told whole.

use std::path::PathBuf;

use gatewright_harness::{case_page, load, render_case, run_case};
use gatewright_host::{Profile, TraceLevel};
use gatewright_view::model::Fact;
use gatewright_view::page::report;

use crate::exit::{Outcome, Usage};
use crate::subjects::{Found, Overrides, Subjects};
use crate::write::{self, Readers};

/// Show everything that happens in one case.
///
/// Every callback with what it cost, every hostcall with its arguments and answer, logs, findings,
/// and what went on and came back.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright trace plugins/local-reply/cases/default.yaml\n  \
    gatewright trace plugins/header-rewrite/cases/operations.yaml 'renames'\n  \
    gatewright trace plugins/local-reply/cases/default.yaml --html trace.html")]
pub(crate) struct Arguments {
    /// A file of cases
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The case: its name or a part of it [default: the first]
    #[arg(value_name = "CASE")]
    case: Option<String>,
    /// Run this module instead of building a plugin
    #[arg(long, value_name = "WASM")]
    plugin: Option<PathBuf>,
    /// Give the plugin this configuration instead of the case's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Emulate this platform instead of the one that the case names
    #[arg(long, value_name = "google|tester|envoy")]
    profile: Option<Profile>,
    /// Write it as a page that a browser shows, without a network, instead
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let suite = load(&arguments.file).map_err(|error| Usage(error.to_string()))?;
    let case = match &arguments.case {
        None => suite.cases.first(),
        Some(name) => suite
            .cases
            .iter()
            .find(|case| case.name == *name)
            .or_else(|| {
                suite
                    .cases
                    .iter()
                    .find(|case| case.name.contains(name.as_str()))
            }),
    };
    let Some(case) = case else {
        let names: Vec<_> = suite
            .cases
            .iter()
            .map(|case| format!("\n  {}", case.name))
            .collect();
        let file = arguments.file.display();
        let asked = arguments.case.as_deref().unwrap_or_default();
        return Err(Usage(format!(
            "no case `{asked}` in `{file}`; it has:{}",
            names.concat()
        ))
        .into());
    };
    let mut subjects = Subjects::new(Overrides {
        plugin: arguments.plugin.clone(),
        config: arguments.config.clone(),
        profile: arguments.profile,
    })?;
    if !subjects.build(std::slice::from_ref(&suite))? {
        return Ok(Outcome::Failed);
    }
    let (subject, wasm) = match subjects.of(&suite)? {
        Found::Subject(subject, wasm) => (subject, wasm),
        Found::NotHere(why) => return Err(Usage(why).into()),
    };
    let run = run_case(case, &subject, TraceLevel::Full);
    let Some(html) = &arguments.html else {
        anstream::print!("{}", render_case(case, &run, super::colour()));
        return Ok(Outcome::Fine);
    };
    let plugin = wasm.file_stem().unwrap_or_default().to_string_lossy();
    let profile = subject.profile.unwrap_or(case.profile);
    let failures = run.check(case, suite.format);
    let mut page = case_page(case, &run, &failures, (profile, &[plugin.into_owned()]));
    let file = arguments.file.display().to_string();
    page.facts.insert(0, Fact::new("file", file));
    write::whole(html, report(&page).as_bytes(), Readers::Usual)?;
    anstream::eprintln!("wrote {}", html.display());
    Ok(Outcome::Fine)
}

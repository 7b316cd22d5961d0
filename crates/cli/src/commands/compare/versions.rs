//! Cases through two versions of a plugin, and what the second would change.

use std::path::{Path, PathBuf};

use gatewright_harness::{
    Case, Change, Link, ReportFormat, Subject, Suite, changes, find, load, run_case, symbols,
};
use gatewright_host::{Plugin, TraceLevel};
use regex::Regex;
use serde_json::json;
use similar::{ChangeTag, TextDiff};

use crate::commands::{DIM, GREEN, RED, RESET};
use crate::exit::{Outcome, Usage};
use crate::modules::Compiler;

/// What is compared.
pub(super) struct Versions<'a> {
    /// The module that serves now, and the one that is to.
    pub(super) modules: [&'a Path; 2],
    pub(super) paths: &'a [PathBuf],
    pub(super) config: Option<&'a Path>,
    pub(super) filter: Option<&'a Regex>,
    pub(super) format: ReportFormat,
}

/// A case from which another version makes something else.
struct Changed<'a> {
    suite: &'a Suite,
    case: &'a Case,
    changes: Vec<Change>,
}

pub(super) fn run(versions: &Versions<'_>) -> anyhow::Result<Outcome> {
    let compiler = Compiler::new()?;
    let [old, new] = versions.modules;
    let config = match versions.config {
        Some(path) => Some(read(path)?),
        None => None,
    };
    let subject = |module: &Path| -> anyhow::Result<Subject> {
        let mut subject = Subject::new(Link::new(compile(&compiler, module)?));
        subject.config = config.as_deref().map(Into::into);
        Ok(subject)
    };
    let subjects = [subject(old)?, subject(new)?];
    let suites = suites(versions.paths)?;
    let cases = suites
        .iter()
        .flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)))
        .filter(|(_, case)| {
            let filter = versions.filter;
            filter.is_none_or(|filter| filter.is_match(&case.name))
        });
    let mut compared = 0;
    let mut changed = Vec::new();
    for (suite, case) in cases {
        compared += 1;
        let [before, after] = subjects
            .each_ref()
            .map(|subject| run_case(case, subject, TraceLevel::Cost));
        let changes = changes(&before, &after);
        if !changes.is_empty() {
            changed.push(Changed {
                suite,
                case,
                changes,
            });
        }
    }
    if compared == 0 {
        let why = match versions.filter {
            Some(filter) => format!("no case matches `{filter}`"),
            None => "there is no case in these files".to_owned(),
        };
        return Err(Usage(why).into());
    }
    match versions.format {
        ReportFormat::Json => tell_json(compared, &changed),
        _ => tell(compared, &changed),
    }
    Ok(if changed.is_empty() {
        Outcome::Fine
    } else {
        Outcome::Failed
    })
}

fn suites(paths: &[PathBuf]) -> anyhow::Result<Vec<Suite>> {
    let mut suites = Vec::new();
    for path in paths {
        for file in find(path).map_err(|error| Usage(error.to_string()))? {
            suites.push(load(&file).map_err(|error| Usage(error.to_string()))?);
        }
    }
    if suites.is_empty() {
        let searched: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(Usage(format!("there are no cases in `{}`", searched.join("`, `"))).into());
    }
    Ok(suites)
}

fn compile(compiler: &Compiler, path: &Path) -> anyhow::Result<Plugin> {
    let wrong = |error: String| Usage(format!("`{}`: {error}", path.display()));
    let bytes = symbols::read(path).map_err(|error| wrong(error.to_string()))?;
    Ok(compiler
        .compile(&bytes)
        .map_err(|error| wrong(error.to_string()))?)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::read(path);
    Ok(bytes.map_err(|error| Usage(format!("cannot read `{}`: {error}", path.display())))?)
}

fn tell(compared: usize, changed: &[Changed<'_>]) {
    for one in changed {
        anstream::println!(
            "{RED}changes{RESET} {}:{}: {}",
            one.suite.file.display(),
            one.case.place.line,
            one.case.name
        );
        for change in &one.changes {
            let exchange = match change.exchange {
                Some(at) if one.case.exchanges.len() > 1 => format!("exchange {}: ", at + 1),
                _ => String::new(),
            };
            anstream::println!("  {exchange}{}", change.what);
            let Some(texts) = &change.texts else { continue };
            let diff = TextDiff::from_lines(&texts.expected, &texts.actual);
            for line in diff.iter_all_changes() {
                let (sign, style) = match line.tag() {
                    ChangeTag::Delete => ('-', RED),
                    ChangeTag::Insert => ('+', GREEN),
                    ChangeTag::Equal => (' ', DIM),
                };
                let text = line.value().trim_end_matches('\n');
                anstream::println!("    {style}{sign}{text}{RESET}");
            }
        }
    }
    let style = if changed.is_empty() { GREEN } else { RED };
    let cases = if compared == 1 { "case" } else { "cases" };
    anstream::println!(
        "{compared} {cases} compared: {style}{} would change{RESET}",
        changed.len()
    );
}

fn tell_json(compared: usize, changed: &[Changed<'_>]) {
    let changed: Vec<_> = changed
        .iter()
        .map(|one| {
            let changes = one.changes.iter().map(|change| {
                json!({
                    "exchange": change.exchange.map(|at| at + 1),
                    "what": change.what,
                    "before": change.texts.as_ref().map(|texts| &texts.expected),
                    "after": change.texts.as_ref().map(|texts| &texts.actual),
                })
            });
            json!({
                "file": one.suite.file.display().to_string(),
                "line": one.case.place.line,
                "case": one.case.name,
                "changes": changes.collect::<Vec<_>>(),
            })
        })
        .collect();
    let all = json!({"compared": compared, "changed": changed});
    anstream::println!("{all:#}");
}

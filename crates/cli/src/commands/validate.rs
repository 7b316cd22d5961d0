//! `gatewright validate`: what GKE would say of manifests.

use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use gatewright_gke::{FixedFile, Report, Severity, check, fix, render};
use similar::TextDiff;

use crate::exit::Outcome;
use crate::manifests::{Files, Manifests};

/// Check manifests and say what GKE would say.
///
/// Told apart are what the API server rejects, what the Gateway controller rejects, and what will
/// surprise. Nothing stops at the first problem, and nothing is asked of a cluster.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright validate manifests/\n  \
    gatewright validate plugin.yaml --gateway external-http=gke-l7-global-external-managed\n  \
    gatewright validate manifests/ --substitute GATEWAY_NAME=external-http --fix\n  \
    gatewright validate manifests/ --format sarif > findings.sarif")]
pub(crate) struct Arguments {
    #[command(flatten)]
    manifests: Manifests,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Mend what has one right answer, and show what was changed
    #[arg(long)]
    fix: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Excerpts with carets
    Human,
    /// One JSON document
    Json,
    /// SARIF, as code scanning takes it
    Sarif,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let files = arguments.manifests.read()?;
    let options = arguments.manifests.options();
    let report = if arguments.fix {
        let (fixed, report) = fix(&files.inputs(), &options);
        for file in &fixed {
            show(file);
            write(file, &files)?;
        }
        report
    } else {
        check(&files.inputs(), &options)
    };
    anstream::print!("{}", rendered(&report, arguments.format));
    Ok(if report.count(Severity::Error) == 0 {
        Outcome::Fine
    } else {
        Outcome::Failed
    })
}

fn rendered(report: &Report, format: Format) -> String {
    match format {
        Format::Human => render::human(report),
        Format::Json => render::json(report),
        Format::Sarif => render::sarif(report),
    }
}

/// What was mended goes to people, so that the report on standard output stays readable by
/// programs.
fn show(file: &FixedFile) {
    for done in &file.done {
        anstream::eprintln!("{}: {done}", file.name);
    }
    let diff = TextDiff::from_lines(&file.before, &file.after);
    anstream::eprint!("{}", diff.unified_diff().header(&file.name, &file.name));
}

/// The whole file is written beside the old one and takes its place at once.
fn write(file: &FixedFile, files: &Files) -> anyhow::Result<()> {
    let path = files.path(file.index).unwrap_or(Path::new(&file.name));
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut new = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
        .with_context(|| format!("cannot write beside `{}`", path.display()))?;
    std::io::Write::write_all(&mut new, file.after.as_bytes())
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    let about = std::fs::metadata(path).with_context(|| format!("`{}`", path.display()))?;
    std::fs::set_permissions(new.path(), about.permissions())
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    new.persist(path)
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(())
}

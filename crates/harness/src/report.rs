//! What became of all suites, as text for people and for programs. Nothing is printed here.

mod diff;
mod human;
mod json;
mod junit;

use std::path::PathBuf;
use std::time::Duration;

use crate::run::{CaseReport, SuiteReport};

pub(crate) use human::failure as human_failure;

/// Everything that a run has to say.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What became of each suite that was run.
    pub suites: Vec<SuiteReport>,
    /// Files that could not be used, each with the reason. They make the run fail.
    pub errors: Vec<(PathBuf, String)>,
    /// Files that were passed over, each with the reason.
    pub skipped: Vec<(PathBuf, String)>,
    /// How long it all took.
    pub time: Option<Duration>,
}

/// A form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportFormat {
    /// A line a case, failures in detail, a summary.
    #[default]
    Human,
    /// One JSON document.
    Json,
    /// JUnit's XML, as build servers read it.
    Junit,
}

impl std::str::FromStr for ReportFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            "junit" => Ok(Self::Junit),
            _ => Err(format!(
                "`{text}` is no format; there are `human`, `json` and `junit`"
            )),
        }
    }
}

impl Report {
    fn cases(&self) -> impl Iterator<Item = &CaseReport> {
        self.suites.iter().flat_map(|suite| &suite.cases)
    }

    /// Cases that passed.
    pub fn passed(&self) -> usize {
        self.cases().filter(|case| case.passed()).count()
    }

    /// Cases that failed.
    pub fn failed(&self) -> usize {
        self.cases().filter(|case| !case.passed()).count()
    }

    /// Whether every case passed and every file could be used.
    pub fn is_success(&self) -> bool {
        self.failed() == 0 && self.errors.is_empty()
    }

    /// The report in a form; colours are for people only.
    pub fn render(&self, format: ReportFormat, colour: bool) -> String {
        match format {
            ReportFormat::Human => human::render(self, colour),
            ReportFormat::Json => json::render(self),
            ReportFormat::Junit => junit::render(self),
        }
    }
}

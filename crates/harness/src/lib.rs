//! Cases, their runner, expectations and reports.
mod cases;
mod chunks;
mod google;
mod load;
mod model;
mod place;
mod re2;
mod run;
mod text;
mod yaml;

pub use load::{find, load, load_text};
pub use model::{
    Case, Check, Event, Exchange, Format, ImmediateIs, Matcher, Pattern, Phase, ReplyIs, Step,
    Suite,
};
pub use place::{LoadError, Place};
pub use run::{
    CaseReport, CaseRun, End, ExchangeRun, Failure, Job, Link, Mismatch, RunOptions, StepRun,
    Subject, SuiteReport, run, run_case,
};

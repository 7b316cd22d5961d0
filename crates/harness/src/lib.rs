//! Cases for proxy-wasm plugins: read, run against the emulator, judged, reported.
//!
//! A [`Suite`] is read by [`load`] from our YAML or from Google's `tests.textpb` and its YAML twin.
//! [`run`] starts a plugin afresh for every case, sends what the case says, and reports in order;
//! a [`Report`] becomes text for people, JSON or JUnit's XML. [`render_case`] tells the whole story
//! of one case. An author's own `cargo test` drives a built plugin with [`Test`].
//!
//! What is judged comes from the effects and the trace of [`gatewright_host`] and from nowhere
//! else. This crate prints nothing, exits nowhere, and reads no clock; it builds no plugin and knows
//! no folder but those it is given.
//!
//! ```
//! use std::path::Path;
//! use gatewright_harness::{Job, Link, ReportFormat, Report, RunOptions, Subject, load_text, run};
//! use gatewright_host::{Engine, EngineOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let wasm = wat::parse_str(
//!     r#"(module
//!         (memory (export "memory") 1)
//!         (func (export "proxy_abi_version_0_2_1"))
//!         (func (export "malloc") (param i32) (result i32) i32.const 1024))"#,
//! )?;
//! let engine = Engine::new(&EngineOptions::default())?;
//! let subject = Subject::new(Link::new(engine.compile(&wasm)?));
//! let suite = load_text(
//!     "
//! cases:
//!   - name: passes the request on
//!     request: {path: /x}
//!     expect:
//!       request_headers: {has: [\":path: /x\"]}
//!       no_reply: true
//! ",
//!     Path::new("example.yaml"),
//! )?;
//! let report = Report {
//!     suites: run(&[Job::new(&suite, &subject)], &RunOptions::default()),
//!     ..Report::default()
//! };
//! assert!(report.is_success());
//! assert!(report.render(ReportFormat::Human, false).contains("1 case: 1 passed"));
//! # Ok(())
//! # }
//! ```

#[doc = include_str!("../CASES.md")]
pub mod cases_format {}

mod place;
mod text;

mod chunks;
mod model;
mod re2;
mod world;
mod yaml;

mod cases;
mod google;
mod load;
mod suite_map;

mod run;

mod bench;

mod changes;
mod explore;

mod page;
mod paint;
mod render;
mod report;

mod api;
mod cache;
pub mod command;
pub mod symbols;

pub use api::{Outcome, Request, Response, Test, TestError, run_folder};
pub use bench::{CallbackCost, CaseCost, STREAMS, Streams, bench, profile};
pub use cache::{CacheError, CodeCache, Origin};
pub use changes::{Change, changes};
pub use explore::write::case_file;
pub use explore::{Explored, FailingVariant};
pub use load::{find, load, load_text};
pub use model::{
    Budget, Case, Check, Event, Exchange, Format, ImmediateIs, Matcher, Pattern, Phase, ReplyIs,
    Step, Suite, Turns, Variation,
};
pub use page::case_page;
pub use place::{LoadError, Place};
pub use render::{render_case, render_trace};
pub use report::{Report, ReportFormat};
pub use run::{
    CaseReport, CaseRun, End, ExchangeRun, Failure, Job, Left, Link, Mismatch, QueueLeft,
    RunOptions, StepRun, Subject, SuiteReport, run, run_case,
};
pub use suite_map::{MappedConfig, MappedSuite, SuiteMap};
pub use world::{Answer, AnswerKind, CalloutIs, FailurePolicy, Happening, Setup, Upstream, World};

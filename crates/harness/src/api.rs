//! Driving a built plugin from an author's own `cargo test`.

mod outcome;
mod parts;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use gatewright_host::{Attributes, Engine, EngineOptions, LogLevel, Plugin, Profile, TraceLevel};

use crate::load::{find, load};
use crate::model::{Budget, Case, Exchange};
use crate::place::Place;
use crate::report::{Report, ReportFormat};
use crate::run::{Job, Link, RunOptions, Subject, run, run_case};
use crate::world::World;
pub use outcome::Outcome;
pub use parts::{Request, Response};

/// A plugin could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {error}; build the plugin first: `cargo build --target wasm32-wasip1`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is no plugin.
    #[error("`{}` is {error}", path.display())]
    NotAPlugin {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: gatewright_host::LoadError,
    },
    /// The machine cannot run plugins.
    #[error("{0}")]
    Engine(String),
    /// A file of cases cannot be used.
    #[error("{0}")]
    Cases(#[from] crate::place::LoadError),
    /// A configuration cannot be written as JSON.
    #[error("the configuration cannot be written as JSON: {0}")]
    Config(#[from] serde_json::Error),
}

/// A test of a built plugin: how it is started, and what is sent to it.
///
/// ```
/// use gatewright_harness::{Request, Response, Test};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("hello.wasm");
/// # std::fs::write(&path, wat::parse_str(r#"(module
/// #   (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
/// #   (memory (export "memory") 1) (data (i32.const 0) "x-seenyes")
/// #   (func (export "proxy_abi_version_0_2_1"))
/// #   (func (export "malloc") (param i32) (result i32) i32.const 1024)
/// #   (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
/// #     (drop (call $add (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 6) (i32.const 3)))
/// #     i32.const 0))"#)?)?;
/// // In an author's test: "target/wasm32-wasip1/plugin/my_plugin.wasm".
/// let outcome = Test::plugin(path)
///     .config(serde_json::json!({"status": 200}))
///     .request(Request::get("/x").header("accept", "text/html"))
///     .response(Response::status(200).body("from upstream"))
///     .run();
/// outcome.assert_request_header("x-seen", "yes");
/// outcome.assert_response_body("from upstream");
/// outcome.assert_no_findings();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a test does nothing until it is run"]
pub struct Test {
    plugin: PathBuf,
    config: Result<Option<Arc<[u8]>>, String>,
    profile: Profile,
    clock: u64,
    seed: u64,
    log_level: LogLevel,
    attributes: Attributes,
    exchanges: Vec<Exchange>,
}

impl Test {
    /// A test of the plugin in this file, on Google's platform, with no configuration.
    pub fn plugin(path: impl Into<PathBuf>) -> Self {
        Self {
            plugin: path.into(),
            config: Ok(None),
            profile: Profile::Google,
            clock: 0,
            seed: 0,
            log_level: LogLevel::Info,
            attributes: Attributes::new(),
            exchanges: Vec::new(),
        }
    }

    /// The plugin's configuration, written as JSON.
    pub fn config(mut self, config: impl serde::Serialize) -> Self {
        self.config = serde_json::to_vec(&config)
            .map(|json| Some(json.into()))
            .map_err(|error| error.to_string());
        self
    }

    /// The plugin's configuration, as it is.
    pub fn config_bytes(mut self, config: impl AsRef<[u8]>) -> Self {
        self.config = Ok(Some(config.as_ref().into()));
        self
    }

    /// The platform; Google's if it is not set.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// What the clock shows, in seconds since the epoch.
    pub fn clock(mut self, seconds: u64) -> Self {
        self.clock = seconds.saturating_mul(1_000_000_000);
        self
    }

    /// The seed of random bytes.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The lowest level of log messages that are seen.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// An attribute that is forwarded to the plugin, by its path with dots.
    pub fn attribute(mut self, path: &str, value: impl AsRef<[u8]>) -> Self {
        self.attributes.set(path, value);
        self
    }

    /// A request. Each begins another exchange, on the same VM.
    pub fn request(mut self, request: Request) -> Self {
        self.exchanges.push(request.into_exchange());
        self
    }

    /// What the upstream answers to the last request; without one, only the request's phases run.
    pub fn response(mut self, response: Response) -> Self {
        if self.exchanges.is_empty() {
            self.exchanges.push(Request::get("/").into_exchange());
        }
        if let Some(exchange) = self.exchanges.last_mut() {
            response.add_to(exchange);
        }
        self
    }

    /// Runs it.
    ///
    /// # Panics
    /// When the plugin cannot be had. What the plugin does, a trap included, is no panic but in
    /// the outcome.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test helper fails the test that calls it")]
    pub fn run(self) -> Outcome {
        match self.try_run() {
            Ok(outcome) => outcome,
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`TestError`] when the plugin cannot be had.
    pub fn try_run(self) -> Result<Outcome, TestError> {
        let plugin = compiled(&self.plugin)?;
        let config = self
            .config
            .map_err(|error| TestError::Config(serde::ser::Error::custom(error)))?;
        let case = Case {
            name: self.plugin.display().to_string(),
            place: Place::default(),
            profile: self.profile,
            config,
            clock: self.clock,
            clock_set: true,
            seed: self.seed,
            log_level: self.log_level,
            attributes: Arc::new(self.attributes),
            start_fails: false,
            start: Vec::new(),
            exchanges: self.exchanges,
            turns: None,
            unexplored: Vec::new(),
            budget: Budget::default(),
            world: World::default(),
        };
        let run = run_case(&case, &Subject::new(Link::new(plugin)), TraceLevel::Full);
        Ok(Outcome::new(case, run))
    }
}

/// Runs all cases in a folder, of either format, against a built plugin.
///
/// # Panics
/// When a case fails, with the report; when a file cannot be used; when there is no case.
#[track_caller]
#[expect(clippy::panic, reason = "a test helper fails the test that calls it")]
pub fn run_folder(plugin: impl AsRef<Path>, folder: impl AsRef<Path>) {
    match try_run_folder(plugin.as_ref(), folder.as_ref()) {
        Err(error) => panic!("{error}"),
        Ok(report) if report.passed() + report.failed() == 0 => {
            panic!("there is no case in `{}`", folder.as_ref().display())
        }
        Ok(report) if !report.is_success() => {
            panic!("\n{}", report.render(ReportFormat::Human, false))
        }
        Ok(_) => {}
    }
}

fn try_run_folder(plugin: &Path, folder: &Path) -> Result<Report, TestError> {
    let subject = Subject::new(Link::new(compiled(plugin)?));
    let mut report = Report::default();
    let mut suites = Vec::new();
    for file in find(folder)? {
        match load(&file) {
            Ok(suite) => suites.push(suite),
            Err(error) => report.errors.push((file, error.to_string())),
        }
    }
    let jobs: Vec<_> = suites
        .iter()
        .map(|suite| Job::new(suite, &subject))
        .collect();
    report.suites = run(&jobs, &RunOptions::default());
    Ok(report)
}

/// Compiled plugins of this process, by file, length and time of change.
type Compiled = HashMap<(PathBuf, u64, Option<SystemTime>), Plugin>;

/// The plugin in a file, compiled once in a process.
fn compiled(path: &Path) -> Result<Plugin, TestError> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    static COMPILED: OnceLock<Mutex<Compiled>> = OnceLock::new();
    let unreadable = |error| TestError::Read {
        path: path.to_owned(),
        error,
    };
    let about = std::fs::metadata(path).map_err(unreadable)?;
    let key = (path.to_owned(), about.len(), about.modified().ok());
    // Held while compiling, so that tests that start together compile once.
    let mut compiled = COMPILED
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(plugin) = compiled.get(&key) {
        return Ok(plugin.clone());
    }
    let engine = ENGINE
        .get_or_init(|| Engine::new(&EngineOptions::default()).map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|error| TestError::Engine(error.clone()))?;
    let wasm = crate::symbols::read(path).map_err(unreadable)?;
    let plugin = engine
        .compile(&wasm)
        .map_err(|error| TestError::NotAPlugin {
            path: path.to_owned(),
            error,
        })?;
    compiled.insert(key, plugin.clone());
    Ok(plugin)
}

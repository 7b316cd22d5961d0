//! `gatewright run-tests`: the tests in a wasm module, each in a fresh VM.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use gatewright_harness::command::{Ended, Program, Start};

use super::{DIM, GREEN, RED, RESET, YELLOW};
use crate::exit::{Outcome, Usage};

/// Run the tests in a wasm module, each in a VM of its own.
///
/// A runner for cargo: `cargo test --target wasm32-wasip1` comes here when `runner` in
/// `.cargo/config.toml` says so. In wasm a panic ends the program, so each test gets a fresh VM, and
/// one that fails takes no other along. Arguments are those of Rust's test harness.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo test --target wasm32-wasip1                     all tests of the plugins here\n  \
    cargo test --target wasm32-wasip1 -- --nocapture path some of them, with what they print\n  \
    gatewright run-tests target/…/guard-0123.wasm         a module that cargo built")]
pub(crate) struct Arguments {
    /// A test program that cargo built for `wasm32-wasip1`
    #[arg(value_name = "FILE.wasm")]
    module: PathBuf,
    /// Arguments for the test harness in it
    #[arg(
        value_name = "ARGUMENT",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<String>,
}

/// How a test ended.
enum Verdict {
    Passed,
    Ignored,
    Failed,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let path = arguments.module.display().to_string();
    let wasm = std::fs::read(&arguments.module)
        .map_err(|error| Usage(format!("cannot read `{path}`: {error}")))?;
    let program = Program::compile(&wasm).map_err(|error| Usage(format!("`{path}`: {error}")))?;
    let begun = Instant::now();
    let clock = move || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let runner = Runner {
        program,
        name: path,
        clock: Arc::new(clock),
    };
    // Who asks for a list, for help or for one test by its name wants that and no more.
    let alone = ["--list", "--help", "-h", "--exact"];
    if arguments
        .arguments
        .iter()
        .any(|a| alone.contains(&a.as_str()))
    {
        let ended = runner.start(&arguments.arguments);
        anstream::print!("{}", String::from_utf8_lossy(&ended.stdout));
        anstream::eprint!("{}", String::from_utf8_lossy(&ended.stderr));
        if let Some(trap) = &ended.trap {
            anstream::eprintln!("{}", first_line(trap));
        }
        return Ok(outcome(ended.is_success()));
    }
    let tests = runner.list(&arguments.arguments)?;
    let shows_output = arguments
        .arguments
        .iter()
        .any(|a| a == "--nocapture" || a == "--show-output");
    let flags: Vec<_> = arguments
        .arguments
        .iter()
        .filter(|argument| argument.starts_with('-') && *argument != "--nocapture")
        .cloned()
        .collect();
    anstream::println!("\nrunning {} tests", tests.len());
    let ended = runner.run_all(&tests, &flags);
    let mut counts = [0; 3];
    for (test, ended) in tests.iter().zip(ended) {
        let verdict = verdict(&ended);
        let (style, word, index) = match verdict {
            Verdict::Passed => (GREEN, "ok", 0),
            Verdict::Ignored => (YELLOW, "ignored", 1),
            Verdict::Failed => (RED, "FAILED", 2),
        };
        if let Some(count) = counts.get_mut(index) {
            *count += 1;
        }
        anstream::println!("test {test} ... {style}{word}{RESET}");
        if matches!(verdict, Verdict::Failed) || shows_output {
            anstream::print!("{}", output(test, &ended));
        }
    }
    let [passed, ignored, failed] = counts;
    let (style, word) = if failed == 0 {
        (GREEN, "ok")
    } else {
        (RED, "FAILED")
    };
    anstream::println!(
        "\ntest result: {style}{word}{RESET}. {passed} passed; {failed} failed; {ignored} ignored; \
         {DIM}each in a VM of its own, {:.2} s{RESET}\n",
        begun.elapsed().as_secs_f64()
    );
    Ok(outcome(failed == 0))
}

fn outcome(holds: bool) -> Outcome {
    if holds {
        Outcome::Fine
    } else {
        Outcome::Failed
    }
}

struct Runner {
    program: Program,
    name: String,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Runner {
    fn start(&self, arguments: &[String]) -> Ended {
        let mut all = vec![self.name.clone()];
        all.extend_from_slice(arguments);
        self.program.run(&Start {
            arguments: all,
            clock: Arc::clone(&self.clock),
        })
    }

    /// The names of the tests that these arguments choose.
    fn list(&self, arguments: &[String]) -> anyhow::Result<Vec<String>> {
        let mut listing: Vec<_> = arguments.to_vec();
        listing.extend(["--list", "--format", "terse"].map(String::from));
        let ended = self.start(&listing);
        if !ended.is_success() {
            let said = String::from_utf8_lossy(&ended.stderr);
            let why = ended.trap.as_deref().unwrap_or(said.trim());
            return Err(Usage(format!("`{}` does not list its tests: {why}", self.name)).into());
        }
        let text = String::from_utf8(ended.stdout).context("the list of tests is no text")?;
        let tests = text.lines().filter_map(|line| line.strip_suffix(": test"));
        Ok(tests.map(String::from).collect())
    }

    /// Runs each test in its own VM, as many at once as the machine has cores.
    fn run_all(&self, tests: &[String], flags: &[String]) -> Vec<Ended> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(vec![Ended::default(); tests.len()]);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers.min(tests.len()) {
                scope.spawn(|| {
                    while let index = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(test) = tests.get(index)
                    {
                        let mut arguments = flags.to_vec();
                        // A panic ends the program before its harness would show what it caught.
                        arguments.extend([test, "--exact", "--nocapture"].map(String::from));
                        let ended = self.start(&arguments);
                        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Some(result) = results.get_mut(index) {
                            *result = ended;
                        }
                    }
                });
            }
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn verdict(ended: &Ended) -> Verdict {
    let stdout = String::from_utf8_lossy(&ended.stdout);
    match ended.is_success() {
        // A harness that ran nothing is one that left the test out.
        true if stdout.contains(" 1 passed;") => Verdict::Passed,
        true if stdout.contains(" 1 ignored;") => Verdict::Ignored,
        _ => Verdict::Failed,
    }
}

/// What a test printed, and why it ended.
fn output(test: &str, ended: &Ended) -> String {
    let mut out = format!("---- {test}\n");
    let harness = |line: &&str| {
        !line.is_empty() && !line.starts_with("running ") && !line.starts_with("test result: ")
    };
    for stream in [&ended.stdout, &ended.stderr] {
        for line in String::from_utf8_lossy(stream).lines().filter(harness) {
            out += &format!("  {line}\n");
        }
    }
    if let Some(trap) = &ended.trap {
        out += &format!("  ended by a trap: {}\n", first_line(trap));
    }
    out
}

/// Backtraces of frames without lines say nothing; the reason comes last.
fn first_line(trap: &str) -> &str {
    trap.rsplit("\n")
        .find(|line| !line.trim().is_empty())
        .map_or(trap, str::trim)
}

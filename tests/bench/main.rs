//! `bench-gateway`: our gateway and a real Envoy under the same load, in turn, in one run.
//!
//! The same manifests serve on both sides: here by `gatewright serve`, there by what
//! `gatewright export envoy` makes of them; the same modules, the same upstream, the same callout,
//! one worker each. What is told is the median of the rounds, and how far apart they lay.

mod growth;
mod load;
mod page;
mod plot;
mod rows;
mod setup;
mod side;
mod upstream;

use std::path::PathBuf;
use std::process::ExitCode;

use load::Load;

/// What to measure and where to write it.
struct Options {
    rounds: usize,
    seconds: u64,
    page: Option<PathBuf>,
    only: Vec<String>,
    growth: bool,
}

const USAGE: &str =
    "usage: bench-gateway [--rounds N] [--seconds N] [--page FILE] [--no-growth] [ROW…]
  --rounds N    of each row, both sides in turn; 5 unless you say
  --seconds N   of load in a round; 3 unless you say
  --page FILE   write tables and plots there; the figures go to standard output in any case
  --no-growth   leave out how each side grows with workers, connections, chains and routes
needs wrk in the path and an Envoy in GATEWRIGHT_ENVOY; scripts/setup brings both";

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            rounds: 5,
            seconds: 3,
            page: None,
            only: Vec::new(),
            growth: true,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("`{argument}` takes a value"))
            };
            let number = |text: String| {
                text.parse::<u32>()
                    .ok()
                    .filter(|number| *number > 0)
                    .ok_or(format!("`{text}` is no number above 0"))
            };
            match argument.as_str() {
                "--rounds" => options.rounds = number(value()?)? as usize,
                "--seconds" => options.seconds = u64::from(number(value()?)?),
                "--page" => options.page = Some(PathBuf::from(value()?)),
                "--no-growth" => options.growth = false,
                row if rows::NAMES.contains(&row) => options.only.push(row.to_owned()),
                other => {
                    let rows = rows::NAMES.join(" ");
                    return Err(format!("unknown argument `{other}`; the rows are: {rows}"));
                }
            }
        }
        Ok(options)
    }
}

#[expect(clippy::print_stderr, reason = "usage and progress go to people")]
fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-gateway: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let program = gatewright_tests::measured::program();
    if !program.is_file() {
        let program = program.display();
        return Err(format!(
            "`{program}` is not there; build gatewright-cli beside this"
        ));
    }
    let upstream = upstream::start()?;
    let load = Load {
        connections: 32,
        seconds: options.seconds,
    };
    let mut setups = setup::rows(&upstream);
    setups.retain(|setup| {
        options.only.is_empty() || options.only.iter().any(|name| *name == setup.name)
    });
    let measured = rows::measure(&setups, &load, options.rounds)?;
    let grown = if options.growth && options.only.is_empty() {
        growth::measure(&upstream, &load, options.rounds)?
    } else {
        Vec::new()
    };
    rows::figures(&measured);
    growth::figures(&grown);
    if let Some(path) = &options.page {
        page::write(path, &measured, &grown, options)?;
        say(&format!("written: {}", path.display()));
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "progress goes to people")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Prints a figure as `scripts/figures` does.
#[expect(clippy::print_stdout, reason = "the program's output is its figures")]
fn figure(id: &str, value: f64, at_least: bool, bound: f64) {
    let (sign, holds) = if at_least {
        (">=", value >= bound)
    } else {
        ("<=", value <= bound)
    };
    let verdict = if holds { "holds" } else { "short" };
    println!("bench\t{id}\t{value:.3}\tratio\t{sign} {bound}\t{verdict}");
}

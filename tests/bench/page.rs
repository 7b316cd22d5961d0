//! The page of benchmarks: what was measured, on what machine, and when.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::growth::Series;
use crate::rows::{Round, Row};
use crate::side::Side;
use crate::{Options, plot};

/// A column: its heading, what it shows of a round, and how many digits after the point.
type Column = (&'static str, fn(&Round) -> f64, usize);

const COLUMNS: [Column; 6] = [
    ("requests/s", |round| round.seen.rate, 0),
    ("p50 ms", |round| round.seen.p50, 2),
    ("p99 ms", |round| round.seen.p99, 2),
    ("CPU µs/request", |round| round.cpu, 1),
    ("peak MiB", |round| round.peak, 0),
    ("start ms", |round| round.start, 0),
];

/// Writes the page, and the plots beside it.
pub(crate) fn write(
    path: &Path,
    rows: &[Row],
    grown: &[Series],
    options: &Options,
) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let put = |name: &Path, text: &str| {
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(name, text))
            .map_err(|error| format!("cannot write `{}`: {error}", name.display()))
    };
    let mut page = head(options);
    page.push_str("\n![Requests a second of each row](benchmarks-rates.svg)\n\n");
    put(&folder.join("benchmarks-rates.svg"), &plot::rates(rows))?;
    for row in rows {
        table(&mut page, row);
    }
    if !grown.is_empty() {
        page.push_str(
            "## How each grows\n\nCPU for a request through header-rewrite to an upstream.\n\n",
        );
    }
    for series in grown {
        let name = format!("benchmarks-{}.svg", series.what);
        put(&folder.join(&name), &plot::growth(series))?;
        let _ = writeln!(page, "![CPU a request by {0}]({name})\n", series.what);
        let _ = writeln!(
            page,
            "| {} | gatewright µs | Envoy µs |\n|---|---|---|",
            series.what
        );
        for point in &series.points {
            let _ = writeln!(
                page,
                "| {} | {:.1} | {:.1} |",
                point.count, point.cpu[0], point.cpu[1]
            );
        }
        let [ours, theirs] = Side::BOTH.map(|side| series.growth(side));
        let _ = writeln!(page, "| last over first | {ours:.2} | {theirs:.2} |\n");
    }
    put(path, &page)
}

fn head(options: &Options) -> String {
    let machine = read("/proc/cpuinfo", "model name");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = read("/proc/meminfo", "MemTotal");
    let date = said("date", &["-u", "+%Y-%m-%d"]);
    let kernel = said("uname", &["-sr"]);
    let envoy = std::env::var("GATEWRIGHT_ENVOY").unwrap_or_default();
    let envoy = said(&envoy, &["--version"]);
    let envoy = envoy
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned();
    format!(
        "# Benchmarks against Envoy\n\nWritten by `scripts/bench-gateway` on {date}; do not edit. \
         Machine: {machine}, {cores} cores, {memory}, {kernel}. Envoy: `{envoy}`.\n\n\
         Both sides serve the same manifests (ours by `gatewright serve`, Envoy's by \
         `gatewright export envoy`), the same modules and the same upstream, with one worker each, \
         in turn, under `wrk` with one thread and 32 connections on the same machine. Each number is \
         the median of {} rounds of {} s, with the least and the most after it; `ratio` is the median \
         over the rounds of ours over Envoy's. The start is with a warm cache of compiled code on \
         our side; Envoy keeps none.\n",
        options.rounds, options.seconds
    )
}

fn table(page: &mut String, row: &Row) {
    let _ = writeln!(page, "## {}\n\n{}.\n", row.name, capital(row.what));
    page.push_str("| |");
    for (heading, ..) in COLUMNS {
        let _ = write!(page, " {heading} |");
    }
    page.push_str("\n|---|---|---|---|---|---|---|\n");
    for side in Side::BOTH {
        let _ = write!(page, "| {} |", side.name());
        for (_, what, digits) in COLUMNS {
            let (low, high) = row.spread(side, what);
            let _ = write!(
                page,
                " {:.digits$} ({low:.digits$}–{high:.digits$}) |",
                row.of(side, what)
            );
        }
        page.push('\n');
    }
    page.push_str("| ratio |");
    for (_, what, _) in COLUMNS {
        let _ = write!(page, " {:.2} |", row.ratio(what));
    }
    page.push_str("\n\n");
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// The value of a line `name : value` of a file.
fn read(path: &str, name: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(
        || "unknown".to_owned(),
        |(_, value)| value.trim().to_owned(),
    )
}

/// What a program says; nothing if it cannot be run.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

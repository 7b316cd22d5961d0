//! The report for people.

use std::fmt::Write as _;

use super::Report;
use super::diff;
use crate::explore::FailingVariant;
use crate::paint::Paint;
use crate::run::{CaseReport, Failure};
use crate::text::{shortened, shown};

/// Log messages shown with a failure, the last ones.
const LOGS: usize = 16;
/// Frames shown of a guest's stack.
const FRAMES: usize = 12;

pub(super) fn render(report: &Report, colour: bool) -> String {
    let paint = Paint { colour };
    let mut out = String::new();
    for suite in &report.suites {
        let _ = writeln!(out, "{}", paint.bold(&suite.file.display().to_string()));
        for case in &suite.cases {
            self::case(case, paint, &mut out);
        }
    }
    for (file, error) in &report.errors {
        let _ = writeln!(out, "{} {}", paint.bad("error"), error_line(file, error));
    }
    for (file, reason) in &report.skipped {
        let _ = writeln!(
            out,
            "{} {}",
            paint.warn("skipped"),
            error_line(file, reason)
        );
    }
    if !out.is_empty() {
        out.push('\n');
    }
    summary(report, paint, &mut out);
    out
}

/// A message that names its file is not given it again.
fn error_line(file: &std::path::Path, message: &str) -> String {
    let file = file.display().to_string();
    if message.starts_with(&file) {
        shown(message.as_bytes())
    } else {
        format!("{file}: {}", shown(message.as_bytes()))
    }
}

fn case(case: &CaseReport, paint: Paint, out: &mut String) {
    let name = shown(case.name.as_bytes());
    if case.passed() {
        let _ = writeln!(out, "  {} {name}{}", paint.good("✓"), explored(case, paint));
        return;
    }
    let line = paint.dim(&format!("(line {})", case.line));
    let _ = writeln!(out, "  {} {} {line}", paint.bad("✗"), paint.bold(&name));
    let several = case
        .failures
        .iter()
        .filter_map(|failure| failure.exchange)
        .any(|exchange| exchange > 0);
    for failure in &case.failures {
        for line in self::failure(failure, several, paint) {
            let _ = writeln!(out, "      {line}");
        }
    }
    let failing = case.explored.iter().flat_map(|explored| &explored.failing);
    for variant in failing {
        for line in self::variant(variant, paint) {
            let _ = writeln!(out, "      {line}");
        }
    }
}

/// How far a case that passed was explored.
fn explored(case: &CaseReport, paint: Paint) -> String {
    let Some(explored) = &case.explored else {
        return String::new();
    };
    let mut text = format!("  {} variants", explored.variants);
    for (variation, reason) in &explored.left_out {
        let _ = write!(
            text,
            "; no {}: {}",
            variation.name(),
            shown(reason.as_bytes())
        );
    }
    paint.dim(&text)
}

/// One failing variant, as lines without indentation.
pub(crate) fn variant(variant: &FailingVariant, paint: Paint) -> Vec<String> {
    let place = format!("{}:", variant.variation.name());
    let mut lines = vec![format!("{} {}", paint.name(&place), variant.change)];
    for (message, mismatch) in &variant.differences {
        lines.push(format!("  {}", shortened(&shown(message.as_bytes()), 600)));
        if let Some(mismatch) = mismatch {
            lines.push(format!(
                "  {} {}",
                paint.bad("- expected"),
                paint.good("+ actual")
            ));
            let diff = diff::lines(mismatch, paint);
            lines.extend(diff.into_iter().map(|line| format!("  {line}")));
        }
    }
    match &variant.case {
        Ok(text) => {
            lines.push(paint.dim("  as a case of its own, which fails until this is mended:"));
            lines.extend(text.lines().map(|line| format!("  {line}")));
        }
        Err(why) => lines.push(paint.dim(&format!("  cannot be written as a case: {why}"))),
    }
    lines
}

/// One failure, as lines without indentation.
pub(crate) fn failure(failure: &Failure, number: bool, paint: Paint) -> Vec<String> {
    let mut place = failure
        .phase
        .map_or("exchange", |phase| phase.name())
        .to_owned();
    if let (Some(exchange), true) = (failure.exchange, number) {
        place = format!("exchange {}, {place}", exchange + 1);
    }
    let message = shortened(&shown(failure.message.as_bytes()), 600);
    let mut lines = vec![format!("{} {message}", paint.name(&format!("{place}:")))];
    if let Some(mismatch) = &failure.mismatch {
        lines.push(format!(
            "  {} {}",
            paint.bad("- expected"),
            paint.good("+ actual")
        ));
        let diff = diff::lines(mismatch, paint);
        lines.extend(diff.into_iter().map(|line| format!("  {line}")));
    }
    if let Some(fault) = &failure.fault {
        for (index, frame) in fault.frames.iter().take(FRAMES).enumerate() {
            let offset = frame
                .offset
                .map_or_else(String::new, |offset| format!(" at {offset:#x}"));
            lines.push(paint.dim(&format!("  {index:>2}: {}{offset}", frame.function)));
        }
        if fault.frames.len() > FRAMES {
            let more = fault.frames.len() - FRAMES;
            lines.push(paint.dim(&format!("      … ({more} frames more)")));
        }
        if !fault.last_hostcalls.is_empty() {
            let calls: Vec<_> = fault
                .last_hostcalls
                .iter()
                .map(|(call, status)| format!("{} → {status}", call.name()))
                .collect();
            lines.push(paint.dim(&format!("  last hostcalls: {}", calls.join(", "))));
        }
    }
    let left_out = failure.logs.len().saturating_sub(LOGS);
    if left_out > 0 {
        lines.push(paint.dim(&format!("  … ({left_out} log messages before)")));
    }
    for log in failure.logs.iter().skip(left_out) {
        let level = format!("{:<8}", log.level.name());
        let text = shortened(&shown(&log.message), 400);
        lines.push(format!("  {} {text}", paint.dim(&format!("log {level}"))));
    }
    lines
}

fn summary(report: &Report, paint: Paint, out: &mut String) {
    let (passed, failed) = (report.passed(), report.failed());
    let mut parts = vec![paint.good(&format!("{passed} passed"))];
    if failed > 0 {
        parts.push(paint.bad(&format!("{failed} failed")));
    }
    let files = |count: usize| match count {
        1 => "1 file".to_owned(),
        _ => format!("{count} files"),
    };
    if !report.errors.is_empty() {
        parts.push(paint.bad(&format!("{} not usable", files(report.errors.len()))));
    }
    if !report.skipped.is_empty() {
        parts.push(paint.warn(&format!("{} skipped", files(report.skipped.len()))));
    }
    let cases = match passed + failed {
        1 => "1 case".to_owned(),
        count => format!("{count} cases"),
    };
    let time = report.time.map_or_else(String::new, |time| {
        format!(" in {:.2} s", time.as_secs_f64())
    });
    let explored = report.cases().filter_map(|case| case.explored.as_ref());
    let variants: usize = explored.map(|explored| explored.variants).sum();
    if variants > 0 {
        parts.push(format!("{variants} variants explored"));
    }
    let _ = writeln!(out, "{cases}: {}{time}", parts.join(", "));
}

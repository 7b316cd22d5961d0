//! The report as one JSON document.

use serde_json::{Value, json};

use super::Report;
use crate::explore::Explored;
use crate::run::{CaseReport, Failure};
use crate::text::shown_lines;

pub(super) fn render(report: &Report) -> String {
    let files = |list: &[(std::path::PathBuf, String)]| -> Vec<Value> {
        list.iter()
            .map(|(file, message)| json!({"file": file.display().to_string(), "message": message}))
            .collect()
    };
    let suites: Vec<Value> = report
        .suites
        .iter()
        .map(|suite| {
            json!({
                "file": suite.file.display().to_string(),
                "cases": suite.cases.iter().map(case).collect::<Vec<_>>(),
            })
        })
        .collect();
    let document = json!({
        "passed": report.passed(),
        "failed": report.failed(),
        "success": report.is_success(),
        "seconds": report.time.map(|time| time.as_secs_f64()),
        "suites": suites,
        "errors": files(&report.errors),
        "skipped": files(&report.skipped),
    });
    let mut out = format!("{document:#}");
    out.push('\n');
    out
}

fn case(case: &CaseReport) -> Value {
    json!({
        "name": case.name,
        "line": case.line,
        "passed": case.passed(),
        "fuel": case.fuel,
        "seconds": case.time.map(|time| time.as_secs_f64()),
        "failures": case.failures.iter().map(failure).collect::<Vec<_>>(),
        "explored": case.explored.as_ref().map(explored),
    })
}

fn explored(explored: &Explored) -> Value {
    let failing = explored.failing.iter().map(|variant| {
        let differences = variant.differences.iter().map(|(message, mismatch)| {
            json!({
                "message": message,
                "expected": mismatch.as_ref().map(|mismatch| &mismatch.expected),
                "actual": mismatch.as_ref().map(|mismatch| &mismatch.actual),
            })
        });
        json!({
            "variation": variant.variation.name(),
            "change": variant.change,
            "differences": differences.collect::<Vec<_>>(),
            "case": variant.case.as_ref().ok(),
            "whyNoCase": variant.case.as_ref().err(),
        })
    });
    let left_out = explored.left_out.iter();
    json!({
        "variants": explored.variants,
        "failing": failing.collect::<Vec<_>>(),
        "leftOut": left_out
            .map(|(variation, reason)| json!({"variation": variation.name(), "reason": reason}))
            .collect::<Vec<_>>(),
    })
}

fn failure(failure: &Failure) -> Value {
    let logs: Vec<_> = failure
        .logs
        .iter()
        .map(|line| {
            json!({
                "plugin": line.plugin,
                "callback": line.entry.name(),
                "level": line.level.name(),
                "message": shown_lines(&line.message),
            })
        })
        .collect();
    let fault = failure.fault.as_ref().map(|fault| {
        let frames: Vec<_> = fault
            .frames
            .iter()
            .map(|frame| json!({"function": frame.function, "offset": frame.offset}))
            .collect();
        json!({
            "kind": fault.kind.code(),
            "plugin": fault.plugin,
            "callback": fault.entry.name(),
            "message": fault.message,
            "frames": frames,
        })
    });
    json!({
        "exchange": failure.exchange,
        "phase": failure.phase.map(|phase| phase.name()),
        "message": failure.message,
        "expected": failure.mismatch.as_ref().map(|mismatch| &mismatch.expected),
        "actual": failure.mismatch.as_ref().map(|mismatch| &mismatch.actual),
        "logs": logs,
        "fault": fault,
    })
}

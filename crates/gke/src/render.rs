//! Findings as text for people, as JSON and as SARIF; only strings, nothing is printed.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::check::Report;
use crate::finding::{Finding, Layer, Severity};
use crate::rule::Rule;

/// Findings with an excerpt and carets, and a line of totals.
#[must_use]
pub fn human(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        one(&mut text, report, finding);
    }
    if report.dropped > 0 {
        let _ = writeln!(text, "{} more findings are not shown", report.dropped);
    }
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let _ = writeln!(
        text,
        "{} in {}: {}, {}, {}",
        plural(
            report
                .objects
                .iter()
                .filter(|object| object.place.is_some())
                .count(),
            "object"
        ),
        plural(report.files.len(), "file"),
        plural(report.count(Severity::Error), "error"),
        plural(report.count(Severity::Warning), "warning"),
        plural(report.count(Severity::Note), "note"),
    );
    text
}

fn speaker(layer: Layer) -> &'static str {
    match layer {
        Layer::ApiServer => "the API server rejects this",
        Layer::Controller => "the Gateway controller reports this",
        Layer::Surprise => "nothing rejects this",
    }
}

fn one(text: &mut String, report: &Report, finding: &Finding) {
    let _ = writeln!(
        text,
        "{}[{}]: {}",
        finding.severity.as_str(),
        finding.code(),
        printable(&finding.message)
    );
    let mut gutter = 2;
    if let Some(place) = finding.place
        && let Some(file) = report.files.get(place.file)
    {
        let (line, column) = file.line_column(place.span.start);
        gutter = line.to_string().len();
        let _ = writeln!(text, "{:gutter$}--> {}:{line}:{column}", "", file.name);
        if let Some(source) = file.line(line) {
            let (shown, before, width) = excerpt(source, column, place.span.range().len());
            let _ = writeln!(text, "{:gutter$} |", "");
            let _ = writeln!(text, "{line} | {shown}");
            let _ = writeln!(text, "{:gutter$} | {:before$}{}", "", "", "^".repeat(width));
        }
    }
    let mut note = |word: &str, content: &str| {
        let _ = writeln!(text, "{:gutter$} = {word}: {}", "", printable(content));
    };
    if let Some(object) = &finding.object {
        let path = if finding.path.is_empty() {
            String::new()
        } else {
            format!(", {}", finding.path)
        };
        note("at", &format!("{object}{path}"));
    }
    note("layer", speaker(finding.layer()));
    if let Some(help) = &finding.help {
        note("help", help);
    }
    if let Some(fix) = &finding.fix {
        note("fix", &format!("--fix can {}", fix.title));
    }
    text.push('\n');
}

/// A piece of a line that fits a terminal, the blanks before the caret, and the caret's width.
fn excerpt(line: &str, column: usize, bytes: usize) -> (String, usize, usize) {
    const WIDTH: usize = 120;
    let characters: Vec<char> = line.chars().collect();
    let at = (column - 1).min(characters.len());
    let start = if at + 20 < WIDTH { 0 } else { at - 40 };
    let end = characters.len().min(start + WIDTH);
    let shown: String = characters[start..end]
        .iter()
        .map(|c| if c.is_control() { ' ' } else { *c })
        .collect();
    let width = bytes.clamp(1, (end - at.min(end)).max(1));
    (shown, at - start, width)
}

/// Text without characters that could move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// All findings as a JSON document.
#[must_use]
pub fn json(report: &Report) -> String {
    let findings: Vec<Json> = report.findings.iter().map(|finding| {
        let mut value = json!({
            "code": finding.code(),
            "rule": finding.rule.name(),
            "severity": finding.severity.as_str(),
            "layer": finding.layer().as_str(),
            "message": finding.message,
            "path": finding.path,
        });
        if let Some(object) = &finding.object {
            value["object"] = json!({"kind": object.kind, "namespace": object.namespace, "name": object.name});
        }
        if let Some((file, region)) = region(report, finding) {
            value["file"] = file.into();
            value["line"] = region["startLine"].clone();
            value["column"] = region["startColumn"].clone();
            value["span"] = json!([region["byteOffset"], region["byteLength"]]);
        }
        if let Some(help) = &finding.help {
            value["help"] = help.clone().into();
        }
        if let Some(fix) = &finding.fix {
            value["fix"] = json!({
                "title": fix.title,
                "edits": fix.edits.iter().map(|edit| json!({
                    "span": [edit.place.span.start, edit.place.span.range().len()],
                    "replacement": edit.replacement,
                })).collect::<Vec<_>>(),
            });
        }
        value
    }).collect();
    let document = json!({
        "profile": report.profile.as_str(),
        "errors": report.count(Severity::Error),
        "warnings": report.count(Severity::Warning),
        "dropped": report.dropped,
        "findings": findings,
    });
    format!("{document:#}\n")
}

fn region<'r>(report: &'r Report, finding: &Finding) -> Option<(&'r str, Json)> {
    let place = finding.place?;
    let file = report.files.get(place.file)?;
    let (line, column) = file.line_column(place.span.start);
    let (end_line, end_column) = file.line_column(place.span.end);
    let region = json!({
        "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column,
        "byteOffset": place.span.start, "byteLength": place.span.range().len(),
    });
    Some((&file.name, region))
}

/// All findings as SARIF 2.1.0, which code hosts show beside the lines.
#[must_use]
pub fn sarif(report: &Report) -> String {
    let mut rules: Vec<Rule> = report.findings.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let level = |severity: Severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let descriptors: Vec<Json> = rules
        .iter()
        .map(|rule| {
            json!({
                "id": rule.name(),
                "name": rule.code(),
                "shortDescription": {"text": rule.asks()},
                "defaultConfiguration": {"level": level(rule.severity())},
                "properties": {"layer": rule.layer().as_str()},
            })
        })
        .collect();
    let results: Vec<Json> = report
        .findings
        .iter()
        .map(|finding| {
            let text = match &finding.help {
                Some(help) => format!("{}\n{help}", finding.message),
                None => finding.message.clone(),
            };
            let mut result = json!({
                "ruleId": finding.rule.name(),
                "ruleIndex": rules.binary_search(&finding.rule).unwrap_or(0),
                "level": level(finding.severity),
                "message": {"text": text},
            });
            if let Some((file, region)) = region(report, finding) {
                let mut location = json!({"physicalLocation": {"artifactLocation": {"uri": file}, "region": region}});
                if let Some(object) = &finding.object {
                    location["logicalLocations"] = json!([{"fullyQualifiedName": format!("{object} {}", finding.path).trim_end()}]);
                }
                result["locations"] = json!([location]);
            }
            result
        })
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "gatewright", "version": env!("CARGO_PKG_VERSION"), "rules": descriptors}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Input, Options, check};

    fn report(text: &str) -> Report {
        let input = Input {
            name: "plugin.yaml",
            bytes: text.as_bytes(),
        };
        check(&[input], &Options::default())
    }

    const TEXT: &str = "apiVersion: networking.gke.io/v1\nkind: GCPWasmPlugin\nmetadata: {name: a}\nspec:\n  versions:\n  - name: v1\n    image: a.example/b@sha256:00\n    weight: -1\n";

    #[test]
    fn people_get_the_line_and_a_caret_below_the_value() {
        let text = human(&report(TEXT));
        let expected = "\
error[VersionWeight]: spec.versions[0].weight: Invalid value: -1: spec.versions[0].weight in body should be greater than or equal to 0
 --> plugin.yaml:8:13
  |
8 |     weight: -1
  |             ^^
  = at: GCPWasmPlugin default/a, spec.versions[0].weight
  = layer: the API server rejects this
";
        assert!(text.contains(expected), "{text}");
        assert!(
            text.ends_with("1 object in 1 file: 1 error, 1 warning, 0 notes\n"),
            "{text}"
        );
    }

    #[test]
    fn json_and_sarif_name_the_same_line() {
        let report = report(TEXT);
        let json: Json = serde_json::from_str(&json(&report)).unwrap();
        let finding = &json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["rule"] == "VersionWeight")
            .unwrap();
        assert_eq!(
            (finding["line"].as_u64(), finding["column"].as_u64()),
            (Some(8), Some(13))
        );
        let sarif: Json = serde_json::from_str(&sarif(&report)).unwrap();
        let run = &sarif["runs"][0];
        let result = run["results"]
            .as_array()
            .unwrap()
            .iter()
            .find(|r| r["ruleId"] == "VersionWeight")
            .unwrap();
        assert_eq!(
            result["locations"][0]["physicalLocation"]["region"]["startLine"],
            8
        );
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "VersionWeight");
    }

    #[test]
    fn long_lines_and_control_characters_do_not_break_the_excerpt() {
        let name = "a".repeat(500);
        let text = format!(
            "kind: GCPWasmPlugin\napiVersion: networking.gke.io/v1\nmetadata: {{name: a}}\nspec: {{x: \"{name}\\e\", versions: [], \"b\\e\": 1}}\n"
        );
        let text = human(&report(&text));
        assert!(!text.contains('\u{1b}'));
        assert!(
            text.lines()
                .all(|line| !line.starts_with("4 |") || line.chars().count() < 130),
            "{text}"
        );
    }
}

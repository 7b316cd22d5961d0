//! The report as JUnit's XML.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Report, human};
use crate::paint::Paint;
use crate::run::{CaseReport, SuiteReport};

pub(super) fn render(report: &Report) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let tests = report.passed() + report.failed() + report.errors.len() + report.skipped.len();
    let _ = writeln!(
        out,
        "<testsuites name=\"gatewright\" tests=\"{tests}\" failures=\"{}\" errors=\"{}\"{}>",
        report.failed(),
        report.errors.len(),
        time(report.time),
    );
    for suite in &report.suites {
        self::suite(suite, &mut out);
    }
    for (kind, list) in [("error", &report.errors), ("skipped", &report.skipped)] {
        for (file, message) in list {
            let file = escaped(&file.display().to_string());
            let errors = usize::from(kind == "error");
            let _ = writeln!(
                out,
                "  <testsuite name=\"{file}\" tests=\"1\" failures=\"0\" errors=\"{errors}\" skipped=\"{}\">\n    \
                 <testcase name=\"{file}\" classname=\"{file}\"><{kind} message=\"{}\"/></testcase>\n  \
                 </testsuite>",
                1 - errors,
                escaped(message),
            );
        }
    }
    out.push_str("</testsuites>\n");
    out
}

fn suite(suite: &SuiteReport, out: &mut String) {
    let file = escaped(&suite.file.display().to_string());
    let failed = suite.cases.iter().filter(|case| !case.passed()).count();
    let total = suite
        .cases
        .iter()
        .map(|case| case.time)
        .sum::<Option<Duration>>();
    let _ = writeln!(
        out,
        "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\"{}>",
        suite.cases.len(),
        time(total),
    );
    for case in &suite.cases {
        self::case(case, &file, out);
    }
    out.push_str("  </testsuite>\n");
}

fn case(case: &CaseReport, file: &str, out: &mut String) {
    let _ = write!(
        out,
        "    <testcase name=\"{}\" classname=\"{file}\" file=\"{file}\" line=\"{}\"{}",
        escaped(&case.name),
        case.line,
        time(case.time),
    );
    if case.passed() {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for failure in &case.failures {
        let text = human::failure(failure, true, Paint { colour: false }).join("\n");
        let kind = failure
            .fault
            .as_ref()
            .map_or("expectation", |fault| fault.kind.code());
        let _ = writeln!(
            out,
            "      <failure type=\"{kind}\" message=\"{}\">{}</failure>",
            escaped(&failure.message),
            escaped_text(&text),
        );
    }
    let failing = case.explored.iter().flat_map(|explored| &explored.failing);
    for variant in failing {
        let text = human::variant(variant, Paint { colour: false }).join("\n");
        let _ = writeln!(
            out,
            "      <failure type=\"{}\" message=\"{}\">{}</failure>",
            variant.variation.name(),
            escaped(&variant.change),
            escaped_text(&text),
        );
    }
    out.push_str("    </testcase>\n");
}

fn time(time: Option<Duration>) -> String {
    time.map_or_else(String::new, |time| {
        format!(" time=\"{:.6}\"", time.as_secs_f64())
    })
}

/// Text for an attribute: white space is kept by reference, since a parser would make it spaces.
fn escaped(text: &str) -> String {
    escape(text, true)
}

/// Text for content.
fn escaped_text(text: &str) -> String {
    escape(text, false)
}

fn escape(text: &str, attribute: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' if attribute => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\n' | '\t' => out.push(c),
            '\r' => out.push_str("&#13;"),
            // XML 1.0 cannot say these, not even by reference.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_say_is_replaced() {
        assert_eq!(
            escaped("a<b>&\"c\"\n\0\u{1b}[1m\u{ffff}"),
            "a&lt;b&gt;&amp;&quot;c&quot;&#10;\u{fffd}\u{fffd}[1m\u{fffd}"
        );
        assert_eq!(escaped_text("a\r\nb\t"), "a&#13;\nb\t");
    }
}

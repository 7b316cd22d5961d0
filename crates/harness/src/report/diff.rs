//! Two texts that should be the same, and where they differ.

use similar::{ChangeTag, TextDiff};

use crate::paint::Paint;
use crate::run::Mismatch;
use crate::text::shortened;

/// Longer texts are cut to what surrounds the first difference.
const WHOLE: usize = 8 * 1024;
/// Bytes shown from there on.
const PART: usize = 2 * 1024;
/// Bytes shown before it.
const BEFORE: usize = 160;
/// Characters of a line that are shown.
const LINE: usize = 400;

/// Lines to show, without indentation: `-` is expected, `+` is what came.
pub(super) fn lines(mismatch: &Mismatch, paint: Paint) -> Vec<String> {
    let (expected, actual) = cut(&mismatch.expected, &mismatch.actual);
    let diff = TextDiff::from_lines(expected.as_str(), actual.as_str());
    diff.iter_all_changes()
        .map(|change| {
            let value = change.value().trim_end_matches(['\n', '\r']);
            let line = shortened(value, LINE);
            match change.tag() {
                ChangeTag::Delete => paint.bad(&format!("- {line}")),
                ChangeTag::Insert => paint.good(&format!("+ {line}")),
                ChangeTag::Equal => paint.dim(&format!("  {line}")),
            }
        })
        .collect()
}

fn cut(expected: &str, actual: &str) -> (String, String) {
    // A last line with and without its end is the same line to a reader.
    let ended = |text: &str| match text {
        "" => String::new(),
        text if text.ends_with('\n') => text.to_owned(),
        text => format!("{text}\n"),
    };
    if expected.len().max(actual.len()) <= WHOLE {
        return (ended(expected), ended(actual));
    }
    let same = expected
        .bytes()
        .zip(actual.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let around = |text: &str| {
        let mut start = same.saturating_sub(BEFORE).min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = start.saturating_add(PART).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut out = String::new();
        if start > 0 {
            out.push_str(&format!("… ({start} bytes the same)\n"));
        }
        out.push_str(&text[start..end]);
        if end < text.len() {
            out.push_str(&format!("\n… ({} bytes more)", text.len() - end));
        }
        ended(&out)
    };
    (around(expected), around(actual))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &str, actual: &str, lines: &[&str]) {
        let mismatch = Mismatch {
            expected: expected.to_owned(),
            actual: actual.to_owned(),
        };
        assert_eq!(super::lines(&mismatch, Paint { colour: false }), lines);
    }

    #[test]
    fn lines_are_compared_one_by_one() {
        check("a\nb\nc\n", "a\nx\nc", &["  a", "- b", "+ x", "  c"]);
        check("a", "", &["- a"]);
    }

    #[test]
    fn long_texts_are_cut_around_the_first_difference() {
        let long = "ä".repeat(10_000);
        let mismatch = Mismatch {
            expected: format!("{long}x{long}"),
            actual: format!("{long}y"),
        };
        let lines = super::lines(&mismatch, Paint { colour: false });
        assert!(lines[0].contains("bytes the same"), "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with('y')), "{lines:?}");
        assert!(lines.iter().all(|line| line.len() < 2_000), "{lines:?}");
    }
}

//! What became of headers and bodies between two moments.

use std::collections::HashMap;

use gatewright_host::HeaderMap;

use crate::model::{Became, BodyChange, Change, FieldChange, Form, Line, LineKind};
use crate::text::{self, BODY, VALUE};

/// Fields of a map that are shown.
pub(crate) const FIELDS: usize = 200;
/// Lines that are the same and are shown on either side of others.
const CONTEXT: usize = 2;
/// Characters of a line that are shown, and those before the part that differs.
const LINE: usize = 600;
const BEFORE_MARK: usize = 80;
/// Lines of a change that are shown.
const LINES: usize = 200;

/// What became of a header map. `value` writes a value, given its name.
///
/// Fields are told apart by name and value; of those that differ, one of the same name is the old
/// value of another, in their order.
pub(crate) fn headers(
    before: &HeaderMap,
    after: &HeaderMap,
    value: &dyn Fn(&[u8], &[u8]) -> String,
) -> Change {
    let old: Vec<_> = before.iter().collect();
    let new: Vec<_> = after.iter().collect();
    let partner = partners(&old, &new);
    let mut kept = vec![false; old.len()];
    for (at, _) in partner.iter().flatten() {
        kept[*at] = true;
    }
    let mut fields = Vec::with_capacity(new.len());
    // Where the reading of the old map is, to put what is gone where it was.
    let mut read = 0;
    let mut reordered = false;
    let gone = |range: std::ops::Range<usize>, fields: &mut Vec<FieldChange>| {
        for at in range.filter(|at| !kept[*at]) {
            let (name, was) = old[at];
            fields.push(FieldChange {
                became: Became::Removed,
                name: text::value(name, VALUE),
                value: value(name, was),
                was: None,
            });
        }
    };
    for ((name, now), partner) in new.iter().zip(&partner) {
        if let Some((at, _)) = partner {
            if *at < read {
                reordered = true;
            } else {
                gone(read..*at, &mut fields);
                read = *at + 1;
            }
        }
        let (became, was) = match partner {
            None => (Became::Added, None),
            Some((_, true)) => (Became::Same, None),
            Some((at, false)) => (Became::Changed, Some(value(old[*at].0, old[*at].1))),
        };
        fields.push(FieldChange {
            became,
            name: text::value(name, VALUE),
            value: value(name, now),
            was,
        });
    }
    gone(read..old.len(), &mut fields);
    let left_out = fields.len().saturating_sub(FIELDS);
    fields.truncate(FIELDS);
    Change::Headers {
        fields,
        reordered,
        left_out,
    }
}

type Pair<'h> = (&'h [u8], &'h [u8]);

/// For each new field the old one that it was, and whether it is the same.
fn partners(old: &[Pair<'_>], new: &[Pair<'_>]) -> Vec<Option<(usize, bool)>> {
    let lower = |name: &[u8]| name.to_ascii_lowercase();
    // Places of old fields that nobody has taken yet, the first of each last, so that it is popped.
    let mut same: HashMap<(Vec<u8>, &[u8]), Vec<usize>> = HashMap::new();
    for (at, (name, value)) in old.iter().enumerate().rev() {
        same.entry((lower(name), value)).or_default().push(at);
    }
    let mut partner: Vec<Option<(usize, bool)>> = new
        .iter()
        .map(|(name, value)| Some((same.get_mut(&(lower(name), *value))?.pop()?, true)))
        .collect();
    let mut by_name: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    let mut left: Vec<usize> = same.into_values().flatten().collect();
    left.sort_unstable_by(|a, b| b.cmp(a));
    for at in left {
        by_name.entry(lower(old[at].0)).or_default().push(at);
    }
    for (partner, (name, _)) in partner.iter_mut().zip(new) {
        if partner.is_none() {
            let known = by_name.get_mut(&lower(name)).and_then(Vec::pop);
            *partner = known.map(|at| (at, false));
        }
    }
    partner
}

/// What became of a body, or of a part of one.
pub(crate) fn body(before: &[u8], after: &[u8]) -> BodyChange {
    let form = match (text::form(before), text::form(after)) {
        (Form::Text, Form::Text) => Form::Text,
        _ => Form::Hex,
    };
    let (old, new) = (lines(before, form), lines(after, form));
    let pairs = || old.iter().zip(&new);
    let prefix = pairs().take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - prefix;
    let suffix = old.iter().rev().zip(new.iter().rev());
    let suffix = suffix.take(rest).take_while(|(a, b)| a == b).count();
    let mut lines = Vec::new();
    if prefix == old.len() && prefix == new.len() {
        if before != after {
            lines.push(Line {
                kind: LineKind::Added,
                text: "(the same when shown: only the last line's end or escapes differ)"
                    .to_owned(),
                mark: None,
            });
        }
        let shown = text::body(after);
        lines.extend(shown.text.lines().map(|line| plain(LineKind::Same, line)));
        if shown.left_out > 0 {
            lines.push(left_out(&text::bytes(shown.left_out as u64)));
        }
    } else {
        let from = prefix.saturating_sub(CONTEXT);
        if from > 0 {
            lines.push(left_out(&count(from)));
        }
        lines.extend(old[from..prefix].iter().map(|l| same(l)));
        let (gone, came) = (
            &old[prefix..old.len() - suffix],
            &new[prefix..new.len() - suffix],
        );
        if let ([gone], [came]) = (gone, came) {
            lines.extend(within(gone, came));
        } else {
            some(LineKind::Removed, gone, &mut lines);
            some(LineKind::Added, came, &mut lines);
        }
        let end = &new[new.len() - suffix..];
        let context = end.len().min(CONTEXT);
        lines.extend(end[..context].iter().map(|l| same(l)));
        if end.len() > context {
            lines.push(left_out(&count(end.len() - context)));
        }
    }
    lines.truncate(LINES + 2 * CONTEXT + 2);
    BodyChange {
        before: before.len(),
        after: after.len(),
        form,
        lines,
    }
}

/// The lines of a body: those of its text, or of a dump. A last line without an end is another one
/// than the same with it, which is written as a line of its own.
fn lines(bytes: &[u8], form: Form) -> Vec<String> {
    if bytes.is_empty() {
        return Vec::new();
    }
    match form {
        Form::Text => {
            let mut lines: Vec<String> = bytes
                .split(|byte| *byte == b'\n')
                .map(text::shown_lines)
                .collect();
            if lines.last().is_some_and(String::is_empty) {
                lines.pop();
            }
            lines
        }
        Form::Hex => text::dump(bytes, 0),
    }
}

fn count(lines: usize) -> String {
    match lines {
        1 => "1 line that is the same".to_owned(),
        _ => format!("{} lines that are the same", text::grouped(lines as u64)),
    }
}

fn left_out(what: &str) -> Line {
    Line {
        kind: LineKind::LeftOut,
        text: what.to_owned(),
        mark: None,
    }
}

fn plain(kind: LineKind, line: &str) -> Line {
    Line {
        kind,
        text: text::shortened(line, LINE),
        mark: None,
    }
}

fn same(line: &str) -> Line {
    plain(LineKind::Same, line)
}

/// Lines that all came or all went, up to the limits.
fn some(kind: LineKind, all: &[String], lines: &mut Vec<Line>) {
    let mut bytes = 0;
    let shown = all.iter().take(LINES / 2).take_while(|line| {
        let is_first = bytes == 0;
        bytes += line.len().min(LINE) + 1;
        is_first || bytes <= BODY
    });
    let shown: Vec<_> = shown.map(|line| plain(kind, line)).collect();
    let more = all.len() - shown.len();
    lines.extend(shown);
    if more > 0 {
        let what = match kind {
            LineKind::Removed => "removed",
            _ => "added",
        };
        lines.push(left_out(&format!(
            "{} more lines {what}",
            text::grouped(more as u64)
        )));
    }
}

/// One line that became another: both, with the part that differs.
fn within(old: &str, new: &str) -> [Line; 2] {
    let prefix = old.chars().zip(new.chars());
    let prefix: usize = prefix
        .take_while(|(a, b)| a == b)
        .map(|(c, _)| c.len_utf8())
        .sum();
    let suffix = old[prefix..].chars().rev().zip(new[prefix..].chars().rev());
    let suffix: usize = suffix
        .take_while(|(a, b)| a == b)
        .map(|(c, _)| c.len_utf8())
        .sum();
    [
        windowed(LineKind::Removed, old, prefix..old.len() - suffix),
        windowed(LineKind::Added, new, prefix..new.len() - suffix),
    ]
}

/// A line with a part of it marked, cut so that the part can be seen.
fn windowed(kind: LineKind, line: &str, part: std::ops::Range<usize>) -> Line {
    let mut start = 0;
    if part.start > BEFORE_MARK && line.len() > LINE {
        start = line.floor_char_boundary(part.start - BEFORE_MARK);
    }
    let end = line.ceil_char_boundary((start + LINE).min(line.len()));
    let before = if start > 0 { "…" } else { "" };
    let after = if end < line.len() { "…" } else { "" };
    let offset = |at: usize| before.len() + at.clamp(start, end) - start;
    Line {
        kind,
        mark: Some((offset(part.start), offset(part.end))),
        text: format!("{before}{}{after}", &line[start..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().copied().collect()
    }

    /// A change in few characters: `=name`, `+name`, `-name`, `~name:old`.
    fn check(before: &[(&str, &str)], after: &[(&str, &str)], expected: &[&str]) {
        let value = |_: &[u8], value: &[u8]| text::value(value, VALUE);
        let Change::Headers { fields, .. } = headers(&map(before), &map(after), &value) else {
            panic!("no headers");
        };
        let told: Vec<_> = fields
            .iter()
            .map(|field| match field.became {
                Became::Same => format!("={}", field.name),
                Became::Added => format!("+{}", field.name),
                Became::Removed => format!("-{}", field.name),
                Became::Changed => {
                    format!("~{}:{}", field.name, field.was.as_deref().unwrap_or("?"))
                }
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn fields_are_added_changed_and_removed_where_they_stand() {
        check(
            &[("a", "1"), ("b", "2"), ("c", "3")],
            &[("a", "1"), ("c", "4"), ("d", "5")],
            &["=a", "-b", "~c:3", "+d"],
        );
        check(&[], &[("a", "1")], &["+a"]);
        check(&[("a", "1")], &[], &["-a"]);
    }

    #[test]
    fn of_several_fields_of_one_name_the_same_ones_stay() {
        check(
            &[("a", "1"), ("a", "2"), ("a", "3")],
            &[("A", "2"), ("a", "9"), ("a", "3")],
            &["=A", "~a:1", "=a"],
        );
        check(&[("a", "1"), ("a", "1")], &[("a", "1")], &["=a", "-a"]);
    }

    #[test]
    fn another_order_is_told_and_is_no_change() {
        let (before, after) = (
            map(&[("a", "1"), ("b", "2")]),
            map(&[("b", "2"), ("a", "1")]),
        );
        let value = |_: &[u8], value: &[u8]| text::value(value, VALUE);
        let Change::Headers {
            fields, reordered, ..
        } = headers(&before, &after, &value)
        else {
            panic!("no headers");
        };
        assert!(reordered && fields.iter().all(|f| f.became == Became::Same));
    }

    fn told(before: &[u8], after: &[u8]) -> Vec<String> {
        let change = body(before, after);
        let lines = change.lines.iter().map(|line| {
            let sign = match line.kind {
                LineKind::Same => ' ',
                LineKind::Added => '+',
                LineKind::Removed => '-',
                LineKind::LeftOut => '…',
            };
            match line.mark {
                Some((start, end)) => format!(
                    "{sign}{}[{}]{}",
                    &line.text[..start],
                    &line.text[start..end],
                    &line.text[end..]
                ),
                None => format!("{sign}{}", line.text),
            }
        });
        lines.collect()
    }

    #[test]
    fn a_body_shows_the_lines_that_differ() {
        assert_eq!(
            told(b"1\n2\n3\n4\n5\n6\n7\n8", b"1\n2\n3\n4\nfive\n6\n7\n8"),
            [
                "…2 lines that are the same",
                " 3",
                " 4",
                "-[5]",
                "+[five]",
                " 6",
                " 7",
                "…1 line that is the same"
            ]
        );
        assert_eq!(told(b"", b"a\nb\n"), ["+a", "+b"]);
        assert_eq!(told(b"a", b""), ["-a"]);
        assert_eq!(told(b"same", b"same"), [" same"]);
        assert_eq!(told(b"", b""), Vec::<String>::new());
    }

    #[test]
    fn a_long_line_is_cut_about_the_part_that_differs() {
        let long = |middle: &str| format!("{}{middle}{}", "a".repeat(5_000), "b".repeat(5_000));
        let told = told(long("x").as_bytes(), long("ÿÿ").as_bytes());
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("-…aaa") && told[0].contains("a[x]b"));
        assert!(told[1].contains("a[ÿÿ]b") && told[1].ends_with("b…"));
        assert!(told[1].len() < LINE + 20);
    }

    #[test]
    fn bytes_are_compared_as_a_dump_and_much_is_cut() {
        let told_bytes = told(b"\0\x01", b"\0\x02");
        assert!(told_bytes[0].contains("00 0[1]"), "{told_bytes:?}");
        let many: Vec<u8> = (0..50_000)
            .flat_map(|n| format!("{n}\n").into_bytes())
            .collect();
        let told_many = told(b"", &many);
        assert_eq!(told_many.len(), LINES / 2 + 1);
        assert!(told_many[LINES / 2].contains("49,900 more lines added"));
    }
}

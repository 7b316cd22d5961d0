//! The one slip that is mended while reading: `name:X` without a space after the colon.

use crate::finding::Finding;
use crate::place::{File, Place, Span};
use crate::rule::Rule;

/// The text of a document with the spaces that it lacked, and the way back to real offsets.
pub(super) struct Repaired {
    pub(super) text: String,
    pub(super) base: usize,
    /// Offsets in `text` of inserted spaces, ascending.
    inserted: Vec<usize>,
}

impl Repaired {
    pub(super) fn new(text: &str, base: usize) -> Self {
        Self {
            text: text.to_owned(),
            base,
            inserted: Vec::new(),
        }
    }

    /// The offset in the file of an offset in the repaired text.
    pub(super) fn original(&self, at: usize) -> usize {
        self.base + at - self.inserted.partition_point(|space| *space < at)
    }

    pub(super) fn insert_space(&mut self, at: usize) {
        self.text.insert(at, ' ');
        let index = self.inserted.partition_point(|space| *space < at);
        for later in &mut self.inserted[index..] {
            *later += 1;
        }
        self.inserted.insert(index, at);
    }

    /// Where a space is missing after `key:` on one of the lines around a syntax error: the
    /// scanner notices the missing colon only when the next key comes.
    pub(super) fn missing_space(&self, error: usize) -> Option<usize> {
        const MAX_REPAIRS: usize = 16;
        if self.inserted.len() >= MAX_REPAIRS {
            return None;
        }
        let error = error.min(self.text.len());
        let error_line = self.text.as_bytes()[..error]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let mut best = None;
        let mut offset = 0;
        for (number, line) in self.text.split('\n').enumerate() {
            if number > error_line + 1 {
                break;
            }
            if number + 2 >= error_line
                && let Some(at) = colon_without_space(line)
            {
                best = Some(offset + at);
            }
            offset += line.len() + 1;
        }
        best
    }
}

/// The offset after the colon of a line such as `- name:X`; a URL's colon does not count.
pub(crate) fn colon_without_space(line: &str) -> Option<usize> {
    let body = line.trim_start_matches([' ', '-']);
    let start = line.len() - body.len();
    let length = body
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let rest = body[length..].strip_prefix(':')?;
    let starts = |c: char| !c.is_whitespace() && c != '/' && c != ':';
    (length > 0 && rest.starts_with(starts)).then_some(start + length + 1)
}

pub(super) fn finding(index: usize, file: &File, at: usize) -> Finding {
    let (line, _) = file.line_column(Span::new(at, at).start);
    let start = file.line_start(line).unwrap_or(0) as usize;
    let key = file.text.get(start..at).unwrap_or("").trim();
    let key = key.trim_start_matches(['-', ' ']);
    Finding::new(
        Rule::YamlSyntax,
        "error converting YAML to JSON: yaml: could not find expected ':'",
    )
    .at(index, Span::new(at.saturating_sub(key.len()), at))
    .help(format!("write a space after `{key}`"))
    .fix(
        "insert a space after the colon",
        Place {
            file: index,
            span: Span::new(at, at),
        },
        " ".to_owned(),
    )
}

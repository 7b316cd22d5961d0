//! Where something stands in the input: spans in bytes, lines and columns for people.

/// A half-open range of bytes in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span from two offsets; an end before the start is taken as empty.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            start: clamp(start),
            end: clamp(end.max(start)),
        }
    }

    /// The span as a range of indexes.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A span in one of the files of a [`Report`](crate::Report).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Index of the file in the order of the input.
    pub file: usize,
    /// The bytes.
    pub span: Span,
}

/// A file's name and text with an index of its lines.
#[derive(Clone, Debug)]
pub struct File {
    /// The name as the caller gave it, for messages.
    pub name: String,
    /// The text; bytes that are no UTF-8 were replaced and reported.
    pub text: String,
    line_starts: Vec<u32>,
}

impl File {
    /// Indexes the lines of `text`.
    #[must_use]
    pub fn new(name: impl Into<String>, text: String) -> Self {
        let mut line_starts = vec![0];
        line_starts.extend(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX)),
        );
        Self {
            name: name.into(),
            text,
            line_starts,
        }
    }

    /// Line and column of a byte, both from 1, the column in characters.
    #[must_use]
    pub fn line_column(&self, offset: u32) -> (usize, usize) {
        let line = self
            .line_starts
            .partition_point(|start| *start <= offset)
            .max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0) as usize;
        let end = (offset as usize).min(self.text.len());
        let column = self
            .text
            .get(start..end)
            .map_or(end.saturating_sub(start), |text| text.chars().count());
        (line, column + 1)
    }

    /// The text of a line (from 1), without its line break.
    #[must_use]
    pub fn line(&self, line: usize) -> Option<&str> {
        let start = *self.line_starts.get(line.checked_sub(1)?)? as usize;
        let rest = self.text.get(start..)?;
        rest.split('\n')
            .next()
            .map(|text| text.trim_end_matches('\r'))
    }

    /// The byte at which a line (from 1) starts.
    #[must_use]
    pub fn line_start(&self, line: usize) -> Option<u32> {
        self.line_starts.get(line.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let file = File::new("a", "é: x\nb: y".to_owned());
        assert_eq!(file.line_column(0), (1, 1));
        assert_eq!(file.line_column(4), (1, 4));
        assert_eq!(file.line_column(6), (2, 1));
        assert_eq!(file.line(2), Some("b: y"));
        assert_eq!(file.line(3), None);
    }
}

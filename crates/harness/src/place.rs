//! Where in a file something stands, and errors that say it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line, from 1; 0 when unknown.
    pub line: u32,
    /// The column, from 1; 0 when unknown.
    pub column: u32,
}

impl Place {
    /// The place of a byte offset in a text.
    pub fn of_offset(text: &str, offset: usize) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let count = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self {
            line: count(before.matches('\n').count() + 1),
            column: count(before[start..].chars().count() + 1),
        }
    }
}

/// A file of cases that cannot be used: where, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct LoadError {
    /// The file.
    pub file: PathBuf,
    /// Where in it, if the error has a place.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do, if there is something to say.
    pub help: Option<String>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.place.line > 0 {
            write!(f, ":{}:{}", self.place.line, self.place.column)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// An error whose file is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Wrong {
    pub(crate) fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn in_file(self, file: &Path) -> LoadError {
        LoadError {
            file: file.to_owned(),
            place: self.place,
            message: self.message,
            help: self.help,
        }
    }
}

/// A name that is not known, with the nearest of those that are.
pub(crate) fn unknown(place: Place, what: &str, name: &str, known: &[&str]) -> Wrong {
    let wrong = Wrong::new(place, format!("unknown {what} `{name}`"));
    match nearest(name, known) {
        Some(near) => wrong.help(format!("did you mean `{near}`?")),
        None if known.is_empty() => wrong,
        None => {
            let list: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            wrong.help(format!("known here: {}", list.join(", ")))
        }
    }
}

/// The known name that a person probably meant.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (best.0 <= 1 + name.chars().count() / 4).then_some(best.1)
}

/// Edits of one character that turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let substitute = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_a_line_and_a_column_in_characters() {
        let text = "ä: 1\nb: ö2\n";
        let check = |offset, line, column| {
            assert_eq!(Place::of_offset(text, offset), Place { line, column });
        };
        check(0, 1, 1);
        check(2, 1, 2);
        check(6, 2, 1);
        check(text.find('2').unwrap(), 2, 5);
        check(1, 1, 1);
        check(999, 3, 1);
    }

    #[test]
    fn a_typo_gets_a_suggestion_and_nonsense_gets_the_list() {
        let known = ["request", "response", "expect"];
        let wrong = unknown(Place::default(), "key", "reqest", &known);
        assert_eq!(wrong.help.as_deref(), Some("did you mean `request`?"));
        let wrong = unknown(Place::default(), "key", "zzz", &known);
        assert_eq!(
            wrong.help.as_deref(),
            Some("known here: `request`, `response`, `expect`")
        );
    }
}

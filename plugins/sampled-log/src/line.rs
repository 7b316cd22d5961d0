//! One exchange as one line of JSON, never longer than production keeps.

use crate::sampling::{Reason, Source};

/// The most that production keeps of what a callback logs.
pub(crate) const MAX_LINE: usize = 16 * 1024;
/// The most that one value may take, escapes included, so that a few long ones leave room.
pub(crate) const MAX_VALUE: usize = 2 * 1024;
/// What the end of the line may need.
const TAIL: usize = 64;

/// What is known of an exchange, as bytes; nothing is formatted until it is written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) trace: Vec<u8>,
    pub(crate) status: Option<u16>,
    pub(crate) request_headers: Vec<Field>,
    pub(crate) response_headers: Vec<Field>,
}

/// A header that was chosen for the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its place in the configured list of names.
    pub(crate) index: usize,
    /// `None` if it must not be shown.
    pub(crate) value: Option<Vec<u8>>,
}

/// Why an exchange is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Sampled(Reason),
    Status,
}

/// What all lines of a plugin share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape<'a> {
    pub(crate) request_names: &'a [String],
    pub(crate) response_names: &'a [String],
    pub(crate) rate: u32,
}

impl Record {
    /// Formats the line.
    pub(crate) fn line(&self, why: Why, source: Source, shape: Shape<'_>) -> String {
        let mut line = Line(String::with_capacity(256));
        line.raw("{\"method\":");
        line.string(&self.method);
        line.raw(",\"path\":");
        line.string(&self.path);
        line.raw(",\"status\":");
        match self.status {
            Some(status) => line.number(status.into()),
            None => line.raw("null"),
        }
        if !self.trace.is_empty() {
            line.raw(",\"trace\":");
            line.string(&self.trace);
        }
        line.raw(",\"sampling\":{\"by\":");
        line.string(match why {
            Why::Sampled(Reason::Rate) => b"rate",
            Why::Sampled(Reason::Flag) => b"traceparent flag",
            Why::Status => b"status",
        });
        line.raw(",\"key\":");
        line.string(source.name().as_bytes());
        line.raw(",\"rate\":");
        line.number(shape.rate);
        line.raw("}");
        let mut complete = line.fields(
            "request_headers",
            &self.request_headers,
            shape.request_names,
        );
        complete &= line.fields(
            "response_headers",
            &self.response_headers,
            shape.response_names,
        );
        if !complete {
            line.raw(",\"truncated\":true");
        }
        line.raw("}");
        line.0
    }
}

struct Line(String);

impl Line {
    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn number(&mut self, number: u32) {
        self.0.push_str(&number.to_string());
    }

    /// A JSON string; bytes that are not UTF-8 become U+FFFD, and what is too long ends in `…`.
    fn string(&mut self, bytes: &[u8]) {
        self.0.push('"');
        let end = self.0.len() + MAX_VALUE;
        'all: for chunk in bytes.utf8_chunks() {
            let replacement = if chunk.invalid().is_empty() {
                ""
            } else {
                "\u{fffd}"
            };
            for character in chunk.valid().chars().chain(replacement.chars()) {
                // The longest that one character becomes is `\u001f`.
                if self.0.len() + 6 > end {
                    self.0.push('…');
                    break 'all;
                }
                self.character(character);
            }
        }
        self.0.push('"');
    }

    fn character(&mut self, character: char) {
        match character {
            '"' => self.0.push_str("\\\""),
            '\\' => self.0.push_str("\\\\"),
            '\0'..='\x1f' | '\x7f' => {
                const DIGITS: [char; 16] = [
                    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
                ];
                let code = character as usize;
                self.0.push_str("\\u00");
                for digit in [code >> 4, code & 15] {
                    self.0.extend(DIGITS.get(digit));
                }
            }
            other => self.0.push(other),
        }
    }

    /// An object of headers; says whether all of them found room.
    fn fields(&mut self, name: &str, fields: &[Field], names: &[String]) -> bool {
        if fields.is_empty() {
            return true;
        }
        let mut complete = true;
        self.raw(",\"");
        self.raw(name);
        self.raw("\":{");
        let mut separator = "";
        for field in fields {
            let Some(name) = names.get(field.index) else {
                continue;
            };
            let before = self.0.len();
            self.raw(separator);
            self.string(name.as_bytes());
            self.raw(":");
            match &field.value {
                Some(value) => self.string(value),
                None => self.raw("\"[redacted]\""),
            }
            if self.0.len() + TAIL > MAX_LINE {
                self.0.truncate(before);
                complete = false;
            } else {
                separator = ",";
            }
        }
        self.raw("}");
        complete
    }
}

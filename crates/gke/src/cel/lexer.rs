//! Splits an expression into tokens with byte spans, total on any text and linear in its length.
//!
//! The parser of the `cel` crate gives each node the offset of one token, an operator or an
//! opening bracket, and nothing of where the node begins and ends. The carets of findings come
//! from here: a node's token is found by its offset, and its extent by the tokens around it.

use super::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Blanks, tabs, line ends.
    Space,
    /// `// to the end of the line`.
    Comment,
    /// A name or a keyword.
    Ident,
    /// Anything that begins with a digit.
    Number,
    /// A string or bytes literal.
    Text(Quoted),
    /// A literal in typographic quotes, which CEL does not know.
    Curly {
        /// Whether the closing quote was found.
        closed: bool,
    },
    /// An operator or a bracket.
    Op,
    /// A character that begins nothing in CEL.
    Unknown,
}

/// How a string literal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quoted {
    /// `r` or `R`: no escapes.
    pub(super) raw: bool,
    /// `b` or `B`: a bytes literal.
    pub(super) bytes: bool,
    /// Whether the closing quote was found.
    pub(super) closed: bool,
    /// Length of what comes before the content: prefix and quote.
    pub(super) open: u32,
    /// Length of the closing quote, 1 or 3.
    pub(super) close: u32,
}

/// A token and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

impl Token {
    /// The token's text in the expression it came from.
    pub(super) fn text<'t>(&self, source: &'t str) -> &'t str {
        self.span.of(source)
    }

    /// The place of what is between the quotes of a literal.
    pub(super) fn content(&self) -> Span {
        match self.kind {
            Kind::Text(quoted) => Span {
                start: self.span.start + quoted.open,
                end: if quoted.closed {
                    self.span.end - quoted.close
                } else {
                    self.span.end
                },
            },
            Kind::Curly { closed } => Span {
                start: self.span.start + OPEN_CURLY.len_utf8() as u32,
                end: if closed {
                    self.span.end - CLOSE_CURLY.len_utf8() as u32
                } else {
                    self.span.end
                },
            },
            _ => self.span,
        }
    }

    /// Whether the parser steps over it.
    pub(super) fn is_trivia(&self) -> bool {
        matches!(self.kind, Kind::Space | Kind::Comment)
    }
}

const OPEN_CURLY: char = '“';
const CLOSE_CURLY: char = '”';
const OPERATORS: [&str; 24] = [
    "==", "!=", "&&", "||", ">=", "<=", ">", "<", "!", "+", "-", "*", "/", "%", ".", ",", "?", ":",
    "(", ")", "[", "]", "{", "}",
];

/// Splits `source` into tokens that together cover it.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(source.len() / 3 + 4);
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let (kind, length) = next(&source[at..], first);
        let end = at + length;
        tokens.push(Token {
            kind,
            span: Span::new(at, end),
        });
        at = end;
    }
    tokens
}

/// The token at the start of `rest`, which begins with `first`, and its length in bytes.
fn next(rest: &str, first: char) -> (Kind, usize) {
    let run = |accept: fn(char) -> bool| rest.find(|c| !accept(c)).unwrap_or(rest.len());
    let blank = |c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c');
    if blank(first) {
        return (Kind::Space, run(blank));
    }
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if let Some(literal) = quoted(rest) {
        return literal;
    }
    if first.is_ascii_alphabetic() || first == '_' {
        return (Kind::Ident, run(|c| c.is_ascii_alphanumeric() || c == '_'));
    }
    if first.is_ascii_digit() {
        return (Kind::Number, number(rest.as_bytes()));
    }
    if first == OPEN_CURLY {
        let end = rest.find(CLOSE_CURLY).map(|at| at + CLOSE_CURLY.len_utf8());
        let closed = end.is_some();
        return (Kind::Curly { closed }, end.unwrap_or(rest.len()));
    }
    match OPERATORS.iter().find(|op| rest.starts_with(**op)) {
        Some(op) => (Kind::Op, op.len()),
        None => (Kind::Unknown, first.len_utf8()),
    }
}

/// The length of a number: integer, hexadecimal, unsigned or floating.
fn number(rest: &[u8]) -> usize {
    let digits = |from: usize| {
        rest[from..]
            .iter()
            .position(|b| !b.is_ascii_alphanumeric() && *b != b'_')
            .map_or(rest.len(), |n| from + n)
    };
    let mut end = digits(0);
    if rest.get(end) == Some(&b'.') && rest.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    let exponent = matches!(rest[end - 1], b'e' | b'E') && !rest.starts_with(b"0x");
    if exponent
        && matches!(rest.get(end), Some(b'+' | b'-'))
        && rest.get(end + 1).is_some_and(u8::is_ascii_digit)
    {
        end = digits(end + 1);
    }
    end
}

/// A string or bytes literal at the start of `rest`, if there is one.
fn quoted(rest: &str) -> Option<(Kind, usize)> {
    let bytes = rest.as_bytes();
    let prefix = bytes
        .iter()
        .take(2)
        .take_while(|b| matches!(b, b'r' | b'R' | b'b' | b'B'))
        .count();
    let quote = *bytes.get(prefix)?;
    if quote != b'"' && quote != b'\'' {
        return None;
    }
    let has = |letter: u8| {
        bytes[..prefix]
            .iter()
            .any(|b| b.eq_ignore_ascii_case(&letter))
    };
    let triple = bytes[prefix..].starts_with(&[quote; 3]);
    let width = if triple { 3 } else { 1 };
    let mut literal = Quoted {
        raw: has(b'r'),
        bytes: has(b'b'),
        closed: false,
        open: (prefix + width) as u32,
        close: width as u32,
    };
    let mut at = prefix + width;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && !literal.raw {
            at += 2;
        } else if !triple && (byte == b'\n' || byte == b'\r') {
            // Left open: what follows the line end is read afresh.
            return Some((Kind::Text(literal), at));
        } else if bytes[at..].starts_with(&[quote; 3][..width]) {
            literal.closed = true;
            return Some((Kind::Text(literal), at + width));
        } else {
            at += 1;
        }
    }
    // An escape may have stepped past the end, never into the middle of what follows.
    Some((Kind::Text(literal), rest.len()))
}

/// The first escape sequence in a literal's content that CEL does not know.
pub(super) fn bad_escape(content: &str) -> Option<(usize, usize)> {
    let bytes = content.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]) {
        let start = at + found;
        let digits = |count: usize, accept: fn(&u8) -> bool| {
            let run = bytes.get(start + 2..start + 2 + count);
            run.is_some_and(|run| run.iter().all(accept))
                .then_some(count + 2)
        };
        let length = match bytes.get(start + 1) {
            Some(b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v') => Some(2),
            Some(b'\\' | b'\'' | b'"' | b'`' | b'?') => Some(2),
            Some(b'x' | b'X') => digits(2, u8::is_ascii_hexdigit),
            Some(b'u') => digits(4, u8::is_ascii_hexdigit),
            Some(b'U') => digits(8, u8::is_ascii_hexdigit),
            Some(b'0'..=b'3') => digits(2, |b| matches!(b, b'0'..=b'7')),
            _ => None,
        };
        match length {
            Some(length) => at = start + length,
            None => {
                let escaped = content[start + 1..]
                    .chars()
                    .next()
                    .map_or(0, char::len_utf8);
                return Some((start, start + 1 + escaped));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[(&str, &str)]) {
        let found: Vec<(String, &str)> = tokens(source)
            .iter()
            .map(|t| {
                let kind = format!("{:?}", t.kind);
                (
                    kind.split([' ', '(', '{']).next().unwrap().to_owned(),
                    t.text(source),
                )
            })
            .collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(k, t)| (k.as_str(), *t)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_byte_belongs_to_one_token() {
        check(
            "request.headers['a']!=R\"\\.\" //x",
            &[
                ("Ident", "request"),
                ("Op", "."),
                ("Ident", "headers"),
                ("Op", "["),
                ("Text", "'a'"),
                ("Op", "]"),
                ("Op", "!="),
                ("Text", "R\"\\.\""),
                ("Space", " "),
                ("Comment", "//x"),
            ],
        );
        check(
            "“é” @",
            &[("Curly", "“é”"), ("Space", " "), ("Unknown", "@")],
        );
        check(
            "1.5e+3.a",
            &[("Number", "1.5e+3"), ("Op", "."), ("Ident", "a")],
        );
        check(
            "0x1Fu rb'''a'b'''",
            &[("Number", "0x1Fu"), ("Space", " "), ("Text", "rb'''a'b'''")],
        );
    }

    #[test]
    fn an_unclosed_literal_ends_with_its_line() {
        check("'a\n1", &[("Text", "'a"), ("Space", "\n"), ("Number", "1")]);
        check("\"é\\", &[("Text", "\"é\\")]);
    }

    #[test]
    fn escapes_are_those_of_cel() {
        assert_eq!(bad_escape(r"\n\x41\u00e9\\\.\q"), Some((14, 16)));
        assert_eq!(bad_escape(r"\d"), Some((0, 2)));
        assert_eq!(bad_escape(r"a\x4"), Some((1, 3)));
        assert_eq!(bad_escape(r"\101\''"), None);
    }
}

//! The pattern that the CRDs put on the field `celMatcher`: a list of tokens, any number of them.
//!
//! The pattern is no grammar: it admits much that is not CEL, and its string literals hold few
//! characters. The table here is walked as the automaton it is, so that the byte at which the
//! API server's match dies is exact and found in one pass; what a person should read about it
//! comes from CEL's own tokens, since the pattern lets a literal run on over its closing quote.

use super::lexer::{Kind, Quoted, Token, tokens};
use super::vocabulary::{ATTRIBUTES, CRD_FUNCTIONS, CRD_NAMES, Dialect, attribute};
use super::{Finding, Rule, Span};

/// One alternative of the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Fixed text, in which the pattern's unescaped `.` stands for any character but a newline.
    Name(&'static str),
    /// Fixed text.
    Sign(&'static str),
    /// A literal: what opens it, what closes it, and whether `"` may stand in it.
    Literal(&'static str, char, bool),
    /// One digit.
    Digit,
}

const SIGNS: [&str; 12] = [
    "==", "!=", "&&", ">=", "<=", ">", "<", "||", "!", "+", ".", "/",
];
const LITERALS: [Piece; 4] = [
    Piece::Literal("'", '\'', true),
    Piece::Literal("\"", '"', true),
    Piece::Literal("“", '”', true),
    Piece::Literal("R\"", '"', false),
];
const BRACKETS: [&str; 4] = ["(", ")", "[", "]"];

/// The alternatives in the order of the pattern, or none where there is no pattern.
fn pieces(dialect: Dialect) -> Vec<Piece> {
    if dialect == Dialect::LoadBalancer {
        return Vec::new();
    }
    let names = ATTRIBUTES.iter().filter(|entry| entry.in_dialect(dialect));
    let mut pieces = vec![Piece::Sign(" ")];
    pieces.extend(names.map(|entry| Piece::Name(entry.name)));
    pieces.extend(CRD_FUNCTIONS.iter().map(|name| Piece::Sign(name)));
    pieces.extend(SIGNS.map(Piece::Sign));
    pieces.extend(LITERALS);
    pieces.push(Piece::Digit);
    pieces.extend(BRACKETS.map(Piece::Sign));
    pieces
}

/// Whether the pattern lets `c` stand in a literal.
fn in_literal(c: char, double_quote: bool) -> bool {
    c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:\\".contains(c) || (double_quote && c == '"')
}

impl Dialect {
    /// The field's `pattern`, as the API server prints it when a value does not match.
    pub fn pattern(self) -> Option<String> {
        let pieces = pieces(self);
        if pieces.is_empty() {
            return None;
        }
        let escape = |text: &str| {
            let special = |c| matches!(c, '|' | '+' | '.' | '(' | ')' | '[' | ']');
            text.chars().fold(String::new(), |mut out, c| {
                out.extend(special(c).then_some('\\'));
                out.push(c);
                out
            })
        };
        let alternatives: Vec<String> = pieces
            .iter()
            .map(|piece| match *piece {
                Piece::Name(name) => format!("({name})"),
                Piece::Sign(sign) => format!("({})", escape(sign)),
                Piece::Literal(open, close, double_quote) => {
                    let quote = if double_quote { "\\\"" } else { "" };
                    format!("({open}[a-zA-Z0-9\\/\\-._~%!$&'()*+,;=:{quote}\\\\]*{close})")
                }
                Piece::Digit => "[0-9]".to_owned(),
            })
            .collect();
        Some(format!("^({})+$", alternatives.join("|")))
    }

    /// The byte at which the field's pattern cannot go on, or the length if it ends unfinished.
    /// `None` if the text matches, and always for the load balancer's own field.
    pub fn stops_at(self, text: &str) -> Option<usize> {
        let pieces = pieces(self);
        if pieces.is_empty() {
            return None;
        }
        let mut walk = Walk {
            pieces: &pieces,
            inside: Vec::with_capacity(8),
            next: Vec::with_capacity(8),
            between: true,
        };
        for (at, c) in text.char_indices() {
            walk.step(c);
            if !walk.between && walk.inside.is_empty() {
                return Some(at);
            }
        }
        (!walk.between || text.is_empty()).then_some(text.len())
    }
}

/// The states of the automaton after some characters. There are at most as many as the pieces
/// have characters, however long the text.
struct Walk<'p> {
    pieces: &'p [Piece],
    /// Pieces begun: which, and how many of its characters have matched.
    inside: Vec<(usize, usize)>,
    next: Vec<(usize, usize)>,
    /// Whether a piece may end here.
    between: bool,
}

impl Walk<'_> {
    fn step(&mut self, c: char) {
        let starts = self
            .between
            .then(|| (0..self.pieces.len()).map(|piece| (piece, 0)));
        let states = self.inside.drain(..).chain(starts.into_iter().flatten());
        let mut between = false;
        self.next.clear();
        for (piece, at) in states {
            let (goes_on, ends) = advance(self.pieces[piece], at, c);
            between |= ends;
            if let Some(at) = goes_on
                && !self.next.contains(&(piece, at))
            {
                self.next.push((piece, at));
            }
        }
        self.between = between;
        std::mem::swap(&mut self.inside, &mut self.next);
    }
}

/// Where a piece of which `at` characters have matched goes with `c`, and whether it ends there.
fn advance(piece: Piece, at: usize, c: char) -> (Option<usize>, bool) {
    let fixed = |text: &str, wild: bool| {
        let Some(expected) = text.chars().nth(at) else {
            return (None, false);
        };
        let matches = expected == c || (wild && expected == '.' && c != '\n');
        let last = at + 1 == text.len();
        ((matches && !last).then_some(at + 1), matches && last)
    };
    match piece {
        Piece::Name(name) => fixed(name, true),
        Piece::Sign(sign) => fixed(sign, false),
        Piece::Digit => (None, at == 0 && c.is_ascii_digit()),
        Piece::Literal(open, close, double_quote) => match open.chars().nth(at) {
            Some(expected) => ((expected == c).then_some(at + 1), false),
            // The closing quote may be content as well: both ways are followed.
            None => (in_literal(c, double_quote).then_some(at), c == close),
        },
    }
}

/// What the field's pattern refuses in `text`: the first token it has no piece for, with the
/// field's own word for it where there is one.
pub(super) fn refusal(text: &str, dialect: Dialect) -> Option<Finding> {
    let stop = dialect.stops_at(text)?;
    if text.is_empty() {
        let message = "an empty expression is not admitted by the field";
        return Some(
            Finding::new(Rule::FieldPattern, Span::default(), message)
                .help("leave `matchCondition` out to match every request"),
        );
    }
    let tokens = tokens(text);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let (length, finding) = match token.kind {
            Kind::Ident => name(text, &tokens[at..], dialect),
            _ => (1, sign(text, token, &tokens)),
        };
        if finding.is_some() {
            return finding;
        }
        at += length;
    }
    // Every token is admitted by itself, and yet the whole is not: `request` split by a comment,
    // say. Then the automaton's own word has to do.
    let end = text[stop..].chars().next().map_or(0, char::len_utf8);
    let message = format!("the field's pattern stops matching at byte {stop}");
    Some(Finding::new(
        Rule::FieldPattern,
        Span::new(stop, stop + end),
        message,
    ))
}

fn refused(span: Span, what: impl std::fmt::Display) -> Finding {
    Finding::new(
        Rule::FieldPattern,
        span,
        format!("{what} is not admitted by the field"),
    )
}

/// The finding for a dotted name at the start of `tokens`, and how many tokens it takes.
fn name(text: &str, tokens: &[Token], dialect: Dialect) -> (usize, Option<Finding>) {
    let first = tokens[0];
    let word = first.text(text);
    let dotted = match tokens {
        [_, dot, field, ..] if dot.text(text) == "." && field.kind == Kind::Ident => {
            Some(first.span.join(field.span))
        }
        _ => None,
    };
    if let Some(span) = dotted {
        let name = span.of(text);
        if attribute(name).is_some_and(|entry| entry.in_dialect(dialect)) {
            return (3, None);
        }
        if ["request", "response", "source", "connection", "destination"].contains(&word) {
            return (
                3,
                Some(replaced(
                    refused(span, format_args!("`{name}`")),
                    name,
                    dialect,
                )),
            );
        }
    }
    if CRD_FUNCTIONS.contains(&word) {
        return (1, None);
    }
    let mut finding = refused(first.span, format_args!("`{word}`"));
    finding = match word {
        // Constants stand for a whole condition that has a better form.
        "true" if text.trim() == "true" => finding
            .help("leave `matchCondition` out to match every request, or write `1 == 1`")
            .fix(Span::new(0, text.len()), "1 == 1"),
        "true" | "false" => finding.help("the field has no constants; `1 == 1` is always true"),
        "in" => finding.help("compare with each value, joined by `||`"),
        "has" => finding.help("a missing header already makes the lookup no match"),
        "size" => finding.help("to ask whether a value is empty, compare it with `\"\"`"),
        "null" => finding.help("a missing header is an error, not null"),
        _ => replaced(finding, word, dialect),
    };
    (1, Some(finding))
}

/// Adds the field's own word for `name`, if it has one.
fn replaced(finding: Finding, name: &str, dialect: Dialect) -> Finding {
    let span = finding.span;
    if let Some((_, other)) = CRD_NAMES.iter().find(|(theirs, _)| *theirs == name) {
        return finding
            .help(format!("the CRD has `{other}`"))
            .fix(span, *other);
    }
    match attribute(name) {
        Some(entry) if entry.in_dialect(Dialect::Crd2026) => {
            finding.help("the CRDs of April 2026 admit it, those of GKE 1.33 do not")
        }
        Some(_) => finding.help("the load balancer has it, the CRD has no name for it"),
        None => {
            let names = ATTRIBUTES.iter().filter(|entry| entry.in_dialect(dialect));
            let names = names
                .map(|entry| entry.name)
                .chain(CRD_FUNCTIONS.iter().copied());
            match super::vocabulary::nearest(name, names) {
                Some(near) => finding
                    .help(format!("did you mean `{near}`?"))
                    .fix(span, near),
                None => finding,
            }
        }
    }
}

/// The finding for any other token.
fn sign(text: &str, token: &Token, tokens: &[Token]) -> Option<Finding> {
    let written = token.text(text);
    match token.kind {
        Kind::Text(quoted) => literal(text, token, quoted),
        Kind::Curly { closed: true } => content(text, token, true),
        Kind::Curly { closed: false } => Some(refused(token.span, "an unclosed literal")),
        Kind::Space => {
            let (at, blank) = written.char_indices().find(|(_, c)| *c != ' ')?;
            let start = token.span.start as usize + at;
            let span = Span::new(start, start + blank.len_utf8());
            let last = tokens.last().is_some_and(|last| last == token);
            Some(match blank {
                '\n' | '\r' if last => refused(span, "the line end after the expression").help(
                    "a block scalar `|` keeps the last line end; write the expression plain or \
                     as `>-`",
                ),
                '\n' | '\r' => {
                    refused(span, "a line end").help("a block scalar `>-` joins lines by blanks")
                }
                _ => refused(span, format_args!("{blank:?}")).help("write a blank"),
            })
        }
        Kind::Number => {
            let bad = written.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let start = token.span.start as usize + bad;
            let finding = refused(Span::new(start, start + 1), format_args!("`{written}`"));
            Some(finding.help("the field has decimal digits only"))
        }
        // `//` is two slashes to the pattern; what follows is read as any text.
        Kind::Comment => Some(refused(token.span, "a comment")),
        Kind::Op if SIGNS.contains(&written) || BRACKETS.contains(&written) => None,
        Kind::Op | Kind::Unknown => {
            let finding = refused(token.span, format_args!("`{}`", written.escape_debug()));
            Some(match written {
                "=" => finding.help("equality is `==`").fix(token.span, "=="),
                "&" => finding.help("and is `&&`"),
                "|" => finding.help("or is `||`"),
                "-" => finding.help("the field has no minus and so no negative numbers"),
                "?" | ":" => finding.help("the field has no `? :`; use `&&`, `||` and `!`"),
                "," => finding.help("the field has no lists and no call with two arguments"),
                _ => finding,
            })
        }
        Kind::Ident => None,
    }
}

/// The finding for a string literal: its prefix, its quotes, then its content.
fn literal(text: &str, token: &Token, quoted: Quoted) -> Option<Finding> {
    let written = token.text(text);
    let start = token.span.start as usize;
    let quote = written.find(['"', '\'']).unwrap_or(0);
    let prefix = &written[..quote];
    if !prefix.is_empty() && (prefix != "R" || written.as_bytes()[quote] != b'"') {
        let span = Span::new(start, start + quote + 1);
        let finding = refused(
            span,
            format_args!("a literal that begins with `{}`", span.of(text)),
        );
        let inner = token.content().of(text);
        return Some(
            if quoted.raw && !quoted.bytes && quoted.closed && !inner.contains('"') {
                let mended = format!("R\"{inner}\"");
                finding
                    .help("a raw literal is written `R\"…\"` there")
                    .fix(token.span, mended)
            } else {
                finding.help("literals there are `\"…\"`, `'…'` and `R\"…\"`")
            },
        );
    }
    let found = content(text, token, !quoted.raw);
    if found.is_none() && !quoted.closed {
        return Some(refused(token.span, "an unclosed literal").help("close the quote"));
    }
    found
}

/// The finding for the first character of a literal that the pattern does not let stand there.
fn content(text: &str, token: &Token, double_quote: bool) -> Option<Finding> {
    let content = token.content();
    let (at, c) = content
        .of(text)
        .char_indices()
        .find(|(_, c)| !in_literal(*c, double_quote))?;
    let start = content.start as usize + at;
    let span = Span::new(start, start + c.len_utf8());
    let shown = match c {
        ' ' => "a blank".to_owned(),
        c => format!("`{}`", c.escape_debug()),
    };
    Some(
        refused(span, format_args!("{shown} inside a literal")).help(
            "literals there hold letters, digits and `/-._~%!$&'()*+,;=:\"\\`; in `matches`, `.` \
         stands for any one character",
        ),
    )
}

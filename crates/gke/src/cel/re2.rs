//! Regular expressions with the syntax and meaning of `RE2::Latin1`, on the `regex` crate.
//!
//! The two share their automata and most of their syntax, and differ where it would not be
//! noticed until production: `\<` is a word boundary in one and a plain `<` in the other,
//! `[a&&b]` an intersection or four characters, `\Q…\E` unknown or a quotation, `x**` fine or an
//! error. So the pattern is read here by RE2's rules and written out in a form in which nothing
//! is open to reading: every literal byte that is not a letter or digit becomes `\xHH`.
//!
//! Latin-1 means that one byte is one character, in the pattern as in the text: `.` matches one
//! byte of a two-byte letter, as it does in production.
//!
//! Two things are narrower than RE2: Unicode classes (`\pL`) are refused, and `(?i)` folds ASCII
//! letters only, where RE2 would fold the upper half of Latin-1 as well.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

mod atoms;

use atoms::{literal, perl_class};

/// Program size above which a pattern is refused. RE2 stops at 8 MiB for a pattern that its
/// owner wrote; a matcher has at most 100 characters, and this is ample for them.
const SIZE_LIMIT: usize = 4 << 20;
/// RE2's largest repeat count, and largest product of nested ones.
const REPEAT_LIMIT: u32 = 1000;

/// Why a pattern is refused, and which bytes of it are to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<&'static str>,
}

/// Compiles a pattern; it matches anywhere in the text, as RE2's partial match does.
pub(super) fn compile(pattern: &str) -> Result<Regex, Refused> {
    let whole = |message: String| Refused {
        range: 0..pattern.len(),
        message,
        help: None,
    };
    let translated = translate(pattern).map_err(|mut refused| {
        // Bytes are to blame, letters are shown.
        let Range { start, end } = refused.range;
        refused.range = pattern.floor_char_boundary(start)..pattern.ceil_char_boundary(end);
        refused
    })?;
    RegexBuilder::new(&translated)
        .unicode(false)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => whole("the pattern is too large".to_owned()),
            // The translation leaves nothing to refuse; should it, the last line says what.
            error => whole(
                error
                    .to_string()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .to_owned(),
            ),
        })
}

/// Reads a pattern by RE2's rules and writes it for the `regex` crate in its bytes mode.
fn translate(pattern: &str) -> Result<String, Refused> {
    let mut reader = Reader {
        pattern: pattern.as_bytes(),
        at: 0,
        out: String::with_capacity(pattern.len() * 2),
        flags: String::new(),
        groups: Vec::new(),
        names: Vec::new(),
        operand: Operand::None,
        operand_at: 0,
        repeats: 1,
        operand_repeats: 1,
    };
    while reader.at < reader.pattern.len() {
        reader.item()?;
    }
    match reader.groups.last() {
        Some(group) => refuse(group.at..group.at + 1, "missing `)`"),
        None => Ok(reader.out),
    }
}

fn refuse<T>(range: Range<usize>, message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused {
        range,
        message: message.into(),
        help: None,
    })
}

/// What a repetition would apply to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    None,
    Item,
    Repeated,
    /// Repeated, with a group of flags after the repetition.
    RepeatedApart,
}

struct Group {
    at: usize,
    /// Where it begins in what is written.
    written_at: usize,
    /// The largest product of repeats so far in what surrounds the group.
    outer_repeats: u32,
}

struct Reader<'p> {
    pattern: &'p [u8],
    at: usize,
    out: String,
    /// Flags read and not yet written: a repetition after them is of the operand before them.
    flags: String,
    groups: Vec<Group>,
    names: Vec<&'p [u8]>,
    operand: Operand,
    /// Where the last operand begins in what is written.
    operand_at: usize,
    /// The largest product of nested repeats in this group so far, and in the last operand.
    repeats: u32,
    operand_repeats: u32,
}

impl<'p> Reader<'p> {
    fn rest(&self) -> &'p [u8] {
        &self.pattern[self.at..]
    }

    fn write_flags(&mut self) {
        self.out.push_str(&self.flags);
        self.flags.clear();
    }

    /// Writes an operand that begins where the reader stands and is `length` bytes long.
    fn operand(&mut self, length: usize, written: &str) {
        self.operand_at = self.out.len();
        self.out.push_str(written);
        self.at += length;
        self.operand = Operand::Item;
        self.operand_repeats = 1;
    }

    fn literal(&mut self, length: usize, byte: u8) {
        let written = literal(byte);
        self.operand(length, &written);
    }

    fn item(&mut self) -> Result<(), Refused> {
        let byte = self.pattern[self.at];
        let counts = if byte == b'{' {
            counts(self.rest())
        } else {
            None
        };
        if counts.is_none() && !matches!(byte, b'*' | b'+' | b'?' | b'(') {
            self.write_flags();
        }
        match byte {
            b'\\' => self.escape(),
            b'[' => self.class(),
            b'(' => self.open(),
            b')' => self.close(),
            b'|' => {
                self.out.push('|');
                self.at += 1;
                self.operand = Operand::None;
                Ok(())
            }
            b'.' | b'^' | b'$' => {
                self.operand(1, char::from(byte).encode_utf8(&mut [0; 4]));
                Ok(())
            }
            b'*' | b'+' | b'?' => self.repeat(1, byte, None),
            b'{' => match counts {
                Some((length, least, most)) => self.repeat(length, byte, Some((least, most))),
                None => {
                    self.literal(1, byte);
                    Ok(())
                }
            },
            _ => {
                self.literal(1, byte);
                Ok(())
            }
        }
    }

    fn repeat(
        &mut self,
        length: usize,
        sign: u8,
        counts: Option<(u32, Option<u32>)>,
    ) -> Result<(), Refused> {
        let lazy = usize::from(self.pattern.get(self.at + length) == Some(&b'?'));
        let range = self.at..self.at + length + lazy;
        match self.operand {
            Operand::None => return refuse(range, "nothing to repeat"),
            // With flags between the two, each has its own say.
            Operand::RepeatedApart => {
                self.out.insert_str(self.operand_at, "(?:");
                self.out.push(')');
            }
            Operand::Repeated => return refuse(range, "a repetition of a repetition"),
            Operand::Item => {}
        }
        match counts {
            None => self.out.push(char::from(sign)),
            Some((least, most)) => {
                if most.is_some_and(|most| most < least) {
                    return refuse(range, "the least count is above the most");
                }
                let factor = most.unwrap_or(least).max(1);
                self.operand_repeats = self.operand_repeats.saturating_mul(factor);
                if least.max(self.operand_repeats) > REPEAT_LIMIT {
                    return refuse(range, "more than 1000 repetitions, nested ones multiplied");
                }
                self.repeats = self.repeats.max(self.operand_repeats);
                self.out.push_str(&match most {
                    Some(most) => format!("{{{least},{most}}}"),
                    None => format!("{{{least},}}"),
                });
            }
        }
        if lazy == 1 {
            self.out.push('?');
        }
        self.at = range.end;
        self.operand = Operand::Repeated;
        Ok(())
    }

    fn open(&mut self) -> Result<(), Refused> {
        let start = self.at;
        let mut opening = "(".to_owned();
        if self.rest().starts_with(b"(?") {
            let named = [&b"(?P<"[..], b"(?<"]
                .into_iter()
                .find(|open| self.rest().starts_with(open) && !self.is_look_behind());
            match named {
                Some(open) => self.name(open.len())?,
                None => {
                    let flags = self.flags()?;
                    if flags.ends_with(')') {
                        // A group of flags alone is no group, and no operand.
                        self.flags.push_str(flags.trim_start_matches("(?)"));
                        if self.operand == Operand::Repeated {
                            self.operand = Operand::RepeatedApart;
                        }
                        return Ok(());
                    }
                    opening = flags;
                }
            }
        } else {
            self.at += 1;
        }
        self.write_flags();
        let written_at = self.out.len();
        self.out.push_str(&opening);
        self.groups.push(Group {
            at: start,
            written_at,
            outer_repeats: self.repeats,
        });
        self.repeats = 1;
        self.operand = Operand::None;
        Ok(())
    }

    fn is_look_behind(&self) -> bool {
        matches!(self.rest().get(..4), Some(b"(?<=" | b"(?<!"))
    }

    /// A group's name, which nothing here refers to: the group is written without it.
    fn name(&mut self, open: usize) -> Result<(), Refused> {
        let start = self.at + open;
        let length = self.pattern[start..].iter().position(|b| *b == b'>');
        let Some(length) = length else {
            return refuse(
                self.at..self.pattern.len(),
                "missing `>` after the group's name",
            );
        };
        let name = &self.pattern[start..start + length];
        let range = start..start + length;
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        if name.is_empty() || !name.iter().all(word) {
            return refuse(range, "a group's name is made of letters, digits and `_`");
        }
        if self.names.contains(&name) {
            return refuse(range, "two groups of one name");
        }
        self.names.push(name);
        self.at = range.end + 1;
        Ok(())
    }

    /// Reads `(?flags)` or `(?flags:`.
    fn flags(&mut self) -> Result<String, Refused> {
        let start = self.at;
        let mut negated = false;
        let mut seen = false;
        let mut at = start + 2;
        loop {
            match self.pattern.get(at) {
                Some(b'i' | b'm' | b's' | b'U') => seen = true,
                Some(b'-') if !negated => (negated, seen) = (true, false),
                Some(b':' | b')') if !negated || seen => break,
                Some(b'=' | b'!' | b'<') if at == start + 2 => {
                    return Err(Refused {
                        range: start..at + 1,
                        message: "RE2 has no look-around".to_owned(),
                        help: Some("match more of the text, or join two matches with `&&`"),
                    });
                }
                _ => {
                    let end = (at + 1).min(self.pattern.len());
                    return refuse(start..end, "unknown group: RE2 has the flags `imsU`");
                }
            }
            at += 1;
        }
        self.at = at + 1;
        // Flags and marks are ASCII.
        Ok(self.pattern[start..self.at]
            .iter()
            .copied()
            .map(char::from)
            .collect())
    }

    fn close(&mut self) -> Result<(), Refused> {
        let Some(group) = self.groups.pop() else {
            return refuse(self.at..self.at + 1, "unexpected `)`");
        };
        let inner = self.repeats;
        self.operand(1, ")");
        self.operand_at = group.written_at;
        self.operand_repeats = inner;
        self.repeats = group.outer_repeats.max(inner);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Refused> {
        match self.rest().get(1) {
            Some(b'Q') => self.quotation(),
            Some(letter @ (b'b' | b'B' | b'A' | b'z')) => {
                let written = format!("\\{}", char::from(*letter));
                self.operand(2, &written);
            }
            Some(b'C') => self.operand(2, "(?s:.)"),
            Some(letter) if perl_class(*letter).is_some() => {
                let written = perl_class(*letter).unwrap_or_default();
                self.operand(2, &format!("[{written}]"));
            }
            _ => {
                let (length, byte) = self.escaped_byte(self.at)?;
                self.literal(length, byte);
            }
        }
        Ok(())
    }

    /// `\Q…\E`: every byte is itself, and the last of them is what a repetition repeats.
    fn quotation(&mut self) {
        self.at += 2;
        while self.at < self.pattern.len() {
            if self.rest().starts_with(b"\\E") {
                self.at += 2;
                return;
            }
            self.literal(1, self.pattern[self.at]);
        }
    }
}

/// `{n}`, `{n,}` or `{n,m}` at the start: its length and counts. Anything else is plain text.
fn counts(rest: &[u8]) -> Option<(usize, u32, Option<u32>)> {
    let end = rest.iter().position(|b| *b == b'}')?;
    let number = |digits: &[u8]| {
        let leading_zero = digits.len() > 1 && digits[0] == b'0';
        let plain = !leading_zero && digits.len() <= 8 && digits.iter().all(u8::is_ascii_digit);
        let digits = std::str::from_utf8(digits).ok()?;
        plain.then(|| digits.parse::<u32>().ok()).flatten()
    };
    let inside = &rest[1..end];
    let (least, most) = match inside.iter().position(|b| *b == b',') {
        None => {
            let count = number(inside)?;
            (count, Some(count))
        }
        Some(comma) if comma + 1 == inside.len() => (number(&inside[..comma])?, None),
        Some(comma) => (
            number(&inside[..comma])?,
            Some(number(&inside[comma + 1..])?),
        ),
    };
    Some((end + 1, least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pattern with a text it is found in, or the refusal's words.
    #[track_caller]
    fn check(pattern: &str, text: &[u8], expected: Result<bool, &str>) {
        let found = compile(pattern)
            .map(|regex| regex.is_match(text))
            .map_err(|refused| refused.message);
        assert_eq!(found, expected.map_err(str::to_owned), "{pattern}");
    }

    #[test]
    fn a_match_is_partial_and_bytes_are_characters() {
        check("/a.*", b"x/a", Ok(true));
        check("^/a$", b"x/a", Ok(false));
        check("^/a$", b"/a\n", Ok(false));
        check("^.$", "é".as_bytes(), Ok(false));
        check("^..$", "é".as_bytes(), Ok(true));
        check("^.$", b"\xff", Ok(true));
        check("[é]", b"\xa9", Ok(true));
        check(r"^\C\x{e9}$", b"\n\xe9", Ok(true));
        check(r"\w", "é".as_bytes(), Ok(false));
    }

    #[test]
    fn what_the_two_engines_read_differently_is_read_as_re2_does() {
        check(r"^\Qa.b*\E+$", b"a.b**", Ok(true));
        check(r"\Qa.b", b"axb", Ok(false));
        check(r"\<b\>", b"a b c", Ok(false));
        check(r"\<b\>", b"<b>", Ok(true));
        check("^[a&&b]+$", b"&a", Ok(true));
        check("^[a--b]$", b"b", Err("a range that ends before it begins"));
        check("[a~~b[]", b"[", Ok(true));
        check("^[]a]$", b"]", Ok(true));
        check("^[^]a]$", b"b", Ok(true));
        check(r"\s", b"\x0b", Ok(false));
        check(r"[\S]", b"\x0b", Ok(true));
        check("a{,5}", b"a{,5}", Ok(true));
        check("a{,5}b", b"aab", Ok(false));
        check("a{01}", b"a{01}", Ok(true));
        check(r"^\b{start}", b"a{start}", Ok(false));
        check(r"\101\0", b"A\0", Ok(true));
        check("(?P<1a>x)(?<b>y)", b"xy", Ok(true));
        check("(?)a(?i:B)", b"ab", Ok(true));
        check("(?i)[[:lower:]]B", b"AB", Ok(true));
        check("# x", b"#x", Ok(false));
        check("^a(?i)+B$", b"aab", Ok(true));
        check("^(ab)+(?i)?B$", b"b", Ok(true));
        check("^(ab)+(?)?b$", b"aab", Ok(false));
        check("^a(?i)(?s){2}b.$", b"aaB\n", Ok(true));
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        check("a**", b"", Err("a repetition of a repetition"));
        check("a*??", b"", Err("a repetition of a repetition"));
        check("a*(?i)+*", b"", Err("a repetition of a repetition"));
        check("a{2}{3}", b"", Err("a repetition of a repetition"));
        check("*a", b"", Err("nothing to repeat"));
        check("(?i)*", b"", Err("nothing to repeat"));
        check("(|*)", b"", Err("nothing to repeat"));
        check("(a", b"", Err("missing `)`"));
        check("a)", b"", Err("unexpected `)`"));
        check("[a", b"", Err("missing `]`"));
        check("[b-a]", b"", Err("a range that ends before it begins"));
        check("[[:nope:]]", b"", Err("an unknown class name"));
        check("a\\", b"", Err("a trailing `\\`"));
        check(r"(a)\1", b"", Err("RE2 has no back-references"));
        check(
            r"\pL",
            b"",
            Err("a Unicode class cannot be matched byte by byte"),
        );
        check(r"\Z", b"", Err("an escape that RE2 does not know"));
        check(r"\é", b"", Err("an escape that RE2 does not know"));
        check(r"\x{100}", b"", Err("an escape that RE2 does not know"));
        check("(?=a)", b"", Err("RE2 has no look-around"));
        check("(?<!a)", b"", Err("RE2 has no look-around"));
        check("(?x)a", b"", Err("unknown group: RE2 has the flags `imsU`"));
        check(
            "(?i-)a",
            b"",
            Err("unknown group: RE2 has the flags `imsU`"),
        );
        check("(?P<a>b)(?P<a>c)", b"", Err("two groups of one name"));
        check("a{2,1}", b"", Err("the least count is above the most"));
        check(
            "a{1001}",
            b"",
            Err("more than 1000 repetitions, nested ones multiplied"),
        );
        check(
            "(a{100}b){11}",
            b"",
            Err("more than 1000 repetitions, nested ones multiplied"),
        );
    }

    #[test]
    fn nested_repeats_within_the_limit_compile() {
        check("^(a{100}b){10}$", b"a", Ok(false));
        check("(([^a]{30}.{3}){10}|x){1,3}", b"x", Ok(true));
    }
}

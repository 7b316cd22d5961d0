//! Escapes and classes: what stands for one byte, or for one of several.

use super::{Reader, Refused, refuse};

impl Reader<'_> {
    /// The byte that the escape at `at` stands for, and the escape's length.
    pub(super) fn escaped_byte(&self, at: usize) -> Result<(usize, u8), Refused> {
        let rest = &self.pattern[at..];
        let Some(&letter) = rest.get(1) else {
            return refuse(at..at + 1, "a trailing `\\`");
        };
        let known = match letter {
            b'n' => Some((2, b'\n')),
            b'r' => Some((2, b'\r')),
            b't' => Some((2, b'\t')),
            b'a' => Some((2, 0x07)),
            b'f' => Some((2, 0x0c)),
            b'v' => Some((2, 0x0b)),
            b'x' => hexadecimal(rest),
            b'0'..=b'7' => octal(rest),
            b'_' => Some((2, b'_')),
            mark if mark.is_ascii() && !mark.is_ascii_alphanumeric() => Some((2, mark)),
            _ => None,
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let text = String::from_utf8_lossy(rest);
        let range = at..at + 1 + text[1..].chars().next().map_or(1, char::len_utf8);
        Err(match letter {
            b'1'..=b'9' => Refused {
                range,
                message: "RE2 has no back-references".to_owned(),
                help: None,
            },
            b'p' | b'P' => Refused {
                range,
                message: "a Unicode class cannot be matched byte by byte".to_owned(),
                help: Some("name the letters, as in `[A-Za-z]`"),
            },
            _ => Refused {
                range,
                message: "an escape that RE2 does not know".to_owned(),
                help: Some("escape only marks, or one of `dDsSwWbBAzCQnrtafvx`"),
            },
        })
    }

    pub(super) fn class(&mut self) -> Result<(), Refused> {
        let start = self.at;
        let mut written = String::from("[");
        self.at += 1;
        if self.rest().starts_with(b"^") {
            written.push('^');
            self.at += 1;
        }
        let first = self.at;
        loop {
            match self.rest() {
                [] => return refuse(start..self.pattern.len(), "missing `]`"),
                [b']', ..] if self.at > first => break,
                [b'[', b':', ..] if self.posix_class(&mut written)? => {}
                [b'\\', letter, ..] if perl_class(*letter).is_some() => {
                    written.push_str(perl_class(*letter).unwrap_or_default());
                    self.at += 2;
                }
                _ => self.range(&mut written)?,
            }
        }
        written.push(']');
        self.operand(1, &written);
        Ok(())
    }

    /// `[:name:]` within a class; whether it is one.
    fn posix_class(&mut self, written: &mut String) -> Result<bool, Refused> {
        const NAMES: [&[u8]; 14] = [
            b"alnum", b"alpha", b"ascii", b"blank", b"cntrl", b"digit", b"graph", b"lower",
            b"print", b"punct", b"space", b"upper", b"word", b"xdigit",
        ];
        let rest = self.rest();
        let Some(length) = rest[2..].windows(2).position(|w| w == b":]") else {
            return Ok(false);
        };
        let name = &rest[2..2 + length];
        let range = self.at..self.at + length + 4;
        if !NAMES.contains(&name.strip_prefix(b"^").unwrap_or(name)) {
            return refuse(range, "an unknown class name");
        }
        written.extend(rest[..length + 4].iter().copied().map(char::from));
        self.at = range.end;
        Ok(true)
    }

    /// One byte of a class, or two with what is between.
    fn range(&mut self, written: &mut String) -> Result<(), Refused> {
        let start = self.at;
        let low = self.class_byte()?;
        written.push_str(&literal(low));
        if let [b'-', after, ..] = self.rest()
            && *after != b']'
        {
            self.at += 1;
            let high = self.class_byte()?;
            if high < low {
                return refuse(start..self.at, "a range that ends before it begins");
            }
            written.push('-');
            written.push_str(&literal(high));
        }
        Ok(())
    }

    fn class_byte(&mut self) -> Result<u8, Refused> {
        let (length, byte) = match self.rest() {
            [b'\\', ..] => self.escaped_byte(self.at)?,
            [byte, ..] => (1, *byte),
            [] => return refuse(self.at..self.at, "missing `]`"),
        };
        self.at += length;
        Ok(byte)
    }
}

/// A byte that stands for itself, in a class or out of it.
pub(super) fn literal(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() {
        char::from(byte).to_string()
    } else {
        format!("\\x{byte:02X}")
    }
}

/// What a Perl class letter stands for within brackets. RE2's `\s` has no vertical tab.
pub(super) fn perl_class(letter: u8) -> Option<&'static str> {
    Some(match letter {
        b'd' => "0-9",
        b'D' => r"\D",
        b'w' => r"\w",
        b'W' => r"\W",
        b's' => r"\t\n\f\r\x20",
        b'S' => r"[^\t\n\f\r\x20]",
        _ => return None,
    })
}

/// `\xHH` or `\x{H…}`, the latter up to FF in Latin-1.
fn hexadecimal(rest: &[u8]) -> Option<(usize, u8)> {
    let digits = |digits: &[u8]| {
        let text = std::str::from_utf8(digits).ok()?;
        let hex = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
        // The leading zero keeps the number from being empty once its own are gone.
        let significant = format!("0{}", text.trim_start_matches('0'));
        hex.then(|| u8::from_str_radix(&significant, 16).ok())?
    };
    if rest.get(2) == Some(&b'{') {
        let length = rest[3..].iter().position(|b| *b == b'}')?;
        return Some((length + 4, digits(&rest[3..3 + length])?));
    }
    Some((4, digits(rest.get(2..4)?)?))
}

/// `\0`, `\012`, `\123`: a single digit other than 0 would be a back-reference.
fn octal(rest: &[u8]) -> Option<(usize, u8)> {
    let is_octal = |b: &&u8| matches!(b, b'0'..=b'7');
    let run: Vec<u8> = rest[1..]
        .iter()
        .take(3)
        .take_while(is_octal)
        .copied()
        .collect();
    if run.len() == 1 && run[0] != b'0' {
        return None;
    }
    let value = run
        .iter()
        .fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
    Some((run.len() + 1, u8::try_from(value).ok()?))
}

//! Bytes as text for people: escaped where they are no text, cut where they are long.

use crate::model::{Body, Form};

/// Characters of a header's value or of a hostcall's that are shown.
pub(crate) const VALUE: usize = 400;
/// Characters of a log message that are shown.
pub(crate) const MESSAGE: usize = 2_000;
/// Bytes of a body that are shown.
pub(crate) const BODY: usize = 4_096;
/// Bytes in a line of a dump.
const DUMP: usize = 16;

/// The bytes as text; what is not UTF-8 or cannot be printed is escaped, newlines too.
pub fn shown(bytes: &[u8]) -> String {
    escape(bytes, false)
}

/// The same, but lines stay lines and tabs stay tabs.
pub fn shown_lines(bytes: &[u8]) -> String {
    escape(bytes, true)
}

fn escape(bytes: &[u8], keep_lines: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' if keep_lines => out.push(c),
                c if c.is_control() => out.extend(c.escape_default()),
                // Characters that would turn the direction of the line around.
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    out.extend(c.escape_unicode());
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Text cut to so many characters, with what is left out counted.
pub fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => {
            let left = text[end..].chars().count();
            format!("{}… ({left} more)", &text[..end])
        }
    }
}

/// A value on one line. No more of it is looked at than can be shown.
pub(crate) fn value(bytes: &[u8], limit: usize) -> String {
    let enough = bytes.len().min(limit * 4);
    let text = shown(&bytes[..enough]);
    match bytes.len() - enough {
        0 => shortened(&text, limit),
        _ => {
            let end = text.char_indices().nth(limit).map_or(text.len(), |at| at.0);
            format!("{}… ({} bytes)", &text[..end], bytes.len())
        }
    }
}

/// A number of bytes, in words.
pub fn bytes(count: u64) -> String {
    match count {
        1 => "1 byte".to_owned(),
        _ => format!("{} bytes", grouped(count)),
    }
}

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Whether bytes are shown as text: UTF-8 in which few characters cannot be printed. A part of a
/// stream may begin or end within a character.
pub(crate) fn form(bytes: &[u8]) -> Form {
    let looked_at = &bytes[..bytes.len().min(BODY)];
    let rest_of_one = looked_at.iter().take(3);
    let skipped = rest_of_one.take_while(|byte| matches!(byte, 0x80..=0xbf));
    let looked_at = &looked_at[skipped.count()..];
    let (mut strange, mut all) = (0, 0);
    let mut chunks = looked_at.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        let is_whitespace = |c: char| matches!(c, '\n' | '\r' | '\t');
        for c in chunk.valid().chars() {
            all += 1;
            strange += usize::from(c.is_control() && !is_whitespace(c));
        }
        let begins_one = matches!(chunk.invalid(), [0xc2..=0xf4, ..]) && chunks.peek().is_none();
        if !begins_one {
            all += chunk.invalid().len();
            strange += chunk.invalid().len();
        }
    }
    if strange * 20 > all {
        Form::Hex
    } else {
        Form::Text
    }
}

/// Bytes as lines of offset, hexadecimal and characters.
pub(crate) fn dump(bytes: &[u8], from: usize) -> Vec<String> {
    let lines = bytes.chunks(DUMP).enumerate().map(|(index, line)| {
        let mut hex = String::with_capacity(DUMP * 3);
        let mut characters = String::with_capacity(DUMP);
        for byte in line {
            hex.push_str(&format!("{byte:02x} "));
            let printable = byte.is_ascii_graphic() || *byte == b' ';
            characters.push(if printable { char::from(*byte) } else { '.' });
        }
        format!("{:08x}  {hex:<48} {characters}", from + index * DUMP)
    });
    lines.collect()
}

/// The beginning of a body.
pub(crate) fn body(all: &[u8]) -> Body {
    let form = form(all);
    let shown = &all[..all.len().min(BODY)];
    Body {
        bytes: all.len(),
        form,
        text: match form {
            Form::Text => shown_lines(shown),
            Form::Hex => dump(shown, 0).join("\n"),
        },
        left_out: all.len() - shown.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_escaped() {
        assert_eq!(
            shown(b"a\xff\0\n\x1b[1m\xc3\xa4"),
            "a\\xff\\u{0}\\n\\u{1b}[1mä"
        );
        assert_eq!(shown_lines(b"a\nb\r"), "a\nb\\r");
        assert_eq!(shown("\u{202e}".as_bytes()), "\\u{202e}");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 2), "äö… (2 more)");
        assert_eq!(value(&[b'a'; 100], 2), "aa… (100 bytes)");
        assert_eq!(value("äöüß".as_bytes(), 3), "äöü… (1 more)");
    }

    #[test]
    fn bodies_are_text_or_a_dump() {
        let check = |bytes: &[u8], expected| assert_eq!(form(bytes), expected);
        check(b"", Form::Text);
        check(b"{\"a\": 1}\r\n", Form::Text);
        check("Größe".as_bytes(), Form::Text);
        // Cut within a character.
        check(&"Größe".as_bytes()[..3], Form::Text);
        check(b"\x1f\x8b\x08\0\0\0\0\0", Form::Hex);
        check(b"\xff\xfe\xfd", Form::Hex);
        check(&[0; 10_000], Form::Hex);
    }

    #[test]
    fn a_dump_shows_offset_bytes_and_characters() {
        assert_eq!(
            dump(b"Hello,\0world <b>", 32),
            ["00000020  48 65 6c 6c 6f 2c 00 77 6f 72 6c 64 20 3c 62 3e  Hello,.world <b>"]
        );
    }

    #[test]
    fn a_long_body_says_what_is_left_out() {
        let long = vec![b'a'; BODY + 7];
        let body = body(&long);
        assert_eq!((body.bytes, body.left_out), (BODY + 7, 7));
        assert_eq!(body.text.len(), BODY);
    }
}

//! Bytes as text for people: escaped where they are no text, shortened where they are long.

/// The bytes as text; what is not UTF-8 or cannot be printed is escaped, newlines too.
pub(crate) fn shown(bytes: &[u8]) -> String {
    escape(bytes, false)
}

/// The same, but lines stay lines.
pub(crate) fn shown_lines(bytes: &[u8]) -> String {
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
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.extend(c.escape_unicode()),
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
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => {
            let left = text[end..].chars().count();
            format!("{}… ({left} more)", &text[..end])
        }
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
    }
}

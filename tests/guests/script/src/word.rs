//! Words of a line: numbers, names, variables, bytes in quotes, and pairs in braces.

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// A number, or the name of one.
    Number(i64),
    /// `$name`.
    Variable(&'a str),
    /// `"text"`, with `\n`, `\t`, `\0`, `\"`, `\\` and `\x7f`.
    Bytes(Vec<u8>),
    /// `{"name" "value" …}`.
    Pairs(Vec<(Vec<u8>, Vec<u8>)>),
    /// Anything else.
    Name(&'a str),
}

/// Takes a line apart: its words, and its text without the remark at its end. `None` for a quote
/// or a brace that is not closed.
pub(crate) fn words(whole: &str) -> Option<(Vec<Word<'_>>, &str)> {
    let mut words = Vec::new();
    let mut line = whole;
    loop {
        line = line.trim_start();
        let first = line.chars().next().unwrap_or('#');
        if first == '#' {
            let text = whole.get(..whole.len() - line.len()).unwrap_or(whole);
            return Some((words, text.trim()));
        }
        if first == '"' {
            let (bytes, rest) = quoted(line)?;
            words.push(Word::Bytes(bytes));
            line = rest;
        } else if first == '{' {
            let (pairs, rest) = braced(line)?;
            words.push(Word::Pairs(pairs));
            line = rest;
        } else {
            let end = line.find(char::is_whitespace).unwrap_or(line.len());
            let (word, rest) = line.split_at(end);
            words.push(plain(word));
            line = rest;
        }
    }
}

fn plain(word: &str) -> Word<'_> {
    if let Some(name) = word.strip_prefix('$') {
        return Word::Variable(name);
    }
    let number = match word.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    };
    match number.or_else(|| crate::names::number(word)) {
        Some(number) => Word::Number(number),
        None => Word::Name(word),
    }
}

fn quoted(line: &str) -> Option<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    let mut rest = line.strip_prefix('"')?;
    loop {
        let next = rest.chars().next()?;
        rest = rest.get(next.len_utf8()..)?;
        match next {
            '"' => return Some((bytes, rest)),
            '\\' => {
                let escape = rest.chars().next()?;
                rest = rest.get(escape.len_utf8()..)?;
                match escape {
                    'n' => bytes.push(b'\n'),
                    't' => bytes.push(b'\t'),
                    '0' => bytes.push(0),
                    'x' => {
                        bytes.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                        rest = rest.get(2..)?;
                    }
                    other => push(&mut bytes, other),
                }
            }
            other => push(&mut bytes, other),
        }
    }
}

fn push(bytes: &mut Vec<u8>, character: char) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

type Braced<'a> = (Vec<(Vec<u8>, Vec<u8>)>, &'a str);

fn braced(line: &str) -> Option<Braced<'_>> {
    let mut pairs = Vec::new();
    let mut rest = line.strip_prefix('{')?.trim_start();
    while !rest.starts_with('}') {
        let (name, after) = quoted(rest)?;
        let (value, after) = quoted(after.trim_start())?;
        pairs.push((name, value));
        rest = after.trim_start();
    }
    Some((pairs, rest.strip_prefix('}')?))
}

/// Bytes as a script would write them.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\0' => text.push_str("\\0"),
                other if other.is_control() => {
                    let mut bytes = [0; 4];
                    for byte in other.encode_utf8(&mut bytes).bytes() {
                        hex(&mut text, byte);
                    }
                }
                other => text.push(other),
            }
        }
        for byte in chunk.invalid() {
            hex(&mut text, *byte);
        }
    }
    text.push('"');
    text
}

fn hex(text: &mut String, byte: u8) {
    text.push_str("\\x");
    for nibble in [byte >> 4, byte & 15] {
        text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('?'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line = r#"add_header_map_value request_headers "a\x00\"b" {"k" ""} -1 0xff $t x # no"#;
        let expected = vec![
            Word::Name("add_header_map_value"),
            Word::Number(0),
            Word::Bytes(b"a\0\"b".to_vec()),
            Word::Pairs(vec![(b"k".to_vec(), Vec::new())]),
            Word::Number(-1),
            Word::Number(255),
            Word::Variable("t"),
            Word::Name("x"),
        ];
        let text = line.strip_suffix(" # no").unwrap();
        assert_eq!(words(line), Some((expected, text)));
    }

    #[test]
    fn what_is_not_closed_is_no_line() {
        for line in ["\"", "\"\\", "\"\\x1", "{\"a\" \"b\"", "{\"a\"}", "{ x }"] {
            assert_eq!(words(line), None, "{line}");
        }
    }

    #[test]
    fn quoting_reads_back() {
        let bytes = b"a\"\\\n\t\0\x01\xff\xc3\xa9";
        let text = quote(bytes);
        assert_eq!(text, "\"a\\\"\\\\\\n\\t\\0\\x01\\xff\u{e9}\"");
        let expected = vec![Word::Bytes(bytes.to_vec())];
        assert_eq!(words(&text), Some((expected, &text[..])));
    }
}

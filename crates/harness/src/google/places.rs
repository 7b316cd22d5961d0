//! Where each field of a message stands: the parser of messages forgets it.

use crate::place::Place;

/// Where a field stands, and the fields in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Places {
    pub(crate) at: Place,
    fields: Vec<(String, Places)>,
}

impl Places {
    pub(crate) fn new(at: Place) -> Self {
        Self {
            at,
            fields: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, name: &str, places: Self) {
        self.fields.push((name.to_owned(), places));
    }

    /// The place of the n-th field of this name; that of the message if there is none.
    pub(crate) fn field(&self, name: &str, index: usize) -> Self {
        self.fields
            .iter()
            .filter(|(known, _)| known == name)
            .nth(index)
            .map_or_else(|| Self::new(self.at), |(_, places)| places.clone())
    }

    /// Whether there is a field of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }

    /// Reads the places of a text that is known to parse.
    pub(crate) fn of_text(text: &str) -> Self {
        let mut scanner = Scanner {
            text,
            tokens: tokens(text).into_iter().peekable(),
        };
        let mut places = Self::new(Place { line: 1, column: 1 });
        scanner.message(&mut places);
        places
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Sign(u8),
    Value,
}

fn tokens(text: &str) -> Vec<(usize, Token<'_>)> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        match byte {
            b'#' => {
                at += bytes[at..]
                    .iter()
                    .take_while(|byte| **byte != b'\n')
                    .count()
            }
            b'"' | b'\'' => {
                at += 1;
                while let Some(&inner) = bytes.get(at) {
                    at += if inner == b'\\' { 2 } else { 1 };
                    if inner == byte {
                        break;
                    }
                }
                tokens.push((start, Token::Value));
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'+' => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.+".contains(byte);
                at += bytes[at..].iter().take_while(|byte| is_word(byte)).count();
                tokens.push((start, Token::Word(&text[start..at])));
            }
            _ => {
                at += 1;
                if b"{}<>[]:".contains(&byte) {
                    tokens.push((start, Token::Sign(byte)));
                }
            }
        }
    }
    tokens
}

struct Scanner<'a> {
    text: &'a str,
    tokens: std::iter::Peekable<std::vec::IntoIter<(usize, Token<'a>)>>,
}

impl Scanner<'_> {
    fn peek(&mut self) -> Option<Token<'static>> {
        match self.tokens.peek()?.1 {
            Token::Sign(byte) => Some(Token::Sign(byte)),
            Token::Word(_) | Token::Value => Some(Token::Value),
        }
    }

    /// The fields up to the end of the message.
    fn message(&mut self, into: &mut Places) {
        while let Some((offset, token)) = self.tokens.next() {
            match token {
                Token::Word(name) => {
                    let at = Place::of_offset(self.text, offset);
                    if self.peek() == Some(Token::Sign(b':')) {
                        self.tokens.next();
                    }
                    self.value(name, at, into);
                }
                Token::Sign(b'}' | b'>') => return,
                Token::Sign(_) | Token::Value => {}
            }
        }
    }

    /// One value, or each of a list.
    fn value(&mut self, name: &str, at: Place, into: &mut Places) {
        match self.peek() {
            Some(Token::Sign(b'[')) => {
                self.tokens.next();
                while !matches!(self.peek(), None | Some(Token::Sign(b']'))) {
                    self.value(name, at, into);
                }
                self.tokens.next();
            }
            Some(Token::Sign(b'{' | b'<')) => {
                self.tokens.next();
                let mut inner = Places::new(at);
                self.message(&mut inner);
                into.push(name, inner);
            }
            _ => {
                self.tokens.next();
                // Strings that stand one after another are one value.
                while matches!(self.tokens.peek(), Some((_, Token::Value))) {
                    self.tokens.next();
                }
                into.push(name, Places::new(at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_place() {
        let text = "# c { }\ntest { name: \"a}\" 'b'\n  num_chunks:10 }\ntest {\n  log < exact: 'x' >\n  log: [{ regex: '.' }, { file: \"f\\\"\" }]\n}\n";
        let places = Places::of_text(text);
        let check = |places: &Places, line, column| assert_eq!(places.at, Place { line, column });
        let first = places.field("test", 0);
        check(&first, 2, 1);
        check(&first.field("name", 0), 2, 8);
        check(&first.field("num_chunks", 0), 3, 3);
        let second = places.field("test", 1);
        check(&second, 4, 1);
        check(&second.field("log", 0).field("exact", 0), 5, 9);
        check(&second.field("log", 2).field("file", 0), 6, 27);
        check(&second.field("nothing", 0), 4, 1);
    }
}

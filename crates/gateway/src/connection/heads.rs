//! Reads along with what an HTTP/1 client sends, for what the HTTP implementation does not tell: a
//! head that gives its body's length twice. If both are the same it takes them for one, and whoever
//! stands behind this gateway might not.
//!
//! To know heads from bodies this follows the framing. It decides nothing else: what the HTTP
//! implementation refuses is refused, whatever was made of it here.

/// Where in the client's requests the wire is.
#[derive(Debug)]
pub(super) struct Heads {
    at: At,
    /// Whether the request line of this head was seen.
    begun: bool,
    /// Fields that give a length.
    lengths: u8,
    length: u64,
    is_chunked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the start of a head's line, or before the head.
    Line,
    /// In a name that began like this one, so many bytes ago.
    Name(&'static [u8], usize),
    /// In the value of a length.
    Length,
    /// In what does not matter of a line.
    Rest,
    /// In a body of which so much is left.
    Body(u64),
    /// In the line that begins a chunk, with its size so far; the size may be over.
    Size(u64, bool),
    /// In a chunk of which so much is left.
    Chunk(u64),
    /// After a chunk's bytes.
    ChunkEnd,
    /// In a trailer's line, of which so far nothing came, or something.
    Trailer(bool),
}

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";

impl Heads {
    pub(super) const fn new() -> Self {
        Self {
            at: At::Line,
            begun: false,
            lengths: 0,
            length: 0,
            is_chunked: false,
        }
    }

    /// Looks at the next bytes. A second length is spoilt, so that its head is refused as any other
    /// that is malformed, and in its turn.
    pub(super) fn watch(&mut self, bytes: &mut [u8]) {
        let mut next = 0;
        while let Some(byte) = bytes.get_mut(next) {
            // What does not matter is passed over at once.
            let skipped = match self.at {
                At::Body(left) | At::Chunk(left) => {
                    let here = bytes.len() - next;
                    let passed = usize::try_from(left).unwrap_or(here).min(here);
                    self.passed(left - passed as u64);
                    passed
                }
                At::Rest => {
                    let end = bytes[next..].iter().position(|byte| *byte == b'\n');
                    if end.is_some() {
                        self.at = At::Line;
                    }
                    end.map_or(bytes.len() - next, |end| end + 1)
                }
                _ => {
                    self.step(byte);
                    1
                }
            };
            next += skipped;
        }
    }

    /// So much of a body or a chunk is left.
    fn passed(&mut self, left: u64) {
        self.at = match (self.at, left) {
            (At::Chunk(_), 0) => At::ChunkEnd,
            (At::Chunk(_), left) => At::Chunk(left),
            (_, 0) => At::Line,
            (_, left) => At::Body(left),
        };
    }

    fn step(&mut self, byte: &mut u8) {
        self.at = match (self.at, *byte) {
            (At::Line, b'\r') => At::Line,
            (At::Line, b'\n') if self.begun => self.head_is_over(),
            // Empty lines may go before a head.
            (At::Line, b'\n') => At::Line,
            (At::Line, _) if !self.begun => {
                self.begun = true;
                At::Rest
            }
            (At::Line, b'c' | b'C') => At::Name(LENGTH, 1),
            (At::Line, b't' | b'T') => At::Name(CODING, 1),
            (At::Line, _) => At::Rest,
            (At::Name(..) | At::Length | At::ChunkEnd, b'\n') => self.line_is_over(),
            (At::Name(name, known), b':') if known == name.len() => self.named(name, byte),
            (At::Name(name, known), other)
                if name.get(known) == Some(&other.to_ascii_lowercase()) =>
            {
                At::Name(name, known + 1)
            }
            (At::Name(..), _) => At::Rest,
            (At::Length, digit) => {
                if digit.is_ascii_digit() {
                    let digit = u64::from(digit - b'0');
                    self.length = self.length.saturating_mul(10).saturating_add(digit);
                }
                At::Length
            }
            (At::Size(0, _), b'\n') => At::Trailer(true),
            (At::Size(size, _), b'\n') => At::Chunk(size),
            (At::Size(size, false), digit) => match char::from(digit).to_digit(16) {
                Some(digit) => At::Size(size.saturating_mul(16) + u64::from(digit), false),
                None => At::Size(size, true),
            },
            (At::Trailer(true), b'\n') => At::Line,
            (At::Trailer(_), b'\n') => At::Trailer(true),
            (At::Trailer(empty), b'\r') => At::Trailer(empty),
            (At::Trailer(_), _) => At::Trailer(false),
            (same, _) => same,
        };
    }

    fn line_is_over(&self) -> At {
        match self.at {
            At::ChunkEnd => At::Size(0, false),
            _ => At::Line,
        }
    }

    /// The colon after a name that matters.
    fn named(&mut self, name: &'static [u8], colon: &mut u8) -> At {
        if name == CODING {
            self.is_chunked = true;
            return At::Rest;
        }
        self.lengths = self.lengths.saturating_add(1);
        if self.lengths > 1 {
            *colon = 0;
            return At::Rest;
        }
        At::Length
    }

    fn head_is_over(&mut self) -> At {
        let over = std::mem::replace(self, Self::new());
        match (over.is_chunked, over.length) {
            (true, _) => At::Size(0, false),
            (false, 0) => At::Line,
            (false, length) => At::Body(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many fields are spoilt of what a client sends, however it is cut.
    #[track_caller]
    fn check(sent: &str, spoilt: usize) {
        for size in 1..=sent.len() {
            let mut heads = Heads::new();
            let mut bytes = sent.as_bytes().to_vec();
            for part in bytes.chunks_mut(size) {
                heads.watch(part);
            }
            let found = bytes.iter().filter(|byte| **byte == 0).count();
            assert_eq!(found, spoilt, "{sent:?} in parts of {size}");
        }
    }

    #[test]
    fn only_a_second_length_is_spoilt() {
        check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", 0);
        check("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", 0);
        check(
            "POST / HTTP/1.1\r\nContent-Length: 2\r\ncontent-LENGTH: 2\r\n\r\nab",
            1,
        );
        check(
            "POST / HTTP/1.1\ncontent-length:2\nx: y\ncontent-length:2\n\nab",
            1,
        );
        check(
            "POST / HTTP/1.1\r\ncontent-lengths: 2\r\ncontent-length: 2\r\ncontent: 3\r\n\r\nab",
            0,
        );
    }

    #[test]
    fn what_looks_like_a_field_in_a_body_is_none() {
        let twice = "content-length: 1\r\ncontent-length: 1\r\n";
        let whole = format!(
            "POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n{twice}",
            twice.len()
        );
        check(&whole, 0);
        let chunked = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x};{twice}{twice}\r\n0\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
            twice.len()
        );
        check(&chunked.replace(&format!(";{twice}"), ";x=1\r\n"), 0);
    }

    #[test]
    fn the_next_head_is_found_behind_a_body() {
        let bad = "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx";
        for before in [
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "\r\nPOST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nA;b=c\r\n0123456789\r\n0\r\nx: y\r\n\r\n",
        ] {
            check(&format!("{before}{bad}"), 1);
            check(&format!("{before}{before}"), 0);
        }
    }
}

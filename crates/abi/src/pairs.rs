//! The encoding of header maps: a count, the lengths, then the bytes, each followed by a zero.
//!
//! All integers are little-endian `u32`. For `n` pairs: `n`, then `n` times the length of the key
//! and of the value, then `n` times the key, a zero byte, the value, a zero byte. An empty map is
//! written as one zero word; nothing at all is also read as an empty map, because hosts differ.

/// What is wrong with an encoded map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The buffer ends before what its count or lengths promise.
    Truncated,
    /// A key or a value is not followed by a zero byte.
    MissingTerminator,
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "header map ends before what its lengths promise",
            Self::MissingTerminator => "header map lacks a zero byte after a key or value",
        })
    }
}

impl core::error::Error for DecodeError {}

const WORD: usize = 4;

/// The bytes that [`encode`] appends for these pairs, or `None` if a length exceeds 32 bits.
pub fn encoded_len<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Option<usize> {
    let mut total = WORD;
    for (key, value) in pairs {
        u32::try_from(key.len()).ok()?;
        u32::try_from(value.len()).ok()?;
        total = total
            .checked_add(2 * WORD + 2)?
            .checked_add(key.len())?
            .checked_add(value.len())?;
    }
    Some(total)
}

/// Appends the encoding of the pairs to `out`. The iterator is walked three times.
///
/// A key or value of more than 4 GiB, which no 32-bit guest can hold, is written as its first
/// 4 GiB minus one byte.
pub fn encode<'a, I>(pairs: I, out: &mut Vec<u8>)
where
    I: IntoIterator<Item = (&'a [u8], &'a [u8])>,
    I::IntoIter: Clone,
{
    let pairs = pairs.into_iter();
    let count = pairs.clone().count();
    out.extend_from_slice(&clamp(count).to_le_bytes());
    for (key, value) in pairs.clone() {
        out.extend_from_slice(&clamp(key.len()).to_le_bytes());
        out.extend_from_slice(&clamp(value.len()).to_le_bytes());
    }
    for (key, value) in pairs {
        for part in [key, value] {
            out.extend_from_slice(part.get(..clamp(part.len()) as usize).unwrap_or(part));
            out.push(0);
        }
    }
}

fn clamp(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Reads an encoded map, trusting neither its count nor its lengths.
///
/// The whole buffer is checked before the first pair is handed out; bytes after the last pair
/// are ignored, as other hosts ignore them. Nothing is allocated.
///
/// # Errors
/// [`DecodeError`] when the buffer is shorter than it claims or a terminator is missing.
#[inline]
pub fn decode(wire: &[u8]) -> Result<Pairs<'_>, DecodeError> {
    if wire.is_empty() {
        return Ok(Pairs::default());
    }
    let (count, rest) = take_word(wire).ok_or(DecodeError::Truncated)?;
    let table = (count as usize)
        .checked_mul(2 * WORD)
        .ok_or(DecodeError::Truncated)?;
    let (lengths, bytes) = rest.split_at_checked(table).ok_or(DecodeError::Truncated)?;
    let (words, _) = lengths.as_chunks();
    let mut at = 0_usize;
    for length in words {
        // What is past all that an address can hold is past the end of the buffer, too.
        at = at.saturating_add(u32::from_le_bytes(*length) as usize);
        match bytes.get(at) {
            Some(0) => at += 1,
            Some(_) => return Err(DecodeError::MissingTerminator),
            None => return Err(DecodeError::Truncated),
        }
    }
    Ok(Pairs { lengths, bytes })
}

#[inline]
fn take_word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<WORD>()?;
    Some((u32::from_le_bytes(*word), rest))
}

/// The pairs of a checked map, borrowed from its buffer, in order.
#[derive(Clone, Debug, Default)]
pub struct Pairs<'a> {
    lengths: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Pairs<'a> {
    /// Names and values as they stand in the buffer, each followed by a zero byte, and what comes
    /// after the last.
    pub fn text(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    fn take_part(&mut self) -> Option<&'a [u8]> {
        let (length, lengths) = take_word(self.lengths)?;
        let (part, rest) = self.bytes.split_at_checked(length as usize)?;
        self.lengths = lengths;
        self.bytes = rest.get(1..)?;
        Some(part)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let key = self.take_part()?;
        let value = self.take_part()?;
        Some((key, value))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.lengths.len() / (2 * WORD);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Two pairs, one of them with an empty value, written out by hand from the specification.
    const GOLDEN: &[u8] = b"\x02\0\0\0\
        \x05\0\0\0\x01\0\0\0\
        \x01\0\0\0\0\0\0\0\
        :path\0/\0\
        a\0\0";

    type Decoded<'a> = Result<Vec<(&'a [u8], &'a [u8])>, DecodeError>;

    fn check(wire: &[u8], expected: Decoded<'_>) {
        assert_eq!(decode(wire).map(Iterator::collect), expected);
    }

    #[test]
    fn encodes_to_the_golden_bytes() {
        let pairs = [(&b":path"[..], &b"/"[..]), (b"a", b"")];
        let mut wire = Vec::new();
        encode(pairs, &mut wire);
        assert_eq!(wire, GOLDEN);
        assert_eq!(encoded_len(pairs), Some(GOLDEN.len()));
    }

    #[test]
    fn decodes_the_golden_bytes() {
        check(GOLDEN, Ok(vec![(b":path", b"/"), (b"a", b"")]));
        assert_eq!(decode(GOLDEN).map(|pairs| pairs.len()), Ok(2));
    }

    #[test]
    fn an_empty_map_has_two_spellings() {
        check(b"", Ok(vec![]));
        check(b"\0\0\0\0", Ok(vec![]));
        let mut wire = Vec::new();
        encode([], &mut wire);
        assert_eq!(wire, b"\0\0\0\0");
    }

    #[test]
    fn zero_bytes_inside_a_value_are_kept() {
        let mut wire = Vec::new();
        encode([(&b"k"[..], &b"a\0b"[..])], &mut wire);
        check(&wire, Ok(vec![(b"k", b"a\0b")]));
    }

    #[test]
    fn every_truncation_is_an_error() {
        for end in 1..GOLDEN.len() {
            check(&GOLDEN[..end], Err(DecodeError::Truncated));
        }
    }

    #[test]
    fn lengths_are_never_trusted() {
        check(b"\xff\xff\xff\xff", Err(DecodeError::Truncated));
        check(
            b"\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0",
            Err(DecodeError::Truncated),
        );
    }

    #[test]
    fn a_missing_terminator_is_an_error() {
        check(
            b"\x01\0\0\0\x01\0\0\0\x01\0\0\0ax1\0",
            Err(DecodeError::MissingTerminator),
        );
    }

    #[test]
    fn bytes_after_the_last_pair_are_ignored() {
        let mut wire = GOLDEN.to_vec();
        wire.extend_from_slice(b"left over");
        check(&wire, Ok(vec![(b":path", b"/"), (b"a", b"")]));
    }
}

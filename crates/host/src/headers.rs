//! The header map: ordered, with duplicates, looked up without regard to case, values as bytes.
//!
//! A map is one buffer: an index, then all names and values. So a map of twenty headers is one
//! allocation, is cloned by one copy, and is handed to a guest without being taken apart.

use std::fmt;

use gatewright_abi::pairs::{self, Pairs};

/// An ordered multimap of header fields.
///
/// It holds up to 4 GiB of names and values, as a 32-bit guest could at the most; what would go
/// past that is cut off.
///
/// ```
/// use gatewright_host::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// headers.append(b"Set-Cookie", b"a=1");
/// headers.append(b"set-cookie", b"b=2");
/// assert_eq!(headers.get(b"SET-COOKIE"), Some(&b"a=1"[..]));
/// assert_eq!(headers.get_all(b"set-cookie").count(), 2);
/// ```
#[derive(Clone, Default)]
pub struct HeaderMap {
    /// The index, a [`Field`] in each of its slots, then the text: names and values.
    buffer: Vec<u8>,
    /// Fields that there are.
    count: u32,
    /// Twice the number of fields that the index has room for, behind which the text begins; and
    /// [`UPPER`]. In one word, so that a map is four words without padding, which are moved as they
    /// were written.
    shape: u32,
}

/// Set if some name may hold an upper-case letter. Most maps hold none and are asked to turn to
/// lower case at each step of their way.
const UPPER: u32 = 1;

/// Where one field lies in the text: offset and length of the name and of the value.
#[derive(Clone, Copy)]
struct Field {
    name: (u32, u32),
    value: (u32, u32),
}

impl Field {
    /// Bytes of a field in the index.
    const SIZE: usize = 16;

    #[inline]
    fn read(slot: &[u8; Self::SIZE]) -> Self {
        let word = u128::from_le_bytes(*slot);
        Self {
            name: (word as u32, (word >> 32) as u32),
            value: ((word >> 64) as u32, (word >> 96) as u32),
        }
    }

    #[inline]
    fn to_bytes(self) -> [u8; Self::SIZE] {
        let pair = |(start, length): (u32, u32)| u128::from(start) | u128::from(length) << 32;
        (pair(self.name) | pair(self.value) << 64).to_le_bytes()
    }
}

/// Past this many bytes, a text that is mostly abandoned values is rewritten.
const COMPACT_FROM: usize = 16 * 1024;

/// Fields that the index of a map gets room for when it gets its first.
const FIRST_SLOTS: u32 = 8;

/// Fields that an index can have: each is 16 bytes, so that this many are 16 GiB.
const MOST_SLOTS: u32 = 1 << 30;

impl HeaderMap {
    /// A map with nothing in it, which allocates nothing.
    pub const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            count: 0,
            shape: 0,
        }
    }

    /// A map that takes this many fields, of this many bytes together, without allocating again.
    pub fn with_capacity(fields: usize, bytes: usize) -> Self {
        let slots = u32::try_from(fields).unwrap_or(0).min(MOST_SLOTS);
        let index = slots as usize * Field::SIZE;
        let mut buffer = Vec::with_capacity(index.saturating_add(bytes));
        buffer.resize(index, 0);
        Self {
            buffer,
            count: 0,
            shape: slots << 1,
        }
    }

    /// Becomes a map of the pairs that a guest handed over, if each name may be in it, else an empty
    /// one: in one allocation and with their text in one piece. The zero bytes between names and
    /// values come along and belong to none of them.
    #[inline]
    pub(crate) fn fill(&mut self, pairs: &Pairs<'_>, admits: impl Fn(&[u8]) -> bool) -> bool {
        let text = pairs.text();
        let count = pairs.len() as u32;
        self.buffer = Vec::with_capacity(count as usize * Field::SIZE + text.len());
        let mut at = 0;
        let mut shape = count << 1;
        for (name, value) in pairs.clone() {
            if !admits(name) {
                *self = Self::new();
                return false;
            }
            let (name_length, value_length) = (name.len() as u32, value.len() as u32);
            let value_at = at + name_length + 1;
            let field = Field {
                name: (at, name_length),
                value: (value_at, value_length),
            };
            self.buffer.extend_from_slice(&field.to_bytes());
            at = value_at + value_length + 1;
            shape |= has_upper(name);
        }
        // What comes after the last pair is not part of the map.
        let text = text.get(..at as usize).unwrap_or(text);
        self.buffer.extend_from_slice(text);
        self.count = count;
        self.shape = shape;
        true
    }

    /// The number of fields, duplicates counted.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a field at the end, whatever is there already.
    pub fn append(&mut self, name: &[u8], value: &[u8]) {
        if self.count == self.slots() {
            self.grow_index();
        }
        self.shape |= has_upper(name);
        let name = self.store(name);
        let value = self.store(value);
        self.count += 1;
        self.set_field(self.len() - 1, Field { name, value });
    }

    /// The first value under this name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Every value under this name, in order.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Whether some field has this name.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Gives the first field of this name the value and drops the others; adds one if there is none.
    /// The field keeps its place and the case of its name.
    pub fn replace(&mut self, name: &[u8], value: &[u8]) {
        let place = self
            .iter()
            .position(|(key, _)| key.eq_ignore_ascii_case(name));
        let Some(index) = place else {
            self.append(name, value);
            return;
        };
        let mut field = self.field(index);
        if value.len() <= field.value.1 as usize {
            field.value.1 = value.len() as u32;
            self.part_mut(field.value).copy_from_slice(value);
        } else {
            field.value = self.store(value);
        }
        self.set_field(index, field);
        self.remove_from(index + 1, name);
        self.compact();
    }

    /// Drops every field of this name and says how many there were.
    pub fn remove(&mut self, name: &[u8]) -> usize {
        self.remove_from(0, name)
    }

    /// Drops every field.
    pub fn clear(&mut self) {
        self.buffer.truncate(self.text());
        self.count = 0;
        self.shape &= !UPPER;
    }

    /// The fields in order, as name and value.
    pub fn iter(&self) -> Iter<'_> {
        let (index, text) = self.buffer.split_at(self.text());
        let (slots, _) = index.as_chunks();
        Iter {
            text,
            fields: slots.get(..self.len()).unwrap_or_default().iter(),
        }
    }

    /// The bytes of all names and values together.
    pub fn byte_size(&self) -> usize {
        self.iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }

    /// Turns every name to lower case, as HTTP/2 and Envoy have it.
    #[inline]
    pub fn lower_names(&mut self) {
        if self.shape & UPPER != 0 {
            self.lower_each_name();
        }
    }

    #[cold]
    fn lower_each_name(&mut self) {
        for index in 0..self.len() {
            self.part_mut(self.field(index).name).make_ascii_lowercase();
        }
        self.shape &= !UPPER;
    }

    /// Appends the ABI's encoding of the map to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        pairs::encode(self.iter(), out);
    }

    /// Fields that the index has room for.
    fn slots(&self) -> u32 {
        self.shape >> 1
    }

    /// Where the text begins.
    fn text(&self) -> usize {
        self.slots() as usize * Field::SIZE
    }

    fn field(&self, index: usize) -> Field {
        let (slots, _) = self.buffer.as_chunks();
        Field::read(&slots[index])
    }

    fn set_field(&mut self, index: usize, field: Field) {
        let (slots, _) = self.buffer.as_chunks_mut();
        slots[index] = field.to_bytes();
    }

    fn part_mut(&mut self, (start, length): (u32, u32)) -> &mut [u8] {
        let start = self.text() + start as usize;
        &mut self.buffer[start..start + length as usize]
    }

    /// Puts bytes at the end of the text.
    fn store(&mut self, bytes: &[u8]) -> (u32, u32) {
        let start = (self.buffer.len() - self.text()) as u32;
        let length = bytes.len().min((u32::MAX - start) as usize);
        self.buffer.extend_from_slice(&bytes[..length]);
        (start, length as u32)
    }

    /// Doubles the index. Offsets are counted from where the text begins, so they stay as they are.
    #[cold]
    fn grow_index(&mut self) {
        let slots = self
            .slots()
            .saturating_mul(2)
            .clamp(FIRST_SLOTS, MOST_SLOTS);
        let (index, text) = self.buffer.split_at(self.text());
        let mut buffer = Vec::with_capacity(2 * self.buffer.len() + slots as usize * Field::SIZE);
        buffer.extend_from_slice(index);
        buffer.resize(slots as usize * Field::SIZE, 0);
        buffer.extend_from_slice(text);
        self.buffer = buffer;
        self.shape = slots << 1 | self.shape & UPPER;
    }

    /// Drops every field of this name from a place on.
    fn remove_from(&mut self, first: usize, name: &[u8]) -> usize {
        let first = first.min(self.len());
        let mut kept = first;
        for index in first..self.len() {
            let field = self.field(index);
            if !part(&self.buffer[self.text()..], field.name).eq_ignore_ascii_case(name) {
                self.set_field(kept, field);
                kept += 1;
            }
        }
        let removed = self.len() - kept;
        self.count = kept as u32;
        removed
    }

    /// Values that grew leave their old bytes behind; a guest that rewrites a header in a loop
    /// would otherwise make the buffer grow without bound.
    fn compact(&mut self) {
        let text = self.buffer.len() - self.text();
        if text >= COMPACT_FROM && self.byte_size() < text / 2 {
            *self = self.iter().collect();
        }
    }
}

/// [`UPPER`] if a name holds an upper-case letter.
#[inline]
fn has_upper(name: &[u8]) -> u32 {
    let found = match name.last_chunk::<8>() {
        // The last word may lie over the one before it.
        Some(last) => {
            let (words, _) = name.as_chunks::<8>();
            words.iter().any(|word| word_has_upper(*word)) || word_has_upper(*last)
        }
        None => name.iter().any(u8::is_ascii_uppercase),
    };
    u32::from(found) * UPPER
}

/// Whether one of eight bytes is an upper-case letter, all at once: added to a byte below 128, the
/// first number sets its high bit from `A` on and the second from `[` on.
#[inline]
fn word_has_upper(word: [u8; 8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_ne_bytes(word);
    let low = word & (0x7f * EACH);
    let from_a = low + (0x80 - b'A' as u64) * EACH;
    let past_z = low + (0x80 - b'[' as u64) * EACH;
    from_a & !past_z & !word & (0x80 * EACH) != 0
}

fn part(text: &[u8], (start, length): (u32, u32)) -> &[u8] {
    &text[start as usize..][..length as usize]
}

/// Iterator over the fields of a [`HeaderMap`].
#[derive(Clone)]
pub struct Iter<'a> {
    text: &'a [u8],
    fields: std::slice::Iter<'a, [u8; Field::SIZE]>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = Field::read(self.fields.next()?);
        Some((part(self.text, field.name), part(self.text, field.value)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a HeaderMap {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut map = Self::new();
        map.extend(fields);
        map
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Extend<(N, V)> for HeaderMap {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, fields: I) {
        for (name, value) in fields {
            self.append(name.as_ref(), value.as_ref());
        }
    }
}

/// Equal when the same names and values stand in the same order, case of names included.
impl PartialEq for HeaderMap {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for HeaderMap {}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        f.debug_list()
            .entries(self.iter().map(|(name, value)| (text(name), text(value))))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().copied().collect()
    }

    #[test]
    fn order_and_duplicates_are_kept() {
        let headers = map(&[("b", "1"), ("a", "2"), ("B", "3")]);
        let seen: Vec<_> = headers.iter().collect();
        assert_eq!(seen, [(&b"b"[..], &b"1"[..]), (b"a", b"2"), (b"B", b"3")]);
        assert_eq!(headers.get_all(b"b").collect::<Vec<_>>(), [b"1", b"3"]);
    }

    #[test]
    fn replace_keeps_the_place_and_drops_the_duplicates() {
        let mut headers = map(&[("x", "0"), ("A", "1"), ("y", "2"), ("a", "3")]);
        headers.replace(b"a", b"longer than before");
        assert_eq!(
            headers,
            map(&[("x", "0"), ("A", "longer than before"), ("y", "2")])
        );
        headers.replace(b"A", b"");
        assert_eq!(headers, map(&[("x", "0"), ("A", ""), ("y", "2")]));
        headers.replace(b"new", b"n");
        assert_eq!(headers.get(b"new"), Some(&b"n"[..]));
    }

    #[test]
    fn remove_takes_every_field_of_the_name() {
        let mut headers = map(&[("a", "1"), ("b", "2"), ("A", "3")]);
        assert_eq!(headers.remove(b"a"), 2);
        assert_eq!(headers.remove(b"a"), 0);
        assert_eq!(headers, map(&[("b", "2")]));
    }

    #[test]
    fn names_turn_to_lower_case_and_values_do_not() {
        let mut headers = map(&[("a", "A"), ("X-B", "C")]);
        headers.lower_names();
        assert_eq!(headers, map(&[("a", "A"), ("x-b", "C")]));
        headers.append(b"Y", b"Z");
        headers.replace(b"X-b", b"longer than C");
        let mut copy = headers.clone();
        copy.lower_names();
        assert_eq!(
            copy,
            map(&[("a", "A"), ("x-b", "longer than C"), ("y", "Z")])
        );
        headers.clear();
        headers.append(b"Q", b"");
        headers.lower_names();
        assert_eq!(headers, map(&[("q", "")]));
    }

    #[test]
    fn values_need_not_be_text() {
        let mut headers = HeaderMap::new();
        headers.append(b"x", b"\xff\0\n");
        assert_eq!(headers.get(b"X"), Some(&b"\xff\0\n"[..]));
    }

    #[test]
    fn a_header_rewritten_in_a_loop_does_not_grow_the_map() {
        let mut headers = map(&[("keep", "me")]);
        for length in 0..2_000 {
            headers.replace(b"x", &vec![b'v'; length % 700]);
            headers.replace(b"x", b"");
        }
        assert!(headers.buffer.len() < 2 * COMPACT_FROM);
        assert_eq!(headers.get(b"keep"), Some(&b"me"[..]));
    }

    #[test]
    fn the_index_grows_under_the_text() {
        let names: Vec<_> = (0..1_000)
            .map(|n| (format!("x-{n}"), n.to_string()))
            .collect();
        let mut headers: HeaderMap = names.iter().map(|(name, value)| (name, value)).collect();
        assert_eq!(headers.len(), 1_000);
        for (name, value) in &names {
            assert_eq!(headers.get(name.as_bytes()), Some(value.as_bytes()));
        }
        assert_eq!(headers.remove(b"x-7"), 1);
        assert_eq!(headers.iter().nth(7), Some((&b"x-8"[..], &b"8"[..])));
        headers.clear();
        assert_eq!(headers, HeaderMap::new());
        headers.append(b"a", b"1");
        assert_eq!(headers, map(&[("a", "1")]));
    }

    #[test]
    fn a_map_within_its_capacity_is_one_allocation() {
        let mut headers = HeaderMap::with_capacity(2, 4);
        let place = headers.buffer.as_ptr();
        headers.append(b"a", b"1");
        headers.append(b"b", b"2");
        assert_eq!(headers.buffer.as_ptr(), place);
        headers.append(b"c", b"3");
        assert_eq!(headers, map(&[("a", "1"), ("b", "2"), ("c", "3")]));
    }

    #[test]
    fn every_letter_at_every_place_is_told_apart() {
        for length in 1..20 {
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut name = vec![b'x'; length];
                    name[place] = byte;
                    let expected = u32::from(byte.is_ascii_uppercase());
                    assert_eq!(has_upper(&name), expected, "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn a_map_from_the_wire_is_the_one_that_was_written() {
        let written = map(&[(":path", "/"), ("X-A", ""), ("x-a", "2")]);
        let mut wire = Vec::new();
        written.encode(&mut wire);
        let mut read = HeaderMap::new();
        assert!(read.fill(&pairs::decode(&wire).unwrap(), |_| true));
        assert_eq!(read, written);
        read.lower_names();
        read.replace(b"x-a", b"longer than before");
        read.append(b"new", b"n");
        assert_eq!(
            read,
            map(&[(":path", "/"), ("x-a", "longer than before"), ("new", "n")])
        );
        assert!(!read.fill(&pairs::decode(&wire).unwrap(), |name| name != b"x-a"));
        assert!(read.is_empty());
        assert!(read.fill(&Pairs::default(), |_| true));
        assert!(read.is_empty());
    }

    #[test]
    fn the_encoding_reads_back() {
        let headers = map(&[(":path", "/"), ("a", "")]);
        let mut wire = Vec::new();
        headers.encode(&mut wire);
        let back: HeaderMap = pairs::decode(&wire).unwrap().collect();
        assert_eq!(back, headers);
    }
}

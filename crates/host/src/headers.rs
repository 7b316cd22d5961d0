//! The header map: ordered, with duplicates, looked up without regard to case, values as bytes.
//!
//! All names and values lie one after another in one buffer, so that a map of twenty headers is
//! two allocations, is cloned by two copies, and is handed to a guest without being taken apart.

use std::fmt;

use gatewright_abi::pairs;

/// An ordered multimap of header fields.
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
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

/// Where one field lies in the buffer: the name, then its value somewhere after or before.
#[derive(Clone, Copy)]
struct Field {
    name: (usize, usize),
    value: (usize, usize),
}

/// Past this many bytes, a buffer that is mostly abandoned values is rewritten.
const COMPACT_FROM: usize = 16 * 1024;

impl HeaderMap {
    /// A map with nothing in it, which allocates nothing.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// A map that takes this many fields, of this many bytes together, without allocating again.
    pub fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            fields: Vec::with_capacity(fields),
        }
    }

    /// The number of fields, duplicates counted.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds a field at the end, whatever is there already.
    pub fn append(&mut self, name: &[u8], value: &[u8]) {
        let name = self.store(name);
        let value = self.store(value);
        self.fields.push(Field { name, value });
    }

    /// The first value under this name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.position(name)
            .map(|index| self.slice(self.fields[index].value))
    }

    /// Every value under this name, in order.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Whether some field has this name.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.position(name).is_some()
    }

    /// Gives the first field of this name the value and drops the others; adds one if there is none.
    /// The field keeps its place and the case of its name.
    pub fn replace(&mut self, name: &[u8], value: &[u8]) {
        let Some(index) = self.position(name) else {
            self.append(name, value);
            return;
        };
        let old = self.fields[index].value;
        if value.len() <= old.1 {
            self.bytes[old.0..old.0 + value.len()].copy_from_slice(value);
            self.fields[index].value = (old.0, value.len());
        } else {
            let stored = self.store(value);
            self.fields[index].value = stored;
        }
        let bytes = &self.bytes;
        let mut place = 0;
        self.fields.retain(|field| {
            place += 1;
            place - 1 <= index || !part(bytes, field.name).eq_ignore_ascii_case(name)
        });
        self.compact();
    }

    /// Drops every field of this name and says how many there were.
    pub fn remove(&mut self, name: &[u8]) -> usize {
        let before = self.fields.len();
        let bytes = &self.bytes;
        self.fields
            .retain(|field| !part(bytes, field.name).eq_ignore_ascii_case(name));
        before - self.fields.len()
    }

    /// Drops every field.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
    }

    /// The fields in order, as name and value.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            bytes: &self.bytes,
            fields: self.fields.iter(),
        }
    }

    /// The bytes of all names and values together.
    pub fn byte_size(&self) -> usize {
        self.fields
            .iter()
            .map(|field| field.name.1 + field.value.1)
            .sum()
    }

    /// Turns every name to lower case, as HTTP/2 and Envoy have it.
    pub fn lower_names(&mut self) {
        for field in &self.fields {
            let (start, length) = field.name;
            self.bytes[start..start + length].make_ascii_lowercase();
        }
    }

    /// Appends the ABI's encoding of the map to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        pairs::encode(self.iter(), out);
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.fields.iter().position(|field| {
            field.name.1 == name.len() && self.slice(field.name).eq_ignore_ascii_case(name)
        })
    }

    fn slice(&self, range: (usize, usize)) -> &[u8] {
        part(&self.bytes, range)
    }

    fn store(&mut self, text: &[u8]) -> (usize, usize) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        (start, text.len())
    }

    /// Values that grew leave their old bytes behind; a guest that rewrites a header in a loop
    /// would otherwise make the buffer grow without bound.
    fn compact(&mut self) {
        if self.bytes.len() >= COMPACT_FROM && self.byte_size() < self.bytes.len() / 2 {
            *self = self.iter().collect();
        }
    }
}

fn part(bytes: &[u8], (start, length): (usize, usize)) -> &[u8] {
    &bytes[start..start + length]
}

/// Iterator over the fields of a [`HeaderMap`].
#[derive(Clone)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    fields: std::slice::Iter<'a, Field>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.fields.next()?;
        Some((part(self.bytes, field.name), part(self.bytes, field.value)))
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
        assert!(headers.bytes.len() < 2 * COMPACT_FROM);
        assert_eq!(headers.get(b"keep"), Some(&b"me"[..]));
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

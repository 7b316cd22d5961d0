//! Headers as a list: order and duplicates kept, names compared without regard to case.

use core::fmt;
use gatewright_abi::pairs;

/// All headers of a phase, or of a reply.
///
/// Names and values lie in one buffer and an entry is a pair of ranges, so reading a whole map
/// costs two allocations however many headers there are.
///
/// ```
/// use gatewright::HeaderList;
///
/// let mut headers: HeaderList = [("Accept", "a"), ("x-id", "1"), ("accept", "b")].into_iter().collect();
/// assert_eq!(headers.get_all("ACCEPT").collect::<Vec<_>>(), [b"a", b"b"]);
/// headers.set("accept", "c");
/// headers.append("x-id", "2");
/// assert_eq!(headers, [("Accept", "c"), ("x-id", "1"), ("x-id", "2")].into_iter().collect());
/// ```
#[derive(Clone, Default)]
pub struct HeaderList {
    /// Only ever grows, so that ranges of a copy made earlier stay good.
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Span,
    pub(super) value: Span,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether the range was added after the buffer had this length.
    pub(super) fn added_after(self, length: usize) -> bool {
        self.start >= length
    }
}

impl HeaderList {
    /// A list without headers.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Reads the encoding of the ABI, keeping its buffer.
    pub(crate) fn from_wire(wire: Vec<u8>) -> Result<Self, pairs::DecodeError> {
        let base = wire.as_ptr().addr();
        let span = |part: &[u8]| {
            let start = part.as_ptr().addr() - base;
            Span {
                start,
                end: start + part.len(),
            }
        };
        let entries = pairs::decode(&wire)?
            .map(|(name, value)| Entry {
                name: span(name),
                value: span(value),
            })
            .collect();
        Ok(Self {
            bytes: wire,
            entries,
        })
    }

    /// The encoding of the ABI.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        pairs::encode(self.iter(), &mut wire);
        wire
    }

    /// The number of headers, duplicates counted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every name and value, in order.
    pub fn iter(&self) -> HeaderIter<'_> {
        HeaderIter {
            bytes: &self.bytes,
            entries: self.entries.iter(),
        }
    }

    /// The first value under this name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Every value under this name, in order.
    pub fn get_all<N: AsRef<[u8]>>(&self, name: N) -> impl Iterator<Item = &[u8]> + use<'_, N> {
        self.iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_ref()))
            .map(|(_, value)| value)
    }

    /// Whether a header has this name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// Makes this the only value under the name, in the place of the first one there was.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), self.store(value.as_ref()));
        let mut placed = false;
        let bytes = &self.bytes;
        self.entries.retain_mut(|entry| {
            if !entry.name.of(bytes).eq_ignore_ascii_case(name) {
                return true;
            }
            entry.value = value;
            !core::mem::replace(&mut placed, true)
        });
        if !placed {
            let name = self.store(name);
            self.entries.push(Entry { name, value });
        }
    }

    /// Adds a value at the end, beside those already under the name.
    pub fn append(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = self.store(name.as_ref());
        let value = self.store(value.as_ref());
        self.entries.push(Entry { name, value });
    }

    /// Removes every value under the name; says whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        let before = self.entries.len();
        let bytes = &self.bytes;
        self.entries
            .retain(|entry| !entry.name.of(bytes).eq_ignore_ascii_case(name));
        self.entries.len() != before
    }

    /// Removes every header for which `is_meant` holds; says whether there was one.
    pub fn remove_where(&mut self, mut is_meant: impl FnMut(&[u8], &[u8]) -> bool) -> bool {
        let before = self.entries.len();
        let bytes = &self.bytes;
        self.entries
            .retain(|entry| !is_meant(entry.name.of(bytes), entry.value.of(bytes)));
        self.entries.len() != before
    }

    /// Gives all values under `from` the name `to`, each in its place, instead of those that `to`
    /// had; says whether there was one to rename. Nothing changes if there was none.
    pub fn rename(&mut self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> bool {
        let (from, to) = (from.as_ref(), to.as_ref());
        if from.eq_ignore_ascii_case(to) || !self.contains(from) {
            return self.contains(from);
        }
        self.remove(to);
        let renamed = self.store(to);
        let bytes = &self.bytes;
        for entry in &mut self.entries {
            if entry.name.of(bytes).eq_ignore_ascii_case(from) {
                entry.name = renamed;
            }
        }
        true
    }

    fn store(&mut self, part: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(part);
        Span {
            start,
            end: self.bytes.len(),
        }
    }
}

/// Names and values in order, as [`HeaderList::iter`] hands them out.
#[derive(Clone)]
pub struct HeaderIter<'a> {
    bytes: &'a [u8],
    entries: core::slice::Iter<'a, Entry>,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        Some((entry.name.of(self.bytes), entry.value.of(self.bytes)))
    }
}

impl<'a> IntoIterator for &'a HeaderList {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        self.iter()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Extend<(N, V)> for HeaderList {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, headers: I) {
        for (name, value) in headers {
            self.append(name, value);
        }
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderList {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut list = Self::new();
        list.extend(headers);
        list
    }
}

/// Equal when names (without regard to case) and values are equal, in the same order.
impl PartialEq for HeaderList {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .zip(other)
                .all(|(a, b)| a.0.eq_ignore_ascii_case(b.0) && a.1 == b.1)
    }
}

impl Eq for HeaderList {}

impl fmt::Debug for HeaderList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self
            .iter()
            .map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()));
        f.debug_list().entries(lines).finish()
    }
}

//! Attributes (properties): values under a path, as the platform shows them to a plugin.

/// Values by path. Paths are given with dots and kept as the ABI sends them, with zero bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Attributes {
    /// No attributes.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Sets the value under a path written with dots, as `source.address`.
    ///
    /// ```
    /// use gatewright_host::Attributes;
    ///
    /// let mut attributes = Attributes::new();
    /// attributes.set("source.address", "10.0.0.1:80");
    /// assert_eq!(attributes.get(b"source\0address"), Some(&b"10.0.0.1:80"[..]));
    /// ```
    pub fn set(&mut self, path: &str, value: impl AsRef<[u8]>) {
        self.set_raw(
            path.replace('.', "\0").into_bytes(),
            value.as_ref().to_vec(),
        );
    }

    fn set_raw(&mut self, path: Vec<u8>, value: Vec<u8>) {
        match self.entries.iter_mut().find(|(known, _)| *known == path) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((path, value)),
        }
    }

    /// The value under a path whose segments are joined by zero bytes, as the ABI sends it.
    pub fn get(&self, path: &[u8]) -> Option<&[u8]> {
        let path = path.strip_suffix(&[0]).unwrap_or(path);
        self.entries
            .iter()
            .find(|(known, _)| known == path)
            .map(|(_, value)| &value[..])
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Paths (with zero bytes) and values, in the order they were first set.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries
            .iter()
            .map(|(path, value)| (&path[..], &value[..]))
    }
}

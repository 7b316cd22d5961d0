//! Header fields in their order, with duplicates; names are compared without regard to case.

/// The fields of a head, pseudo-headers among them, or of trailers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// No fields.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The first value of a field, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// All values of a field, in their order.
    pub fn get_all<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.0
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// Adds a field after all others.
    pub fn append(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), value.into()));
    }

    /// Gives a field one value: in the place of its first, or after all others.
    pub fn replace(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let mut value = Some(value.into());
        self.0.retain_mut(|(known, old)| {
            if !known.eq_ignore_ascii_case(name) {
                return true;
            }
            match value.take() {
                Some(new) => {
                    *old = new;
                    true
                }
                None => false,
            }
        });
        if let Some(value) = value {
            self.append(name, value);
        }
    }

    /// Removes a field with all its values. Gives how many it had.
    pub fn remove(&mut self, name: &str) -> usize {
        let before = self.0.len();
        self.0
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        before - self.0.len()
    }

    /// Names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

impl<N: Into<String>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let fields = fields.into_iter();
        Self(fields.map(|(n, v)| (n.into(), v.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_field_keeps_its_place_and_loses_its_duplicates() {
        let mut headers: Headers = [("a", "1"), ("B", "2"), ("a", "3")].into_iter().collect();
        headers.replace("A", "4");
        headers.replace("c", "5");
        let fields: Vec<_> = headers.iter().collect();
        assert_eq!(
            fields,
            [("a", &b"4"[..]), ("B", &b"2"[..]), ("c", &b"5"[..])]
        );
        assert_eq!((headers.remove("b"), headers.remove("b")), (1, 0));
    }
}

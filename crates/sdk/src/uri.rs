//! The `:path` and `:authority` of a request as parts, of which every byte stays as it came.
//!
//! A plugin that looks at one query parameter needs no URL library, which would make it 300 KB
//! larger and rewrite what it does not understand. Here a change touches the parameter that is
//! meant: order, repetitions and the way the others are encoded stay.

use std::borrow::Cow;

/// The `:path` of a request: a path, perhaps a query, perhaps a fragment.
///
/// Names and values of parameters are given and answered decoded (`%2F` is `/`, `+` is a space)
/// and are encoded as forms encode them.
///
/// ```
/// use gatewright::PathAndQuery;
///
/// let mut path = PathAndQuery::from("/a%2Fb?x=1&token=s%26t&x=2#top");
/// assert_eq!(path.path(), b"/a%2Fb");
/// assert_eq!(path.param("token").as_deref(), Some(&b"s&t"[..]));
/// assert_eq!(path.param_all("x").count(), 2);
///
/// path.remove_param("token");
/// path.append_param("key", "new val");
/// path.set_param("x", "é");
/// assert_eq!(path.as_bytes(), b"/a%2Fb?x=%C3%A9&key=new+val#top");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct PathAndQuery {
    bytes: Vec<u8>,
}

impl PathAndQuery {
    /// The whole of it, as it goes into the header.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole of it, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Where the path ends and where the query ends.
    fn ends(&self) -> (usize, usize) {
        let position = |wanted: u8, bytes: &[u8]| bytes.iter().position(|byte| *byte == wanted);
        let query_end = position(b'#', &self.bytes).unwrap_or(self.bytes.len());
        let before = self.bytes.get(..query_end).unwrap_or_default();
        (position(b'?', before).unwrap_or(query_end), query_end)
    }

    /// What comes before the query, as it came.
    pub fn path(&self) -> &[u8] {
        let (path_end, _) = self.ends();
        self.bytes.get(..path_end).unwrap_or_default()
    }

    /// The query without its question mark, as it came; `None` if there is no question mark.
    pub fn query(&self) -> Option<&[u8]> {
        let (path_end, query_end) = self.ends();
        self.bytes.get(path_end + 1..query_end)
    }

    /// What follows the `#`, which browsers do not send.
    pub fn fragment(&self) -> Option<&[u8]> {
        let (_, query_end) = self.ends();
        self.bytes.get(query_end + 1..)
    }

    /// Puts another path before the query. Nothing is encoded.
    pub fn set_path(&mut self, path: impl AsRef<[u8]>) {
        let (path_end, _) = self.ends();
        self.bytes.splice(..path_end, path.as_ref().iter().copied());
    }

    /// Puts another query in the place of this one, or none. Nothing is encoded.
    pub fn set_query(&mut self, query: Option<&[u8]>) {
        let (path_end, query_end) = self.ends();
        let mark: &[u8] = if query.is_some() { b"?" } else { b"" };
        let query = query.unwrap_or_default();
        let new: Vec<u8> = [mark, query].concat();
        self.bytes.splice(path_end..query_end, new);
    }

    /// Every parameter in order, name and value decoded. One without `=` has an empty value.
    pub fn params(&self) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
        self.pairs()
            .map(|(name, value)| (decode(name), decode(value)))
    }

    /// Names and values as they came.
    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.query()
            .unwrap_or_default()
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(split_pair)
    }

    /// The value of the first parameter of this name.
    pub fn param(&self, name: impl AsRef<[u8]>) -> Option<Cow<'_, [u8]>> {
        self.param_all(name).next()
    }

    /// The values of all parameters of this name, in order.
    pub fn param_all<N: AsRef<[u8]>>(
        &self,
        name: N,
    ) -> impl Iterator<Item = Cow<'_, [u8]>> + use<'_, N> {
        self.pairs()
            .filter(move |(other, _)| decode(other).as_ref() == name.as_ref())
            .map(|(_, value)| decode(value))
    }

    /// Makes this the only value of the parameter, in the place of the first one there was, or at
    /// the end.
    pub fn set_param(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        let mut placed = false;
        self.rebuild(|pair, query| {
            let (raw, _) = split_pair(pair);
            if decode(raw).as_ref() != name {
                push(query, pair);
            } else if !core::mem::replace(&mut placed, true) {
                push(query, raw);
                query.push(b'=');
                encode(value, query);
            }
        });
        if !placed {
            self.append_param(name, value);
        }
    }

    /// Adds a parameter at the end of the query.
    pub fn append_param(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let mut query = self.query().unwrap_or_default().to_vec();
        push(&mut query, b"");
        encode(name.as_ref(), &mut query);
        query.push(b'=');
        encode(value.as_ref(), &mut query);
        self.set_query(Some(&query));
    }

    /// Removes every parameter of this name, and the question mark with the last of all; says
    /// whether there was one.
    pub fn remove_param(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        if self.param(name).is_none() {
            return false;
        }
        self.rebuild(|pair, query| {
            if decode(split_pair(pair).0).as_ref() != name {
                push(query, pair);
            }
        });
        if self.query() == Some(b"") {
            self.set_query(None);
        }
        true
    }

    /// Makes the query anew out of its parts.
    fn rebuild(&mut self, mut keep: impl FnMut(&[u8], &mut Vec<u8>)) {
        let Some(query) = self.query() else { return };
        let mut rebuilt = Vec::with_capacity(query.len());
        for pair in query.split(|byte| *byte == b'&') {
            keep(pair, &mut rebuilt);
        }
        self.set_query(Some(&rebuilt));
    }
}

/// Adds a part to a query, after the `&` that parts it from what is there.
fn push(query: &mut Vec<u8>, part: &[u8]) {
    if !query.is_empty() && query.last() != Some(&b'&') {
        query.push(b'&');
    }
    query.extend_from_slice(part);
}

fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    let at = pair.iter().position(|byte| *byte == b'=');
    let (name, value) = pair.split_at(at.unwrap_or(pair.len()));
    (name, value.get(1..).unwrap_or_default())
}

/// Percent-decodes; `+` becomes a space. What is no percent encoding stays as it is.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match (byte, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, beyond @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = beyond;
                    high << 4 | low
                }
                _ => b'%',
            },
            (byte, _) => *byte,
        });
    }
    Cow::Owned(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Encodes as forms do: a space as `+`, and what is neither letter, digit nor `-._~*` in percent.
fn encode(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
    for byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'-' | b'.' | b'_' | b'~' | b'*' => out.push(*byte),
            byte if byte.is_ascii_alphanumeric() => out.push(*byte),
            byte => out.extend([b'%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
}

impl From<Vec<u8>> for PathAndQuery {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }
}

impl From<&[u8]> for PathAndQuery {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<&str> for PathAndQuery {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<crate::HeaderValue> for PathAndQuery {
    fn from(value: crate::HeaderValue) -> Self {
        value.into_bytes().into()
    }
}

impl AsRef<[u8]> for PathAndQuery {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl core::fmt::Debug for PathAndQuery {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.bytes.escape_ascii())
    }
}

/// The `:authority` of a request: a host, perhaps with a port.
///
/// ```
/// use gatewright::Authority;
///
/// let authority = Authority::from("Store.example.com:8443");
/// assert_eq!((authority.host(), authority.port()), (&b"Store.example.com"[..], Some(8443)));
/// assert!(authority.is_host("store.EXAMPLE.com"));
/// assert_eq!(Authority::from("[::1]:80").host(), b"[::1]");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Authority {
    bytes: Vec<u8>,
}

impl Authority {
    /// The whole of it, as it goes into the header.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The host as it came, an IPv6 address with its brackets.
    pub fn host(&self) -> &[u8] {
        self.bytes.get(..self.host_end()).unwrap_or_default()
    }

    /// Whether this is the host, letters compared without regard to case.
    pub fn is_host(&self, host: impl AsRef<[u8]>) -> bool {
        self.host().eq_ignore_ascii_case(host.as_ref())
    }

    /// The port, where there is one that is a number.
    pub fn port(&self) -> Option<u16> {
        let digits = self.bytes.get(self.host_end() + 1..)?;
        if digits.is_empty() {
            return None;
        }
        digits.iter().try_fold(0_u16, |port, digit| {
            let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
            port.checked_mul(10)?.checked_add(digit)
        })
    }

    /// Puts another host before the port.
    pub fn set_host(&mut self, host: impl AsRef<[u8]>) {
        let end = self.host_end();
        self.bytes.splice(..end, host.as_ref().iter().copied());
    }

    /// The colon of a port comes after the bracket of an IPv6 address.
    fn host_end(&self) -> usize {
        let bracket = self.bytes.iter().rposition(|byte| *byte == b']');
        let after = bracket.unwrap_or(0);
        let rest = self.bytes.get(after..).unwrap_or_default();
        let colon = rest.iter().position(|byte| *byte == b':');
        colon.map_or(self.bytes.len(), |colon| after + colon)
    }
}

impl From<Vec<u8>> for Authority {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }
}

impl From<&str> for Authority {
    fn from(text: &str) -> Self {
        text.as_bytes().to_vec().into()
    }
}

impl From<crate::HeaderValue> for Authority {
    fn from(value: crate::HeaderValue) -> Self {
        value.into_bytes().into()
    }
}

impl AsRef<[u8]> for Authority {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl core::fmt::Debug for Authority {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.bytes.escape_ascii())
    }
}

#[cfg(test)]
mod tests;

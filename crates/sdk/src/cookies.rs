//! Cookies: those that a request carries, and those that a response sets.
//!
//! Nothing is decoded: a cookie's value is bytes that only its application understands.

use crate::side::Response;
use crate::{HeaderList, Headers, HostError, RequestHeaders};

/// The name of the header in a request.
const COOKIE: &str = "cookie";
/// The name of the header in a response.
const SET_COOKIE: &str = "set-cookie";

/// The cookies of a request, in order.
///
/// A client may send them in one header or in several; all are read, and written back as one.
///
/// ```
/// use gatewright::Cookies;
///
/// let mut cookies = Cookies::parse([&b"a=1; session=x; a=2"[..]]);
/// assert_eq!(cookies.get("session"), Some(&b"x"[..]));
/// cookies.set("session", "y");
/// cookies.remove("a");
/// assert_eq!(cookies.to_header(), b"session=y");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Cookies {
    /// Reads the values of `Cookie` headers. A part without `=` is a cookie without a name, as
    /// browsers have it.
    pub fn parse<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let parts = headers
            .into_iter()
            .flat_map(|header| header.split(|byte| *byte == b';'))
            .map(<[u8]>::trim_ascii)
            .filter(|part| !part.is_empty());
        let pairs = parts.map(|part| {
            let (name, value) = match part.iter().position(|byte| *byte == b'=') {
                Some(at) => (part.get(..at), part.get(at + 1..)),
                None => (None, Some(part)),
            };
            let trimmed = |part: Option<&[u8]>| part.unwrap_or_default().trim_ascii().to_vec();
            (trimmed(name), trimmed(value))
        });
        Self {
            pairs: pairs.collect(),
        }
    }

    /// The value of the first cookie of this name, whose case matters.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Makes this the only cookie of the name, in the place of the first one there was.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        let mut placed = false;
        self.pairs.retain_mut(|(other, old)| {
            if other != name {
                return true;
            }
            if placed {
                return false;
            }
            placed = true;
            *old = value.to_vec();
            true
        });
        if !placed {
            self.pairs.push((name.to_vec(), value.to_vec()));
        }
    }

    /// Removes every cookie of this name; says whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        let before = self.pairs.len();
        self.pairs.retain(|(other, _)| other != name.as_ref());
        self.pairs.len() != before
    }

    /// The value of one `Cookie` header with all of them.
    pub fn to_header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        for (name, value) in self.iter() {
            if !header.is_empty() {
                header.extend_from_slice(b"; ");
            }
            if !name.is_empty() {
                header.extend_from_slice(name);
                header.push(b'=');
            }
            header.extend_from_slice(value);
        }
        header
    }
}

impl HeaderList {
    /// The cookies in this list, which is that of a request.
    pub fn cookies(&self) -> Cookies {
        Cookies::parse(self.get_all(COOKIE))
    }
}

impl RequestHeaders<'_> {
    /// The request's cookies. One hostcall, and a second that reads the whole map only where the
    /// first says that there are cookies.
    ///
    /// # Errors
    /// As [`Headers::read`].
    pub fn cookies(&self) -> Result<Cookies, HostError> {
        // HTTP/2 clients may send a header for each cookie, of which a host answers the first.
        if !self.contains(COOKIE)? {
            return Ok(Cookies::default());
        }
        Ok(self.read()?.cookies())
    }

    /// The value of one cookie. As [`RequestHeaders::cookies`].
    ///
    /// # Errors
    /// As [`Headers::read`].
    pub fn cookie(&self, name: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.cookies()?.get(name).map(<[u8]>::to_vec))
    }

    /// Writes the cookies back, or removes the header if there are none left. One hostcall.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn set_cookies(&mut self, cookies: &Cookies) -> Result<(), HostError> {
        if cookies.is_empty() {
            return self.remove(COOKIE);
        }
        self.set(COOKIE, cookies.to_header())
    }
}

/// Whether a cookie goes along with requests that other sites cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// Only when a link is followed.
    Lax,
    /// Always; browsers then demand [`SetCookie::secure`].
    None,
}

/// A cookie that a response sets.
///
/// ```
/// use gatewright::{SameSite, SetCookie};
///
/// let cookie = SetCookie::new("session", "abc")
///     .path("/")
///     .max_age(3600)
///     .http_only()
///     .secure()
///     .same_site(SameSite::Lax);
/// assert_eq!(
///     cookie.to_header(),
///     b"session=abc; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"
/// );
/// // What would end the attribute early, or the header, is left out.
/// assert_eq!(SetCookie::new("a", "1; Path=/\r\nx: y").to_header(), b"a=1 Path=/x: y");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct SetCookie(Vec<u8>);

impl SetCookie {
    /// A cookie for this session and this host.
    pub fn new(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let mut cookie = Self(Vec::new());
        cookie.push(name.as_ref());
        cookie.0.push(b'=');
        cookie.push(value.as_ref());
        cookie
    }

    /// One that makes the client forget the cookie of this name. Path and domain must be those
    /// with which it was set.
    pub fn removal(name: impl AsRef<[u8]>) -> Self {
        Self::new(name, "").max_age(0)
    }

    /// The path below which it is sent.
    pub fn path(self, path: impl AsRef<[u8]>) -> Self {
        self.attribute("; Path=", path.as_ref())
    }

    /// The domain with whose hosts it is shared.
    pub fn domain(self, domain: impl AsRef<[u8]>) -> Self {
        self.attribute("; Domain=", domain.as_ref())
    }

    /// Seconds until it is forgotten.
    pub fn max_age(self, seconds: u32) -> Self {
        self.attribute("; Max-Age=", seconds.to_string().as_bytes())
    }

    /// Hides it from scripts.
    pub fn http_only(self) -> Self {
        self.attribute("; HttpOnly", b"")
    }

    /// Keeps it from being sent without TLS.
    pub fn secure(self) -> Self {
        self.attribute("; Secure", b"")
    }

    /// When it goes along with requests from other sites.
    pub fn same_site(self, same_site: SameSite) -> Self {
        let value: &[u8] = match same_site {
            SameSite::Strict => b"Strict",
            SameSite::Lax => b"Lax",
            SameSite::None => b"None",
        };
        self.attribute("; SameSite=", value)
    }

    /// The value of the `Set-Cookie` header.
    pub fn to_header(&self) -> &[u8] {
        &self.0
    }

    fn attribute(mut self, name: &str, value: &[u8]) -> Self {
        self.0.extend_from_slice(name.as_bytes());
        self.push(value);
        self
    }

    /// Leaves out what no cookie can hold: a semicolon and control characters.
    fn push(&mut self, part: &[u8]) {
        let fits = |byte: &u8| *byte != b';' && !byte.is_ascii_control();
        self.0.extend(part.iter().copied().filter(fits));
    }
}

impl Headers<'_, Response> {
    /// Sets a cookie, beside those that are set already. One hostcall.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn append_cookie(&mut self, cookie: &SetCookie) -> Result<(), HostError> {
        self.append(SET_COOKIE, cookie.to_header())
    }

    /// Keeps the response from setting the cookie of this name; others stay. Says whether it did.
    ///
    /// # Errors
    /// As [`Headers::edit`].
    pub fn remove_cookie(&mut self, name: impl AsRef<[u8]>) -> Result<bool, HostError> {
        if !self.contains(SET_COOKIE)? {
            return Ok(false);
        }
        self.edit(|list| list.remove_set_cookie(name))
    }
}

impl HeaderList {
    /// Removes the `Set-Cookie` headers that set the cookie of this name; says whether there was
    /// one.
    pub fn remove_set_cookie(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        let sets = |value: &[u8]| {
            let end = value.iter().position(|byte| matches!(byte, b'=' | b';'));
            let set = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
            set.trim_ascii() == name
        };
        self.remove_where(|header, value| {
            header.eq_ignore_ascii_case(SET_COOKIE.as_bytes()) && sets(value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn cookies_are_read_as_browsers_write_them_and_otherwise() {
        for (header, name, value) in [
            ("a=1", "a", Some("1")),
            ("a=1; b=2", "b", Some("2")),
            ("a=1;b=2", "b", Some("2")),
            (" a = 1 ", "a", Some("1")),
            ("a=1=2", "a", Some("1=2")),
            ("a=", "a", Some("")),
            ("alone", "", Some("alone")),
            ("A=1", "a", None),
            ("xa=1", "a", None),
            (";;; ;", "", None),
            ("", "a", None),
        ] {
            let cookies = Cookies::parse([header.as_bytes()]);
            assert_eq!(cookies.get(name), value.map(str::as_bytes), "{header}");
        }
    }

    #[test]
    fn what_is_not_touched_is_written_back_in_order() {
        let mut cookies = Cookies::parse([&b"a=1; b=2"[..], b"c=3; b=4"]);
        cookies.set("b", "x");
        cookies.set("d", "5");
        assert_eq!(cookies.to_header(), b"a=1; b=x; c=3; d=5");
        assert!(cookies.remove("a") && !cookies.remove("a"));
        assert_eq!(cookies.to_header(), b"b=x; c=3; d=5");
    }

    #[test]
    fn only_the_named_cookie_is_no_longer_set() {
        let mut list: HeaderList = [
            ("Set-Cookie", "a=1; Path=/"),
            ("x-a", "a=1"),
            ("set-cookie", "ab=2"),
            ("set-cookie", " a =3"),
            ("set-cookie", "a"),
        ]
        .into_iter()
        .collect();
        assert!(list.remove_set_cookie("a"));
        let left: Vec<_> = list.iter().map(|(_, value)| value).collect();
        assert_eq!(left, [&b"a=1"[..], b"ab=2"]);
    }
}

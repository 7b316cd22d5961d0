//! Where a request is sent: a pure function of its host and path.

use gatewright::{Authority, HeaderValue, PathAndQuery};
use std::collections::BTreeMap;

/// All redirects.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    /// From a host in lower case to another, perhaps with a port.
    pub(crate) hosts: BTreeMap<String, String>,
    /// From a prefix to what takes its place, a path or a URL; the first that fits is taken.
    pub(crate) paths: Vec<(String, String)>,
}

impl Targets {
    pub(crate) fn looks_at_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// The value of `Location`; none if the request is where it belongs. The scheme is only asked
    /// for where the host changes.
    pub(crate) fn location<E>(
        &self,
        authority: &Authority,
        path: &PathAndQuery,
        scheme: impl FnOnce() -> Result<HeaderValue, E>,
    ) -> Result<Option<Vec<u8>>, E> {
        let moved = self.moved(path.as_bytes());
        let host = core::str::from_utf8(authority.host()).unwrap_or_default();
        let Some(host) = self.hosts.get(&host.to_ascii_lowercase()) else {
            return Ok(moved.map(local));
        };
        let path = match moved {
            // A URL says all that a host could.
            Some(moved) if !moved.starts_with(b"/") => return Ok(Some(moved)),
            Some(moved) => moved,
            None => path.as_bytes().to_vec(),
        };
        let scheme = scheme()?;
        let scheme: &[u8] = if scheme.is_empty() { b"https" } else { &scheme };
        Ok(Some([scheme, b"://", host.as_bytes(), &path].concat()))
    }

    fn moved(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.paths.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from.as_bytes())?;
            Some([to.as_bytes(), rest].concat())
        })
    }
}

/// Two slashes at the front would name a host, which the client chose: `/foo//evil.example`.
fn local(location: Vec<u8>) -> Vec<u8> {
    if !location.starts_with(b"/") {
        return location;
    }
    // Browsers read a backslash as a slash.
    let slashes = location
        .iter()
        .take_while(|byte| matches!(byte, b'/' | b'\\'));
    let rest = location.get(slashes.count()..).unwrap_or_default();
    [b"/", rest].concat()
}

//! The head of a request on its way in: what the client asks for, and what extensions make of it.

use gatewright_host::HeaderMap as Fields;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, UPGRADE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Version};

use crate::exchange::Ending;
use crate::fields;

/// A request's head, taken apart.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) method: Method,
    pub(super) authority: HeaderValue,
    pub(super) target: PathAndQuery,
    pub(super) headers: HeaderMap,
}

/// A request that is refused before anything looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) StatusCode);

/// What an extension may change beside fields and the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// Method and authority too: the route is not found yet.
    Reroute,
    /// Nothing: "load balancers don't reevaluate route rules after calling a traffic extension".
    Modify,
}

impl Inbound {
    /// Takes the head of a request apart, unless it names no authority, more than one, or wants
    /// more than an exchange.
    pub(super) fn read(parts: Parts) -> Result<Self, Refused> {
        let authority = authority(&parts)?;
        // HTTP/1 never gets so far with two, and of HTTP/2 nobody else looks.
        if parts
            .headers
            .get_all(CONTENT_LENGTH)
            .iter()
            .nth(1)
            .is_some()
        {
            return Err(Refused(StatusCode::BAD_REQUEST));
        }
        if is_tunnel(&parts) {
            return Err(Refused(StatusCode::NOT_IMPLEMENTED));
        }
        let target = match parts.uri.path_and_query() {
            Some(target) => target.clone(),
            None => PathAndQuery::from_static("/"),
        };
        Ok(Self {
            method: parts.method,
            authority,
            target,
            headers: parts.headers,
        })
    }

    /// The host that is asked for: in lower case, without the port.
    pub(super) fn host(&self) -> Vec<u8> {
        let bytes = self.authority.as_bytes();
        let end = match bytes.iter().rposition(|byte| *byte == b':') {
            Some(colon) if bytes[colon + 1..].iter().all(u8::is_ascii_digit) => colon,
            _ => bytes.len(),
        };
        bytes[..end].to_ascii_lowercase()
    }

    pub(super) fn path(&self) -> &[u8] {
        self.target.path().as_bytes()
    }

    pub(super) fn query(&self) -> &[u8] {
        self.target.query().unwrap_or_default().as_bytes()
    }

    /// The head as extensions see it.
    pub(super) fn fields(&self, scheme: &str) -> Fields {
        fields::of_request(
            &self.method,
            scheme,
            self.authority.as_bytes(),
            self.target.as_str(),
            &self.headers,
        )
    }

    /// Takes over what extensions made of the head. What no request can hold is their failure.
    pub(super) fn take(&mut self, fields: &Fields, may: May) -> Result<(), Ending> {
        const FAILED: Ending = Ending::Fail(500);
        if may == May::Reroute {
            self.reroute(fields)?;
        }
        if fields::differ(fields, &self.headers) {
            replace(&mut self.headers, fields);
        }
        if let Some(path) = fields.get(b":path")
            && path != self.target.as_str().as_bytes()
        {
            self.target = PathAndQuery::try_from(path).map_err(|_| FAILED)?;
        }
        Ok(())
    }

    /// Method and authority, by either of the authority's names: `host` is what it is called in
    /// HTTP/1.1, and extensions are only shown `:authority`.
    fn reroute(&mut self, fields: &Fields) -> Result<(), Ending> {
        const FAILED: Ending = Ending::Fail(500);
        if let Some(method) = fields.get(b":method")
            && method != self.method.as_str().as_bytes()
        {
            self.method = Method::from_bytes(method).map_err(|_| FAILED)?;
        }
        let named = fields.get(b":authority");
        let named = named.filter(|named| *named != self.authority.as_bytes());
        if let Some(authority) = named.or_else(|| fields.get(b"host")) {
            let value = HeaderValue::from_bytes(authority).map_err(|_| FAILED)?;
            if !is_authority(&value) {
                return Err(FAILED);
            }
            self.authority = value;
        }
        Ok(())
    }
}

/// Puts the fields that extensions made in the place of a message's own. A message whose body no
/// extension changes keeps its length, whatever they did to the header.
pub(super) fn replace(headers: &mut HeaderMap, fields: &Fields) {
    let length = headers.remove(CONTENT_LENGTH);
    (*headers, _) = fields::to_map(fields);
    match length {
        Some(length) => {
            headers.insert(CONTENT_LENGTH, length);
        }
        None => {
            headers.remove(CONTENT_LENGTH);
        }
    }
}

/// The one authority that a request names.
fn authority(parts: &Parts) -> Result<HeaderValue, Refused> {
    let bad = Refused(StatusCode::BAD_REQUEST);
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad);
    }
    // The target of an absolute request goes before its `host`.
    let value = match (parts.uri.authority(), host) {
        (Some(authority), _) => HeaderValue::from_str(authority.as_str()).map_err(|_| bad)?,
        (None, Some(host)) => host.clone(),
        (None, None) if parts.version == Version::HTTP_10 => HeaderValue::from_static(""),
        (None, None) => return Err(bad),
    };
    if is_authority(&value) {
        Ok(value)
    } else {
        Err(bad)
    }
}

/// Whether a value may be an authority, by its characters.
fn is_authority(value: &HeaderValue) -> bool {
    value
        .as_bytes()
        .iter()
        .all(|byte| byte.is_ascii_graphic() && !b"@/?#\\<>\"^`{|}".contains(byte))
}

/// Whether a request wants more than an exchange. An offer of HTTP/2 is none: it may be ignored.
fn is_tunnel(parts: &Parts) -> bool {
    if parts.method == Method::CONNECT {
        return true;
    }
    let Some(upgrade) = parts.headers.get(UPGRADE) else {
        return false;
    };
    parts.headers.contains_key(CONNECTION) && !upgrade.as_bytes().eq_ignore_ascii_case(b"h2c")
}

//! What an expression is evaluated over: borrowed, so that binding a request costs nothing.

use std::borrow::Cow;

use super::vocabulary::{NumberField, TextField};

/// A request's headers.
///
/// Implemented for vectors, arrays and slices of name and value; a server implements it for the
/// map that it has.
pub trait Headers {
    /// Calls `visit` with each value of the header, in order. `name` is in lower case, and
    /// matches names whatever their case.
    fn each_value<'h>(&'h self, name: &[u8], visit: &mut dyn FnMut(&'h [u8]));
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Headers for [(N, V)] {
    fn each_value<'h>(&'h self, name: &[u8], visit: &mut dyn FnMut(&'h [u8])) {
        for (other, value) in self {
            if other.as_ref().eq_ignore_ascii_case(name) {
                visit(value.as_ref());
            }
        }
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Headers for &[(N, V)] {
    fn each_value<'h>(&'h self, name: &[u8], visit: &mut dyn FnMut(&'h [u8])) {
        (**self).each_value(name, visit);
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Headers for Vec<(N, V)> {
    fn each_value<'h>(&'h self, name: &[u8], visit: &mut dyn FnMut(&'h [u8])) {
        self.as_slice().each_value(name, visit);
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>, const LENGTH: usize> Headers for [(N, V); LENGTH] {
    fn each_value<'h>(&'h self, name: &[u8], visit: &mut dyn FnMut(&'h [u8])) {
        self.as_slice().each_value(name, visit);
    }
}

/// A request as a matcher sees it: bytes, since nothing makes a header UTF-8.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// `request.method`, as on the request line.
    pub method: &'r [u8],
    /// `request.host`: the authority, which is also `request.headers['host']`.
    pub host: &'r [u8],
    /// `request.path` without the query. Envoy's attribute of that name would have the query;
    /// the load balancer's reference has one for each, so it is taken to be without.
    pub path: &'r [u8],
    /// `request.query` without the `?` and not decoded; empty if there is none.
    pub query: &'r [u8],
    /// `request.scheme`, in lower case.
    pub scheme: &'r [u8],
    /// `request.headers`.
    pub headers: &'r dyn Headers,
    /// `source.ip` and `source.address`: the client's address without the port.
    pub source_address: &'r [u8],
    /// `source.port`.
    pub source_port: u16,
    /// `connection.sni`: empty without TLS, as in Envoy.
    pub sni: &'r [u8],
    /// `connection.tls_version` as in `TLSv1.3`; absent without TLS, and an error to ask for.
    pub tls_version: Option<&'r [u8]>,
    /// `connection.sha256_peer_certificate_digest` in hexadecimal, if the client showed one.
    pub peer_certificate_sha256: Option<&'r [u8]>,
    /// `request.backend_service_name`, once a backend has been chosen.
    pub backend_service: Option<&'r [u8]>,
    /// `request.backend_service_project_number`.
    pub backend_project_number: Option<i64>,
    /// `request.backend_service_num_endpoints`.
    pub backend_endpoints: Option<i64>,
    /// `source.client_region`.
    pub client_region: Option<&'r [u8]>,
}

impl<'r> Request<'r> {
    /// A plain-text GET of `path` from the loopback address; change the fields that differ.
    pub fn new(host: &'r [u8], path: &'r [u8], headers: &'r dyn Headers) -> Self {
        Request {
            method: b"GET",
            host,
            path,
            query: b"",
            scheme: b"http",
            headers,
            source_address: b"127.0.0.1",
            source_port: 0,
            sni: b"",
            tls_version: None,
            peer_certificate_sha256: None,
            backend_service: None,
            backend_project_number: None,
            backend_endpoints: None,
            client_region: None,
        }
    }

    /// The value of an attribute, or none where there is none to have.
    pub(super) fn text(&self, field: TextField) -> Option<Cow<'r, [u8]>> {
        match field {
            TextField::Method => Some(self.method),
            TextField::Host => Some(self.host),
            TextField::Path => Some(self.path),
            TextField::PathAndQuery if self.query.is_empty() => Some(self.path),
            TextField::PathAndQuery => {
                return Some(Cow::Owned([self.path, b"?", self.query].concat()));
            }
            TextField::Query => Some(self.query),
            TextField::Scheme => Some(self.scheme),
            TextField::BackendService => self.backend_service,
            TextField::SourceAddress => Some(self.source_address),
            TextField::ClientRegion => self.client_region,
            TextField::Sni => Some(self.sni),
            TextField::TlsVersion => self.tls_version,
            TextField::PeerCertificate => self.peer_certificate_sha256,
        }
        .map(Cow::Borrowed)
    }

    /// The same for a number.
    pub(super) fn number(&self, field: NumberField) -> Option<i64> {
        match field {
            NumberField::SourcePort => Some(i64::from(self.source_port)),
            NumberField::BackendProjectNumber => self.backend_project_number,
            NumberField::BackendEndpoints => self.backend_endpoints,
        }
    }

    /// The header of exactly that name, its values joined by commas as Envoy joins them.
    ///
    /// Keys of `request.headers` are in lower case, so a name with a capital finds nothing,
    /// although Envoy would lower it first: the reference says lower case, and a matcher that
    /// works here has to work there.
    pub(super) fn header(&self, name: &[u8]) -> Option<Cow<'r, [u8]>> {
        if let Some(field) = derived_header(name) {
            return self.text(field);
        }
        if name.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        let headers: &'r dyn Headers = self.headers;
        let mut joined: Option<Cow<'r, [u8]>> = None;
        headers.each_value(name, &mut |value| match &mut joined {
            None => joined = Some(Cow::Borrowed(value)),
            Some(values) => {
                let values = values.to_mut();
                values.push(b',');
                values.extend_from_slice(value);
            }
        });
        joined
    }
}

/// Keys of the header map that the request line has: `host` by the reference's word, the others
/// as Envoy's map has them.
pub(super) fn derived_header(name: &[u8]) -> Option<TextField> {
    match name {
        b"host" | b":authority" => Some(TextField::Host),
        b":method" => Some(TextField::Method),
        b":path" => Some(TextField::PathAndQuery),
        b":scheme" => Some(TextField::Scheme),
        _ => None,
    }
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &String::from_utf8_lossy(self.method))
            .field("host", &String::from_utf8_lossy(self.host))
            .field("path", &String::from_utf8_lossy(self.path))
            .field("query", &String::from_utf8_lossy(self.query))
            .finish_non_exhaustive()
    }
}

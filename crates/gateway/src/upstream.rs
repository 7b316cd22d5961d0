//! From a request that is ready to go to the response of its backend.

use std::net::IpAddr;
use std::rc::Rc;

use http::header::{EXPECT, HOST, HeaderValue, VIA};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri, Version};

use crate::body::Body;
use crate::connection::Connection;
use crate::fields;
use crate::pool::{Failed, Pool};
use crate::reply;
use crate::snapshot::BackendTo;
use crate::store;
use crate::worker::Local;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// What the load balancer calls itself.
pub(crate) const VIA_GOOGLE: HeaderValue = HeaderValue::from_static("1.1 google");

/// A request on its way to a backend.
pub(crate) struct Outgoing {
    pub(crate) method: http::Method,
    pub(crate) target: PathAndQuery,
    pub(crate) authority: HeaderValue,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Outgoing {
    /// The same without the body, which goes to both.
    pub(crate) fn copied(self) -> (Self, Self) {
        let (body, copy) = self.body.copied();
        let twin = Self {
            method: self.method.clone(),
            target: self.target.clone(),
            authority: self.authority.clone(),
            headers: self.headers.clone(),
            body: copy,
        };
        (Self { body, ..self }, twin)
    }

    /// Its head as plugins would see it.
    pub(crate) fn fields(&self) -> gatewright_host::HeaderMap {
        let scheme = self.headers.get(FORWARDED_PROTO);
        let scheme = scheme.and_then(|scheme| scheme.to_str().ok());
        fields::of_request(
            &self.method,
            scheme.unwrap_or("http"),
            self.authority.as_bytes(),
            self.target.as_str(),
            &self.headers,
        )
    }

    /// Adds what the load balancer adds, and removes what was for the client's connection.
    pub(crate) fn prepare(&mut self, connection: &Connection, scheme: &'static str) {
        let headers = &mut self.headers;
        fields::remove_hop_by_hop(headers);
        // The client is told to go on as soon as its body is asked for.
        headers.remove(EXPECT);
        headers.append(VIA, VIA_GOOGLE);
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
        // The client's own word, then the address that it has, then the load balancer's.
        let forwarded = match headers.get(FORWARDED_FOR) {
            Some(before) => {
                let before = String::from_utf8_lossy(before.as_bytes());
                HeaderValue::try_from(format!("{before},{},{}", connection.client_ip, OWN))
            }
            None => HeaderValue::try_from(format!("{},{}", connection.client_ip, OWN)),
        };
        if let Ok(forwarded) = forwarded {
            headers.insert(FORWARDED_FOR, forwarded);
        }
    }
}

/// The load balancer's own address, which it puts last.
const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Sends a request to a backend. What goes wrong is a response too; `Err` when the request's own
/// body came to no good end.
pub(crate) async fn send(
    local: &Local,
    backend: usize,
    outgoing: Outgoing,
) -> Result<Response<Body>, Failed> {
    let snapshot = &local.snapshot;
    let Some(found) = snapshot.backends.get(backend) else {
        return Ok(reply::error(StatusCode::INTERNAL_SERVER_ERROR));
    };
    match (&found.to, &local.pools[backend]) {
        (BackendTo::Store, _) => {
            let host = String::from_utf8_lossy(outgoing.authority.as_bytes()).into_owned();
            outgoing.body.discard().await;
            Ok(store::answer(&found.service, &host))
        }
        (BackendTo::Address { .. }, Some(pool)) => over(pool, outgoing).await,
        (BackendTo::Address { .. } | BackendTo::Nowhere(_), _) => {
            Ok(reply::error(StatusCode::SERVICE_UNAVAILABLE))
        }
    }
}

async fn over(pool: &Rc<Pool>, outgoing: Outgoing) -> Result<Response<Body>, Failed> {
    let mut request = Request::new(outgoing.body);
    *request.method_mut() = outgoing.method;
    *request.headers_mut() = outgoing.headers;
    let speaks = pool.speaks();
    if speaks.http2 {
        let authority = Authority::try_from(outgoing.authority.as_bytes()).ok();
        let mut parts = http::uri::Parts::default();
        let scheme = if speaks.tls {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        parts.scheme = Some(scheme);
        parts.authority = authority;
        parts.path_and_query = Some(outgoing.target);
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().remove(HOST);
    } else {
        *request.uri_mut() = Uri::from(outgoing.target);
        request.headers_mut().insert(HOST, outgoing.authority);
    }
    let (response, lease) = pool.send(request).await?;
    Ok(response.map(|incoming| Body::upstream(incoming, lease)))
}

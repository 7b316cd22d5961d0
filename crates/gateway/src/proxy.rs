//! What happens to a request, in the load balancer's order: route, traffic extension, the route's
//! filters, upstream; then back: traffic extension, filters, client.

use std::error::Error as _;
use std::rc::Rc;

use gatewright_gke::Client;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, LOCATION, UPGRADE, VIA};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::access::Finish;
use crate::body::{Body, BodyError};
use crate::connection::Connection;
use crate::exchange::{Ending, Exchange, Half, Head};
use crate::fields;
use crate::pool::Failed;
use crate::reply;
use crate::router::{Asked, Matched};
use crate::snapshot::{Rule, Site};
use crate::upstream::{self, Outgoing, VIA_GOOGLE};
use crate::worker::{Local, Worker};

/// The exchange cannot be answered any more: its stream is reset.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the exchange was cut off")]
pub(crate) struct Cut;

/// Answers a request.
pub(crate) async fn handle(
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    // A request in flight keeps what it began with, whatever is loaded meanwhile.
    let local = worker.local();
    let (parts, incoming) = request.into_parts();
    let Some(site) = local.site(connection.site) else {
        // The port was taken out of the manifests, and this connection is left of it.
        connection.end();
        return Ok(reply::error(StatusCode::NOT_FOUND));
    };
    let mut finish = Box::new(Finish::new(&worker, &local, &connection, site, &parts));
    let passage = Passage {
        worker: &worker,
        local: &local,
        connection: &connection,
        site: &local.snapshot.sites[site],
    };
    let mut response = passage.answer(parts, incoming, &mut finish).await?;
    response.headers_mut().append(VIA, VIA_GOOGLE);
    finish.answered(response.status());
    Ok(response.map(|body| body.finish_with(finish)))
}

/// Everything around a request on its way.
struct Passage<'p> {
    worker: &'p Rc<Worker>,
    local: &'p Rc<Local>,
    connection: &'p Rc<Connection>,
    site: &'p Site,
}

impl Passage<'_> {
    async fn answer(
        &self,
        mut parts: Parts,
        incoming: Incoming,
        finish: &mut Finish,
    ) -> Result<Response<Body>, Cut> {
        let authority = match authority(&parts) {
            Ok(authority) => authority,
            Err(Refused(status)) => return Ok(reply::error(status)),
        };
        if is_tunnel(&parts) {
            return Ok(reply::error(StatusCode::NOT_IMPLEMENTED));
        }
        let host = host(&authority);
        let Some((matched, rule)) = self.route(&parts, &host) else {
            return Ok(reply::error(StatusCode::NOT_FOUND));
        };
        let backend = self.choose(rule);
        finish.routed(&rule.name, None);

        let exchange = self.extensions(&parts, &host, backend, finish);
        let end = incoming.is_end_stream();
        let mut body = Body::client(incoming, self.worker.limits.body_timeout);
        let mut target = match parts.uri.path_and_query() {
            Some(target) => target.clone(),
            None => PathAndQuery::from_static("/"),
        };
        if let Some(exchange) = &exchange {
            if exchange.sees_head(Half::Request) {
                match self.request_head(exchange, &mut parts, &authority, &target, end) {
                    Ok(new) => target = new,
                    Err(ending) => return answer_of(ending),
                }
            }
            if exchange.sees_body(Half::Request) {
                // Plugins may make the body longer or shorter.
                parts.headers.remove(CONTENT_LENGTH);
                body = body.shown(Rc::clone(exchange), Half::Request);
            }
        }

        if let Some(redirect) = &rule.filters.redirect {
            let authority = String::from_utf8_lossy(authority.as_bytes());
            let (status, location) = redirect.answer(
                self.site.scheme(),
                &authority,
                &target.into(),
                prefix(rule, matched),
            );
            return Ok(redirected(status, location));
        }
        let Some(backend) = backend else {
            return Ok(reply::error(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let outgoing = Outgoing {
            method: parts.method,
            target,
            authority,
            headers: parts.headers,
            body,
        };
        let outgoing = self.filtered(outgoing, rule, matched);
        finish.routed(&rule.name, Some(backend));
        let response = match upstream::send(self.local, backend, outgoing).await {
            Ok(response) => response,
            Err(failed) => return failure(failed, exchange.as_deref()),
        };
        self.back(response, exchange, rule, finish)
    }

    /// The rule that serves a request.
    fn route(&self, parts: &Parts, host: &[u8]) -> Option<(Matched, &Rule)> {
        let matched = self.site.router.find(&Asked {
            method: &parts.method,
            host,
            path: parts.uri.path().as_bytes(),
            query: parts.uri.query().unwrap_or_default().as_bytes(),
            headers: &parts.headers,
        })?;
        Some((matched, self.site.rules.get(matched.rule)?))
    }

    /// A backend of a rule, by weight.
    fn choose(&self, rule: &Rule) -> Option<usize> {
        let (last, total) = rule.backends.last()?;
        if rule.backends.len() == 1 {
            return Some(*last);
        }
        let lot = self.worker.lot() % total;
        let chosen = rule.backends.iter().find(|(_, sum)| lot < *sum);
        chosen.map(|(backend, _)| *backend)
    }

    /// Opens the exchange on the first chain whose condition holds, if one does.
    fn extensions(
        &self,
        parts: &Parts,
        host: &[u8],
        backend: Option<usize>,
        finish: &mut Finish,
    ) -> Option<Rc<Exchange>> {
        let traffic = self.site.traffic.as_ref()?;
        let headers: Vec<_> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
            .collect();
        let request = gatewright_gke::Request {
            method: parts.method.as_str().as_bytes(),
            scheme: self.site.scheme().as_bytes(),
            host,
            path: parts.uri.path().as_bytes(),
            query: parts.uri.query().unwrap_or_default().as_bytes(),
            headers: &headers,
            client: Client {
                address: self.connection.client_ip.as_bytes(),
                port: self.connection.client.port(),
                sni: self.connection.sni.as_bytes(),
                tls_version: self.connection.tls_version.map(str::as_bytes),
            },
        };
        let backend = backend.map(|index| {
            let backend = &self.local.snapshot.backends[index];
            (backend.service.as_str(), backend.port)
        });
        let chain = traffic.plan.first(&request, backend)?;
        let exchange = Rc::new(Exchange::open(
            self.worker,
            traffic.chains.get(chain)?,
            &self.local.instances,
            &self.local.attributes,
        ));
        finish.chain = Some((chain, Rc::clone(&exchange)));
        Some(exchange)
    }

    /// Shows the request's head to the extensions; gives the target that came of it.
    fn request_head(
        &self,
        exchange: &Exchange,
        parts: &mut Parts,
        authority: &HeaderValue,
        target: &PathAndQuery,
        end: bool,
    ) -> Result<PathAndQuery, Ending> {
        let shown = fields::of_request(
            &parts.method,
            self.site.scheme(),
            authority.as_bytes(),
            target.as_str(),
            &parts.headers,
        );
        let fields = match exchange.head(Half::Request, shown, end) {
            Head::On(fields) => fields,
            Head::Over(ending) => return Err(ending),
        };
        if fields::differ(&fields, &parts.headers) {
            let length = parts.headers.remove(CONTENT_LENGTH);
            let (headers, _) = fields::to_map(&fields);
            parts.headers = headers;
            reframe(&mut parts.headers, length);
        }
        match fields.get(b":path") {
            Some(path) if path != target.as_str().as_bytes() => {
                // A path that no request line can hold is the plugin's failure.
                PathAndQuery::try_from(path).map_err(|_| Ending::Fail(500))
            }
            _ => Ok(target.clone()),
        }
    }

    /// Applies the rule's filters, and sends the copies that it asks for.
    fn filtered(&self, mut outgoing: Outgoing, rule: &Rule, matched: Matched) -> Outgoing {
        outgoing.prepare(self.connection, self.site.scheme());
        rule.filters.request.apply(&mut outgoing.headers);
        if let Some(rewrite) = &rule.filters.rewrite {
            if let Some(hostname) = &rewrite.hostname {
                outgoing.authority = hostname.clone();
            }
            let uri = outgoing.target.clone().into();
            if let Some(target) = rewrite.target(&uri, prefix(rule, matched)) {
                outgoing.target = target;
            }
        }
        for mirror in &rule.mirrors {
            let (on, copy) = outgoing.copied();
            outgoing = on;
            let (local, mirror) = (Rc::clone(self.local), *mirror);
            tokio::task::spawn_local(async move {
                // Nobody waits for what a mirror says.
                if let Ok(response) = upstream::send(&local, mirror, copy).await {
                    response.into_body().discard().await;
                }
            });
        }
        outgoing
    }

    /// The way back of a backend's response.
    fn back(
        &self,
        response: Response<Body>,
        exchange: Option<Rc<Exchange>>,
        rule: &Rule,
        _finish: &mut Finish,
    ) -> Result<Response<Body>, Cut> {
        let (mut parts, mut body) = response.into_parts();
        if let Some(exchange) = exchange {
            if exchange.sees_head(Half::Response) {
                let shown = fields::of_response(parts.status, &parts.headers);
                let fields = match exchange.head(Half::Response, shown, body.is_end_stream()) {
                    Head::On(fields) => fields,
                    Head::Over(ending) => return answer_of(ending),
                };
                if fields::differ(&fields, &parts.headers) {
                    let length = parts.headers.remove(CONTENT_LENGTH);
                    let (headers, _) = fields::to_map(&fields);
                    parts.headers = headers;
                    reframe(&mut parts.headers, length);
                }
                let status = fields.get(b":status").map(StatusCode::from_bytes);
                match status {
                    Some(Ok(status)) if !status.is_informational() => parts.status = status,
                    _ => return answer_of(Ending::Fail(500)),
                }
            }
            if exchange.sees_body(Half::Response) && !body.is_empty() {
                parts.headers.remove(CONTENT_LENGTH);
                body = body.shown(exchange, Half::Response);
            }
        }
        fields::remove_hop_by_hop(&mut parts.headers);
        rule.filters.response.apply(&mut parts.headers);
        parts.version = Version::HTTP_11;
        Ok(Response::from_parts(parts, body))
    }
}

/// A request that is refused before it is routed.
struct Refused(StatusCode);

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
        (Some(authority), _) => HeaderValue::from_str(authority.as_str())
            .map_err(|_| Refused(StatusCode::BAD_REQUEST))?,
        (None, Some(host)) => host.clone(),
        (None, None) if parts.version == Version::HTTP_10 => HeaderValue::from_static(""),
        (None, None) => return Err(bad),
    };
    let plausible = value
        .as_bytes()
        .iter()
        .all(|byte| byte.is_ascii_graphic() && !b"@/?#\\<>\"^`{|}".contains(byte));
    if plausible { Ok(value) } else { Err(bad) }
}

/// The host of an authority: in lower case, without the port.
fn host(authority: &HeaderValue) -> Vec<u8> {
    let bytes = authority.as_bytes();
    let end = match bytes.iter().rposition(|byte| *byte == b':') {
        Some(colon) if bytes[colon + 1..].iter().all(u8::is_ascii_digit) => colon,
        _ => bytes.len(),
    };
    bytes[..end].to_ascii_lowercase()
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

/// The path of the match that took a request.
fn prefix(rule: &Rule, matched: Matched) -> &str {
    rule.paths.get(matched.matched).map_or("/", String::as_str)
}

/// A message whose body no extension changes keeps its length, whatever they did to the header.
fn reframe(headers: &mut http::HeaderMap, length: Option<HeaderValue>) {
    match length {
        Some(length) => {
            headers.insert(CONTENT_LENGTH, length);
        }
        None => {
            headers.remove(CONTENT_LENGTH);
        }
    }
}

fn redirected(status: StatusCode, location: String) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    match HeaderValue::try_from(location) {
        Ok(location) => {
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => reply::error(StatusCode::BAD_REQUEST),
    }
}

/// What a client gets when an extension ended the exchange before the response began.
fn answer_of(ending: Ending) -> Result<Response<Body>, Cut> {
    match ending {
        Ending::Reply(reply) => Ok(reply::local(reply)),
        Ending::Fail(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Ok(reply::error(status))
        }
        Ending::Reset => Err(Cut),
    }
}

/// What a client gets when its backend did not answer.
fn failure(failed: Failed, exchange: Option<&Exchange>) -> Result<Response<Body>, Cut> {
    // The request's body may have been cut off by an extension, which answers then.
    if let Some(ending) = exchange.and_then(Exchange::ending) {
        return answer_of(ending);
    }
    let error = match failed {
        Failed::Connect => return Ok(reply::error(StatusCode::BAD_GATEWAY)),
        Failed::TimedOut => return Ok(reply::error(StatusCode::GATEWAY_TIMEOUT)),
        Failed::Broken(error) => error,
    };
    let mut cause = error.source();
    while let Some(source) = cause {
        match source.downcast_ref::<BodyError>() {
            Some(BodyError::TimedOut) => {
                let mut response = reply::error(StatusCode::REQUEST_TIMEOUT);
                // What is left of the body may still come, and is not waited for.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
                return Ok(response);
            }
            Some(BodyError::Broken(_) | BodyError::Ended) => return Err(Cut),
            None => cause = source.source(),
        }
    }
    Ok(reply::error(StatusCode::BAD_GATEWAY))
}

//! What happens to a request, in the load balancer's order: routing extension, route, traffic
//! extension, the route's filters, upstream; then back: traffic extension, filters, client.

mod answers;
mod inbound;

use std::rc::Rc;

use gatewright_gke::Client;
use http::header::{CONTENT_LENGTH, VIA};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::access::Finish;
use crate::body::Body;
use crate::connection::Connection;
use crate::exchange::{Ending, Exchange, Half, Message};
use crate::fields;
use crate::reply;
use crate::router::{Asked, Matched};
use crate::snapshot::{Attached, Rule, Site};
use crate::upstream::{self, Outgoing, VIA_GOOGLE};
use crate::worker::{Local, Worker};
use inbound::{Inbound, May, Refused};

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
    let mut response = match Inbound::read(parts) {
        Ok(inbound) => passage.answer(inbound, incoming, &mut finish).await?,
        Err(Refused(status)) => reply::error(status),
    };
    response.headers_mut().append(VIA, VIA_GOOGLE);
    finish.answered(&response);
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
        mut inbound: Inbound,
        incoming: Incoming,
        finish: &mut Finish,
    ) -> Result<Response<Body>, Cut> {
        let mut body = Body::client(incoming, self.worker.limits.body_timeout, self.connection);

        // Before the route is found, so that it is found with what this one makes of the request.
        let site = self.site;
        let routing = self.open(site.routing.as_ref(), &inbound, None, finish);
        finish.routing.clone_from(&routing);
        let routing = routing.map(|(_, exchange)| exchange);
        if let Some(exchange) = &routing {
            let scheme = self.site.scheme();
            match show(exchange, &mut inbound, scheme, May::Reroute, body).await {
                Ok(shown) => body = shown,
                Err(ending) => return answers::ended(ending),
            }
        }

        let host = inbound.host();
        let Some((matched, rule)) = self.route(&inbound, &host) else {
            return Ok(reply::error(StatusCode::NOT_FOUND));
        };
        let backend = self.choose(rule);
        finish.routed(&rule.name, None);

        let traffic = self.open(site.traffic.as_ref(), &inbound, backend, finish);
        finish.traffic.clone_from(&traffic);
        let exchange = traffic.map(|(_, exchange)| exchange);
        if let Some(exchange) = &exchange {
            let scheme = self.site.scheme();
            match show(exchange, &mut inbound, scheme, May::Modify, body).await {
                Ok(shown) => body = shown,
                Err(ending) => return answers::ended(ending),
            }
        }

        if let Some(redirect) = &rule.filters.redirect {
            let authority = String::from_utf8_lossy(inbound.authority.as_bytes());
            let (status, location) = redirect.answer(
                self.site.scheme(),
                &authority,
                &inbound.target.into(),
                prefix(rule, matched),
            );
            return Ok(answers::redirect(status, location));
        }
        let Some(backend) = backend else {
            return Ok(reply::error(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let outgoing = Outgoing {
            method: inbound.method,
            target: inbound.target,
            authority: inbound.authority,
            headers: inbound.headers,
            body,
        };
        let outgoing = self.filtered(outgoing, rule, matched);
        finish.routed(&rule.name, Some(backend));
        finish.goes_on(&outgoing);
        let sent = upstream::send(self.local, backend, outgoing).await;
        // The request's body may have been cut off by an extension, which answers then, whatever the
        // backend made of what it got.
        let mut shown = routing.iter().chain(&exchange);
        if let Some(ending) = shown.find_map(|exchange| exchange.ending()) {
            return answers::ended(ending);
        }
        let response = match sent {
            Ok(response) => response,
            Err(failed) => return answers::failure(failed),
        };
        finish.came(&response);
        self.back(response, exchange, rule).await
    }

    /// The rule that serves a request.
    fn route(&self, inbound: &Inbound, host: &[u8]) -> Option<(Matched, &Rule)> {
        let matched = self.site.router.find(&Asked {
            method: &inbound.method,
            host,
            path: inbound.path(),
            query: inbound.query(),
            headers: &inbound.headers,
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

    /// Opens the exchange on an extension's first chain whose condition holds, if one does; with the
    /// chain's place.
    fn open(
        &self,
        attached: Option<&Attached>,
        inbound: &Inbound,
        backend: Option<usize>,
        finish: &Finish,
    ) -> Option<(usize, Rc<Exchange>)> {
        let attached = attached?;
        let host = inbound.host();
        let headers: Vec<_> = inbound
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
            .collect();
        let request = gatewright_gke::Request {
            method: inbound.method.as_str().as_bytes(),
            scheme: self.site.scheme().as_bytes(),
            host: &host,
            path: inbound.path(),
            query: inbound.query(),
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
        let chain = attached.plan.first(&request, backend)?;
        let exchange = Exchange::open(
            self.worker,
            self.local,
            attached.chains.get(chain)?,
            finish.watched.clone(),
        );
        Some((chain, Rc::new(exchange)))
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
    async fn back(
        &self,
        response: Response<Body>,
        exchange: Option<Rc<Exchange>>,
        rule: &Rule,
    ) -> Result<Response<Body>, Cut> {
        let (mut parts, mut body) = response.into_parts();
        if let Some(exchange) = exchange.filter(|exchange| exchange.sees(Half::Response)) {
            let shown = fields::of_response(parts.status, &parts.headers);
            let message = match exchange.pass(Half::Response, shown, body).await {
                Ok(message) => message,
                Err(ending) => return answers::ended(ending),
            };
            let fields = message.fields;
            body = message.body;
            if message.reframed {
                parts.headers.remove(CONTENT_LENGTH);
            }
            if fields::differ(&fields, &parts.headers) {
                inbound::replace(&mut parts.headers, &fields);
            }
            let status = fields.get(b":status").map(StatusCode::from_bytes);
            match status {
                Some(Ok(status)) if !status.is_informational() => parts.status = status,
                _ => return answers::ended(Ending::Fail(500)),
            }
        }
        fields::remove_hop_by_hop(&mut parts.headers);
        rule.filters.response.apply(&mut parts.headers);
        parts.version = Version::HTTP_11;
        Ok(Response::from_parts(parts, body))
    }
}

/// Shows a request to the extensions of an exchange, and takes over what they make of it. Gives the
/// body that came of it.
async fn show(
    exchange: &Rc<Exchange>,
    inbound: &mut Inbound,
    scheme: &str,
    may: May,
    body: Body,
) -> Result<Body, Ending> {
    if !exchange.sees(Half::Request) {
        return Ok(body);
    }
    let Message {
        fields,
        body,
        reframed,
    } = exchange
        .pass(Half::Request, inbound.fields(scheme), body)
        .await?;
    if reframed {
        inbound.headers.remove(CONTENT_LENGTH);
    }
    inbound.take(&fields, may)?;
    Ok(body)
}

/// The path of the match that took a request.
fn prefix(rule: &Rule, matched: Matched) -> &str {
    rule.paths.get(matched.matched).map_or("/", String::as_str)
}

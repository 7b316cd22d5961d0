//! The end of an exchange: counted, told in the access log, and its plugins let go.

use std::rc::Rc;
use std::time::Instant;

use http::{Method, Uri, Version};
use serde_json::json;

use crate::connection::Connection;
use crate::exchange::Exchange;
use crate::fields;
use crate::log;
use crate::snapshot::{Attached, Run};
use crate::upstream::Outgoing;
use crate::watch::{Side, Watched};
use crate::worker::{Local, Worker};

/// What is done when an exchange is over, however it ends: its `Drop` does it.
pub(crate) struct Finish {
    worker: Rc<Worker>,
    local: Rc<Local>,
    connection: Rc<Connection>,
    /// The port, by its place in the snapshot.
    site: usize,
    start: Instant,
    status: u16,
    sent: u64,
    /// Whether the whole of the response's body went out.
    whole: bool,
    /// The routing extension's chain, and the exchange on it.
    pub(crate) routing: Option<(usize, Rc<Exchange>)>,
    /// The traffic extension's chain, and the exchange on it.
    pub(crate) traffic: Option<(usize, Rc<Exchange>)>,
    line: Option<Box<Line>>,
    /// Where it is written down, if it is shown on the page.
    pub(crate) watched: Option<Rc<Watched>>,
}

/// What only the access log wants.
struct Line {
    method: Method,
    uri: Uri,
    host: String,
    version: Version,
    agent: Option<String>,
    referer: Option<String>,
    rule: Option<String>,
    backend: Option<String>,
    latency: Option<std::time::Duration>,
}

impl Finish {
    pub(crate) fn new(
        worker: &Rc<Worker>,
        local: &Rc<Local>,
        connection: &Rc<Connection>,
        site: usize,
        request: &http::request::Parts,
    ) -> Self {
        let text = |name| {
            let value = request.headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let line = worker.access_log.then(|| {
            Box::new(Line {
                method: request.method.clone(),
                uri: request.uri.clone(),
                host: text(http::header::HOST)
                    .or_else(|| request.uri.authority().map(ToString::to_string))
                    .unwrap_or_default(),
                version: request.version,
                agent: text(http::header::USER_AGENT),
                referer: text(http::header::REFERER),
                rule: None,
                backend: None,
                latency: None,
            })
        });
        let watched = Watched::begin(&worker.sampler);
        if let Some(watched) = &watched {
            begin(watched, local, connection, site, request);
        }
        Self {
            worker: Rc::clone(worker),
            local: Rc::clone(local),
            connection: Rc::clone(connection),
            site,
            start: Instant::now(),
            status: 0,
            sent: 0,
            whole: false,
            routing: None,
            traffic: None,
            line,
            watched,
        }
    }

    /// A rule and a backend were chosen.
    pub(crate) fn routed(&mut self, rule: &str, backend: Option<usize>) {
        if self.line.is_none() && self.watched.is_none() {
            return;
        }
        let backend = backend.map(|index| {
            let backend = &self.local.snapshot.backends[index];
            format!("{}/{}", backend.namespace, backend.service)
        });
        if let Some(watched) = &self.watched {
            watched.tell(|story| {
                story.rule = Some(rule.to_owned());
                story.backend.clone_from(&backend);
            });
        }
        if let Some(line) = &mut self.line {
            line.rule = Some(rule.to_owned());
            line.backend = backend;
        }
    }

    /// A request goes on to its backend.
    pub(crate) fn goes_on(&self, outgoing: &Outgoing) {
        if let Some(watched) = &self.watched {
            watched.head(Side::ToBackend, outgoing.fields());
        }
    }

    /// A backend's response came.
    pub(crate) fn came<B>(&self, response: &http::Response<B>) {
        if let Some(watched) = &self.watched {
            let head = fields::of_response(response.status(), response.headers());
            watched.head(Side::FromBackend, head);
        }
    }

    /// The response's head goes out.
    pub(crate) fn answered<B>(&mut self, response: &http::Response<B>) {
        self.status = response.status().as_u16();
        if let Some(watched) = &self.watched {
            let head = fields::of_response(response.status(), response.headers());
            watched.head(Side::ToClient, head);
        }
        if let Some(line) = &mut self.line {
            line.latency = Some(self.start.elapsed());
        }
    }

    /// A part of its body goes out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Its body is over.
    pub(crate) fn whole(&mut self) {
        self.whole = true;
    }

    fn tell(&self, line: &Line) {
        let site = &self.local.snapshot.sites[self.site];
        let mut extensions = Vec::new();
        let mut request = None;
        let ran = [
            (&self.routing, &site.routing),
            (&self.traffic, &site.traffic),
        ];
        for ran in ran {
            if let (Some((chain, exchange)), Some(attached)) = ran {
                request = Some(format!("{:016x}", exchange.request()));
                extensions.extend(told(attached, *chain, exchange, &self.local));
            }
        }
        let ran = self.traffic.as_ref().or(self.routing.as_ref());
        let details = match (self.status, self.whole, ran) {
            (0, ..) => "client_disconnected_before_any_response",
            (_, false, _) => "response_ended_early",
            (_, true, Some(_)) if line.backend.is_none() => "response_sent_by_extension",
            (_, true, _) if line.backend.is_some() => "response_sent_by_backend",
            _ => "response_sent_by_load_balancer",
        };
        let scheme = site.scheme();
        let target = line
            .uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let latency = self.start.elapsed().as_secs_f64();
        let entry = json!({
            "logName": "projects/local/logs/requests",
            "resource": {"type": "http_load_balancer", "labels": {
                "forwarding_rule_name": site.gateway, "backend_service_name": line.backend,
            }},
            "timestamp": log::now(),
            "severity": if self.status >= 500 { "WARNING" } else { "INFO" },
            "httpRequest": {
                "requestMethod": line.method.as_str(),
                "requestUrl": format!("{scheme}://{}{target}", line.host),
                "status": self.status,
                "responseSize": self.sent.to_string(),
                "userAgent": line.agent,
                "referer": line.referer,
                "remoteIp": self.connection.client_ip,
                "protocol": format!("{:?}", line.version),
                "latency": format!("{latency:.6}s"),
            },
            "jsonPayload": {
                "@type": "type.googleapis.com/google.cloud.loadbalancing.type.LoadBalancerLogEntry",
                "statusDetails": details,
                "route": line.rule,
                "requestId": request,
                "timeToFirstByte": line.latency.map(|t| format!("{:.6}s", t.as_secs_f64())),
                "serviceExtensionInfo": extensions,
            },
        });
        self.worker.log.request(&entry);
    }
}

/// `serviceExtensionInfo`: one entry for each extension that was called.
fn told(
    attached: &Attached,
    chain: usize,
    exchange: &Exchange,
    local: &Local,
) -> Vec<serde_json::Value> {
    let told = exchange.told();
    let steps = attached.chains[chain].iter().enumerate();
    let mut entries = Vec::new();
    for (index, step) in steps {
        let events: Vec<_> = told.iter().filter(|told| told.step == index).collect();
        if events.is_empty() {
            continue;
        }
        let (kind, target) = match step.run {
            Run::Plugin(plugin) => {
                let plugin = &local.snapshot.plugins[plugin];
                ("WASM_PLUGIN", format!("{}@{}", plugin.name, plugin.version))
            }
            Run::Callout(callout) => {
                let callout = &local.snapshot.callouts[callout];
                (callout.kind.as_str(), callout.target.clone())
            }
            Run::Nothing => ("NONE", String::new()),
        };
        let requests: Vec<_> = events
            .iter()
            .map(|told| {
                json!({
                    "eventType": told.event,
                    "latency": format!("{:.6}s", told.latency.as_secs_f64()),
                    "processingEffect": told.effect,
                })
            })
            .collect();
        let failed_open = events.iter().any(|told| told.effect == "NONE_FAILED_OPEN");
        entries.push(json!({
            "resource": attached.name,
            "chain": step.chain,
            "extension": step.extension,
            "backendTargetType": kind,
            "backendTargetName": target,
            "failedOpen": failed_open,
            "grpcStatus": exchange.grpc_status(index).map(gatewright_callout::Status::as_str),
            "perProcessingRequestInfo": requests,
        }));
    }
    entries
}

/// Writes down what is known of an exchange when it begins.
fn begin(
    watched: &Watched,
    local: &Local,
    connection: &Connection,
    site: usize,
    request: &http::request::Parts,
) {
    let site = &local.snapshot.sites[site];
    watched.tell(|story| {
        story.gateway.clone_from(&site.gateway);
        story.port = site.port;
        story.protocol = format!("{:?}", request.version);
        story.client = connection.client.to_string();
    });
    let host = request.headers.get(http::header::HOST);
    let authority = match request.uri.authority() {
        Some(authority) => authority.as_str().as_bytes(),
        None => host.map_or(&[][..], http::HeaderValue::as_bytes),
    };
    let target = request.uri.path_and_query();
    let head = fields::of_request(
        &request.method,
        site.scheme(),
        authority,
        target.map_or("/", http::uri::PathAndQuery::as_str),
        &request.headers,
    );
    watched.head(Side::FromClient, head);
}

impl Drop for Finish {
    fn drop(&mut self) {
        if let Some(watched) = &self.watched {
            watched.over();
            watched.tell(|story| {
                (story.status, story.sent, story.whole) = (self.status, self.sent, self.whole);
                let ran = self.traffic.as_ref().or(self.routing.as_ref());
                story.request = ran.map(|(_, exchange)| exchange.request());
            });
        }
        self.connection.end();
        self.local.stats[self.site].record(self.status, self.start.elapsed());
        if let Some(line) = self.line.take() {
            self.tell(&line);
        }
    }
}

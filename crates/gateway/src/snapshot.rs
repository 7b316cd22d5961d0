//! What is served: made of a report, plugins and Services, and never changed.

mod build;
mod callouts;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;

use gatewright_gke::{ExtensionPlan, ObjectId, Report};
use gatewright_host::{LogLevel, Plugin, PluginSpec};
use rustls::ServerConfig;

use crate::filters::Filters;
use crate::router::Router;
use crate::services::Services;
use crate::tls::Origin;

/// Where compiled plugins and their configurations come from.
pub trait PluginSource {
    /// The plugin in an image, compiled for an engine that meters by epochs, and a digest of its
    /// bytes.
    ///
    /// # Errors
    /// A sentence that says why there is none and what to do.
    fn plugin(&self, image: &str) -> Result<(Plugin, String), String>;

    /// The configuration in an image.
    ///
    /// # Errors
    /// A sentence that says why there is none and what to do.
    fn configuration(&self, uri: &str) -> Result<Arc<[u8]>, String>;
}

/// A source of nothing, for manifests without plugins.
#[derive(Clone, Copy, Debug)]
pub struct NoPlugins;

impl PluginSource for NoPlugins {
    fn plugin(&self, image: &str) -> Result<(Plugin, String), String> {
        Err(format!("nobody knows the image `{image}`"))
    }

    fn configuration(&self, uri: &str) -> Result<Arc<[u8]>, String> {
        Err(format!("nobody knows the image `{uri}`"))
    }
}

/// Something that cannot be served as it is meant, with the object that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The object.
    pub object: ObjectId,
    /// What is wrong, what happens instead, and what to do.
    pub message: String,
    /// Whether the object does not work; otherwise it is only worth knowing.
    pub is_error: bool,
}

/// A snapshot and what is to be said about it.
#[derive(Debug)]
pub struct Made {
    /// What is served.
    pub snapshot: Snapshot,
    /// What is not, and why.
    pub problems: Vec<Problem>,
}

/// Everything that serves requests.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) sites: Vec<Site>,
    pub(crate) plugins: Vec<PluginUse>,
    pub(crate) callouts: Vec<CalloutUse>,
    pub(crate) backends: Vec<Backend>,
    /// The objects and their conditions, as JSON.
    pub(crate) status: serde_json::Value,
}

/// A port of a Gateway.
#[derive(Debug)]
pub(crate) struct Site {
    /// The Gateway, as `namespace/name`.
    pub(crate) gateway: String,
    pub(crate) port: u16,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<(Arc<ServerConfig>, Origin)>,
    pub(crate) router: Router,
    pub(crate) rules: Vec<Rule>,
    /// What runs before a route is found.
    pub(crate) routing: Option<Attached>,
    /// What runs once a backend is chosen.
    pub(crate) traffic: Option<Attached>,
    /// A host that a client may ask for, for people who want to try.
    pub(crate) example: Option<String>,
}

impl Site {
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// A rule of a route.
#[derive(Debug)]
pub(crate) struct Rule {
    /// As `namespace/route/index`.
    pub(crate) name: String,
    /// The path of each match, for filters that replace a prefix.
    pub(crate) paths: Vec<String>,
    /// Backends by index, each with the sum of the weights up to it.
    pub(crate) backends: Vec<(usize, u64)>,
    pub(crate) filters: Filters,
    pub(crate) mirrors: Vec<usize>,
}

/// Where a Service's port leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) port: Option<u16>,
    pub(crate) to: BackendTo,
}

/// How a backend is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BackendTo {
    /// At an address.
    Address { at: SocketAddr, speaks: Protocol },
    /// In here.
    Store,
    /// Not at all.
    Nowhere(String),
}

/// What a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Protocol {
    pub(crate) http2: bool,
    pub(crate) tls: bool,
}

impl Protocol {
    /// The protocol of a Service's port, by its `appProtocol`, as GKE reads it.
    pub(crate) fn of(app_protocol: Option<&str>) -> Self {
        let (http2, tls) = match app_protocol {
            Some("HTTPS") => (false, true),
            Some("HTTP2") => (true, true),
            Some("kubernetes.io/h2c") => (true, false),
            _ => (false, false),
        };
        Self { http2, tls }
    }
}

/// A routing or traffic extension that is attached to a Gateway.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) plan: ExtensionPlan,
    pub(crate) name: String,
    /// The steps of each chain, in the order of the plan's.
    pub(crate) chains: Vec<Vec<Step>>,
}

/// An extension of a chain.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) chain: String,
    pub(crate) extension: String,
    pub(crate) fail_open: bool,
    pub(crate) run: Run,
}

/// What an extension runs.
#[derive(Debug)]
pub(crate) enum Run {
    /// A plugin, by its place among the snapshot's.
    Plugin(usize),
    /// A callout, by its place among the snapshot's.
    Callout(usize),
    /// Nothing that works, and so it fails, open or closed.
    Nothing,
}

/// A plugin as an extension uses it: one VM a worker.
#[derive(Clone, Debug)]
pub(crate) struct PluginUse {
    /// What makes two uses the same, so that a VM outlives a reload that does not touch it.
    pub(crate) key: String,
    /// The GCPWasmPlugin, as `namespace/name`.
    pub(crate) name: String,
    /// The version that serves.
    pub(crate) version: String,
    pub(crate) spec: PluginSpec,
    pub(crate) log: Logging,
}

/// A callout as an extension calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CalloutUse {
    pub(crate) kind: CalloutKind,
    /// The Service, as `namespace/name:port`, or the API.
    pub(crate) target: String,
    pub(crate) at: SocketAddr,
    pub(crate) tls: bool,
    /// The extension's resource, as `namespace/name`.
    pub(crate) resource: String,
    pub(crate) chain: String,
    pub(crate) extension: String,
    pub(crate) config: Arc<gatewright_callout::Config>,
}

/// What a callout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CalloutKind {
    Service,
    GoogleApi,
}

impl CalloutKind {
    /// As the load balancer's log has it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "BACKEND_SERVICE",
            Self::GoogleApi => "GOOGLE_API",
        }
    }
}

/// `logConfig`, ready to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Logging {
    pub(crate) enabled: bool,
    /// Of a million requests, of how many the messages are kept.
    pub(crate) sample_rate: u32,
    pub(crate) min_level: LogLevel,
}

/// A port that is to be listened at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerAt {
    /// The Gateway, as `namespace/name`.
    pub gateway: String,
    /// The listeners' port in the manifest.
    pub port: u16,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Where; port 0 is any free one.
    pub address: SocketAddr,
    /// A host that some route serves there.
    pub example_host: Option<String>,
    /// The Secret whose certificate it has; nothing for one that the authority signed.
    pub secret: Option<String>,
}

impl Snapshot {
    /// Makes a snapshot. What cannot be served is a problem, and the rest is served.
    pub fn build(report: &Report, source: &dyn PluginSource, services: &Services) -> Made {
        build::build(report, source, services)
    }

    /// Nothing.
    pub(crate) const fn empty() -> Self {
        Self {
            sites: Vec::new(),
            plugins: Vec::new(),
            callouts: Vec::new(),
            backends: Vec::new(),
            status: serde_json::Value::Null,
        }
    }

    /// The ports that it is served at.
    pub fn listeners(&self) -> Vec<ListenerAt> {
        self.sites
            .iter()
            .map(|site| ListenerAt {
                gateway: site.gateway.clone(),
                port: site.port,
                scheme: site.scheme(),
                address: site.address,
                example_host: site.example.clone(),
                secret: match &site.tls {
                    Some((_, Origin::Secret(name))) => Some(name.clone()),
                    _ => None,
                },
            })
            .collect()
    }

    /// Backends that the built-in store answers for, as `namespace/name`.
    pub fn stores(&self) -> Vec<String> {
        let mut stores: Vec<_> = self
            .backends
            .iter()
            .filter(|backend| backend.to == BackendTo::Store)
            .map(|backend| format!("{}/{}", backend.namespace, backend.service))
            .collect();
        stores.sort();
        stores.dedup();
        stores
    }
}

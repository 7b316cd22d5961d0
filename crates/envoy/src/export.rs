//! Manifests as configuration of what users outgrow this machine to: a stock Envoy, an Istio mesh,
//! an Envoy Gateway.
//!
//! Each export says what it could not carry over; nothing is dropped silently. It writes no file:
//! whoever calls it says where plugins and Services are.

mod clusters;
mod extensions;
mod filters;
mod listeners;
mod mesh;
mod routes;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use gatewright_gke::Report;
use serde_json::{Value, json};

pub use mesh::{Mesh, mesh};

use clusters::Clusters;

/// The files that stand for images.
pub trait PluginFiles {
    /// Where Envoy finds the module of an image.
    ///
    /// # Errors
    /// A sentence that says why there is none and what to do.
    fn module(&self, image: &str) -> Result<PathBuf, String>;

    /// The configuration in an image.
    ///
    /// # Errors
    /// A sentence that says why there is none and what to do.
    fn configuration(&self, uri: &str) -> Result<Vec<u8>, String>;
}

/// Where a Service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// Whether it speaks without TLS, whatever its `appProtocol` says.
    pub plaintext: bool,
}

/// What manifests do not say and Envoy must know.
pub struct Bindings<'a> {
    /// The address that listeners bind.
    pub bind: IpAddr,
    /// The port to listen at for a listener's port; the same where there is no entry.
    pub ports: BTreeMap<u16, u16>,
    /// Where Services are, by `namespace/name`; the others are at their name in the cluster.
    pub services: BTreeMap<String, Endpoint>,
    /// Certificate and key of HTTPS listeners that have no Secret in the manifests.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Where the admin interface is, if anywhere.
    pub admin: Option<SocketAddr>,
    /// Modules and configurations of plugins.
    pub plugins: &'a dyn PluginFiles,
}

/// A bootstrap and what is not in it.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvoyExport {
    /// The bootstrap.
    pub bootstrap: Value,
    /// What could not be carried over, and what is different.
    pub notes: Vec<String>,
}

impl EnvoyExport {
    /// Whether Envoy would listen anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bootstrap["static_resources"]["listeners"]
            .as_array()
            .is_none_or(Vec::is_empty)
    }
}

/// Instructions of a compiled regular expression that Envoy is to take; 100 if nobody says.
const PROGRAM_SIZE: u32 = 1000;

/// Translates everything that is programmed on a Gateway.
#[must_use]
pub fn envoy(report: &Report, bindings: &Bindings<'_>) -> EnvoyExport {
    let mut notes = Notes::default();
    let mut clusters = Clusters::new(report, &bindings.services);
    let mut listeners = Vec::new();
    for plan in &report.plan.gateways {
        for (id, reason) in &plan.refused {
            notes.add(format!("{id} is not exported: {reason}"));
        }
        listeners.extend(listeners::of_gateway(
            report,
            plan,
            bindings,
            &mut clusters,
            &mut notes,
        ));
    }
    let mut bootstrap = json!({
        "node": {"id": "gatewright-export", "cluster": "gatewright"},
        "static_resources": {"listeners": listeners, "clusters": clusters.finish()},
        // The headers that a callout may not touch are a longer expression than Envoy takes unasked.
        "layered_runtime": {"layers": [{
            "name": "export",
            "static_layer": {
                "re2.max_program_size.error_level": PROGRAM_SIZE,
                "re2.max_program_size.warn_level": PROGRAM_SIZE,
            },
        }]},
    });
    if let Some(admin) = bindings.admin {
        bootstrap["admin"] = json!({"address": address(&admin.ip().to_string(), admin.port())});
    }
    EnvoyExport {
        bootstrap,
        notes: notes.0,
    }
}

/// What is told of a translation, each thing once.
#[derive(Debug, Default)]
struct Notes(Vec<String>);

impl Notes {
    fn add(&mut self, note: String) {
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }
}

fn address(host: &str, port: u16) -> Value {
    json!({"socket_address": {"address": host, "port_value": port}})
}

/// A message that says its type, as Envoy's configuration has them.
fn typed(kind: &str, mut content: Value) -> Value {
    content["@type"] = Value::String(format!("type.googleapis.com/{kind}"));
    content
}

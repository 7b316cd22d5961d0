//! The local load balancer: serves what manifests describe over real HTTP, with plugins in front.
//!
//! A [`Snapshot`] is made of a report of `gatewright-gke`, of compiled plugins and of where Services
//! live; it never changes. A [`Gateway`] serves one with a worker a core, and takes another while it
//! runs: requests in flight keep the one that they began with.
//!
//! A request passes in the load balancer's order: HTTPRoute, traffic extension, the route's filters,
//! upstream; the response passes the traffic extension first. The extensions' plugins run in
//! `gatewright-host`, a VM for each plugin and worker.
//!
//! This crate fetches no image and reads no manifest: whoever starts it hands it both. It prints
//! nothing; logs go to the sink it is given. It does not spread load over several endpoints of a
//! Service, and speaks neither HTTP/3 nor WebSocket.
//!
//! ```
//! use std::sync::Arc;
//! use gatewright_gateway::{Gateway, NoPlugins, Options, Services, Snapshot};
//! use gatewright_gke::{CelLanguage, Input, check};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let route = "
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: store}
//! spec:
//!   parentRefs: [{name: external-http}]
//!   rules: [{backendRefs: [{name: store-v1, port: 8080}]}]
//! ";
//! let options = gatewright_gke::Options {
//!     gateways: vec![("external-http".into(), "gke-l7-rilb".into())],
//!     language: Some(Arc::new(CelLanguage::default())),
//!     ..Default::default()
//! };
//! let input = Input { name: "route.yaml", bytes: route.as_bytes() };
//! let report = check(&[input], &options);
//! let mut services = Services::default();
//! services.ports.insert(80, 0); // any free port
//! let made = Snapshot::build(&report, &NoPlugins, &services);
//! let gateway = Gateway::start(Options::default(), made.snapshot)?;
//! // The HTTPS listener is left out: nobody gave an authority to make its certificate.
//! assert_eq!(gateway.listening().len(), 1);
//! gateway.drain(std::time::Duration::ZERO);
//! # Ok(())
//! # }
//! ```

// Reading order: what is served, then who serves it, then what happens to a request.
mod filters;
mod router;
mod services;
mod snapshot;
mod tls;

mod limits;
mod server;
mod worker;

mod connection;
mod proxy;

mod body;
mod exchange;
mod fields;
mod pool;
mod reply;
mod store;
mod stream;
mod turns;
mod upstream;

mod access;
mod admin;
mod live;
mod log;
mod metrics;
mod record;
mod watch;

pub use limits::Limits;
pub use live::Live;
pub use log::Sink;
pub use record::{End, Message, Recorder, Recording};
pub use server::{Doors, Gateway, Listening, Options, ReloadError, StartError};
pub use services::{PortKey, ServiceAt, Services};
pub use snapshot::{ListenerAt, Made, NoPlugins, PluginSource, Problem, Snapshot};
pub use store::serve_store;
pub use tls::Authority;

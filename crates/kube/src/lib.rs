//! A small Kubernetes API on loopback, for the kinds of a GKE Gateway and what stands around it, so
//! that the documentation's `kubectl` commands work on this machine as they are printed.
//!
//! A [`Store`](store::Store) keeps objects and the log of their changes, in memory or with a
//! [`Journal`](journal::Journal). The [`Api`] answers requests: discovery, OpenAPI, reads, lists and
//! watches, tables, creates, updates, patches of four kinds, deletions. What it takes is what
//! `gatewright-gke` says that the API server takes, and statuses, annotations and events are what it
//! says that the controller writes. A [`Server`] puts it on a socket.
//!
//! It is a development server for these kinds. There is no scheduler and nothing runs; there are no
//! other kinds, no roles, no admission plugins, and it is served to this machine alone. It does not
//! serve traffic either: whoever runs it is told of changes.
//!
//! ```
//! use gatewright_kube::store::Store;
//! use gatewright_kube::{Api, Method, Reply, Request, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let api = Api::new(Store::new(), Settings::default(), Box::new(|| ()))?;
//! let reply = api.handle(&Request {
//!     method: Method::Get,
//!     path: "/apis/gateway.networking.k8s.io/v1/gatewayclasses/gke-l7-rilb".to_owned(),
//!     query: Vec::new(),
//!     accept: "application/json".to_owned(),
//!     content_type: String::new(),
//!     authorization: String::new(),
//!     user_agent: String::new(),
//!     body: Vec::new(),
//! });
//! let Reply::Whole(reply) = reply else { unreachable!("it is no watch") };
//! assert_eq!(reply.code, 200);
//! assert_eq!(reply.body["spec"]["controllerName"], "networking.gke.io/gateway");
//! # Ok(())
//! # }
//! ```

// Reading order: objects and how they are kept, then what is done with them, then who asks.
pub mod failure;
pub mod journal;
pub mod kinds;
pub mod object;
pub mod selector;
pub mod store;

mod admission;
mod defaults;
pub mod patch;
mod workloads;

mod api;
mod discovery;
mod openapi;
mod proto;
mod table;

mod body;
mod identity;
mod server;

pub use admission::FieldValidation;
pub use api::{Api, Method, Reconciled, Reply, Request, Settings, Target, Trouble, Watch, Whole};
pub use identity::Identity;
pub use server::{ServeError, Server};

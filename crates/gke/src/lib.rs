//! GKE manifests of Gateways and Service Extensions: read, checked, resolved and explained.
//!
//! Text goes in; findings come out, each with file, line, path, rule and help, told apart by who
//! would report them: the API server, the Gateway controller, or nobody until traffic flows.
//!
//! This crate opens no file, prints nothing and calls no cluster. It does not know the whole of
//! Kubernetes: kinds that have no part in where a request goes pass through with a note.
//!
//! ```
//! use gatewright_gke::{check, Input, Options, Rule};
//!
//! let manifest = "
//! apiVersion: networking.gke.io/v1
//! kind: GCPWasmPlugin
//! metadata: {name: hello}
//! spec:
//!   versions: [{name: v1, image: us-docker.pkg.dev/p/r/hello:main, weight: 2000000}]
//! ";
//! let input = Input { name: "plugin.yaml", bytes: manifest.as_bytes() };
//! let report = check(&[input], &Options::default());
//! let finding = report.findings.iter().find(|f| f.rule == Rule::VersionWeight).unwrap();
//! assert_eq!(finding.path, "spec.versions[0].weight");
//! ```

// Reading order: yaml, schema, api, model, controller, plan; then what presents them.
mod annotations;
mod api;
pub mod cel;
mod check;
mod condition;
mod controller;
mod describe;
mod export;
mod finding;
mod fix;
mod jsonpath;
mod language;
mod model;
mod node;
mod place;
mod plan;
mod profile;
pub mod render;
mod report;
mod rule;
mod schema;
mod status;
mod written;
mod yaml;

pub use annotations::{Cloud, annotations};
pub use check::{Object, Options, Report, check};
pub use condition::{Compiled, Condition, Fault, Language, Matcher, Verdict};
pub use describe::{DescribeOptions, describe};
pub use export::{Export, ExportOptions, Resource, export, to_load_balancer};
pub use finding::{Edit, Finding, Fix, Layer, ObjectId, Severity};
pub use fix::{FixedFile, fix};
pub use jsonpath::get;
pub use language::CelLanguage;
pub use model::{
    Backend, BackendPolicy, BackendRef, BodySendMode, Chain, Event, Expression, Extension,
    ExtensionKind, ExtensionSet, Filter, Gateway, GatewayClass, Listener, LogConfig, MatchKind,
    Model, NamedMatch, ParentRef, PathKind, PathMatch, Plugin, PluginVersion, Route, RouteMatch,
    RouteRule, SecretRef, Service, ServicePort, Spot, Target, Workload,
};
pub use node::{Entry, Node, Value};
pub use place::{File, Place, Span};
pub use plan::{
    Asked, Client, Decision, ExtensionPlan, GatewayPlan, HostTable, Plan, Request, RouteChoice,
    TableEntry,
};
pub use profile::Profile;
pub use report::{Input, Limits};
pub use rule::Rule;
pub use schema::open_api;
pub use status::{Ancestor, ConditionType, Era, Status, StatusCondition, StatusEvent};
pub use written::written;
pub use yaml::documents;

#[cfg(test)]
mod fixtures;

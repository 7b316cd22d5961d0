//! The API without a network: requests in, replies out.
//!
//! Everything that changes objects goes through here, one request at a time. Whoever serves it
//! brings bytes and takes bytes; whoever runs the load balancer is told of changes and hands back
//! what the controller found.

mod controller;
mod load;
mod patches;
mod request;
mod verbs;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatewright_gke::Profile;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch as tell;

pub use controller::{Reconciled, Trouble};
pub use request::{Method, Request, Target};
pub use watch::Watch;

use crate::discovery;
use crate::failure::Failure;
use crate::kinds::Kind;
use crate::object::Key;
use crate::openapi;
use crate::proto;
use crate::store::Store;
use crate::workloads;

/// How the API is run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The era of GKE whose rules hold.
    pub profile: Profile,
    /// The token that clients show; an empty one lets everybody in.
    pub token: String,
}

/// The namespace that is always there.
const DEFAULT: &str = "default";

/// The API.
pub struct Api {
    store: Mutex<Store>,
    settings: Settings,
    /// The number of the last write, for those who wait for the next.
    revision: tell::Sender<u64>,
    /// Called after a write that the controller has to look at.
    changed: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// What a request is answered with.
#[derive(Debug)]
pub enum Reply {
    /// All at once.
    Whole(Whole),
    /// Changes as they come, a line each.
    Watch(Box<Watch>),
    /// A document that is no JSON: its media type and its bytes.
    Binary(&'static str, Vec<u8>),
}

/// A reply with all that there is to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// The HTTP code.
    pub code: u16,
    /// The body.
    pub body: Value,
    /// What the client is warned of.
    pub warnings: Vec<String>,
}

impl Whole {
    fn fine(body: Value) -> Self {
        Self {
            code: 200,
            body,
            warnings: Vec::new(),
        }
    }
}

impl From<Failure> for Whole {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            body: failure.status(),
            warnings: Vec::new(),
        }
    }
}

impl Api {
    /// An API on a store. `changed` is called after each write that changes what is served.
    ///
    /// # Errors
    /// That the namespace `default` and the classes of Gateways cannot be kept.
    pub fn new(
        store: Store,
        settings: Settings,
        changed: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Self, Failure> {
        let (revision, _) = tell::channel(store.revision());
        let api = Self {
            store: Mutex::new(store),
            settings,
            revision,
            changed,
        };
        {
            let mut store = api.store();
            ensure_namespace(&mut store, DEFAULT)?;
            for class in discovery::classes() {
                let key = Key::of(Kind::GatewayClass, &class);
                if store.get(&key).is_none() {
                    store.create(&key, class, &now())?;
                }
            }
        }
        Ok(api)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic while it was held left whole objects: each write is one step.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the number of the last write as it grows.
    #[must_use]
    pub fn revisions(&self) -> tell::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Answers a request.
    #[must_use]
    pub fn handle(&self, request: &Request) -> Reply {
        match self.answer(request) {
            Ok(reply) => reply,
            Err(failure) => Reply::Whole(failure.into()),
        }
    }

    fn answer(&self, request: &Request) -> Result<Reply, Failure> {
        let whole = |body| Ok(Reply::Whole(Whole::fine(body)));
        let path = request.path.trim_end_matches('/');
        // What tells whether the server lives is told to everybody.
        if matches!(path, "/healthz" | "/livez" | "/readyz") {
            return whole("ok".into());
        }
        if !request.knows(&self.settings.token) {
            return Err(Failure::unauthorized());
        }
        if path == "/openapi/v2" && request.accept.contains("protobuf") {
            return Ok(Reply::Binary(proto::OPENAPI, proto::openapi()));
        }
        if !request.takes_json() {
            return Err(Failure::not_acceptable());
        }
        if let Some(document) = self.document(path, request) {
            return match request.method {
                Method::Get => whole(document),
                _ => Err(Failure::method_not_allowed()),
            };
        }
        let target = Target::parse(path).ok_or_else(|| Failure::no_such_path(path))?;
        if request.method == Method::Get && target.name.is_none() {
            let wants = request.flag("watch");
            return if wants {
                self.watch(request, &target)
                    .map(|watch| Reply::Watch(Box::new(watch)))
            } else {
                self.list(request, &target)
                    .map(|body| Reply::Whole(Whole::fine(body)))
            };
        }
        let before = self.store().revision();
        let reply = self.act(request, &target)?;
        let after = self.store().revision();
        if after != before {
            self.revision.send_replace(after);
            if target.kind != Kind::Event && target.subresource.is_none() {
                (self.changed)();
            }
        }
        Ok(Reply::Whole(reply))
    }

    /// Documents about the API itself.
    fn document(&self, path: &str, request: &Request) -> Option<Value> {
        let profile = self.settings.profile;
        let aggregated = request.accept.contains("v=v2;as=APIGroupDiscoveryList");
        let parts: Vec<_> = path.split('/').skip(1).collect();
        Some(match parts[..] {
            ["version"] => discovery::version(profile),
            ["api" | "apis"] if aggregated => discovery::aggregated(parts[0] == "api"),
            ["api"] => discovery::core_versions(),
            ["apis"] => discovery::groups(),
            ["apis", group] => discovery::group(group)?,
            ["api", version] => discovery::resources("", version)?,
            ["apis", group, version] => discovery::resources(group, version)?,
            ["openapi", "v2"] => openapi::v2(profile),
            ["openapi", "v3"] => openapi::v3_index(profile),
            ["openapi", "v3", "api", version] => openapi::v3("", version, profile)?,
            ["openapi", "v3", "apis", group, version] => openapi::v3(group, version, profile)?,
            [""] | [] => {
                json!({"paths": ["/api", "/apis", "/healthz", "/openapi/v2", "/openapi/v3", "/version"]})
            }
            _ => return None,
        })
    }
}

/// The time as objects have it.
#[must_use]
pub(crate) fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    // A time of this century is always written.
    now.format(&Rfc3339).unwrap_or_default()
}

/// Makes a namespace, if there is none of the name.
fn ensure_namespace(store: &mut Store, name: &str) -> Result<(), Failure> {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name},
    });
    let key = Key::of(Kind::Namespace, &object);
    if store.get(&key).is_none() {
        crate::defaults::fill(Kind::Namespace, &mut object, None, &Default::default())?;
        store.create(&key, object, &now())?;
    }
    Ok(())
}

/// Objects that follow from others are made with them.
fn follow(store: &mut Store, kind: Kind, namespace: &str) -> Result<(), Failure> {
    match kind {
        Kind::Deployment | Kind::Secret | Kind::Pod => {
            workloads::reconcile(store, namespace, &now())
        }
        _ => Ok(()),
    }
}

/// An object in the version that a client asked for.
fn shown(object: &Arc<Value>, target: &Target) -> Value {
    let mut object = (**object).clone();
    object["apiVersion"] = target.api_version().into();
    object["kind"] = target.kind.info().name.into();
    object
}

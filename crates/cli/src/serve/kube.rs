//! `serve --kube`: the Kubernetes API beside the gateway. Manifests are loaded into its store, and
//! what is served is what the store holds.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use gatewright_gateway::Problem;
use gatewright_gke::{Cloud, Input, Options, Profile, Report, documents};
use gatewright_kube::journal::Journal;
use gatewright_kube::kinds::Kind;
use gatewright_kube::object::Key;
use gatewright_kube::store::Store;
use gatewright_kube::{Api, Identity, Reconciled, Server, Settings, Trouble};
use serde_json::{Value, json};

use crate::commands::{DIM, RED, RESET};
use crate::exit::Usage;
use crate::write::{self, Readers};

/// Options of the API.
#[derive(clap::Args)]
#[command(next_help_heading = "Kubernetes API")]
pub(crate) struct Arguments {
    /// Serve a Kubernetes API as well, so that `kubectl` works on what is served; port 0 is any
    /// free one [default: 127.0.0.1:6443]
    #[arg(
        long,
        value_name = "IP:PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "127.0.0.1:6443"
    )]
    pub(crate) kube: Option<SocketAddr>,
    /// Where to write the kubeconfig [default: beside the certificate of the authority]
    #[arg(long, value_name = "FILE", requires = "kube")]
    kubeconfig: Option<PathBuf>,
    /// Keep the objects in this folder, from one run to the next
    #[arg(long, value_name = "DIR", requires = "kube")]
    state: Option<PathBuf>,
}

/// The API as it runs, and what was loaded into it.
pub(crate) struct Kube {
    api: Arc<Api>,
    server: Server,
    kubeconfig: PathBuf,
    /// Objects that came from files, as they stand there.
    loaded: BTreeMap<Key, Value>,
}

impl Kube {
    /// Starts the API, if it is asked for. `changed` is called after each change.
    pub(crate) fn start(
        arguments: &Arguments,
        profile: Profile,
        folder: impl FnOnce() -> anyhow::Result<PathBuf>,
        changed: Box<dyn Fn() + Send + Sync>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(address) = arguments.kube else {
            return Ok(None);
        };
        if !address.ip().is_loopback() {
            let what =
                format!("`{address}` is no loopback address; the API is for this machine only");
            return Err(Usage(what).into());
        }
        let store = match &arguments.state {
            None => Store::new(),
            Some(folder) => {
                let opened = Journal::open(folder)
                    .with_context(|| format!("cannot keep state in `{}`", folder.display()))?;
                Store::with_journal(opened.journal, opened.records, opened.revision)
            }
        };
        let identity = Identity::generate().map_err(anyhow::Error::msg)?;
        let settings = Settings {
            profile,
            token: identity.token().to_owned(),
        };
        let api = Arc::new(Api::new(store, settings, changed)?);
        let server = Server::start(Arc::clone(&api), address, identity)
            .context("choose another address with `--kube=127.0.0.1:0`")?;
        let kubeconfig = match &arguments.kubeconfig {
            Some(path) => path.clone(),
            None => folder()?.join("kubeconfig"),
        };
        // It holds a token.
        write::whole(&kubeconfig, server.kubeconfig().as_bytes(), Readers::Owner)?;
        Ok(Some(Self {
            api,
            server,
            kubeconfig,
            loaded: BTreeMap::new(),
        }))
    }

    /// What people are told.
    pub(crate) fn told(&self) -> String {
        format!(
            "Kubernetes API: https://{}  {DIM}a development server for the kinds around a Gateway{RESET}\n  \
             export KUBECONFIG={}\n",
            self.server.address(),
            self.kubeconfig.display()
        )
    }

    /// Brings the store to what files say: what is new or other is applied, what is gone is
    /// deleted. What the API server rejects is told and not stored.
    pub(crate) fn load(&mut self, inputs: &[Input<'_>], options: &Options) {
        let mut found = BTreeMap::new();
        for input in inputs {
            let (nodes, findings) = documents(input, options);
            for finding in findings {
                refused(input.name, &finding.message);
            }
            for node in nodes {
                for object in items(node.to_json()) {
                    let name = object
                        .get("kind")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    if let Some(kind) = Kind::from_name(name) {
                        found.insert(Key::of(kind, &object), (input.name.to_owned(), object));
                    }
                }
            }
        }
        for (name, class) in &options.gateways {
            let object = gateway(name, class);
            let key = Key::of(Kind::Gateway, &object);
            found
                .entry(key)
                .or_insert_with(|| ("--gateway".to_owned(), object));
        }
        for key in self.loaded.keys().filter(|key| !found.contains_key(key)) {
            if let Err(failure) = self.api.unload(key) {
                refused(&key.to_string(), &failure.message);
            }
        }
        for (key, (file, object)) in &found {
            if self.loaded.get(key) == Some(object) {
                continue;
            }
            if let Err(failure) = self.api.load(object) {
                refused(file, &failure.message);
            }
        }
        self.loaded = found
            .into_iter()
            .map(|(key, (_, object))| (key, object))
            .collect();
    }

    /// The objects as the checker takes them.
    pub(crate) fn manifests(&self) -> Vec<(String, Vec<u8>)> {
        self.api.manifests()
    }

    /// Writes what was found into the objects.
    pub(crate) fn reconciled(
        &self,
        report: &Report,
        problems: &[Problem],
        unserved: Option<&str>,
        bind: IpAddr,
    ) {
        let mut troubles: Vec<Trouble> = problems
            .iter()
            .filter(|problem| problem.is_error)
            .map(|problem| Trouble {
                object: problem.object.clone(),
                message: problem.message.clone(),
            })
            .collect();
        if let Some(why) = unserved {
            let gateways = report.model.gateways.iter();
            troubles.extend(gateways.map(|gateway| Trouble {
                object: gateway.id.clone(),
                message: why.to_owned(),
            }));
        }
        let address = if bind.is_unspecified() {
            "127.0.0.1".to_owned()
        } else {
            bind.to_string()
        };
        let found = Reconciled {
            report,
            troubles: &troubles,
            cloud: Cloud {
                address: &address,
                ..Cloud::default()
            },
        };
        if let Err(failure) = self.api.reconciled(found) {
            refused("the objects' status", &failure.message);
        }
    }
}

fn refused(what: &str, why: &str) {
    anstream::eprintln!("{RED}not stored{RESET}: {what}: {why}");
}

/// The objects of a document: of a list its items.
fn items(document: Value) -> Vec<Value> {
    match document.get("items") {
        Some(Value::Array(items)) => items.clone(),
        _ => vec![document],
    }
}

/// A Gateway that the command line names, with a listener for HTTP and one for HTTPS.
fn gateway(name: &str, class: &str) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "gatewayClassName": class,
            "listeners": [
                {"name": "http", "port": 80, "protocol": "HTTP"},
                {"name": "https", "port": 443, "protocol": "HTTPS"},
            ],
        },
    })
}

//! What both sides serve in a row: manifests, modules and configurations in a folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::upstream::{LARGE, Upstream};

/// A row of the tables.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) what: &'static str,
    /// The plugins of the chain, in order, with their configuration.
    pub(crate) plugins: Vec<(&'static str, Option<&'static str>)>,
    /// Whether the chain is a callout.
    pub(crate) callout: bool,
    /// The proxy answers itself, by a redirect of the route.
    pub(crate) direct: bool,
    /// Chains whose conditions do not hold, before the one whose does.
    pub(crate) chains_before: usize,
    /// Routes that do not match, beside the one that does.
    pub(crate) routes: usize,
    /// What is asked for.
    pub(crate) path: &'static str,
    /// What stands in an answer if what the row is about was done.
    pub(crate) shows: &'static str,
    pub(crate) upstream: u16,
}

/// Adds a header on the way there, and one on the way back.
const REWRITE: &str = r#"{"request": [{"set": "x-bench", "value": "1"}], "response": [{"set": "x-bench", "value": "2"}]}"#;

impl Setup {
    pub(crate) fn new(name: &'static str, what: &'static str, upstream: &Upstream) -> Self {
        Self {
            name,
            what,
            plugins: Vec::new(),
            callout: false,
            direct: false,
            chains_before: 0,
            routes: 0,
            path: "/",
            shows: "hello from the store",
            upstream: upstream.port,
        }
    }

    pub(crate) fn with(mut self, plugin: &'static str, config: Option<&'static str>) -> Self {
        self.plugins.push((plugin, config));
        self
    }

    /// A chain with one header plugin, for how it grows.
    pub(crate) fn rewriting(name: &'static str, what: &'static str, upstream: &Upstream) -> Self {
        Self {
            shows: "x-bench: 2",
            ..Self::new(name, what, upstream).with("header-rewrite", Some(REWRITE))
        }
    }
}

/// The rows, in the order of the page.
pub(crate) fn rows(upstream: &Upstream) -> Vec<Setup> {
    let new = |name, what| Setup::new(name, what, upstream);
    vec![
        new("none", "to an upstream, without a plugin"),
        Setup {
            direct: true,
            shows: "location: http://else.test",
            ..new("direct", "the proxy's own answer, a redirect")
        },
        Setup {
            shows: "Hello World",
            ..new("local-reply", "a plugin that answers itself").with("local-reply", None)
        },
        Setup::rewriting(
            "header-rewrite",
            "a plugin that sets a header each way",
            upstream,
        ),
        Setup::rewriting("chain3", "three such plugins in a chain", upstream)
            .with("header-rewrite", Some(REWRITE))
            .with("header-rewrite", Some(REWRITE)),
        Setup {
            path: LARGE,
            shows: "aaabar",
            ..new("body64k", "a plugin that changes a body of 64 KiB").with("body-chunking", None)
        },
        new("sampled-log", "a plugin that logs one request of a hundred")
            .with("sampled-log", Some(r#"{"rate": 10000}"#)),
        Setup {
            callout: true,
            shows: "header-response: response",
            ..new("callout", "a callout on both header events")
        },
    ]
}

/// What a setup needs beside its folder.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    folder: PathBuf,
}

impl Setup {
    /// Writes the folder. `callout` is the port of the callout's server.
    pub(crate) fn write(&self, folder: &Path, callout: Option<u16>) -> Result<Prepared, String> {
        let manifests = folder.join("m");
        let put = |name: &str, text: &str| {
            std::fs::create_dir_all(&manifests)
                .and_then(|()| std::fs::write(manifests.join(name), text))
                .map_err(|error| format!("cannot write `{name}`: {error}"))
        };
        put("all.yaml", &self.manifests())?;
        let mut settings = String::from("images:\n");
        for (index, (plugin, config)) in self.plugins.iter().enumerate() {
            let wasm =
                gatewright_tests::plugins().join(format!("{}.wasm", plugin.replace('-', "_")));
            let wasm = serde_json::Value::from(wasm.display().to_string());
            let _ = writeln!(settings, "  {}: {{wasm: {wasm}}}", image("plugin", index));
            if let Some(config) = config {
                let name = format!("config-{index}.json");
                put(&format!("../{name}"), config)?;
                let _ = writeln!(
                    settings,
                    "  {}: {{config: ../{name}}}",
                    image("config", index)
                );
            }
        }
        if self.plugins.is_empty() {
            settings = String::new();
        }
        let _ = writeln!(
            settings,
            "services:\n  store: {{address: '127.0.0.1:{}'}}",
            self.upstream
        );
        if let Some(port) = callout {
            let _ = writeln!(settings, "  callout: {{plaintext: '127.0.0.1:{port}'}}");
        }
        put("gatewright.yaml", &settings)?;
        Ok(Prepared {
            folder: folder.to_owned(),
        })
    }

    fn manifests(&self) -> String {
        let mut text = String::from(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw}\n\
             spec:\n  gatewayClassName: gke-l7-global-external-managed\n  \
             listeners: [{name: http, protocol: HTTP, port: 80}]\n",
        );
        for name in ["store", "callout"] {
            let protocol = if name == "callout" {
                ", appProtocol: HTTP2"
            } else {
                ""
            };
            let _ = write!(
                text,
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
                 spec: {{selector: {{app: {name}}}, ports: [{{port: 80{protocol}}}]}}\n\
                 ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\n\
                 spec: {{selector: {{matchLabels: {{app: {name}}}}}, \
                 template: {{metadata: {{labels: {{app: {name}}}}}}}}}\n"
            );
        }
        let filter = if self.direct {
            "filters: [{type: RequestRedirect, requestRedirect: {hostname: else.test}}]"
        } else {
            "backendRefs: [{name: store, port: 80}]"
        };
        // A HTTPRoute takes at most sixteen rules.
        for chunk in 0..self.routes.div_ceil(16) {
            let _ = write!(
                text,
                "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n\
                 metadata: {{name: other{chunk}}}\nspec:\n  parentRefs: [{{name: gw}}]\n  rules:\n"
            );
            for rule in 0..(self.routes - chunk * 16).min(16) {
                let _ = writeln!(
                    text,
                    "  - matches: [{{path: {{value: /other/{chunk}/{rule}}}}}]\n    \
                     backendRefs: [{{name: store, port: 80}}]"
                );
            }
        }
        let _ = write!(
            text,
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n\
             metadata: {{name: store}}\nspec:\n  parentRefs: [{{name: gw}}]\n  rules: [{{{filter}}}]\n"
        );
        self.extension(&mut text);
        text
    }

    fn extension(&self, text: &mut String) {
        if self.plugins.is_empty() && !self.callout {
            return;
        }
        for (index, (_, config)) in self.plugins.iter().enumerate() {
            let (plugin, uri) = (image("plugin", index), image("config", index));
            let config = match config {
                Some(_) => format!(", pluginConfigURI: '{uri}'"),
                None => String::new(),
            };
            let _ = write!(
                text,
                "---\napiVersion: networking.gke.io/v1\nkind: GCPWasmPlugin\n\
                 metadata: {{name: plugin{index}}}\n\
                 spec: {{versions: [{{name: v1, image: '{plugin}', weight: 1000000{config}}}]}}\n"
            );
        }
        text.push_str(
            "---\napiVersion: networking.gke.io/v1\nkind: GCPTrafficExtension\n\
             metadata: {name: ext}\nspec:\n  \
             targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]\n  \
             extensionChains:\n",
        );
        for index in 0..=self.chains_before {
            let path = if index == self.chains_before {
                "/"
            } else {
                "/other"
            };
            let _ = write!(
                text,
                "  - name: chain{index}\n    \
                 matchCondition: {{celExpressions: [{{celMatcher: 'request.path.startsWith(\"{path}\")'}}]}}\n    \
                 extensions:\n"
            );
            let events = if self.path == LARGE {
                "[RequestHeaders, ResponseHeaders, ResponseBody]"
            } else {
                "[RequestHeaders, ResponseHeaders]"
            };
            if self.callout {
                let _ = write!(
                    text,
                    "    - name: ext{index}\n      authority: callout.test\n      timeout: 1s\n      \
                     supportedEvents: {events}\n      \
                     backendRef: {{group: '', kind: Service, name: callout, port: 80}}\n"
                );
            }
            for plugin in 0..self.plugins.len() {
                let _ = write!(
                    text,
                    "    - name: ext{index}-{plugin}\n      supportedEvents: {events}\n      \
                     backendRef: {{group: networking.gke.io, kind: GCPWasmPlugin, name: plugin{plugin}}}\n"
                );
            }
        }
    }
}

fn image(kind: &str, index: usize) -> String {
    format!("us-docker.pkg.dev/bench/r/{kind}{index}:v1")
}

impl Prepared {
    pub(crate) fn manifests(&self) -> PathBuf {
        self.folder.join("m")
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

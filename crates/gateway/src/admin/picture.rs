//! What a snapshot serves, as a picture.

use gatewright_view::{Column, Condition, Node, Object, Picture};
use serde_json::Value;

use crate::server::Listening;
use crate::snapshot::{Attached, BackendTo, Run, Site, Snapshot};

/// The picture of a snapshot.
pub(super) fn picture(snapshot: &Snapshot, listening: &[Listening]) -> Picture {
    let mut drawing = Drawing {
        snapshot,
        picture: Picture {
            objects: objects(&snapshot.status),
            ..Picture::default()
        },
        backends: vec![None; snapshot.backends.len()],
    };
    for site in &snapshot.sites {
        drawing.site(site, listening);
    }
    drawing.picture
}

struct Drawing<'s> {
    snapshot: &'s Snapshot,
    picture: Picture,
    /// The node of each backend that is drawn.
    backends: Vec<Option<usize>>,
}

impl Drawing<'_> {
    fn node(
        &mut self,
        column: Column,
        name: &str,
        detail: String,
        problem: Option<String>,
    ) -> usize {
        self.picture.nodes.push(Node {
            column,
            name: name.to_owned(),
            detail,
            problem,
        });
        self.picture.nodes.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize) {
        if !self.picture.edges.contains(&(from, to)) {
            self.picture.edges.push((from, to));
        }
    }

    fn site(&mut self, site: &Site, listening: &[Listening]) {
        let at = listening
            .iter()
            .find(|at| at.listener.gateway == site.gateway && at.listener.port == site.port);
        let detail = match at {
            Some(at) => format!("{}://{}", site.scheme(), at.address),
            None => format!("{} port {}", site.scheme(), site.port),
        };
        let name = format!("{}:{}", site.gateway, site.port);
        let problem = self.problem("Gateway", &site.gateway);
        let gateway = self.node(Column::Gateway, &name, detail, problem);
        // A routing extension comes before the routes, a traffic extension after them.
        let routing = self.chains(site.routing.as_ref(), "GCPRoutingExtension");
        let traffic = self.chains(site.traffic.as_ref(), "GCPTrafficExtension");
        for (first, _) in &routing {
            self.edge(gateway, *first);
        }
        for rule in &site.rules {
            let (object, index) = rule.name.rsplit_once('/').unwrap_or((&rule.name, "0"));
            let paths = match rule.paths.as_slice() {
                [] => "any path".to_owned(),
                paths => paths.join(", "),
            };
            let number = index.parse::<usize>().map_or(1, |index| index + 1);
            let name = format!("{object}, rule {number}");
            let problem = self.problem("HTTPRoute", object);
            let route = self.node(Column::Route, &name, paths, problem);
            // What no chain takes goes on by itself.
            self.edge(gateway, route);
            for (_, last) in &routing {
                self.edge(*last, route);
            }
            let mut ends: Vec<_> = traffic.iter().map(|(_, last)| *last).collect();
            for (first, _) in &traffic {
                self.edge(route, *first);
            }
            if ends.is_empty() {
                ends.push(route);
            }
            for (index, _) in &rule.backends {
                let backend = self.backend(*index);
                for end in &ends {
                    self.edge(*end, backend);
                }
            }
        }
    }

    /// The first and the last node of each chain of an extension resource.
    fn chains(&mut self, attached: Option<&Attached>, kind: &str) -> Vec<(usize, usize)> {
        let Some(attached) = attached else {
            return Vec::new();
        };
        let mut ends = Vec::new();
        for steps in &attached.chains {
            let Some(first) = steps.first() else { continue };
            let problem = self.problem(kind, &attached.name);
            let chain = self.node(Column::Chain, &first.chain, attached.name.clone(), problem);
            let mut last = chain;
            for step in steps {
                let (detail, problem) = match step.run {
                    Run::Plugin(index) => {
                        let plugin = &self.snapshot.plugins[index];
                        let problem = self.problem("GCPWasmPlugin", &plugin.name);
                        (format!("{}@{}", plugin.name, plugin.version), problem)
                    }
                    Run::Callout(index) => {
                        let callout = &self.snapshot.callouts[index];
                        (format!("{} at {}", callout.target, callout.at), None)
                    }
                    Run::Nothing if step.fail_open => {
                        (String::new(), Some("does not work, passed over".to_owned()))
                    }
                    Run::Nothing => (
                        String::new(),
                        Some("does not work, fails closed".to_owned()),
                    ),
                };
                let node = self.node(Column::Extension, &step.extension, detail, problem);
                self.edge(last, node);
                last = node;
            }
            ends.push((chain, last));
        }
        ends
    }

    fn backend(&mut self, index: usize) -> usize {
        if let Some(node) = self.backends[index] {
            return node;
        }
        let backend = &self.snapshot.backends[index];
        let port = backend
            .port
            .map_or_else(String::new, |port| format!(":{port}"));
        let name = format!("{}/{}{port}", backend.namespace, backend.service);
        let (detail, problem) = match &backend.to {
            BackendTo::Address { at, speaks } => {
                let version = if speaks.http2 { "HTTP/2" } else { "HTTP/1.1" };
                let tls = if speaks.tls { " over TLS" } else { "" };
                (format!("{at}, {version}{tls}"), None)
            }
            BackendTo::Store => ("built in".to_owned(), None),
            BackendTo::Nowhere(why) => (String::new(), Some(why.clone())),
        };
        let node = self.node(Column::Backend, &name, detail, problem);
        self.backends[index] = Some(node);
        node
    }

    /// What keeps an object from working, by its conditions.
    fn problem(&self, kind: &str, name: &str) -> Option<String> {
        let objects = self.picture.objects.iter();
        let mut conditions = objects
            .filter(|object| object.kind == kind && object.name == name)
            .flat_map(|object| &object.conditions);
        let failed = conditions.find(|condition| !condition.status)?;
        Some(format!("{}: {}", failed.kind, failed.reason))
    }
}

/// Objects and their conditions, out of the JSON of `/status`.
fn objects(status: &Value) -> Vec<Object> {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut objects = Vec::new();
    for object in status.as_array().into_iter().flatten() {
        for ancestor in object["ancestors"].as_array().into_iter().flatten() {
            let conditions = ancestor["conditions"].as_array().into_iter().flatten();
            objects.push(Object {
                kind: text(object, "kind"),
                name: format!("{}/{}", text(object, "namespace"), text(object, "name")),
                gateway: text(ancestor, "gateway"),
                conditions: conditions
                    .map(|condition| Condition {
                        kind: text(condition, "type"),
                        status: condition["status"] == "True",
                        reason: text(condition, "reason"),
                        message: text(condition, "message"),
                    })
                    .collect(),
            });
        }
    }
    objects
}

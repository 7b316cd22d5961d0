//! From files to a report: load, identify, check each object, then check them together.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::api::{self, Subject};
use crate::condition::Language;
use crate::controller::Controller;
use crate::finding::{Finding, ObjectId, Severity};
use crate::model::{Model, Workload};
use crate::node::{Node, Value};
use crate::place::{File, Place, Span};
use crate::plan::Plan;
use crate::profile::Profile;
use crate::report::{Input, Limits, Sink};
use crate::rule::Rule;
use crate::schema::Kind;
use crate::status::Status;
use crate::yaml::{Document, Loader};

/// How to check.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The era of GKE.
    pub profile: Profile,
    /// Gateways that are not among the manifests: name and class, in the namespace `default` or
    /// that of `namespace/name`.
    pub gateways: Vec<(String, String)>,
    /// Placeholders and what stands for them, such as `GATEWAY_NAME` and `external-http`.
    pub substitutions: Vec<(String, String)>,
    /// Bounds on the input.
    pub limits: Limits,
    /// The language of conditions; without one they are neither checked nor evaluated.
    pub language: Option<Arc<dyn Language>>,
}

/// An object of the manifests, as the API server would store it.
#[derive(Clone, Debug)]
pub struct Object {
    /// Kind, namespace, name.
    pub id: ObjectId,
    /// The content with defaults filled in and without unknown fields.
    pub node: Node,
    /// The file and the place of the object's first key; nothing for a Gateway from the options.
    pub place: Option<Place>,
    /// Whether the API server rejects it.
    pub rejected: bool,
    pub(crate) kind: Kind,
}

/// The outcome of a check.
#[derive(Debug)]
pub struct Report {
    /// The files, in the order of the input; [`Place::file`] indexes them.
    pub files: Vec<File>,
    /// The objects of the kinds that are checked here, in the order of the input.
    pub objects: Vec<Object>,
    /// The objects as types.
    pub model: Model,
    /// What the controller writes to extensions and plugins that the API server takes.
    pub statuses: BTreeMap<ObjectId, Status>,
    /// Which extensions and routes serve which Gateway.
    pub plan: Plan,
    /// All findings, in the order of the files; those without a place last.
    pub findings: Vec<Finding>,
    /// Findings beyond the limit, which are counted and not kept.
    pub dropped: usize,
    /// The profile that was applied.
    pub profile: Profile,
}

impl Report {
    /// The number of findings of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// The object of that kind, namespace and name; the last one if there are several.
    #[must_use]
    pub fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        self.objects.iter().rev().find(|object| {
            object.id.kind == kind && object.id.namespace == namespace && object.id.name == name
        })
    }

    /// The first Secret that some listeners of a Gateway name for their certificate and the
    /// manifests hold.
    #[must_use]
    pub fn certificate(&self, gateway: &ObjectId, listeners: &[&str]) -> Option<&Object> {
        let object = self.object("Gateway", &gateway.namespace, &gateway.name)?;
        let all = object.node.at(&["spec", "listeners"])?.items();
        let named = all.iter().filter(|listener| {
            listener
                .str_at("name")
                .is_some_and(|name| listeners.contains(&name))
        });
        let references = named.filter_map(|listener| listener.at(&["tls", "certificateRefs"]));
        references.flat_map(Node::items).find_map(|reference| {
            let namespace = reference.str_at("namespace");
            let namespace = namespace.unwrap_or(&gateway.namespace);
            self.object("Secret", namespace, reference.str_at("name")?)
        })
    }
}

/// Checks manifests: nothing stops at the first problem.
#[must_use]
pub fn check(inputs: &[Input<'_>], options: &Options) -> Report {
    let mut sink = Sink::new(options.limits.findings);
    let mut files = Vec::with_capacity(inputs.len());
    let mut found = Found::default();
    let loader = Loader {
        limits: &options.limits,
        substitutions: &options.substitutions,
    };
    for (index, input) in inputs.iter().enumerate() {
        let (file, documents) = loader.load(index, input, &mut sink);
        for document in documents {
            identify(document, &file, options.profile, &mut found, &mut sink);
        }
        files.push(file);
    }
    let Found {
        mut objects,
        workloads,
    } = found;
    name_clashes(&objects, &files, &mut sink);
    for (name, class) in &options.gateways {
        objects.push(supplied_gateway(name, class));
    }
    let model = Model::new(&objects, workloads);
    let language = options.language.as_deref();
    let controller = Controller {
        model: &model,
        files: &files,
        profile: options.profile,
        language,
    };
    let mut statuses = controller.run(&mut sink);
    // What the API server rejects is nowhere, and so has no status and serves nothing.
    for object in objects.iter().filter(|object| object.rejected) {
        statuses.remove(&object.id);
    }
    let plan = Plan::new(&model, &statuses, language);
    let dropped = sink.dropped();
    let mut findings = sink.into_findings();
    findings.sort_by_key(|finding| (finding.place.is_none(), finding.place));
    Report {
        files,
        objects,
        model,
        statuses,
        plan,
        findings,
        dropped,
        profile: options.profile,
    }
}

/// What the documents hold.
#[derive(Default)]
struct Found {
    objects: Vec<Object>,
    workloads: Vec<Workload>,
}

/// Takes a document apart into objects and checks each by itself.
fn identify(document: Document, file: &File, profile: Profile, found: &mut Found, sink: &mut Sink) {
    let Document { file: index, node } = document;
    let span = api::first_key(&node);
    match node.value {
        Value::Null => return,
        Value::Map(_) => {}
        _ => {
            sink.push(
                Finding::new(
                    Rule::WrongType,
                    format!(
                        "error unmarshaling JSON: the document is {} and no object",
                        node.value.type_name()
                    ),
                )
                .at(index, node.span)
                .help("a manifest is a map with apiVersion, kind, metadata and spec"),
            );
            return;
        }
    }
    let kind_name = node.str_at("kind").unwrap_or_default().to_owned();
    if kind_name == "List" || (kind_name.ends_with("List") && node.get("items").is_some()) {
        let Value::Map(entries) = node.value else {
            return;
        };
        let items = entries.into_iter().find(|entry| entry.key == "items");
        if let Some(Value::List(items)) = items.map(|entry| entry.value.value) {
            for node in items {
                identify(Document { file: index, node }, file, profile, found, sink);
            }
        }
        return;
    }
    let id = object_id(&node, &kind_name);
    for field in ["apiVersion", "kind"] {
        if node.str_at(field).is_none_or(str::is_empty) {
            sink.push(
                Finding::new(
                    Rule::RequiredField,
                    format!("error validating data: {field} not set"),
                )
                .at(index, span)
                .of(&id)
                .path(field)
                .help(format!("add `{field}`")),
            );
        }
    }
    if kind_name.is_empty() {
        return;
    }
    found.workloads.extend(Workload::read(&id, &node, index));
    let Some((kind, versions)) = Kind::find(&kind_name) else {
        sink.push(
            Finding::new(
                Rule::UnknownKind,
                format!("{kind_name} is not checked here and passes through"),
            )
            .at(index, node.get("kind").map_or(span, |kind| kind.span))
            .of(&id)
            .path("kind"),
        );
        return;
    };
    if let Some(version) = node.get("apiVersion")
        && let Some(text) = version.as_str()
        && !versions.contains(&text)
    {
        let place = Place {
            file: index,
            span: version.span,
        };
        let right = versions[0];
        sink.push(
            Finding::new(
                Rule::ApiVersion,
                format!("no matches for kind \"{kind_name}\" in version \"{text}\""),
            )
            .at(index, version.span)
            .of(&id)
            .path("apiVersion")
            .help(format!("the apiVersion is {right}"))
            .fix(format!("write `{right}`"), place, right.to_owned()),
        );
    }
    let mut object = Object {
        id,
        node,
        place: Some(Place { file: index, span }),
        rejected: false,
        kind,
    };
    let before = sink.errors();
    let subject = Subject {
        kind,
        id: &object.id,
        file,
        file_index: index,
        profile,
    };
    api::check(&subject, &mut object.node, sink);
    object.rejected = sink.errors() > before;
    found.objects.push(object);
}

fn object_id(node: &Node, kind: &str) -> ObjectId {
    let metadata = |field: &str| {
        node.at(&["metadata", field])
            .and_then(Node::as_str)
            .filter(|text| !text.is_empty())
    };
    ObjectId {
        kind: kind.to_owned(),
        namespace: metadata("namespace").unwrap_or("default").to_owned(),
        name: metadata("name").unwrap_or_default().to_owned(),
    }
}

fn name_clashes(objects: &[Object], files: &[File], sink: &mut Sink) {
    let mut seen: HashMap<&ObjectId, &Object> = HashMap::new();
    for object in objects.iter().filter(|object| !object.id.name.is_empty()) {
        let Some(first) = seen.insert(&object.id, object) else {
            continue;
        };
        let (Some(here), Some(there)) = (object.place, first.place) else {
            continue;
        };
        let Some(file) = files.get(there.file) else {
            continue;
        };
        let (line, _) = file.line_column(there.span.start);
        sink.push(
            Finding::new(
                Rule::NameClash,
                format!("{} is defined twice; the later one wins", object.id),
            )
            .at(here.file, here.span)
            .of(&object.id)
            .help(format!("the other is at {}:{line}", file.name)),
        );
    }
}

/// A Gateway that the caller names: an HTTP listener and one for HTTPS.
fn supplied_gateway(name: &str, class: &str) -> Object {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    let text = |value: &str| Node {
        value: Value::String(value.to_owned()),
        span: Span::default(),
    };
    let map = |entries: Vec<(&str, Node)>| Node {
        value: Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| crate::node::Entry {
                    key: key.to_owned(),
                    key_span: Span::default(),
                    value,
                })
                .collect(),
        ),
        span: Span::default(),
    };
    let listener = |name: &str, port: i64, protocol: &str| {
        map(vec![
            ("name", text(name)),
            (
                "port",
                Node {
                    value: Value::Int(port),
                    span: Span::default(),
                },
            ),
            ("protocol", text(protocol)),
        ])
    };
    let listeners = Node {
        value: Value::List(vec![
            listener("http", 80, "HTTP"),
            listener("https", 443, "HTTPS"),
        ]),
        span: Span::default(),
    };
    Object {
        id: ObjectId {
            kind: "Gateway".to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        },
        node: map(vec![
            ("apiVersion", text("gateway.networking.k8s.io/v1")),
            ("kind", text("Gateway")),
            (
                "metadata",
                map(vec![("name", text(name)), ("namespace", text(namespace))]),
            ),
            (
                "spec",
                map(vec![
                    ("gatewayClassName", text(class)),
                    ("listeners", listeners),
                ]),
            ),
        ]),
        place: None,
        rejected: false,
        kind: Kind::Gateway,
    }
}

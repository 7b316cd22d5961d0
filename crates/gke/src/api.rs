//! The API server: what `kubectl apply` would be told, in the server's words.
//!
//! The order is the server's: decoding finds unknown fields, then nulls are dropped and defaults
//! filled in, then the structure is checked, and the CRD's own rules run only if nothing keeps
//! them from it. Unlike the server, a manifest that fails one step is still taken through the next.

pub(crate) mod duration;
mod hints;
pub(crate) mod messages;
pub(crate) mod rules;
mod structure;

use crate::finding::{Finding, ObjectId};
use crate::node::{Node, Value};
use crate::place::{File, Span};
use crate::profile::Profile;
use crate::report::Sink;
use crate::rule::Rule;
use crate::schema::{Kind, Schema, Shape};

/// What is checked: the object, where it stands and by which profile.
pub(crate) struct Subject<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: &'a ObjectId,
    pub(crate) file: &'a File,
    pub(crate) file_index: usize,
    pub(crate) profile: Profile,
}

impl Subject<'_> {
    fn finding(&self, rule: Rule, span: Span, path: &str, message: String) -> Finding {
        Finding::new(rule, message)
            .at(self.file_index, span)
            .of(self.id)
            .path(path)
    }

    /// The text as it stands in the file.
    fn source(&self, span: Span) -> &str {
        self.file.text.get(span.range()).unwrap_or_default()
    }
}

/// Checks an object and leaves it as the server would store it: without unknown fields and nulls,
/// with defaults.
pub(crate) fn check(subject: &Subject<'_>, node: &mut Node, sink: &mut Sink) {
    let schema = subject.kind.schema(subject.profile);
    let span = first_key(node);
    decode(subject, node, schema, &mut String::new(), sink);
    object_name(subject, node, span, sink);
    let mut walk = structure::Walk::new(subject, sink);
    walk.node(node, schema, span);
    let blocked = walk.blocked();
    if !subject.kind.is_custom() {
        return;
    }
    let own = matches!(
        subject.kind,
        Kind::GcpTrafficExtension | Kind::GcpRoutingExtension | Kind::GcpWasmPlugin
    );
    if own && blocked {
        sink.push(
            subject
                .finding(
                    Rule::RulesNotChecked,
                    span,
                    "",
                    messages::rules_not_checked(subject.profile),
                )
                .help("mend the object's errors and check again: the CRD's own rules did not run"),
        );
    } else if !blocked {
        rules::run(subject, node, schema, span, sink);
    }
    if node
        .get("status")
        .is_some_and(|status| !matches!(status.value, Value::Null))
        && own
    {
        let span = node
            .entries()
            .iter()
            .find(|entry| entry.key == "status")
            .map_or(span, |entry| entry.key_span);
        sink.push(
            subject
                .finding(
                    Rule::StatusInManifest,
                    span,
                    "status",
                    "the server drops a status that comes with a manifest".to_owned(),
                )
                .help("remove it; the controller writes it"),
        );
    }
}

/// The first key of a map, which stands for the map in a report; else the node itself.
pub(crate) fn first_key(node: &Node) -> Span {
    node.entries()
        .first()
        .map_or(node.span, |entry| entry.key_span)
}

/// Decoding: reports and drops unknown fields, drops nulls, fills in defaults.
fn decode(
    subject: &Subject<'_>,
    node: &mut Node,
    schema: &Schema,
    path: &mut String,
    sink: &mut Sink,
) {
    let length = path.len();
    match (&schema.shape, &mut node.value) {
        (Shape::Object(fields), Value::Map(entries)) => {
            entries.retain(|entry| {
                if fields.iter().any(|field| field.name == entry.key) {
                    return true;
                }
                structure::push_field(path, &entry.key);
                sink.push(hints::unknown_field(subject, entry, fields, path));
                path.truncate(length);
                false
            });
            entries.retain(|entry| entry.value.value != Value::Null);
            for field in fields {
                if let Some(default) = &field.schema.default
                    && !entries.iter().any(|entry| entry.key == field.name)
                {
                    entries.push(crate::node::Entry {
                        key: field.name.to_owned(),
                        key_span: node.span,
                        value: Node {
                            value: default.clone(),
                            span: node.span,
                        },
                    });
                }
            }
            for entry in entries {
                if let Some(field) = fields.iter().find(|field| field.name == entry.key) {
                    structure::push_field(path, &entry.key);
                    decode(subject, &mut entry.value, &field.schema, path, sink);
                    path.truncate(length);
                }
            }
        }
        (Shape::List { items, .. }, Value::List(nodes)) => {
            for (index, node) in nodes.iter_mut().enumerate() {
                structure::push_index(path, index);
                decode(subject, node, items, path, sink);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

fn object_name(subject: &Subject<'_>, node: &Node, span: Span, sink: &mut Sink) {
    let Some(metadata) = node.get("metadata") else {
        return;
    };
    if let Some(name) = metadata.get("name")
        && let Some(text) = name.as_str()
        && let Some(message) = messages::bad_name(text, subject.kind == Kind::Service)
    {
        sink.push(
            subject
                .finding(
                    Rule::ObjectName,
                    name.span,
                    "metadata.name",
                    format!("metadata.name: {message}"),
                )
                .help("use lower-case letters, digits and `-`"),
        );
    }
    if metadata.get("name").is_none() && metadata.get("generateName").is_none() {
        sink.push(
            subject
                .finding(
                    Rule::RequiredField,
                    span,
                    "metadata.name",
                    "metadata.name: Required value: name or generateName is required".to_owned(),
                )
                .help("give the object a name"),
        );
    }
}

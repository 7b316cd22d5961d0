//! The walk that holds an object against a schema: types, bounds, patterns, enums, required fields.

use super::{Subject, first_key, hints, messages};
use crate::api::messages::Fault;
use crate::node::{Node, Value};
use crate::place::Span;
use crate::report::Sink;
use crate::rule::Rule;
use crate::schema::{Schema, Shape, Text};

pub(crate) fn push_field(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

pub(crate) fn push_index(path: &mut String, index: usize) {
    path.push_str(&format!("[{index}]"));
}

/// One walk over one object.
pub(super) struct Walk<'a, 's> {
    subject: &'a Subject<'a>,
    sink: &'s mut Sink,
    path: String,
    blocked: bool,
}

impl<'a, 's> Walk<'a, 's> {
    pub(super) fn new(subject: &'a Subject<'a>, sink: &'s mut Sink) -> Self {
        Self {
            subject,
            sink,
            path: String::new(),
            blocked: false,
        }
    }

    /// Whether a fault was found after which the server does not run the rules.
    pub(super) fn blocked(&self) -> bool {
        self.blocked
    }

    fn report(&mut self, rule: Rule, span: Span, path: &str, fault: Fault, node: Option<&Node>) {
        self.blocked |= fault.blocks;
        let finding = self.subject.finding(rule, span, path, fault.message);
        self.sink.push(match node {
            Some(node) => hints::value(self.subject, finding, node),
            None => hints::absent(self.subject, finding),
        });
    }

    /// Checks a value; `owner` is the key that names it, for what is missing inside.
    pub(super) fn node(&mut self, node: &Node, schema: &Schema, owner: Span) {
        if self.sink.is_full() {
            return;
        }
        let path = self.path.clone();
        match (&schema.shape, &node.value) {
            (Shape::Open, _) | (Shape::Bool, Value::Bool(_)) => {}
            (Shape::IntegerOrText, Value::Int(_) | Value::String(_)) => {}
            (Shape::Text(text), Value::String(value)) => {
                self.text(node, value, text, schema, &path);
            }
            (Shape::Integer { min, max, .. }, Value::Int(value)) => {
                if let Some(max) = max.filter(|max| value > max) {
                    self.report(
                        schema.rule,
                        node.span,
                        &path,
                        messages::too_big(&path, node, max),
                        Some(node),
                    );
                }
                if let Some(min) = min.filter(|min| value < min) {
                    self.report(
                        schema.rule,
                        node.span,
                        &path,
                        messages::too_small(&path, node, min),
                        Some(node),
                    );
                }
            }
            // A whole number written with a point, such as 443.0, is an integer to the server.
            (Shape::Integer { min, max, .. }, Value::Float(value)) if value.fract() == 0.0 => {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "bounds are at most a million, which a float holds exactly"
                )]
                let (low, high) = (min.map(|n| n as f64), max.map(|n| n as f64));
                if let (Some(max), Some(_)) = (*max, high.filter(|high| value > high)) {
                    self.report(
                        schema.rule,
                        node.span,
                        &path,
                        messages::too_big(&path, node, max),
                        Some(node),
                    );
                }
                if let (Some(min), Some(_)) = (*min, low.filter(|low| value < low)) {
                    self.report(
                        schema.rule,
                        node.span,
                        &path,
                        messages::too_small(&path, node, min),
                        Some(node),
                    );
                }
            }
            (Shape::List { items, min, max }, Value::List(nodes)) => {
                let length = self.path.len();
                for (index, item) in nodes.iter().enumerate() {
                    push_index(&mut self.path, index);
                    self.node(item, items, first_key(item));
                    self.path.truncate(length);
                }
                if nodes.len() < *min {
                    self.report(
                        schema.rule,
                        owner,
                        &path,
                        messages::too_few(&path, nodes.len(), *min),
                        None,
                    );
                }
                if let Some(max) = max.filter(|max| nodes.len() > *max) {
                    let span = nodes.get(max).map_or(owner, first_key);
                    self.report(
                        schema.rule,
                        span,
                        &path,
                        messages::too_many(&path, nodes.len(), max),
                        None,
                    );
                }
            }
            (Shape::Map { values, max }, Value::Map(entries)) => {
                if let Some(max) = max.filter(|max| entries.len() > *max) {
                    let span = entries.get(max).map_or(owner, |entry| entry.key_span);
                    self.report(
                        schema.rule,
                        span,
                        &path,
                        messages::too_many(&path, entries.len(), max),
                        None,
                    );
                    return;
                }
                let length = self.path.len();
                for entry in entries {
                    push_field(&mut self.path, &entry.key);
                    self.node(&entry.value, values, entry.key_span);
                    self.path.truncate(length);
                }
            }
            (Shape::Object(fields), Value::Map(entries)) => {
                let length = self.path.len();
                for field in fields {
                    push_field(&mut self.path, field.name);
                    match entries.iter().find(|entry| entry.key == field.name) {
                        // The server drops a status before it looks at it.
                        Some(_) if length == 0 && field.name == "status" => {}
                        Some(entry) => self.node(&entry.value, &field.schema, entry.key_span),
                        None if field.required => {
                            let path = self.path.clone();
                            self.report(
                                Rule::RequiredField,
                                owner,
                                &path,
                                messages::required(&path),
                                None,
                            );
                        }
                        None => {}
                    }
                    self.path.truncate(length);
                }
            }
            (shape, value) => {
                let fault = if self.subject.kind.is_custom() {
                    messages::wrong_type(&path, schema, value)
                } else {
                    messages::cannot_unmarshal(&self.subject.id.kind, &path, schema, value)
                };
                self.report(Rule::WrongType, node.span, &path, fault, Some(node));
                // The server compares with the listed values whatever the type.
                if let Shape::Text(text) = shape
                    && !text.values.is_empty()
                {
                    let fault = messages::unsupported(&path, node, &text.values);
                    self.report(schema.rule, node.span, &path, fault, Some(node));
                }
            }
        }
    }

    /// Length and pattern: the first that fails, as in the server; then the listed values.
    fn text(&mut self, node: &Node, value: &str, text: &Text, schema: &Schema, path: &str) {
        let length = value.chars().count();
        let mut rule = schema.rule;
        let fault = if let Some(max) = text.max.filter(|max| length > *max) {
            rule = text.max_rule.unwrap_or(rule);
            Some(messages::too_long(path, max))
        } else if length < text.min {
            Some(messages::too_short(path, value, text.min))
        } else {
            text.pattern
                .as_ref()
                .filter(|pattern| !pattern.matches(value))
                .map(|pattern| messages::no_match(path, value, pattern))
        };
        if let Some(fault) = fault {
            self.report(rule, node.span, path, fault, Some(node));
        }
        if !text.values.is_empty() && !text.values.contains(&value) {
            let fault = messages::unsupported(path, node, &text.values);
            self.report(schema.rule, node.span, path, fault, Some(node));
        }
    }
}

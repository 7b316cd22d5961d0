//! Our own form of a CRD's schema: types, bounds, patterns, defaults and validation rules as data.

mod core;
mod extension;
mod gateway;
mod open_api;
mod plugin;

pub use open_api::open_api;

use std::sync::{LazyLock, OnceLock};

use regex::Regex;

use crate::api::rules::CrdRule;
use crate::node::Value;
use crate::profile::Profile;
use crate::rule::Rule;

/// What a value must be.
pub(crate) struct Schema {
    pub(crate) shape: Shape,
    /// The rule that a value of the wrong size, pattern or range breaks.
    pub(crate) rule: Rule,
    pub(crate) default: Option<Value>,
    pub(crate) validations: Vec<CrdRule>,
}

pub(crate) enum Shape {
    Text(Text),
    Integer {
        min: Option<i64>,
        max: Option<i64>,
        format: Option<&'static str>,
    },
    Bool,
    List {
        items: Box<Schema>,
        min: usize,
        max: Option<usize>,
    },
    /// A map from any text to one kind of value.
    Map {
        values: Box<Schema>,
        max: Option<usize>,
    },
    Object(Vec<Field>),
    /// A number or text, as ports and quantities are.
    IntegerOrText,
    /// Anything: fields that do not matter here.
    Open,
}

#[derive(Default)]
pub(crate) struct Text {
    pub(crate) max: Option<usize>,
    /// The rule for a text that is too long, where it is not the schema's.
    pub(crate) max_rule: Option<Rule>,
    pub(crate) min: usize,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) values: Vec<&'static str>,
}

/// A pattern, compiled when a text is first held against it: a schema has many, and few manifests
/// have a text for each.
pub(crate) struct Pattern {
    pub(crate) source: String,
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            regex: OnceLock::new(),
        }
    }

    /// Whether a text is as the pattern says. Patterns are constants of this crate, and a test
    /// compiles them all.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let regex = self.regex.get_or_init(|| Regex::new(&self.source).ok());
        regex.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) schema: Schema,
}

impl Schema {
    fn new(rule: Rule, shape: Shape) -> Self {
        Self {
            shape,
            rule,
            default: None,
            validations: Vec::new(),
        }
    }

    fn text(rule: Rule) -> Self {
        Self::new(rule, Shape::Text(Text::default()))
    }

    fn sized(rule: Rule, min: usize, max: usize) -> Self {
        Self::new(
            rule,
            Shape::Text(Text {
                min,
                max: Some(max),
                ..Text::default()
            }),
        )
    }

    fn one_of(rule: Rule, values: &[&'static str]) -> Self {
        Self::new(
            rule,
            Shape::Text(Text {
                values: values.to_vec(),
                ..Text::default()
            }),
        )
    }

    fn integer(rule: Rule, min: i64, max: i64) -> Self {
        Self::new(
            rule,
            Shape::Integer {
                min: Some(min),
                max: Some(max),
                format: Some("int32"),
            },
        )
    }

    fn boolean() -> Self {
        Self::new(Rule::WrongType, Shape::Bool)
    }

    fn open() -> Self {
        Self::new(Rule::WrongType, Shape::Open)
    }

    fn list(rule: Rule, min: usize, max: Option<usize>, items: Schema) -> Self {
        Self::new(
            rule,
            Shape::List {
                items: Box::new(items),
                min,
                max,
            },
        )
    }

    fn map(rule: Rule, max: Option<usize>, values: Schema) -> Self {
        Self::new(
            rule,
            Shape::Map {
                values: Box::new(values),
                max,
            },
        )
    }

    fn object(fields: Vec<Field>) -> Self {
        Self::new(Rule::WrongType, Shape::Object(fields))
    }

    fn matching(mut self, source: &str) -> Self {
        if let Shape::Text(text) = &mut self.shape {
            text.pattern = Some(Pattern::new(source));
        }
        self
    }

    fn values(mut self, values: &[&'static str]) -> Self {
        if let Shape::Text(text) = &mut self.shape {
            text.values = values.to_vec();
        }
        self
    }

    fn default_text(mut self, value: &str) -> Self {
        self.default = Some(Value::String(value.to_owned()));
        self
    }

    fn validated(mut self, rules: impl IntoIterator<Item = CrdRule>) -> Self {
        self.validations.extend(rules);
        self
    }
}

fn required(name: &'static str, schema: Schema) -> Field {
    Field {
        name,
        required: true,
        schema,
    }
}

fn optional(name: &'static str, schema: Schema) -> Field {
    Field {
        name,
        required: false,
        schema,
    }
}

const DNS_NAME: &str = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const KIND_NAME: &str = r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$";
const LABEL: &str = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$";

/// The kinds that are checked here, with the group and version that serve them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    GcpTrafficExtension,
    GcpRoutingExtension,
    GcpWasmPlugin,
    Gateway,
    HttpRoute,
    ReferenceGrant,
    Service,
    Deployment,
    Secret,
    GcpBackendPolicy,
}

impl Kind {
    const ALL: [(Self, &'static str, &'static [&'static str]); 10] = [
        (
            Self::GcpTrafficExtension,
            "GCPTrafficExtension",
            &["networking.gke.io/v1"],
        ),
        (
            Self::GcpRoutingExtension,
            "GCPRoutingExtension",
            &["networking.gke.io/v1"],
        ),
        (
            Self::GcpWasmPlugin,
            "GCPWasmPlugin",
            &["networking.gke.io/v1"],
        ),
        (
            Self::Gateway,
            "Gateway",
            &[
                "gateway.networking.k8s.io/v1",
                "gateway.networking.k8s.io/v1beta1",
            ],
        ),
        (
            Self::HttpRoute,
            "HTTPRoute",
            &[
                "gateway.networking.k8s.io/v1",
                "gateway.networking.k8s.io/v1beta1",
            ],
        ),
        (
            Self::ReferenceGrant,
            "ReferenceGrant",
            &["gateway.networking.k8s.io/v1beta1"],
        ),
        (Self::Service, "Service", &["v1"]),
        (Self::Deployment, "Deployment", &["apps/v1"]),
        (Self::Secret, "Secret", &["v1"]),
        (
            Self::GcpBackendPolicy,
            "GCPBackendPolicy",
            &["networking.gke.io/v1"],
        ),
    ];

    /// The kind of that name and the apiVersions it has.
    pub(crate) fn find(name: &str) -> Option<(Self, &'static [&'static str])> {
        Self::ALL
            .iter()
            .find(|(_, kind, _)| *kind == name)
            .map(|(kind, _, versions)| (*kind, *versions))
    }

    /// Whether the API server knows the kind by a CRD, so that its structural messages are those
    /// of a schema.
    pub(crate) fn is_custom(self) -> bool {
        !matches!(self, Self::Service | Self::Deployment | Self::Secret)
    }

    /// The schema of the whole object, built once.
    pub(crate) fn schema(self, profile: Profile) -> &'static Schema {
        static SCHEMAS: LazyLock<Vec<(Kind, Profile, Schema)>> = LazyLock::new(|| {
            let mut all = Vec::new();
            for (kind, ..) in Kind::ALL {
                for profile in Profile::ALL {
                    all.push((kind, profile, kind.build(profile)));
                }
            }
            all
        });
        static OPEN: LazyLock<Schema> = LazyLock::new(Schema::open);
        SCHEMAS
            .iter()
            .find(|(k, p, _)| *k == self && *p == profile)
            .map_or(&*OPEN, |(_, _, schema)| schema)
    }

    fn build(self, profile: Profile) -> Schema {
        let (spec, more) = match self {
            Self::GcpTrafficExtension => (extension::spec(profile, true), None),
            Self::GcpRoutingExtension => (extension::spec(profile, false), None),
            Self::GcpWasmPlugin => (plugin::spec(), None),
            Self::Gateway => (gateway::gateway_spec(), None),
            Self::HttpRoute => (gateway::route_spec(), None),
            Self::ReferenceGrant => (gateway::grant_spec(), None),
            Self::Service => (core::service_spec(), None),
            Self::Deployment => (core::deployment_spec(), None),
            Self::Secret => (Schema::open(), Some(core::secret_fields())),
            Self::GcpBackendPolicy => (core::backend_policy_spec(), None),
        };
        let status = match self {
            Self::GcpTrafficExtension | Self::GcpRoutingExtension | Self::GcpWasmPlugin => {
                extension::status()
            }
            _ => Schema::open(),
        };
        let mut fields = vec![
            optional("apiVersion", Schema::text(Rule::WrongType)),
            optional("kind", Schema::text(Rule::WrongType)),
            optional("metadata", core::metadata()),
        ];
        match more {
            Some(more) => fields.extend(more),
            None => {
                let needed = self.is_custom() && self != Self::HttpRoute;
                fields.push(Field {
                    name: "spec",
                    required: needed,
                    schema: spec,
                });
                fields.push(optional("status", status));
            }
        }
        Schema::object(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for source in [DNS_NAME, KIND_NAME, LABEL]
            .into_iter()
            .map(str::to_owned)
            .chain(extension::patterns())
            .chain(plugin::patterns())
            .chain(gateway::patterns())
        {
            Regex::new(&source).unwrap();
        }
    }
}

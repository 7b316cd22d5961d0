//! Our schemas as OpenAPI, for `kubectl explain` and clients that check before they send.

use serde_json::{Map, Value as Json, json};

use super::{Kind, Schema, Shape};
use crate::profile::Profile;
use crate::rule::Rule;

/// The schema of a kind's objects as OpenAPI 3.0; nothing for a kind that is not checked here.
///
/// Fields that nothing here looks at are open: they take anything.
#[must_use]
pub fn open_api(kind: &str, profile: Profile) -> Option<Json> {
    let (kind, _) = Kind::find(kind)?;
    Some(kind.schema(profile).open_api())
}

impl Schema {
    fn open_api(&self) -> Json {
        let mut json = match &self.shape {
            Shape::Text(text) => {
                let mut json = json!({"type": "string"});
                if let Some(max) = text.max {
                    json["maxLength"] = max.into();
                }
                if text.min > 0 {
                    json["minLength"] = text.min.into();
                }
                if let Some(pattern) = &text.pattern {
                    json["pattern"] = pattern.source.clone().into();
                }
                if !text.values.is_empty() {
                    json["enum"] = text.values.clone().into();
                }
                json
            }
            Shape::Integer { min, max, format } => {
                let mut json = json!({"type": "integer"});
                for (name, bound) in [("minimum", min), ("maximum", max)] {
                    if let Some(bound) = bound {
                        json[name] = (*bound).into();
                    }
                }
                if let Some(format) = format {
                    json["format"] = (*format).into();
                }
                json
            }
            Shape::Bool => json!({"type": "boolean"}),
            Shape::List { items, min, max } => {
                let mut json = json!({"type": "array", "items": items.open_api()});
                if *min > 0 {
                    json["minItems"] = (*min).into();
                }
                if let Some(max) = max {
                    json["maxItems"] = (*max).into();
                }
                json
            }
            Shape::Map { values, max } => {
                let mut json = json!({"type": "object", "additionalProperties": values.open_api()});
                if let Some(max) = max {
                    json["maxProperties"] = (*max).into();
                }
                json
            }
            Shape::Object(fields) => {
                let properties: Map<String, Json> = fields
                    .iter()
                    .map(|field| (field.name.to_owned(), field.schema.open_api()))
                    .collect();
                let required: Vec<_> = fields
                    .iter()
                    .filter(|field| field.required)
                    .map(|field| field.name)
                    .collect();
                let mut json = json!({"type": "object", "properties": properties});
                if !required.is_empty() {
                    json["required"] = required.into();
                }
                json
            }
            Shape::IntegerOrText => json!({"x-kubernetes-int-or-string": true}),
            Shape::Open => json!({"x-kubernetes-preserve-unknown-fields": true}),
        };
        if let Some(default) = &self.default {
            let default = crate::node::Node {
                value: default.clone(),
                span: crate::place::Span::default(),
            };
            json["default"] = default.to_json();
        }
        // What our rule asks for is what is known of the field.
        if !matches!(self.rule, Rule::WrongType | Rule::FieldValue) {
            json["description"] = self.rule.asks().into();
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kinds_schema_has_its_bounds() {
        let schema = open_api("GCPWasmPlugin", Profile::Gke133).unwrap();
        let versions = &schema["properties"]["spec"]["properties"]["versions"];
        assert_eq!(versions["maxItems"], 10);
        assert_eq!(
            versions["items"]["properties"]["weight"]["maximum"],
            1_000_000
        );
        assert_eq!(
            versions["items"]["required"],
            json!(["image", "name", "weight"])
        );
        assert!(open_api("Pizza", Profile::Gke133).is_none());
    }
}

//! Schemas of the configurations that are no type of a plugin's.

use super::{NoConfig, RawConfig};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

impl JsonSchema for NoConfig {
    fn schema_name() -> Cow<'static, str> {
        "NoConfig".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Takes no configuration: nothing, or an object without fields.",
            "type": "object",
            "additionalProperties": false,
        })
    }
}

impl JsonSchema for RawConfig {
    fn schema_name() -> Cow<'static, str> {
        "RawConfig".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "Taken as it is; it need not be JSON."})
    }
}

//! The YAML form of a suite: the schema's field names, each value as its field has it.

use protox::prost::bytes::Bytes;
use protox::prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use super::places::Places;
use crate::place::{Wrong, unknown};
use crate::yaml::{Kind as Yaml, Node};

/// Reads a message of this type.
pub(super) fn message(
    descriptor: MessageDescriptor,
    node: &Node,
) -> Result<(DynamicMessage, Places), Wrong> {
    let mut places = Places::new(node.place);
    let mut message = DynamicMessage::new(descriptor.clone());
    let Yaml::Map(entries) = &node.kind else {
        return Err(node.not(&format!("the fields of a `{}`", descriptor.name())));
    };
    for (key, value) in entries {
        let Some(field) = descriptor.get_field_by_name(&key.name) else {
            let known: Vec<_> = descriptor
                .fields()
                .map(|field| field.name().to_owned())
                .collect();
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            return Err(unknown(key.place, "field", &key.name, &known));
        };
        if let Some(oneof) = field.containing_oneof()
            && let Some(other) = oneof.fields().find(|other| message.has_field(other))
        {
            return Err(Wrong::new(
                key.place,
                format!("`{}` and `{}` exclude each other", key.name, other.name()),
            ));
        }
        let read = if field.is_list() {
            let items = value.list().map_err(|wrong| {
                wrong.help(format!("`{}` is repeated: begin each with `- `", key.name))
            })?;
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                let (read, place) = single(&field, item)?;
                places.push(&key.name, place);
                list.push(read);
            }
            Value::List(list)
        } else {
            let (read, mut place) = single(&field, value)?;
            place.at = key.place;
            places.push(&key.name, place);
            read
        };
        message.set_field(&field, read);
    }
    Ok((message, places))
}

/// Reads one value of a field.
fn single(field: &FieldDescriptor, node: &Node) -> Result<(Value, Places), Wrong> {
    if let Kind::Message(descriptor) = field.kind() {
        let (message, places) = message(descriptor, node)?;
        return Ok((Value::Message(message), places));
    }
    let text = node.scalar()?;
    let bad = |what: &str| Wrong::new(node.place, format!("`{text}` is no {what}"));
    let value = match field.kind() {
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Value::Bool(true),
            "false" | "no" | "off" | "n" => Value::Bool(false),
            _ => return Err(bad("truth value")),
        },
        Kind::Int32 => Value::I32(text.parse().map_err(|_| bad("number of 32 bits"))?),
        Kind::Int64 => Value::I64(text.parse().map_err(|_| bad("number of 64 bits"))?),
        Kind::Uint32 => Value::U32(text.parse().map_err(|_| bad("count of 32 bits"))?),
        Kind::Uint64 => Value::U64(text.parse().map_err(|_| bad("count of 64 bits"))?),
        Kind::String => Value::String(text),
        Kind::Bytes => Value::Bytes(Bytes::from(text.into_bytes())),
        Kind::Enum(values) => {
            let by_name = values.get_value_by_name(&text);
            let by_number = || values.get_value(text.parse().ok()?);
            match by_name.or_else(by_number) {
                Some(value) => Value::EnumNumber(value.number()),
                None => {
                    let known: Vec<_> = values
                        .values()
                        .map(|value| value.name().to_owned())
                        .collect();
                    let known: Vec<_> = known.iter().map(String::as_str).collect();
                    return Err(unknown(node.place, "value", &text, &known));
                }
            }
        }
        _ => return Err(bad("value of this field")),
    };
    Ok((value, Places::new(node.place)))
}

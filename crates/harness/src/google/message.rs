//! A message of the schema with its places, read field by field.

use std::borrow::Cow;

use protox::prost_reflect::{DynamicMessage, Value};

use super::places::Places;
use crate::place::{Place, Wrong};

/// A message and where it stands.
#[derive(Clone)]
pub(super) struct Message<'a> {
    message: Cow<'a, DynamicMessage>,
    places: Places,
}

impl<'a> Message<'a> {
    pub(super) fn new(message: &'a DynamicMessage, places: Places) -> Self {
        Self {
            message: Cow::Borrowed(message),
            places,
        }
    }

    pub(super) fn at(&self) -> Place {
        self.places.at
    }

    /// An error at a field of this message.
    pub(super) fn wrong(&self, field: &str, message: impl Into<String>) -> Wrong {
        Wrong::new(self.places.field(field, 0).at, message)
    }

    fn value(&self, name: &str) -> Option<Value> {
        self.message
            .has_field_by_name(name)
            .then(|| self.message.get_field_by_name(name))
            .flatten()
            .map(Cow::into_owned)
    }

    /// The message in a field, if it is set.
    pub(super) fn message(&self, name: &str) -> Option<Message<'static>> {
        match self.value(name)? {
            Value::Message(message) => Some(Message {
                message: Cow::Owned(message),
                places: self.places.field(name, 0),
            }),
            _ => None,
        }
    }

    /// The messages in a repeated field.
    pub(super) fn messages(&self, name: &str) -> Vec<Message<'static>> {
        let Some(Value::List(list)) = self.value(name) else {
            return Vec::new();
        };
        list.into_iter()
            .enumerate()
            .filter_map(|(index, value)| match value {
                Value::Message(message) => Some(Message {
                    message: Cow::Owned(message),
                    places: self.places.field(name, index),
                }),
                _ => None,
            })
            .collect()
    }

    /// A text; empty where it is not set.
    pub(super) fn text(&self, name: &str) -> String {
        match self.value(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        }
    }

    /// A text, if it is set.
    pub(super) fn optional_text(&self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Bytes, if they are set.
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        match self.value(name)? {
            Value::Bytes(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }

    /// A number, if it is set.
    pub(super) fn number(&self, name: &str) -> Option<i128> {
        match self.value(name)? {
            Value::I32(number) => Some(number.into()),
            Value::I64(number) => Some(number.into()),
            Value::U32(number) => Some(number.into()),
            Value::U64(number) => Some(number.into()),
            Value::EnumNumber(number) => Some(number.into()),
            _ => None,
        }
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }
}

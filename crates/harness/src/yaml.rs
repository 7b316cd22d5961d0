//! YAML as a tree in which every value knows its line, its column and how it was written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::place::{Place, Wrong, unknown};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    /// A truth value, as it was written too.
    Bool {
        written: String,
        value: bool,
    },
    /// A number, as it was written and as it is in JSON.
    Number {
        written: String,
        json: serde_json::Number,
    },
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) name: String,
}

/// Reads one document.
pub(crate) fn parse(text: &str) -> Result<Node, Wrong> {
    // YAML 1.2: `y`, `no` and `on` are texts.
    let options = serde_saphyr::options! { strict_booleans: true };
    let raw: Spanned<Raw> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location().map(place).unwrap_or_default();
            let whole = error.without_snippet().to_string();
            // The place is told by us, in our form, and the reader's options are not the author's.
            let message = [" at line ", ", set DuplicateKeyPolicy", "; use from_str"]
                .iter()
                .fold(whole.as_str(), |text, tail| {
                    text.split_once(tail).map_or(text, |(text, _)| text)
                });
            Wrong::new(place, message.trim_end_matches(','))
        })?;
    node(raw, text)
}

fn place(location: Location) -> Place {
    Place {
        line: u32::try_from(location.line()).unwrap_or(0),
        column: u32::try_from(location.column()).unwrap_or(0),
    }
}

/// What the deserializer hands over.
enum Raw {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

fn node(raw: Spanned<Raw>, text: &str) -> Result<Node, Wrong> {
    let at = place(raw.referenced);
    let written = || -> String {
        // The span of the definition, so that an alias reads like what it stands for.
        let span = raw.defined.span();
        let start = span
            .byte_offset()
            .and_then(|start| usize::try_from(start).ok());
        let length = span
            .byte_len()
            .and_then(|length| usize::try_from(length).ok());
        start
            .zip(length)
            .and_then(|(start, length)| text.get(start..start.checked_add(length)?))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let number = |json: serde_json::Number| Kind::Number {
        written: Some(written())
            .filter(|written| !written.is_empty())
            .unwrap_or_else(|| json.to_string()),
        json,
    };
    let kind = match raw.value {
        Raw::Null => Kind::Null,
        Raw::Bool(value) => Kind::Bool {
            written: written(),
            value,
        },
        Raw::Signed(value) => number(value.into()),
        Raw::Unsigned(value) => number(value.into()),
        Raw::Float(value) => match serde_json::Number::from_f64(value) {
            Some(json) => number(json),
            None => {
                return Err(Wrong::new(
                    at,
                    format!("`{value}` is no number that JSON can say"),
                ));
            }
        },
        Raw::Text(value) => Kind::Text(value),
        Raw::List(items) => Kind::List(
            items
                .into_iter()
                .map(|item| node(item, text))
                .collect::<Result<_, _>>()?,
        ),
        Raw::Map(entries) => Kind::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key = Key {
                        place: place(key.referenced),
                        name: key.value,
                    };
                    Ok((key, node(value, text)?))
                })
                .collect::<Result<_, Wrong>>()?,
        ),
    };
    Ok(Node { place: at, kind })
}

impl Node {
    /// What kind of value it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool { .. } => "a truth value",
            Kind::Number { .. } => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// The error that this is not what was expected.
    pub(crate) fn not(&self, expected: &str) -> Wrong {
        Wrong::new(
            self.place,
            format!("expected {expected}, found {}", self.what()),
        )
    }

    /// A text. Numbers and truth values are no texts: a status is no header value by accident.
    pub(crate) fn text(&self) -> Result<&str, Wrong> {
        match &self.kind {
            Kind::Text(text) => Ok(text),
            Kind::Number { .. } | Kind::Bool { .. } => {
                Err(self.not("a text").help("put it into quotation marks"))
            }
            _ => Err(self.not("a text")),
        }
    }

    /// A scalar as it was written: how Google's tester takes every value.
    pub(crate) fn scalar(&self) -> Result<String, Wrong> {
        match &self.kind {
            Kind::Text(text) => Ok(text.clone()),
            Kind::Number { written, .. } | Kind::Bool { written, .. } => Ok(written.clone()),
            _ => Err(self.not("a single value")),
        }
    }

    pub(crate) fn bool(&self) -> Result<bool, Wrong> {
        match self.kind {
            Kind::Bool { value, .. } => Ok(value),
            _ => Err(self.not("`true` or `false`")),
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&self) -> Result<u64, Wrong> {
        match &self.kind {
            Kind::Number { json, .. } => json
                .as_u64()
                .ok_or_else(|| Wrong::new(self.place, format!("`{json}` is no count"))),
            _ => Err(self.not("a number")),
        }
    }

    /// A number that fits into 32 bits.
    pub(crate) fn small(&self) -> Result<u32, Wrong> {
        let number = self.number()?;
        u32::try_from(number)
            .map_err(|_| Wrong::new(self.place, format!("`{number}` is too large")))
    }

    pub(crate) fn size(&self) -> Result<usize, Wrong> {
        let number = self.number()?;
        usize::try_from(number)
            .map_err(|_| Wrong::new(self.place, format!("`{number}` is too large")))
    }

    pub(crate) fn list(&self) -> Result<&[Node], Wrong> {
        match &self.kind {
            Kind::List(items) => Ok(items),
            _ => Err(self.not("a list")),
        }
    }

    /// The keys of a mapping, to be taken one by one.
    pub(crate) fn fields(&self, known: &'static [&'static str]) -> Result<Fields<'_>, Wrong> {
        let Kind::Map(entries) = &self.kind else {
            return Err(self.not("a mapping"));
        };
        for (key, _) in entries {
            if !known.contains(&key.name.as_str()) {
                return Err(unknown(key.place, "key", &key.name, known));
            }
        }
        Ok(Fields { entries })
    }

    /// The value as JSON, keys in the order they stand.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut out = String::new();
        self.write_json(&mut out);
        out.into_bytes()
    }

    fn write_json(&self, out: &mut String) {
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        match &self.kind {
            Kind::Null => out.push_str("null"),
            Kind::Bool { value, .. } => out.push_str(if *value { "true" } else { "false" }),
            Kind::Number { json, .. } => out.push_str(&json.to_string()),
            Kind::Text(text) => out.push_str(&quote(text)),
            Kind::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Kind::Map(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&quote(&key.name));
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// The keys of a mapping, all of them known.
pub(crate) struct Fields<'a> {
    entries: &'a [(Key, Node)],
}

impl<'a> Fields<'a> {
    /// The value under this key.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Node> {
        self.entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value)
    }

    /// The one key among these that is there; two are an error.
    pub(crate) fn one_of(&self, names: &[&str]) -> Result<Option<(&'a str, &'a Node)>, Wrong> {
        let mut found = None;
        for (key, value) in self.entries {
            if !names.contains(&key.name.as_str()) {
                continue;
            }
            if let Some((other, _)) = found.replace((key.name.as_str(), value)) {
                return Err(Wrong::new(
                    key.place,
                    format!("`{}` and `{other}` exclude each other", key.name),
                ));
            }
        }
        Ok(found)
    }

    /// Reads the value under this key, if it is there.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a Node) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        self.get(name).map(read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        String::from_utf8(parse(text).unwrap().to_json()).unwrap()
    }

    fn wrong(text: &str) -> (u32, u32, String) {
        let wrong = parse(text).unwrap_err();
        (wrong.place.line, wrong.place.column, wrong.message)
    }

    #[test]
    fn values_become_json_in_the_order_they_stand() {
        assert_eq!(
            json("b: [1, -2, 1.5, true, ~, 'x\"y']\na: {c: 007x, d: \"8\"}\n"),
            r#"{"b":[1,-2,1.5,true,null,"x\"y"],"a":{"c":"007x","d":"8"}}"#
        );
    }

    #[test]
    fn numbers_remember_how_they_were_written() {
        let node = parse("[0x10, 1.50, 7, True, no, y]").unwrap();
        let written: Vec<_> = node
            .list()
            .unwrap()
            .iter()
            .map(|node| node.scalar().unwrap())
            .collect();
        assert_eq!(written, ["0x10", "1.50", "7", "True", "no", "y"]);
    }

    #[test]
    fn places_count_from_one() {
        let node = parse("a:\n  - x\n  -   y: z\n").unwrap();
        let fields = node.fields(&["a"]).unwrap();
        let items = fields.get("a").unwrap().list().unwrap();
        assert_eq!(items[0].place, Place { line: 2, column: 5 });
        let Kind::Map(entries) = &items[1].kind else {
            unreachable!()
        };
        assert_eq!(entries[0].0.place, Place { line: 3, column: 7 });
        assert_eq!(
            entries[0].1.place,
            Place {
                line: 3,
                column: 10
            }
        );
    }

    #[test]
    fn broken_and_doubled_text_is_refused_where_it_is() {
        let (line, _, message) = wrong("a: 1\nb: 2\na: 3\n");
        assert_eq!(line, 3);
        assert!(message.contains("duplicate"), "{message}");
        assert_eq!(wrong("a: [1\nb: 2\n").0, 2);
        let alias = wrong("a: *x\n");
        assert_eq!((alias.0, alias.1), (1, 4));
        assert!(alias.2.contains("unknown anchor"), "{}", alias.2);
        let second = wrong("a: 1\n---\nb: 1\n");
        assert_eq!(second.2, "multiple YAML documents detected");
    }

    #[test]
    fn a_carriage_return_alone_ends_a_line_too() {
        assert_eq!(wrong("a: 1\rb: 1\r\rb: 2\r").0, 4);
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(parse(&text).is_err());
    }

    #[test]
    fn a_key_that_nobody_knows_is_refused() {
        let node = parse("reqest: 1\n").unwrap();
        let wrong = node.fields(&["request"]).err().unwrap();
        assert_eq!(wrong.place, Place { line: 1, column: 1 });
        assert_eq!(wrong.message, "unknown key `reqest`");
    }
}

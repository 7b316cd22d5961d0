//! Values that quote headers: `${name}`, `${request:name}`, and `$$` for a dollar sign.

use crate::rules::Captured;
use gatewright::HeaderList;
use std::borrow::Cow;

/// A value, parsed once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Of the message that is being rewritten, as it is by then.
    Header(String),
    /// Of the request as it arrived.
    Captured(usize),
}

impl Template {
    /// Parses a value. `quote` is told of each header, and whether the request's own is meant;
    /// it answers the index under which that one is kept, or what is wrong.
    pub(crate) fn parse(
        text: &str,
        mut quote: impl FnMut(bool, &str) -> Result<Option<usize>, &'static str>,
    ) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                literal.push('$');
                rest = after;
                continue;
            }
            let quoted = after
                .strip_prefix('{')
                .and_then(|after| after.split_once('}'));
            let Some((name, after)) = quoted else {
                return Err("has a `$` that is neither `${name}` nor `$$`");
            };
            if !literal.is_empty() {
                parts.push(Part::Text(core::mem::take(&mut literal)));
            }
            let part = match name.strip_prefix("request:") {
                Some(name) => quote(true, name)?.map(Part::Captured),
                None => quote(false, name)?.map(Part::Captured),
            };
            parts.push(part.unwrap_or_else(|| Part::Header(name.to_owned())));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The value where it quotes nothing.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The value with everything quoted put in: several values of a name joined by a comma, none
    /// as nothing.
    pub(crate) fn render(&self, headers: &HeaderList, captured: &Captured) -> Cow<'_, [u8]> {
        if let Some(text) = self.literal() {
            return Cow::Borrowed(text);
        }
        let mut value = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => value.extend_from_slice(text.as_bytes()),
                Part::Header(name) => join(headers, name, &mut value),
                Part::Captured(index) => value.extend_from_slice(captured.get(*index)),
            }
        }
        Cow::Owned(value)
    }
}

/// Appends all values of a name, joined as RFC 9110 joins them.
pub(crate) fn join(headers: &HeaderList, name: &str, out: &mut Vec<u8>) {
    for (index, value) in headers.get_all(name).enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(value);
    }
}

//! Replies in the place of responses: pure functions of a status and a trace.

use gatewright::LocalReply;

/// A longer trace is not one.
const MAX_TRACE: usize = 128;

/// What a range of statuses is answered with.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) from: u16,
    pub(crate) to: u16,
    /// The status of the reply; the response's own if there is none.
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, Text)>,
    pub(crate) body: Text,
}

/// A text that may name the status and the trace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Status,
    Trace,
}

impl Text {
    /// Parses a text with `${status}`, `${trace}` and `$$`.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            let known = [
                ("{status}", Part::Status),
                ("{trace}", Part::Trace),
                ("$", Part::Literal(String::new())),
            ];
            let found = known
                .into_iter()
                .find_map(|(name, part)| Some((part, after.strip_prefix(name)?)));
            match found {
                Some((Part::Literal(_), after)) => {
                    literal.push('$');
                    rest = after;
                }
                Some((part, after)) => {
                    parts.push(Part::Literal(core::mem::take(&mut literal)));
                    parts.push(part);
                    rest = after;
                }
                None => return Err("has a `$` that is neither `${status}`, `${trace}` nor `$$`"),
            }
        }
        literal.push_str(rest);
        parts.push(Part::Literal(literal));
        Ok(Self(parts))
    }

    fn render(&self, status: u16, trace: Option<&str>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Status => text.push_str(&status.to_string()),
                Part::Trace => text.push_str(trace.unwrap_or("not-available")),
            }
        }
        text
    }
}

impl Rule {
    pub(crate) fn fits(&self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }

    pub(crate) fn names_trace(&self) -> bool {
        let texts = self.headers.iter().map(|(_, value)| value);
        texts
            .chain([&self.body])
            .any(|text| text.0.contains(&Part::Trace))
    }

    pub(crate) fn reply(&self, status: u16, trace: Option<&str>) -> LocalReply {
        let mut reply = LocalReply::new(self.status.unwrap_or(status));
        for (name, value) in &self.headers {
            reply = reply.header(name, value.render(status, trace));
        }
        reply.body(self.body.render(status, trace))
    }
}

/// The trace of `TRACE/SPAN;o=OPTIONS`.
pub(crate) fn cloud_trace(context: &[u8]) -> Option<String> {
    harmless(context.split(|byte| matches!(byte, b'/' | b';')).next()?)
}

/// The trace of `VERSION-TRACE-SPAN-FLAGS`.
pub(crate) fn w3c_trace(parent: &[u8]) -> Option<String> {
    let trace = parent.split(|byte| *byte == b'-').nth(1)?;
    let is_trace = trace.len() == 32 && trace.iter().all(u8::is_ascii_hexdigit);
    is_trace.then(|| harmless(trace))?
}

/// A client writes these headers, and what it writes ends up in a page: only what can be neither
/// markup nor script is taken.
fn harmless(trace: &[u8]) -> Option<String> {
    let fits =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    let is_harmless = (1..=MAX_TRACE).contains(&trace.len()) && trace.iter().all(fits);
    is_harmless.then(|| String::from_utf8_lossy(trace).into_owned())
}

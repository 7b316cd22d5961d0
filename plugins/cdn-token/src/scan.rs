//! Finding URLs in a text that comes in chunks, and writing them back with their tokens.

use crate::token::Stamp;
use gatewright::Transform;
use std::borrow::Cow;

/// A longer URL is none that a client would be sent to, and passes unsigned.
const MAX_URL: usize = 4096;
const SCHEMES: [&[u8]; 2] = [b"https://", b"http://"];

/// How `&` is written in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Markup {
    /// Not known yet: the first character that is no space decides.
    Unknown,
    /// As itself.
    Plain,
    /// As `&amp;`, without which XML is not well-formed.
    Xml,
}

/// A body on its way through.
#[derive(Debug)]
pub(crate) struct Scanner {
    stamp: Stamp,
    markup: Markup,
    /// The front of a URL whose end is yet to come.
    held: Vec<u8>,
    /// Whether what passes is the rest of a URL that is too long.
    in_long_url: bool,
}

impl Scanner {
    pub(crate) fn new(stamp: Stamp, markup: Markup) -> Self {
        Self {
            stamp,
            markup,
            held: Vec::new(),
            in_long_url: false,
        }
    }

    fn pass(&mut self, chunk: &[u8], is_end: bool, out: &mut Vec<u8>) {
        let mut text = core::mem::take(&mut self.held);
        text.extend_from_slice(chunk);
        self.recognise(&text);
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            if self.in_long_url {
                let end = url_end(rest);
                self.in_long_url = end.is_none();
                let (url, after) = rest.split_at(end.unwrap_or(rest.len()));
                out.extend_from_slice(url);
                rest = after;
                continue;
            }
            let start = match find_scheme(rest) {
                Found::Whole(start) => start,
                Found::Front(start) if !is_end => {
                    let (before, front) = rest.split_at(start);
                    out.extend_from_slice(before);
                    self.held = front.to_vec();
                    return;
                }
                Found::Front(_) | Found::No => {
                    out.extend_from_slice(rest);
                    return;
                }
            };
            let (before, url) = rest.split_at(start);
            out.extend_from_slice(before);
            let end = match url_end(url) {
                Some(end) => end,
                None if is_end => url.len(),
                None if url.len() > MAX_URL => {
                    self.in_long_url = true;
                    rest = url;
                    continue;
                }
                None => {
                    self.held = url.to_vec();
                    return;
                }
            };
            let (url, after) = url.split_at(end);
            self.write_url(url, out);
            rest = after;
        }
    }

    fn recognise(&mut self, text: &[u8]) {
        if self.markup == Markup::Unknown {
            // A byte order mark may come first.
            let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(b'<') => self.markup = Markup::Xml,
                Some(_) => self.markup = Markup::Plain,
                None => {}
            }
        }
    }

    fn write_url(&self, url: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(url);
        let is_bare = SCHEMES.contains(&url);
        if is_bare || url.len() > MAX_URL {
            return;
        }
        let is_xml = self.markup == Markup::Xml;
        let meant = if is_xml {
            unescape(url)
        } else {
            Cow::Borrowed(url)
        };
        let Some(token) = self.stamp.token(&meant) else {
            return;
        };
        let separator: &[u8] = match (meant.contains(&b'?'), is_xml) {
            (false, _) => b"?",
            (true, false) => b"&",
            (true, true) => b"&amp;",
        };
        out.extend_from_slice(separator);
        out.extend_from_slice(token.as_bytes());
    }
}

enum Found {
    Whole(usize),
    /// The text ends with what may be the front of a scheme.
    Front(usize),
    No,
}

fn find_scheme(text: &[u8]) -> Found {
    let mut from = 0;
    while let Some(offset) = text
        .get(from..)
        .and_then(|rest| rest.iter().position(|b| *b == b'h'))
    {
        let start = from + offset;
        let rest = text.get(start..).unwrap_or_default();
        if SCHEMES.iter().any(|scheme| rest.starts_with(scheme)) {
            return Found::Whole(start);
        }
        if SCHEMES.iter().any(|scheme| scheme.starts_with(rest)) {
            return Found::Front(start);
        }
        from = start + 1;
    }
    Found::No
}

/// Where the URL at the front ends, if that is in the text.
fn url_end(text: &[u8]) -> Option<usize> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>');
    text.iter().position(ends)
}

/// `&amp;` as what it stands for. Other references do not occur in URLs.
fn unescape(url: &[u8]) -> Cow<'_, [u8]> {
    const AMP: &[u8] = b"amp;";
    if !url.contains(&b'&') {
        return Cow::Borrowed(url);
    }
    let mut parts = url.split(|byte| *byte == b'&');
    let mut meant = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        meant.push(b'&');
        meant.extend_from_slice(part.strip_prefix(AMP).unwrap_or(part));
    }
    Cow::Owned(meant)
}

impl Transform for Scanner {
    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.pass(chunk, false, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.pass(&[], true, out);
    }
}

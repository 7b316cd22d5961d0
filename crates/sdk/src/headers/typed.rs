//! Pseudo-headers by their types, and the headers that say how a body is sent.

use super::{Headers, parse_status};
use crate::side::{Request, Response, Side};
use crate::{Authority, HeaderValue, HostError, PathAndQuery};

impl Headers<'_, Request> {
    /// The `:method`.
    ///
    /// # Errors
    /// As [`Headers::get`].
    pub fn method(&self) -> Result<Option<HeaderValue>, HostError> {
        self.get(":method")
    }

    /// The `:path`, query included.
    ///
    /// # Errors
    /// As [`Headers::get`].
    pub fn path(&self) -> Result<Option<PathAndQuery>, HostError> {
        Ok(self.get(":path")?.map(PathAndQuery::from))
    }

    /// Sets the `:path`.
    ///
    /// # Errors
    /// As [`Headers::set`].
    pub fn set_path(&mut self, path: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.set(":path", path)
    }

    /// The `:authority`: the host, with a port where the client sent one.
    ///
    /// # Errors
    /// As [`Headers::get`].
    pub fn authority(&self) -> Result<Option<Authority>, HostError> {
        Ok(self.get(":authority")?.map(Authority::from))
    }

    /// Sets the `:authority`. A traffic extension may not, and production then ignores it.
    ///
    /// # Errors
    /// As [`Headers::set`].
    pub fn set_authority(&mut self, authority: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.set(":authority", authority)
    }

    /// Asks the upstream for a body without compression, which a plugin that reads the response's
    /// body needs.
    ///
    /// # Errors
    /// As [`Headers::set`].
    pub fn ask_for_plain_body(&mut self) -> Result<(), HostError> {
        self.set("accept-encoding", "identity")
    }
}

impl Headers<'_, Response> {
    /// The `:status`, if it is a number.
    ///
    /// # Errors
    /// As [`Headers::get`].
    pub fn status(&self) -> Result<Option<u16>, HostError> {
        Ok(self.get(":status")?.and_then(|value| parse_status(&value)))
    }

    /// Sets the `:status`.
    ///
    /// # Errors
    /// As [`Headers::set`].
    pub fn set_status(&mut self, status: u16) -> Result<(), HostError> {
        let digit = |divisor: u16| b'0' + u8::try_from(status / divisor % 10).unwrap_or_default();
        self.set(":status", [digit(100), digit(10), digit(1)])
    }
}

/// How a body is encoded, as its headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an encoded body cannot be changed"]
pub enum Coding {
    /// Not at all: its bytes are the content, and the headers are ready for another.
    Plain,
    /// By this `content-encoding`, such as `gzip`. The headers are as they were.
    Encoded(HeaderValue),
}

/// What is wrong of a body that was changed: its length, and digests of its bytes.
const OF_THE_OLD_BODY: [&str; 5] = [
    "content-length",
    "content-digest",
    "repr-digest",
    "digest",
    "content-md5",
];

impl<S: Side> Headers<'_, S> {
    /// Makes the headers ready for a body that this plugin will change: the length and digests of
    /// the old one go, and the new one is sent in chunks. Done now or never, because the headers
    /// have left when the body comes.
    ///
    /// Nothing is done where the body is encoded, since then its bytes are not the content;
    /// [`RequestHeaders::ask_for_plain_body`](crate::RequestHeaders::ask_for_plain_body) keeps
    /// upstreams from that. One hostcall, and one for each header that goes.
    ///
    /// ```
    /// use gatewright::{Coding, Flow, HostError, ResponseHeaders};
    ///
    /// fn on_response_headers(headers: &mut ResponseHeaders<'_>) -> Result<bool, HostError> {
    ///     let is_html = headers.get("content-type")?.is_some_and(|v| v.starts_with(b"text/html"));
    ///     Ok(is_html && headers.prepare_body_change()? == Coding::Plain)
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Headers::edit`].
    pub fn prepare_body_change(&mut self) -> Result<Coding, HostError> {
        self.edit(|list| {
            let is_plain = |coding: &[u8]| {
                let coding = coding.trim_ascii();
                coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
            };
            if let Some(coding) = list.get_all("content-encoding").find(|c| !is_plain(c)) {
                return Coding::Encoded(HeaderValue::from(coding.to_vec()));
            }
            for name in OF_THE_OLD_BODY {
                list.remove(name);
            }
            Coding::Plain
        })
    }
}

//! Which cases are not served, and why.

use gatewright_harness::{Case, Event, Exchange, Phase, Variation};
use gatewright_host::{AttachPoint, HeaderMap, Profile};

/// Why a case is not served. There are no other reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// It is for another platform.
    OtherPlatform,
    /// It is about a plugin at another place than traffic extensions, which alone call plugins on
    /// GKE.
    OtherAttachPoint,
    /// What comes of it hangs on where its body is cut, which HTTP does not keep where it is cut at
    /// all.
    Chunks,
    /// It gives attributes, of which GKE forwards none.
    Attributes,
    /// Its head is no HTTP request or response: no method, a name or value that HTTP does not have,
    /// or a field that belongs to the connection.
    NoHttpHead,
    /// It leaves out that its message ends, or sends no request at all.
    NoEnd,
    /// It has trailers, which plugins do not get here.
    Trailers,
    /// Its body does not go with its status, method or length.
    NoHttpBody,
    /// Some of its exchanges have a response and others have none, which a server cannot leave out.
    SomeWithoutResponse,
    /// Its CPU budget is counted in fuel, which a server does not count.
    Fuel,
}

/// What of a case HTTP cannot express.
pub(super) fn skip(case: &Case) -> Result<(), Skip> {
    if case.profile != Profile::Google {
        return Err(Skip::OtherPlatform);
    }
    if case.world.attach != AttachPoint::Traffic {
        return Err(Skip::OtherAttachPoint);
    }
    if !case.attributes.is_empty() {
        return Err(Skip::Attributes);
    }
    // Whether it starts shows without an exchange.
    if case.exchanges.is_empty() && !case.start_fails {
        return Err(Skip::NoEnd);
    }
    let mut unexplored = case.unexplored.iter();
    let hangs_on_chunks = unexplored.any(|(variation, _)| *variation == Variation::Splits);
    for exchange in &case.exchanges {
        let request = message(exchange, Phase::RequestHeaders)?.ok_or(Skip::NoEnd)?;
        let method = request.headers.get(b":method").unwrap_or_default();
        for name in [&b":method"[..], b":scheme", b":authority", b":path"] {
            let Some(value) = request.headers.get(name) else {
                return Err(Skip::NoHttpHead);
            };
            let graphic = value.iter().all(u8::is_ascii_graphic);
            if value.is_empty() || !graphic || value.contains(&b'#') {
                return Err(Skip::NoHttpHead);
            }
        }
        let scheme = request.headers.get(b":scheme");
        let is_scheme = matches!(scheme, Some(b"http" | b"https"));
        let rooted = request
            .headers
            .get(b":path")
            .is_some_and(|p| p.starts_with(b"/"));
        if !is_scheme || !rooted || method == b"CONNECT" {
            return Err(Skip::NoHttpHead);
        }
        expressible(request.headers)?;
        length_fits(&request)?;
        if hangs_on_chunks && request.chunks.len() > 1 {
            return Err(Skip::Chunks);
        }
        if let Some(response) = message(exchange, Phase::ResponseHeaders)? {
            let status = response.headers.get(b":status");
            let status = status.and_then(|s| std::str::from_utf8(s).ok()?.parse::<u16>().ok());
            let status = status.filter(|status| (200..=999).contains(status));
            let status = status.ok_or(Skip::NoHttpHead)?;
            expressible(response.headers)?;
            length_fits(&response)?;
            if hangs_on_chunks && response.chunks.len() > 1 {
                return Err(Skip::Chunks);
            }
            let bodiless = matches!(status, 204 | 304) || method == b"HEAD";
            if bodiless && response.chunks.iter().any(|chunk| !chunk.is_empty()) {
                return Err(Skip::NoHttpBody);
            }
        }
    }
    Ok(())
}

/// A message of a case.
pub(super) struct Message<'c> {
    pub(super) headers: &'c HeaderMap,
    pub(super) chunks: &'c [Vec<u8>],
}

/// The request or the response of an exchange, if it has one.
pub(super) fn message(exchange: &Exchange, heads: Phase) -> Result<Option<Message<'_>>, Skip> {
    let (bodies, trailers) = match heads {
        Phase::RequestHeaders => (Phase::RequestBody, Phase::RequestTrailers),
        _ => (Phase::ResponseBody, Phase::ResponseTrailers),
    };
    let mut found: Option<Message<'_>> = None;
    let mut ended = false;
    for step in &exchange.steps {
        match &step.event {
            Event::Headers {
                headers,
                end_of_stream,
            } if step.phase == heads => {
                found = Some(Message {
                    headers,
                    chunks: &[],
                });
                ended = *end_of_stream;
            }
            Event::Body {
                chunks,
                end_of_stream,
            } if step.phase == bodies => {
                found.as_mut().ok_or(Skip::NoHttpHead)?.chunks = chunks;
                ended = *end_of_stream;
            }
            Event::Trailers(_) if step.phase == trailers => return Err(Skip::Trailers),
            _ => {}
        }
    }
    if found.is_some() && !ended {
        return Err(Skip::NoEnd);
    }
    Ok(found)
}

/// Whether HTTP/1.1 has such fields, and none of them is the connection's.
fn expressible(headers: &HeaderMap) -> Result<(), Skip> {
    const OF_THE_CONNECTION: &[&[u8]] = &[
        b"connection",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ];
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        let is_name = name.first() == Some(&b':')
            || (!name.is_empty()
                && name
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b)));
        let is_value = value.iter().all(|b| *b == b'\t' || (*b >= 0x20 && *b != 0x7f))
            // Blanks around a value are not part of it.
            && value.trim_ascii() == value;
        if !is_name || !is_value || OF_THE_CONNECTION.contains(&&lower[..]) {
            return Err(Skip::NoHttpHead);
        }
    }
    Ok(())
}

/// Whether the length that a message tells is that of its body.
fn length_fits(message: &Message<'_>) -> Result<(), Skip> {
    let body: usize = message.chunks.iter().map(Vec::len).sum();
    match message.headers.get(b"content-length") {
        Some(told) if told != body.to_string().as_bytes() => Err(Skip::NoHttpBody),
        _ => Ok(()),
    }
}

//! A case as HTTP carries it: for each event the bytes that are sent, and what the emulator is told.

use gatewright_harness::{Case, Event, Exchange, Format, Phase};
use gatewright_host::HeaderMap;

use crate::callouts::Services;
use crate::inexpressible::Inexpressible;
use crate::{edge, http1};

/// What a case sends, in a form that both engines take.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) exchanges: Vec<Sent>,
    /// What its plugins may call.
    pub(crate) services: Services,
}

/// One exchange.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The events of the request.
    pub(crate) request: Vec<Part>,
    /// The events of the response, if there is one.
    pub(crate) response: Vec<Part>,
    /// Whether the request is a `HEAD`.
    pub(crate) to_head: bool,
}

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The step of the case that it belongs to; `None` when the plan added it.
    pub(crate) step: Option<usize>,
    pub(crate) phase: Phase,
    /// What goes over the wire.
    pub(crate) bytes: Vec<u8>,
    /// What a plugin is told.
    pub(crate) event: Told,
}

/// What a plugin is told of one event.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Headers(HeaderMap, bool),
    Body(Vec<u8>, bool),
    Trailers(HeaderMap),
}

/// Envoy takes 60 KiB and 100 fields; some are its own.
const MAX_BYTES: usize = 56 * 1024;
const MAX_FIELDS: usize = 90;

impl Plan {
    /// The case on the wire, or why it has no place there.
    pub(crate) fn of(case: &Case, format: Format) -> Result<Self, Inexpressible> {
        if case.seed != 0 {
            return Err(Inexpressible::Random);
        }
        if !case.attributes.is_empty() {
            return Err(Inexpressible::Attributes);
        }
        if case.turns.is_some() {
            return Err(Inexpressible::Turns);
        }
        // A stock Envoy calls a plugin in every phase.
        if case.world.events.is_some() {
            return Err(Inexpressible::Chain);
        }
        if let [first, rest @ ..] = &case.world.plugins[..] {
            let own = first.vm_config.is_some() || first.capabilities.is_some();
            if !rest.is_empty() || own || !first.root_id.is_empty() {
                return Err(Inexpressible::Chain);
            }
        }
        let happens = |exchange: &Exchange| {
            let mut steps = exchange.steps.iter();
            !exchange.before.is_empty() || steps.any(|step| step.advance > 0)
        };
        if case.exchanges.iter().any(happens) {
            return Err(Inexpressible::Happenings);
        }
        let services = Services::of(&case.world.upstreams)?;
        let exchanges = case
            .exchanges
            .iter()
            .map(|exchange| sent(exchange, format))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            exchanges,
            services,
        })
    }
}

/// The parts of one message of an exchange.
#[derive(Default)]
struct Message {
    headers: HeaderMap,
    step: Option<usize>,
    /// Whether the headers are said to end it.
    ends: bool,
    /// Chunks, each with its step and whether it is said to be the last.
    chunks: Vec<(usize, Vec<u8>, bool)>,
    trailers: Option<(usize, HeaderMap)>,
}

fn sent(exchange: &Exchange, format: Format) -> Result<Sent, Inexpressible> {
    let (mut request, mut response) = (None::<Message>, None::<Message>);
    let mut last = None;
    for (index, step) in exchange.steps.iter().enumerate() {
        // The order of phases is that of an exchange; bodies may come in several steps.
        let rank = rank(step.phase);
        let repeats = matches!(step.phase, Phase::RequestBody | Phase::ResponseBody);
        if last.is_some_and(|last| rank < last || (rank == last && !repeats)) {
            return Err(Inexpressible::Order);
        }
        last = Some(rank);
        let message = if rank < 3 {
            &mut request
        } else {
            &mut response
        };
        if message.is_none()
            && !matches!(step.event, Event::Headers { .. })
            && format == Format::Cases
        {
            return Err(Inexpressible::Order);
        }
        let message = message.get_or_insert_default();
        match &step.event {
            Event::Headers {
                headers,
                end_of_stream,
            } => {
                message.headers = headers.clone();
                message.step = Some(index);
                message.ends = *end_of_stream;
            }
            Event::Body {
                chunks,
                end_of_stream,
            } => {
                let count = chunks.len();
                message.chunks.extend(
                    chunks.iter().enumerate().map(|(at, chunk)| {
                        (index, chunk.clone(), *end_of_stream && at + 1 == count)
                    }),
                );
            }
            Event::Trailers(trailers) => message.trailers = Some((index, trailers.clone())),
        }
    }
    let mut request = request.unwrap_or_default();
    request.finish(format)?;
    request.complete_request(format)?;
    let to_head = request.headers.get(b":method") == Some(b"HEAD");
    let response = match response {
        None => Vec::new(),
        Some(mut response) => {
            response.finish(format)?;
            response.complete_response(format)?;
            response.write(false, to_head)?
        }
    };
    Ok(Sent {
        request: request.write(true, false)?,
        response,
        to_head,
    })
}

fn rank(phase: Phase) -> usize {
    match phase {
        Phase::RequestBody => 1,
        Phase::RequestTrailers => 2,
        Phase::ResponseHeaders => 3,
        Phase::ResponseBody => 4,
        Phase::ResponseTrailers => 5,
        _ => 0,
    }
}

impl Message {
    /// Google's suites end no headers and every body; ours say what they mean.
    fn finish(&mut self, format: Format) -> Result<(), Inexpressible> {
        let (chunks, trailers) = (self.chunks.len(), self.trailers.is_some());
        if format == Format::Google {
            self.ends = chunks == 0 && !trailers;
            for (at, chunk) in self.chunks.iter_mut().enumerate() {
                chunk.2 = at + 1 == chunks && !trailers;
            }
        }
        let ended = self.ends || trailers || self.chunks.last().is_some_and(|chunk| chunk.2);
        if ended {
            Ok(())
        } else {
            Err(Inexpressible::OpenEnd)
        }
    }

    /// A request line has all pseudo-headers. Google's suites give none and mean any.
    fn complete_request(&mut self, format: Format) -> Result<(), Inexpressible> {
        let defaults = [
            (
                &b":method"[..],
                if self.chunks.is_empty() {
                    &b"GET"[..]
                } else {
                    b"POST"
                },
            ),
            (b":path", b"/"),
            (b":authority", b"example.com"),
        ];
        let mut all = HeaderMap::new();
        for (name, default) in defaults {
            let given = self.headers.get_all(name).count();
            let value = match (self.headers.get(name), format) {
                (Some(value), _) if given == 1 => value,
                (None, Format::Google) => default,
                (None, Format::Cases) if self.step.is_none() => default,
                _ => return Err(Inexpressible::PseudoHeader),
            };
            all.append(name, value);
        }
        let scheme = self.headers.get(b":scheme").map(<[u8]>::to_vec);
        for (name, value) in &self.headers {
            match name {
                b":method" | b":path" | b":authority" | b":scheme" => {}
                _ if name.starts_with(b":") || name.eq_ignore_ascii_case(b"host") => {
                    return Err(Inexpressible::PseudoHeader);
                }
                _ => all.append(name, value),
            }
        }
        // A proxy in front would say so, and it is the only way to have another scheme.
        if scheme.as_deref() == Some(b"https") && !all.contains(b"x-forwarded-proto") {
            all.append(b"x-forwarded-proto", b"https");
        }
        self.headers = all;
        let get = |name: &[u8]| self.headers.get(name).unwrap_or_default();
        let method = get(b":method");
        if !is_token(method) || method == b"CONNECT" {
            return Err(Inexpressible::Method);
        }
        let visible = |text: &[u8]| text.iter().all(|byte| (0x21..=0x7e).contains(byte));
        let path = get(b":path");
        let target = path.starts_with(b"/") && visible(path) && !path.contains(&b'#');
        if !target || get(b":authority").is_empty() || !visible(get(b":authority")) {
            return Err(Inexpressible::Target);
        }
        if !matches!(get(b"x-forwarded-proto"), b"" | b"http" | b"https") {
            return Err(Inexpressible::HopHeader);
        }
        Ok(())
    }

    fn complete_response(&mut self, format: Format) -> Result<(), Inexpressible> {
        let status = match (self.headers.get(b":status"), format) {
            (Some(status), _) => status.to_vec(),
            (None, Format::Google) => b"200".to_vec(),
            (None, Format::Cases) => return Err(Inexpressible::PseudoHeader),
        };
        let number = std::str::from_utf8(&status)
            .ok()
            .and_then(|text| text.parse().ok());
        if !number.is_some_and(|number: u16| (200..600).contains(&number)) {
            return Err(Inexpressible::Status);
        }
        let mut all = HeaderMap::new();
        all.append(b":status", &status);
        for (name, value) in &self.headers {
            match name {
                b":status" => {}
                _ if name.starts_with(b":") => return Err(Inexpressible::PseudoHeader),
                _ => all.append(name, value),
            }
        }
        self.headers = all;
        Ok(())
    }

    /// The parts as bytes and events.
    fn write(mut self, is_request: bool, to_head: bool) -> Result<Vec<Part>, Inexpressible> {
        check_fields(&self.headers)?;
        if let Some((_, trailers)) = &self.trailers {
            check_fields(trailers)?;
            if trailers.iter().any(|(name, _)| name.starts_with(b":")) {
                return Err(Inexpressible::PseudoHeader);
            }
        }
        let status = self.headers.get(b":status").unwrap_or_default();
        let bodiless = !is_request && (to_head || !http1::carries_body(status));
        let size: usize = self.chunks.iter().map(|(_, chunk, _)| chunk.len()).sum();
        if bodiless && (size > 0 || self.trailers.is_some()) {
            return Err(Inexpressible::Body);
        }
        let length = self.headers.get(b"content-length").map(|value| {
            std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<usize>().ok())
        });
        let wrong = match length {
            None => false,
            Some(None) => true,
            Some(Some(length)) => !bodiless && (length != size || self.trailers.is_some()),
        };
        if wrong || self.headers.get_all(b"content-length").count() > 1 {
            return Err(Inexpressible::ContentLength);
        }
        if bodiless {
            self.chunks.clear();
            self.ends = true;
        }
        let chunked = !self.ends && length.is_none();
        if length.is_some() {
            // The last byte is the end; there is nothing to carry an end of its own.
            self.chunks.retain(|(_, chunk, _)| !chunk.is_empty());
            match self.chunks.last_mut() {
                Some(last) => last.2 = true,
                None => self.ends = true,
            }
        }
        // Without a length, a response would last until its connection ends.
        if !is_request && !bodiless && self.ends && length.is_none() {
            self.headers.append(b"content-length", b"0");
        }
        if chunked {
            self.headers.append(b"transfer-encoding", b"chunked");
        }
        Ok(self.parts(is_request, chunked))
    }

    fn parts(self, is_request: bool, chunked: bool) -> Vec<Part> {
        let get = |name: &[u8]| self.headers.get(name).unwrap_or_default();
        let mut bytes = Vec::new();
        let (phases, headers) = if is_request {
            for part in [get(b":method"), b" ", get(b":path"), b" HTTP/1.1\r\nHost: "] {
                bytes.extend_from_slice(part);
            }
            bytes.extend_from_slice(get(b":authority"));
            bytes.extend_from_slice(b"\r\n");
            let mut seen = edge::request(&self.headers);
            seen.remove(b"transfer-encoding");
            let phases = [
                Phase::RequestHeaders,
                Phase::RequestBody,
                Phase::RequestTrailers,
            ];
            (phases, seen)
        } else {
            for part in [b"HTTP/1.1 ", get(b":status"), b" X\r\n"] {
                bytes.extend_from_slice(part);
            }
            let phases = [
                Phase::ResponseHeaders,
                Phase::ResponseBody,
                Phase::ResponseTrailers,
            ];
            (phases, edge::response(&self.headers))
        };
        http1::write_fields(&self.headers, &mut bytes);
        bytes.extend_from_slice(b"\r\n");
        let mut parts = vec![Part {
            step: self.step,
            phase: phases[0],
            bytes,
            event: Told::Headers(headers, self.ends),
        }];
        for (step, chunk, ends) in self.chunks {
            let mut part = |bytes, chunk, ends| {
                parts.push(Part {
                    step: Some(step),
                    phase: phases[1],
                    bytes,
                    event: Told::Body(chunk, ends),
                });
            };
            // An empty chunk that is not the last has no bytes, and nobody hears of it. The end is
            // an event of its own, whether it has bytes or follows from the length.
            if !chunk.is_empty() {
                let mut bytes = Vec::with_capacity(chunk.len() + 16);
                if chunked {
                    http1::write_chunk(&chunk, &mut bytes);
                } else {
                    bytes.extend_from_slice(&chunk);
                }
                part(bytes, chunk, false);
            }
            if ends {
                let bytes = if chunked { &b"0\r\n\r\n"[..] } else { b"" };
                part(bytes.to_vec(), Vec::new(), true);
            }
        }
        if let Some((step, trailers)) = self.trailers {
            let mut bytes = b"0\r\n".to_vec();
            http1::write_fields(&trailers, &mut bytes);
            bytes.extend_from_slice(b"\r\n");
            // Without a field there are no trailers, only an end.
            let event = if trailers.is_empty() {
                Told::Body(Vec::new(), true)
            } else {
                Told::Trailers(edge::trailers(&trailers))
            };
            parts.push(Part {
                step: Some(step),
                phase: phases[2],
                bytes,
                event,
            });
        }
        parts
    }
}

fn is_token(text: &[u8]) -> bool {
    let special = b"!#$%&'*+-.^_`|~";
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || special.contains(byte))
}

fn check_fields(map: &HeaderMap) -> Result<(), Inexpressible> {
    for (name, value) in map {
        let name = name.strip_prefix(b":").unwrap_or(name);
        if !is_token(name) {
            return Err(Inexpressible::HeaderName);
        }
        if edge::is_hop(name) {
            return Err(Inexpressible::HopHeader);
        }
        // Envoy drops one that is no URL.
        let is_url = value.starts_with(b"http://") || value.starts_with(b"https://");
        if name.eq_ignore_ascii_case(b"referer") && !is_url {
            return Err(Inexpressible::HeaderValue);
        }
        if value
            .iter()
            .any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f)
        {
            return Err(Inexpressible::HeaderValue);
        }
    }
    if map.byte_size() > MAX_BYTES || map.len() > MAX_FIELDS {
        return Err(Inexpressible::HeaderSize);
    }
    Ok(())
}

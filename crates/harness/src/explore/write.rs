//! A case as text in our format, from what it became when it was read.

#[cfg(test)]
mod tests;
mod world;

use std::fmt::Write as _;

use gatewright_host::HeaderMap;

use crate::cases::world::event_names;
use crate::cases::{DEFAULT_CLOCK, time};
use crate::model::{Case, Check, Event, Exchange, Matcher, Pattern, Phase, ReplyIs};

/// Whether a check is about something that no phase's outcome tells: log messages, and what plugins
/// did beyond their exchange.
pub(super) fn is_apart(check: &Check) -> bool {
    matches!(check, Check::Log(..) | Check::NoLog(..)) || world::is_beyond(check)
}

/// A file of cases in our format with this case alone.
///
/// # Errors
/// A sentence that says what of the case the format cannot say.
pub fn case_file(case: &Case) -> Result<String, String> {
    let mut out = String::from("cases:\n");
    let mut line = |indent: usize, text: String| {
        let _ = writeln!(out, "{:indent$}{text}", "");
    };
    line(2, format!("- name: {}", quoted(&case.name)));
    line(4, format!("profile: {}", case.profile));
    if let Some(config) = &case.config {
        let text =
            std::str::from_utf8(config).map_err(|_| "its configuration is no text".to_owned())?;
        line(4, format!("config_text: {}", quoted(text)));
    }
    if case.clock != DEFAULT_CLOCK {
        line(4, format!("clock: {}", time::moment(case.clock)));
    }
    if case.seed != 0 {
        line(4, format!("random: {}", case.seed));
    }
    let level = case.log_level.name().to_ascii_lowercase();
    if level != "info" {
        line(4, format!("log_level: {level}"));
    }
    if let Some(events) = &case.world.events {
        let names = event_names(events);
        line(4, format!("events: [{}]", names.join(", ")));
    }
    if !case.attributes.is_empty() {
        line(4, "properties:".to_owned());
        for (path, value) in case.attributes.iter() {
            let path = String::from_utf8_lossy(path).replace('\0', ".");
            line(6, format!("{}: {}", quoted(&path), bytes(value)));
        }
    }
    for text in world::of_case(&case.world)? {
        line(4, text);
    }
    line(4, "exchanges:".to_owned());
    for exchange in &case.exchanges {
        let mut lead = "- ";
        for text in self::exchange(exchange)? {
            line(6, format!("{lead}{text}"));
            lead = "  ";
        }
    }
    if let Some(turns) = &case.turns {
        if turns.0.is_empty() {
            line(4, "interleave: true".to_owned());
        } else {
            let turns: Vec<_> = turns.0.iter().map(|turn| (turn + 1).to_string()).collect();
            line(4, format!("interleave: [{}]", turns.join(", ")));
        }
    }
    Ok(out)
}

/// A text as YAML and JSON write it, on one line.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A text, or bytes in hexadecimal.
fn bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => quoted(text),
        Err(_) => format!("{{hex: \"{}\"}}", hex(bytes)),
    }
}

fn headers(headers: &HeaderMap) -> String {
    let fields = headers.iter().map(|(name, value)| {
        let name = String::from_utf8_lossy(name);
        let (text, is_text) = match std::str::from_utf8(value) {
            Ok(text) => (text, text == text.trim()),
            Err(_) => ("", false),
        };
        if is_text && !name.is_empty() && name.trim() == name {
            quoted(&format!("{name}: {text}"))
        } else {
            format!("{{name: {}, hex: \"{}\"}}", quoted(&name), hex(value))
        }
    });
    format!("[{}]", fields.collect::<Vec<_>>().join(", "))
}

fn exchange(exchange: &Exchange) -> Result<Vec<String>, String> {
    let part = |phases: [Phase; 3]| {
        let steps = exchange.steps.iter();
        message(
            steps
                .filter(|step| phases.contains(&step.phase))
                .map(|step| &step.event),
        )
    };
    let request = part([
        Phase::RequestHeaders,
        Phase::RequestBody,
        Phase::RequestTrailers,
    ]);
    let mut lines = Vec::new();
    match request {
        Some(request) => lines.push(format!("request: {request}")),
        // Something happens, and nothing is sent.
        None if exchange.steps.is_empty() && !exchange.before.is_empty() => {}
        None => return Err("it sends no headers of a request".to_owned()),
    }
    let response = part([
        Phase::ResponseHeaders,
        Phase::ResponseBody,
        Phase::ResponseTrailers,
    ]);
    lines.extend(response.map(|response| format!("response: {response}")));
    lines.extend(world::of_exchange(exchange)?);
    let mut expect = Vec::new();
    let steps = exchange.steps.iter();
    let phases = steps.map(|step| (step.phase, &step.checks));
    for (phase, checks) in phases.chain([(Phase::Done, &exchange.done)]) {
        let written = self::checks(checks);
        if !written.is_empty() {
            expect.push(format!("  {}: {{{}}}", phase.name(), written.join(", ")));
        }
    }
    expect.extend(
        checks(&exchange.whole)
            .into_iter()
            .chain(world::expected(&exchange.whole))
            .map(|text| format!("  {text}")),
    );
    if let Some(trap) = &exchange.trap {
        expect.push(format!("  trap: {}", matcher(trap)));
    }
    if !expect.is_empty() {
        lines.push("expect:".to_owned());
        lines.extend(expect);
    }
    Ok(lines)
}

/// A request or a response, if there are headers of one.
fn message<'a>(events: impl Iterator<Item = &'a Event>) -> Option<String> {
    let mut keys = Vec::new();
    let mut ends = true;
    let mut has_headers = false;
    for event in events {
        match event {
            Event::Headers {
                headers,
                end_of_stream,
            } => {
                has_headers = true;
                keys.push("pseudo: false".to_owned());
                keys.push(format!("headers: {}", self::headers(headers)));
                ends = *end_of_stream;
            }
            Event::Body {
                chunks,
                end_of_stream,
            } => {
                keys.push(format!("body: {}", bytes(&chunks.concat())));
                if chunks.len() > 1 {
                    let sizes: Vec<_> =
                        chunks.iter().map(|chunk| chunk.len().to_string()).collect();
                    keys.push(format!("chunks: [{}]", sizes.join(", ")));
                }
                ends = *end_of_stream;
            }
            Event::Trailers(trailers) => {
                keys.push(format!("trailers: {}", headers(trailers)));
                ends = true;
            }
        }
    }
    if !ends {
        keys.push("end_of_stream: false".to_owned());
    }
    has_headers.then(|| format!("{{{}}}", keys.join(", ")))
}

/// The checks that our format has, each as `key: value`. One key gathers what it may gather.
fn checks(checks: &[Check]) -> Vec<String> {
    let mut out = Vec::new();
    let mut gathered: [(&str, Vec<String>); 2] = [("logs", Vec::new()), ("no_logs", Vec::new())];
    for check in checks {
        match check {
            Check::Exact(map) => out.push(format!("exact: {}", headers(map))),
            Check::Body(body) => out.push(format!("body: {}", matcher(body))),
            Check::Reply(expected) => out.push(format!("reply: {}", reply(expected))),
            Check::NoReply => out.push("no_reply: true".to_owned()),
            Check::Findings(kinds) => {
                let codes: Vec<_> = kinds.iter().map(|kind| kind.code()).collect();
                out.push(format!("findings: [{}]", codes.join(", ")));
            }
            Check::Log(level, text) | Check::NoLog(level, text) => {
                let mut keys = Vec::new();
                if let Some(level) = level {
                    keys.push(format!("level: {}", level.name().to_ascii_lowercase()));
                }
                match &text.pattern {
                    Pattern::Exact(bytes) => keys.push(format!("text: {}", lossy(bytes))),
                    Pattern::Contains(bytes) => keys.push(format!("contains: {}", lossy(bytes))),
                    Pattern::Regex(source, _) => keys.push(format!("matches: {}", quoted(source))),
                    Pattern::Any => {}
                }
                let place = usize::from(matches!(check, Check::NoLog(..)) != text.invert);
                gathered[place].1.push(format!("{{{}}}", keys.join(", ")));
            }
            // Of Google's format, or told by what the outcome was.
            Check::Has(..)
            | Check::HasMerged(..)
            | Check::Lacks(_)
            | Check::HeaderLine(_)
            | Check::Immediate(_)
            // Of the whole exchange, written beside these.
            | Check::Callouts(_)
            | Check::Metric(..)
            | Check::Shared(..)
            | Check::Queue(..) => {}
        }
    }
    for (key, items) in gathered {
        if !items.is_empty() {
            out.push(format!("{key}: [{}]", items.join(", ")));
        }
    }
    out
}

fn lossy(bytes: &[u8]) -> String {
    quoted(&String::from_utf8_lossy(bytes))
}

fn matcher(matcher: &Matcher) -> String {
    match &matcher.pattern {
        Pattern::Exact(expected) => bytes(expected),
        Pattern::Contains(part) => format!("{{contains: {}}}", lossy(part)),
        Pattern::Regex(source, _) => format!("{{matches: {}}}", quoted(source)),
        Pattern::Any => "{contains: \"\"}".to_owned(),
    }
}

fn reply(reply: &ReplyIs) -> String {
    let mut keys = Vec::new();
    keys.extend(reply.status.map(|status| format!("status: {status}")));
    keys.extend(
        reply
            .grpc_status
            .map(|status| format!("grpc_status: {status}")),
    );
    keys.extend(checks(&reply.checks));
    format!("{{{}}}", keys.join(", "))
}

//! A trace for people: who called whom, with what, and what came of it.

use gatewright_host::{
    Callback, Effect, Entry, Fault, FaultKind, Finding, HeaderMap, HostcallRecord, LogLine, Span,
    Status, Trace, Value,
};

use crate::model::{Case, Event, Exchange, Phase};
use crate::paint::{Paint, grouped};
use crate::run::{CaseRun, End, ExchangeRun};
use crate::text::{shortened, shown, shown_lines};

/// Characters of a value that are shown.
const VALUE: usize = 160;
/// Lines of a body that are shown.
const LINES: usize = 12;

/// The timeline of a trace: each callback with its arguments, its hostcalls, logs, findings and
/// cost.
pub fn render_trace(trace: &Trace, colour: bool) -> String {
    let mut page = Page::new(colour);
    page.trace(trace, 0);
    page.out
}

/// The whole story of a case: what was sent, the timeline of each exchange, and what came of it.
pub fn render_case(case: &Case, run: &CaseRun, colour: bool) -> String {
    let mut page = Page::new(colour);
    let paint = page.paint;
    page.line(0, &paint.bold(&shown(case.name.as_bytes())));
    page.line(0, "");
    page.line(0, &paint.bold("start"));
    for trace in &run.starts {
        page.trace(trace, 1);
    }
    for (exchange, run) in case.exchanges.iter().zip(&run.exchanges) {
        page.line(0, "");
        page.exchange(exchange, run);
    }
    if !run.stop.spans.is_empty() {
        page.line(0, "");
        page.line(0, &paint.bold("end"));
        page.trace(&run.stop, 1);
    }
    page.out
}

struct Page {
    paint: Paint,
    out: String,
}

impl Page {
    fn new(colour: bool) -> Self {
        Self {
            paint: Paint { colour },
            out: String::new(),
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        if !text.is_empty() {
            self.out.push_str(&"  ".repeat(depth));
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    fn exchange(&mut self, exchange: &Exchange, run: &ExchangeRun) {
        let paint = self.paint;
        let request = request_line(exchange);
        let outcome = outcome(run);
        self.line(
            0,
            &format!("{} {} {}", paint.bold(&request), paint.dim("→"), outcome.0),
        );
        if let Some(body) = &outcome.1 {
            self.line(1, &format!("{} {body}", paint.dim("body")));
        }
        self.line(0, "");
        for step in &exchange.steps {
            self.sent(step.phase, &step.event);
        }
        self.trace(&run.trace, 1);
        for (_, effect) in run.effects() {
            self.effect(effect);
        }
    }

    /// What the case sent, on one side of the timeline.
    fn sent(&mut self, phase: Phase, event: &Event) {
        let side = match phase {
            Phase::ResponseHeaders | Phase::ResponseBody | Phase::ResponseTrailers => "upstream",
            _ => "client",
        };
        let what = phase.name().replace('_', " ");
        match event {
            Event::Headers { headers, .. } | Event::Trailers(headers) => {
                self.message("→", &format!("{side} sends {what}"), headers);
            }
            Event::Body { chunks, .. } => {
                let size: usize = chunks.iter().map(Vec::len).sum();
                let chunks = match chunks.len() {
                    1 => String::new(),
                    count => format!(" in {count} chunks"),
                };
                self.line(
                    1,
                    &format!(
                        "{} {side} sends {what}: {} bytes{chunks}",
                        self.paint.name("→"),
                        grouped(size as u64)
                    ),
                );
            }
        }
    }

    fn message(&mut self, arrow: &str, title: &str, headers: &HeaderMap) {
        self.line(1, &format!("{} {title}", self.paint.name(arrow)));
        self.headers(headers, 3);
    }

    fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::RequestHeaders { headers, .. } => {
                self.message("←", "request headers go on to the upstream", headers);
            }
            Effect::RequestTrailers(headers) => {
                self.message("←", "request trailers go on to the upstream", headers);
            }
            Effect::ResponseHeaders { headers, .. } => {
                self.message("←", "response headers go back to the client", headers);
            }
            Effect::ResponseTrailers(headers) => {
                self.message("←", "response trailers go back to the client", headers);
            }
            Effect::RequestBody { chunk, .. } => self.chunk("on to the upstream", chunk),
            Effect::ResponseBody { chunk, .. } => self.chunk("back to the client", chunk),
            Effect::Reply(reply) => {
                let title = format!("the plugin replies {}", reply.status);
                self.message("←", &title, &reply.headers);
                self.body(&reply.body, 3);
            }
            Effect::Fail { status } => {
                let text = format!("the plugin failed: the client gets {status}");
                self.line(1, &format!("{} {text}", self.paint.bad("←")));
            }
            Effect::Reset => {
                self.line(1, &format!("{} the stream is reset", self.paint.bad("←")));
            }
            _ => {}
        }
    }

    fn chunk(&mut self, direction: &str, chunk: &[u8]) {
        let size = grouped(chunk.len() as u64);
        self.line(
            1,
            &format!(
                "{} {size} bytes of body go {direction}",
                self.paint.name("←")
            ),
        );
        self.body(chunk, 3);
    }

    fn headers(&mut self, headers: &HeaderMap, depth: usize) {
        for (name, value) in headers {
            let name = self.paint.dim(&format!("{}:", shown(name)));
            let value = shortened(&shown(value), VALUE);
            self.line(depth, &format!("{name} {value}"));
        }
    }

    fn body(&mut self, body: &[u8], depth: usize) {
        let text = shown_lines(body);
        let lines = text.lines().count();
        for line in text.lines().take(LINES) {
            self.line(depth, &shortened(line, VALUE));
        }
        if lines > LINES {
            let more = format!("… ({} lines more)", lines - LINES);
            self.line(depth, &self.paint.dim(&more));
        }
    }

    fn trace(&mut self, trace: &Trace, depth: usize) {
        let mut faults = trace.faults.iter().peekable();
        for (ordinal, span) in trace.spans.iter().enumerate() {
            self.span(span, depth);
            for call in &span.hostcalls {
                self.hostcall(call, depth + 1);
            }
            let here = |at: u32| usize::try_from(at) == Ok(ordinal);
            for log in trace.logs.iter().filter(|log| here(log.ordinal)) {
                self.log(log, depth + 1);
            }
            for finding in trace.findings.iter().filter(|found| here(found.ordinal)) {
                self.finding(finding, depth + 1);
            }
            while let Some(fault) = faults.next_if(|fault| belongs(fault, span)) {
                self.fault(fault, depth + 1);
            }
        }
        if trace.spans.is_empty() {
            for log in &trace.logs {
                self.log(log, depth);
            }
            for finding in &trace.findings {
                self.finding(finding, depth);
            }
        }
        for fault in faults {
            self.fault(fault, depth);
        }
    }

    fn span(&mut self, span: &Span, depth: usize) {
        let paint = self.paint;
        let mut text = format!(
            "{}({})",
            paint.name(span.entry.name()),
            arguments(span.entry, span.arguments.as_slice())
        );
        if span.plugin > 0 {
            text = format!("{} {text}", paint.dim(&format!("plugin {}", span.plugin)));
        }
        match span.returned {
            None => text.push_str(&format!(" → {}", paint.bad("failed"))),
            Some(returned) => {
                if let Some(returned) = answer(span.entry, returned) {
                    text.push_str(&format!(" → {returned}"));
                }
            }
        }
        let cost = &span.cost;
        let mut costs = Vec::new();
        if cost.fuel > 0 {
            costs.push(format!("fuel {}", grouped(cost.fuel)));
        }
        match cost.hostcalls {
            0 => {}
            1 => costs.push("1 hostcall".to_owned()),
            count => costs.push(format!("{count} hostcalls")),
        }
        if cost.memory_growth > 0 {
            costs.push(format!("+{} KiB", grouped(cost.memory_growth / 1024)));
        }
        if !costs.is_empty() {
            text.push_str(&format!("  {}", paint.dim(&costs.join(" · "))));
        }
        self.line(depth, &text);
    }

    fn hostcall(&mut self, call: &HostcallRecord, depth: usize) {
        let paint = self.paint;
        let mut inline = Vec::new();
        for (name, value) in &call.values {
            if let Some(text) = value_text(value) {
                inline.push(format!("{}={text}", paint.dim(name)));
            }
        }
        let status = match Status::from_u32(call.status) {
            Some(Status::Ok) => String::new(),
            Some(status) => format!(" → {}", paint.warn(status.name())),
            None => format!(" → {}", paint.warn(&call.status.to_string())),
        };
        self.line(
            depth,
            &format!("{}({}){status}", call.call.name(), inline.join(", ")),
        );
        for (_, value) in &call.values {
            if let Value::Headers(headers) = value {
                self.headers(headers, depth + 2);
            }
        }
    }

    fn log(&mut self, log: &LogLine, depth: usize) {
        let level = log.level.name();
        let painted = match log.level {
            gatewright_host::LogLevel::Error | gatewright_host::LogLevel::Critical => {
                self.paint.bad(level)
            }
            gatewright_host::LogLevel::Warn => self.paint.warn(level),
            _ => self.paint.good(level),
        };
        let text = shortened(&shown(&log.message), VALUE * 4);
        self.line(depth, &format!("log {painted} {text}"));
    }

    fn finding(&mut self, finding: &Finding, depth: usize) {
        let code = self.paint.warn(finding.kind.code());
        self.line(
            depth,
            &format!("finding {code} {}", shown(finding.detail.as_bytes())),
        );
        let help = format!("help: {}", finding.kind.help());
        self.line(depth + 1, &self.paint.dim(&help));
    }

    fn fault(&mut self, fault: &Fault, depth: usize) {
        let code = self.paint.bad(fault.kind.code());
        self.line(
            depth,
            &format!("fault {code} {}", shown(fault.message.as_bytes())),
        );
        for (index, frame) in fault.frames.iter().enumerate() {
            let text = format!("{index:>2}: {}", frame.function);
            self.line(depth + 1, &self.paint.dim(&text));
        }
    }
}

fn belongs(fault: &Fault, span: &Span) -> bool {
    let refused = matches!(
        fault.kind,
        FaultKind::VmStartRefused | FaultKind::ConfigureRefused
    );
    (fault.plugin, fault.context, fault.entry) == (span.plugin, span.context, span.entry)
        && (span.returned.is_none() || refused)
}

/// The request line of an exchange: method and path, or what there is.
fn request_line(exchange: &Exchange) -> String {
    let headers = exchange.steps.iter().find_map(|step| match &step.event {
        Event::Headers { headers, .. } if step.phase == Phase::RequestHeaders => Some(headers),
        _ => None,
    });
    let get = |name: &str| {
        headers
            .and_then(|headers| headers.get(name.as_bytes()))
            .map(|value| shortened(&shown(value), VALUE))
    };
    match (get(":method"), get(":path")) {
        (Some(method), Some(path)) => format!("{method} {path}"),
        (None, Some(path)) => path,
        (Some(method), None) => method,
        (None, None) if headers.is_some() => "request".to_owned(),
        (None, None) => "exchange".to_owned(),
    }
}

/// What came of an exchange, and the body that the client gets.
fn outcome(run: &ExchangeRun) -> (String, Option<String>) {
    let quoted =
        |body: &[u8]| (!body.is_empty()).then(|| format!("`{}`", shortened(&shown(body), VALUE)));
    match run.end() {
        End::Reply(reply) => (
            format!("{} (the plugin's own reply)", reply.status),
            quoted(&reply.body),
        ),
        End::Failed(status) => (format!("{status} (the plugin failed)"), None),
        End::Reset => ("reset".to_owned(), None),
        End::Response(headers) => {
            let status = headers
                .get(b":status")
                .map_or_else(|| "response".to_owned(), |status| shown(status));
            let body = run.body(Phase::ResponseBody);
            (status, body.and_then(|body| quoted(&body)))
        }
        End::Open => ("goes on to the upstream".to_owned(), None),
    }
}

fn arguments(entry: Entry, values: &[u32]) -> String {
    use Callback as C;
    let Entry::Callback(callback) = entry else {
        return String::new();
    };
    let end = |flag: u32| if flag == 0 { "" } else { ", end of stream" };
    let headers = |count: u32| match count {
        1 => "1 header".to_owned(),
        _ => format!("{count} headers"),
    };
    match (callback, values) {
        (C::OnContextCreate, [0]) => "the plugin".to_owned(),
        (C::OnContextCreate, [_]) => "a stream".to_owned(),
        (C::OnVmStart | C::OnConfigure, [size]) => {
            format!("{} bytes", grouped((*size).into()))
        }
        (C::OnRequestHeaders | C::OnResponseHeaders, [count, flag]) => {
            format!("{}{}", headers(*count), end(*flag))
        }
        (C::OnRequestBody | C::OnResponseBody, [size, flag]) => {
            format!("{} bytes{}", grouped((*size).into()), end(*flag))
        }
        (C::OnRequestTrailers | C::OnResponseTrailers, [count]) => headers(*count),
        (_, values) => {
            let values: Vec<_> = values.iter().map(u32::to_string).collect();
            values.join(", ")
        }
    }
}

/// What a callback answered, for those whose answer means something.
fn answer(entry: Entry, returned: u32) -> Option<String> {
    use Callback as C;
    let Entry::Callback(callback) = entry else {
        return None;
    };
    match callback {
        C::OnVmStart | C::OnConfigure | C::OnDone => {
            Some(if returned == 0 { "false" } else { "true" }.to_owned())
        }
        C::OnRequestHeaders
        | C::OnRequestBody
        | C::OnRequestTrailers
        | C::OnResponseHeaders
        | C::OnResponseBody
        | C::OnResponseTrailers => Some(match returned {
            0 => "continue".to_owned(),
            1 => "pause".to_owned(),
            other => other.to_string(),
        }),
        _ => None,
    }
}

/// A value that fits on the line of its hostcall.
fn value_text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Number(number) => number.to_string(),
        Value::Bytes(bytes) => format!("\"{}\"", shortened(&shown(bytes), VALUE)),
        Value::Map(map) => map.name().to_owned(),
        Value::Name(name) => (*name).to_owned(),
        Value::Headers(headers) => match headers.len() {
            1 => "1 header".to_owned(),
            count => format!("{count} headers"),
        },
    })
}

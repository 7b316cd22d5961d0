//! A trace for people: who called whom, with what, and what came of it.

mod words;

use gatewright_host::{
    Effect, Fault, FaultKind, Finding, HeaderMap, Hostcall, HostcallRecord, LogLine, LogSource,
    Span, Status, Trace, Value,
};

use crate::model::{Case, Event, Exchange, Phase};
use crate::paint::Paint;
use crate::run::{CaseRun, ExchangeRun};
use crate::text::{bytes, grouped, shortened, shown, shown_lines};
use words::{answer, arguments, value_text};
pub(crate) use words::{outcome, request_line};

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
        // Each step stands where it happened: what was sent, the calls, and what went on.
        let mut told = 0;
        for (step, done) in exchange.steps.iter().zip(&run.steps) {
            self.calls(&run.trace, told..done.first_call, 1);
            told = done.end_call;
            if !done.delivered {
                continue;
            }
            self.sent(step.phase, &step.event);
            self.calls(&run.trace, done.first_call..done.end_call, 1);
            for effect in &done.effects {
                self.effect(effect);
            }
        }
        self.calls(&run.trace, told..run.trace.ordinal(), 1);
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
                        "{} {side} sends {what}: {}{chunks}",
                        self.paint.name("→"),
                        bytes(size as u64)
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
        let size = bytes(chunk.len() as u64);
        self.line(
            1,
            &format!("{} {size} of body go {direction}", self.paint.name("←")),
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
        self.calls(trace, 0..trace.ordinal(), depth);
        // Without spans there is no callback to stand under.
        if trace.spans.is_empty() {
            for log in &trace.logs {
                self.log(log, depth);
            }
            for finding in &trace.findings {
                self.finding(finding, depth);
            }
            for fault in &trace.faults {
                self.fault(fault, depth);
            }
        }
    }

    /// The calls into guests of these ordinals, each with what happened in it.
    fn calls(&mut self, trace: &Trace, ordinals: std::ops::Range<u32>, depth: usize) {
        for ordinal in ordinals {
            let index = usize::try_from(ordinal).unwrap_or(usize::MAX);
            let Some(span) = trace.spans.get(index) else {
                return;
            };
            self.span(span, depth);
            let mut logs: Vec<_> = trace
                .logs
                .iter()
                .filter(|log| log.ordinal == ordinal)
                .collect();
            for call in &span.hostcalls {
                let kept = logs.iter().position(|log| is_record_of(call, log));
                match kept {
                    Some(index) => self.log(logs.remove(index), depth + 1),
                    None => self.hostcall(call, depth + 1),
                }
            }
            for log in logs {
                self.log(log, depth + 1);
            }
            for finding in &trace.findings {
                if finding.ordinal == ordinal {
                    self.finding(finding, depth + 1);
                }
            }
            for fault in trace.faults.iter().filter(|fault| belongs(fault, span)) {
                self.fault(fault, depth + 1);
            }
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

/// Whether a log message came of this hostcall; it is told once, and one that was not kept stays
/// a hostcall.
fn is_record_of(call: &HostcallRecord, log: &LogLine) -> bool {
    call.call == Hostcall::Log
        && log.source == LogSource::Plugin
        && call.values.iter().any(|(name, value)| {
            *name == "message" && matches!(value, Value::Bytes(text) if *text == log.message)
        })
}

fn belongs(fault: &Fault, span: &Span) -> bool {
    let refused = matches!(
        fault.kind,
        FaultKind::VmStartRefused | FaultKind::ConfigureRefused
    );
    (fault.plugin, fault.context, fault.entry) == (span.plugin, span.context, span.entry)
        && (span.returned.is_none() || refused)
}

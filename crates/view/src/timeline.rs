//! One exchange as a timeline: the one renderer of reports and of the live page.

mod change;
mod cost;

use crate::html::Html;
use crate::model::{
    Body, Call, CallKind, EndKind, Event, Exchange, Fact, Fault, Field, Form, Hostcall, Lane,
    Message,
};
use crate::text::{bytes, grouped};
use change::{badges, change, is_changed};
pub(crate) use cost::time_in_words;
use cost::{costs, share};

/// An exchange as a piece of HTML.
pub fn timeline(exchange: &Exchange) -> String {
    let mut html = Html::new();
    write(&mut html, exchange);
    html.finish()
}

pub(crate) fn write(html: &mut Html, exchange: &Exchange) {
    html.raw("<article class=\"exchange\"><header><h2>")
        .text(&exchange.title);
    if let Some(end) = &exchange.end {
        let class = match end.kind {
            EndKind::Response => "end end-response",
            EndKind::Reply => "end end-reply",
            EndKind::Failed | EndKind::Reset => "end end-failed",
            EndKind::Open => "end",
        };
        html.raw(" <span class=\"arrow\">→</span> ")
            .element("span", class, &end.text);
    }
    html.raw("</h2>");
    let total = costs(&exchange.total);
    let mut all = exchange.facts.clone();
    if !total.is_empty() {
        all.push(Fact::new("cost", total.join(" · ")));
    }
    facts(html, &all);
    share(
        html,
        &exchange.total,
        "of the 1 ms that an extension has for an exchange",
    );
    for note in &exchange.notes {
        html.element("p", "note", note);
    }
    html.raw("</header>");
    if exchange.events.is_empty() {
        html.element("p", "note", "nothing happened");
    } else {
        html.raw("<ol class=\"timeline\" aria-label=\"Timeline of ")
            .text(&exchange.title)
            .raw("\">");
        for one in &exchange.events {
            match one {
                Event::Message(one) => message(html, one),
                Event::Call(one) => call(html, one),
            }
        }
        html.raw("</ol>");
    }
    html.raw("</article>");
}

pub(crate) fn facts(html: &mut Html, facts: &[Fact]) {
    if facts.is_empty() {
        return;
    }
    html.raw("<dl class=\"facts\">");
    for fact in facts {
        html.raw("<div>")
            .element("dt", "", &fact.name)
            .element("dd", "", &fact.value)
            .raw("</div>");
    }
    html.raw("</dl>");
}

fn message(html: &mut Html, message: &Message) {
    let class = match (message.bad, message.lane) {
        (true, _) => "event bad",
        (false, Lane::Client) => "event client",
        (false, Lane::Backend) => "event backend",
    };
    let arrow = match (message.lane, message.incoming) {
        (Lane::Client, true) | (Lane::Backend, false) => "→",
        (Lane::Client, false) | (Lane::Backend, true) => "←",
    };
    html.open("li", class);
    let is_empty = message.fields.is_empty() && message.body.is_none();
    let title = |html: &mut Html| {
        html.raw("<span class=\"arrow\" aria-hidden=\"true\">")
            .raw(arrow)
            .raw("</span> ")
            .element("span", "what", &message.title);
        if !message.fields.is_empty() {
            let count = match message.fields.len() {
                1 => "1 field".to_owned(),
                count => format!("{count} fields"),
            };
            html.raw(" ").element("span", "quiet", &count);
        }
    };
    if is_empty {
        html.raw("<div class=\"summary\" tabindex=\"0\">");
        title(html);
        html.raw("</div></li>");
        return;
    }
    html.raw("<details><summary>");
    title(html);
    html.raw("</summary><div class=\"inside\">");
    fields(html, &message.fields);
    if let Some(one) = &message.body {
        body(html, one);
    }
    html.raw("</div></details></li>");
}

fn fields(html: &mut Html, fields: &[Field]) {
    if fields.is_empty() {
        return;
    }
    html.raw("<table class=\"fields\"><tbody>");
    for field in fields {
        html.raw("<tr><th scope=\"row\">")
            .text(&field.name)
            .raw("</th><td>")
            .text(&field.value)
            .raw("</td></tr>");
    }
    html.raw("</tbody></table>");
}

fn body(html: &mut Html, body: &Body) {
    let mut title = bytes(body.bytes as u64);
    if body.form == Form::Hex {
        title.push_str(", not text");
    }
    html.element("p", "label", &title)
        .element("pre", "body", &body.text);
    if body.left_out > 0 {
        let more = format!("{} more are not shown", bytes(body.left_out as u64));
        html.element("p", "note", &more);
    }
}

fn call(html: &mut Html, call: &Call) {
    let mut class = String::from("event call");
    if call.failed {
        class.push_str(" bad");
    }
    let has_change = call.change.as_ref().is_some_and(is_changed);
    if has_change {
        class.push_str(" changed");
    }
    html.open("li", &class);
    let has_inside = call.change.is_some()
        || call.fault.is_some()
        || call.left_out > 0
        || !call.logs.is_empty()
        || !call.findings.is_empty()
        || !call.hostcalls.is_empty();
    if !has_inside {
        html.raw("<div class=\"summary\" tabindex=\"0\">");
        title(html, call);
        html.raw("</div></li>");
        return;
    }
    let open = has_change || call.failed || !call.logs.is_empty() || !call.findings.is_empty();
    html.raw(if open { "<details open>" } else { "<details>" })
        .raw("<summary>");
    title(html, call);
    html.raw("</summary><div class=\"inside\">");
    if let Some(one) = &call.fault {
        fault(html, one);
    }
    for finding in &call.findings {
        html.raw("<p class=\"finding\">")
            .element("code", "", &finding.code)
            .raw(" ")
            .text(&finding.detail)
            .element("span", "help", &finding.help)
            .raw("</p>");
    }
    if let Some(one) = &call.change {
        change(html, one);
    }
    if !call.logs.is_empty() {
        html.raw("<ul class=\"logs\" aria-label=\"log messages\">");
        for log in &call.logs {
            let level = match log.level.as_str() {
                "error" | "critical" => "level level-error",
                "warn" => "level level-warn",
                _ => "level",
            };
            html.raw("<li>")
                .element("span", level, &log.level)
                .raw(" ")
                .element("span", "text", &log.text)
                .raw("</li>");
        }
        html.raw("</ul>");
    }
    hostcalls(html, &call.hostcalls);
    if call.left_out > 0 {
        let more = grouped(call.left_out as u64);
        html.element(
            "p",
            "note",
            &format!("{more} more hostcalls and log messages are not shown"),
        );
    }
    html.raw("</div></details></li>");
}

fn title(html: &mut Html, call: &Call) {
    let kind = match call.kind {
        CallKind::Plugin => "who",
        CallKind::Callout => "who who-callout",
        CallKind::Nothing => "who who-nothing",
    };
    html.element("span", kind, &call.who)
        .raw(" ")
        .element("code", "name", &call.name);
    if !call.arguments.is_empty() {
        html.element("span", "quiet", &format!("({})", call.arguments));
    }
    if let Some(answer) = &call.answer {
        html.raw(" <span class=\"arrow\">→</span> ")
            .element("span", "answer", answer);
    }
    if call.failed {
        html.raw(" <span class=\"badge badge-bad\">failed</span>");
    }
    if let Some(change) = &call.change {
        badges(html, change);
    }
    if let Some(effect) = call.effect.as_deref().filter(|effect| *effect != "NONE") {
        html.raw(" ").element("span", "badge", effect);
    }
    for (count, one, many, class) in [
        (call.logs.len(), "log", "logs", "badge"),
        (
            call.findings.len(),
            "finding",
            "findings",
            "badge badge-warn",
        ),
    ] {
        if count > 0 {
            let word = if count == 1 { one } else { many };
            html.raw(" ")
                .element("span", class, &format!("{count} {word}"));
        }
    }
    let costs = costs(&call.cost);
    if !costs.is_empty() {
        html.raw(" ").element("span", "cost", &costs.join(" · "));
    }
    share(html, &call.cost, "of 1 ms");
}

fn fault(html: &mut Html, fault: &Fault) {
    html.raw("<div class=\"fault\"><p>")
        .element("code", "", &fault.code)
        .raw(" ")
        .text(&fault.message)
        .raw("</p>");
    for (name, lines) in [
        ("stack, innermost first", &fault.frames),
        ("last hostcalls, oldest first", &fault.last_hostcalls),
    ] {
        if lines.is_empty() {
            continue;
        }
        html.element("p", "label", name)
            .raw("<ol class=\"frames\">");
        for line in lines {
            html.raw("<li>").element("code", "", line).raw("</li>");
        }
        html.raw("</ol>");
    }
    html.raw("</div>");
}

fn hostcalls(html: &mut Html, hostcalls: &[Hostcall]) {
    if hostcalls.is_empty() {
        return;
    }
    let count = match hostcalls.len() {
        1 => "1 hostcall".to_owned(),
        count => format!("{count} hostcalls"),
    };
    html.raw("<details class=\"more\"><summary>")
        .text(&count)
        .raw("</summary><ol class=\"hostcalls\">");
    for call in hostcalls {
        html.raw("<li>").element("code", "", &call.name);
        for value in &call.values {
            html.raw(" <span class=\"value\"><span class=\"quiet\">")
                .text(&value.name)
                .raw("=</span>")
                .text(&value.value)
                .raw("</span>");
        }
        if let Some(status) = &call.status {
            html.raw(" <span class=\"arrow\">→</span> ").element(
                "span",
                "badge badge-warn",
                status,
            );
        }
        fields(html, &call.fields);
        html.raw("</li>");
    }
    html.raw("</ol></details>");
}

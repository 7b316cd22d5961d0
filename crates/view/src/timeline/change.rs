//! Diffs of headers and bodies.

use crate::html::Html;
use crate::model::{Became, BodyChange, Change, FieldChange, Form, Line, LineKind};
use crate::text::{bytes, grouped};

/// Whether anything became something else.
pub(super) fn is_changed(change: &Change) -> bool {
    match change {
        Change::Headers { fields, .. } => fields.iter().any(|f| f.became != Became::Same),
        Change::Body(body) => body.is_changed(),
    }
}

/// What changed, in a word each.
pub(super) fn badges(html: &mut Html, change: &Change) {
    let mut badge = |class: &str, text: &str| {
        html.raw(" ").element("span", class, text);
    };
    match change {
        Change::Headers { fields, .. } => {
            let count = |became| fields.iter().filter(|f| f.became == became).count();
            for (became, sign, class, word) in [
                (Became::Added, '+', "badge badge-added", "added"),
                (Became::Changed, '~', "badge badge-changed", "changed"),
                (Became::Removed, '−', "badge badge-removed", "removed"),
            ] {
                let count = count(became);
                if count > 0 {
                    badge(class, &format!("{sign}{count} {word}"));
                }
            }
        }
        Change::Body(body) if body.is_changed() => {
            let text = format!(
                "{} → {}",
                grouped(body.before as u64),
                bytes(body.after as u64)
            );
            badge("badge badge-changed", &text);
        }
        Change::Body(_) => {}
    }
}

/// What became of the part of a message that a call was about.
pub(super) fn change(html: &mut Html, change: &Change) {
    match change {
        Change::Headers {
            fields,
            reordered,
            left_out,
        } => {
            let (same, changed): (Vec<_>, Vec<_>) =
                fields.iter().partition(|f| f.became == Became::Same);
            if changed.is_empty() {
                html.raw("<details class=\"more\"><summary>")
                    .text(&format!("{} headers, all as they came", same.len()))
                    .raw("</summary>");
                field_changes(html, &fields.iter().collect::<Vec<_>>());
                html.raw("</details>");
            } else {
                field_changes(html, &changed);
                if !same.is_empty() {
                    html.raw("<details class=\"more\"><summary>")
                        .text(&format!("{} more as they came", same.len()))
                        .raw("</summary>");
                    field_changes(html, &same);
                    html.raw("</details>");
                }
            }
            if *reordered {
                html.element("p", "note", "their order is another one");
            }
            if *left_out > 0 {
                html.element("p", "note", &format!("{left_out} more are not shown"));
            }
        }
        Change::Body(body) => body_change(html, body),
    }
}

fn field_changes(html: &mut Html, fields: &[&FieldChange]) {
    html.raw("<table class=\"fields diff\"><tbody>");
    for field in fields {
        let (class, sign, word) = became(field.became);
        html.raw("<tr class=\"")
            .raw(class)
            .raw("\"><td class=\"sign\"><span aria-hidden=\"true\">")
            .raw(sign)
            .raw("</span><span class=\"hidden\">")
            .raw(word)
            .raw("</span></td><th scope=\"row\">")
            .text(&field.name)
            .raw("</th><td>");
        match (&field.was, field.became) {
            (Some(was), _) => {
                html.element("del", "", was)
                    .raw(" ")
                    .element("ins", "", &field.value);
            }
            (None, Became::Removed) => {
                html.element("del", "", &field.value);
            }
            (None, Became::Added) => {
                html.element("ins", "", &field.value);
            }
            (None, _) => {
                html.text(&field.value);
            }
        }
        html.raw("</td></tr>");
    }
    html.raw("</tbody></table>");
}

const fn became(became: Became) -> (&'static str, &'static str, &'static str) {
    match became {
        Became::Same => ("same", "", ""),
        Became::Added => ("added", "+", "added"),
        Became::Changed => ("altered", "~", "changed"),
        Became::Removed => ("removed", "−", "removed"),
    }
}

fn body_change(html: &mut Html, change: &BodyChange) {
    let mut title = if change.is_changed() {
        format!(
            "body, {} before, {} after",
            bytes(change.before as u64),
            bytes(change.after as u64)
        )
    } else {
        format!("body, {}, as it came", bytes(change.after as u64))
    };
    if change.form == Form::Hex {
        title.push_str(", not text");
    }
    html.element("p", "label", &title);
    if change.lines.is_empty() {
        return;
    }
    html.raw("<pre class=\"body\">");
    for one in &change.lines {
        line(html, one);
    }
    html.raw("</pre>");
}

fn line(html: &mut Html, line: &Line) {
    let (element, class, sign) = match line.kind {
        LineKind::Same => ("span", "line", "  "),
        LineKind::Added => ("ins", "line", "+ "),
        LineKind::Removed => ("del", "line", "− "),
        LineKind::LeftOut => ("span", "line left-out", "… "),
    };
    html.open(element, class).raw(sign);
    let marked = line.mark.and_then(|(start, end)| {
        let text = line.text.as_str();
        Some((text.get(..start)?, text.get(start..end)?, text.get(end..)?))
    });
    match marked {
        Some((before, part, after)) => {
            html.text(before).element("mark", "", part).text(after);
        }
        None => {
            html.text(&line.text);
        }
    }
    html.raw("\n</").raw(element).raw(">");
}

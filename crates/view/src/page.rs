//! Whole pages: a report that stands alone, and those of the admin port.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::html::Html;
use crate::model::{EndKind, Exchange, Report};
use crate::picture::{self, Picture};
use crate::timeline::{self, time_in_words};

/// The style of every page.
pub const STYLE: &str = include_str!("page/style.css");
/// The script of every page: arrow keys, and what is live.
pub const SCRIPT: &str = include_str!("page/script.js");

/// Where the admin port has the style.
pub const STYLE_PATH: &str = "/assets/style.css";
/// Where it has the script.
pub const SCRIPT_PATH: &str = "/assets/script.js";

/// What pages of the admin port may load: their own style, script and data, and nothing from
/// elsewhere.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The icon of every page, which would be asked of the server otherwise.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 \
                    16'%3E%3Cpath fill='none' stroke='%231a73e8' stroke-width='2.4' d='M2 14V6a6 6 0 \
                    0 1 12 0v8M8 14V4'/%3E%3C/svg%3E";

/// A line of the list of exchanges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its number. Later ones have higher numbers.
    pub id: u64,
    /// When it began, as `12:34:56.789`.
    pub time: String,
    /// The request line.
    pub title: String,
    /// How it ended.
    pub kind: EndKind,
    /// The status that the client got, or what it got instead.
    pub status: String,
    /// How long it took, in nanoseconds.
    pub took_ns: u64,
    /// Extensions that were called, failed ones marked.
    pub extensions: String,
}

/// What the live page shows at first; the rest it asks for.
#[derive(Clone, Debug, Default)]
pub struct Live<'l> {
    /// What is served.
    pub picture: Picture,
    /// Which of the pictures that there were this is.
    pub generation: u64,
    /// Exchanges, the latest first.
    pub exchanges: &'l [Summary],
    /// Exchanges that are taken a second; 0 when none is.
    pub sample: u32,
}

/// A report as a document that needs nothing else: no network, no script.
pub fn report(report: &Report) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let mut html = Html::new();
    begin(&mut html, &report.title);
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"")
        .text(&policy)
        .raw("\">\n<style>")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n<main class=\"report\">\n<header class=\"title\"><h1>")
        .text(&report.title)
        .raw("</h1>");
    timeline::facts(&mut html, &report.facts);
    for failure in &report.failures {
        html.element("pre", "failure", failure);
    }
    html.raw(KEYS).raw("</header>\n");
    for chapter in &report.chapters {
        timeline::write(&mut html, chapter);
        html.raw("\n");
    }
    html.raw("</main>\n<script>")
        .raw(SCRIPT)
        .raw("</script>\n</body>\n</html>\n");
    html.finish()
}

/// How to get about, for people without a mouse.
const KEYS: &str = "<p class=\"keys\"><kbd>↑</kbd> <kbd>↓</kbd> from call to call, <kbd>←</kbd> \
                    <kbd>→</kbd> close and open</p>";

/// The page of an exchange that is shown alone.
pub fn exchange(exchange: &Exchange) -> String {
    let mut html = Html::new();
    linked(&mut html, &exchange.title);
    html.raw("<body>\n<main class=\"report\">\n<p><a href=\"/\">all exchanges</a></p>")
        .raw(KEYS);
    timeline::write(&mut html, exchange);
    html.raw("\n</main>\n</body>\n</html>\n");
    html.finish()
}

/// The live page.
pub fn live(live: &Live<'_>) -> String {
    let mut html = Html::new();
    linked(&mut html, "gatewright serve");
    html.raw(&format!(
        "<body data-live data-generation=\"{}\" data-sample=\"{}\">\n",
        live.generation, live.sample
    ));
    html.raw(
        "<a class=\"skip\" href=\"#exchanges\">to the exchanges</a>\n<header class=\"top\">\
         <h1>gatewright serve</h1><nav aria-label=\"Pages\"><a href=\"#objects\">objects</a> \
         <a href=\"#exchanges\">exchanges</a> <a href=\"/status\">status</a> \
         <a href=\"/metrics\">metrics</a></nav></header>\n<main>\n<section id=\"objects\" \
         aria-label=\"Objects\">\n<h2>Objects</h2>\n<div data-picture>",
    );
    html.raw(&picture::picture(&live.picture));
    html.raw(
        "</div>\n</section>\n<section id=\"exchanges\" aria-label=\"Exchanges\" tabindex=\"-1\">\n\
         <h2>Exchanges <span class=\"state\" role=\"status\" data-state></span></h2>\n",
    );
    if live.sample == 0 {
        html.element(
            "p",
            "note",
            "exchanges are not recorded: the gateway was started with `--sample 0`",
        );
    } else {
        html.raw("<p class=\"note\">Up to ")
            .text(&live.sample.to_string())
            .raw(
                " exchanges a second are recorded while this page is open, their bodies up to a \
                 limit. They may hold secrets: those in <code>authorization</code> and \
                 <code>cookie</code> headers and their like are hidden, others are not.</p>\n\
                 <noscript><p class=\"note\">Without script, load this page again to see newer \
                 ones.</p></noscript>\n",
            );
    }
    html.raw("<div class=\"split\">\n<div class=\"side\"><p class=\"empty\" data-empty");
    if !live.exchanges.is_empty() {
        html.raw(" hidden");
    }
    html.raw(">None yet. Send a request to one of the Gateways above.</p>\n")
        .raw("<ol class=\"list\" data-list aria-label=\"Exchanges, the latest first\">");
    for summary in live.exchanges {
        row(&mut html, summary);
    }
    html.raw("</ol></div>\n<div class=\"detail\" data-detail>")
        .raw("<p class=\"note\">Choose an exchange. ")
        .raw(
            "<kbd>↑</kbd> <kbd>↓</kbd> move, <kbd>Enter</kbd> opens, <kbd>Esc</kbd> goes back.</p>",
        )
        .raw("</div>\n</div>\n</section>\n</main>\n</body>\n</html>\n");
    html.finish()
}

/// Lines of the list, the latest first, for a page that adds them to its own.
pub fn rows(summaries: &[Summary]) -> String {
    let mut html = Html::new();
    for summary in summaries {
        row(&mut html, summary);
    }
    html.finish()
}

fn row(html: &mut Html, summary: &Summary) {
    let class = match summary.kind {
        EndKind::Response | EndKind::Open => "end end-response",
        EndKind::Reply => "end end-reply",
        EndKind::Failed | EndKind::Reset => "end end-failed",
    };
    html.raw(&format!(
        "<li><a href=\"/exchanges/{0}\" data-id=\"{0}\">",
        summary.id
    ));
    html.element("span", class, &summary.status)
        .raw(" ")
        .element("span", "what", &summary.title)
        .raw(" ")
        .element("span", "quiet", &summary.extensions)
        .raw(" ")
        .element("span", "cost", &time_in_words(summary.took_ns))
        .raw(" ")
        .element("time", "quiet", &summary.time)
        .raw("</a></li>");
}

fn begin(html: &mut Html, title: &str) {
    html.raw(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<link rel=\"icon\" href=\"",
    )
    .raw(ICON)
    .raw("\">\n")
    .element("title", "", title)
    .raw("\n");
}

/// The head of a page of the admin port.
fn linked(html: &mut Html, title: &str) {
    begin(html, title);
    html.raw("<link rel=\"stylesheet\" href=\"")
        .raw(STYLE_PATH)
        .raw("\">\n<script src=\"")
        .raw(SCRIPT_PATH)
        .raw("\" defer></script>\n</head>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_can_stand_in_a_page() {
        // What stands in `style` and `script` is not escaped, and ends at the first such text.
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
        for text in [STYLE, SCRIPT] {
            assert!(
                !text.contains("http:") && !text.contains("https:") && !text.contains("@import")
            );
        }
    }
}

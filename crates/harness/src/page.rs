//! The run of a case as a page: the same story as [`render_case`](crate::render_case) tells.

use gatewright_host::{Profile, Trace};
use gatewright_view::Teller;
use gatewright_view::model::{
    End as Ended, EndKind, Event as Shown, Exchange as Chapter, Fact, Lane, Report,
};

use crate::model::{Case, Event, Exchange, Phase, Step};
use crate::paint::Paint;
use crate::render::{outcome, request_line};
use crate::report::human_failure;
use crate::run::{CaseRun, End, ExchangeRun, Failure};
use crate::text::shown;

/// What a case did, ready for [`gatewright_view::page::report`]. `plugins` are the names of the
/// chain's plugins, as far as they are known; `profile` is the platform that was emulated.
///
/// It tells as much as the run's trace holds; for everything it must be at
/// [`TraceLevel::Full`](gatewright_host::TraceLevel::Full).
pub fn case_page(
    case: &Case,
    run: &CaseRun,
    failures: &[Failure],
    (profile, plugins): (Profile, &[String]),
) -> Report {
    let several = case.exchanges.len() > 1;
    let failures = failures
        .iter()
        .map(|one| human_failure(one, several, Paint { colour: false }).join("\n"))
        .collect();
    let mut facts = vec![
        Fact::new("line", case.place.line.to_string()),
        Fact::new("profile", profile.to_string()),
        Fact::new("plugins", plugins.join(", ")),
    ];
    if let Some(bytes) = run.memory_bytes {
        facts.push(Fact::new("memory", format!("{} KiB", bytes / 1024)));
    }
    // A start has no budget of a millisecond.
    let at_start = Teller {
        plugins,
        budget: None,
        hide_secrets: false,
    };
    let teller = Teller {
        budget: profile.rules().limits.fuel_per_request,
        ..at_start
    };
    let mut chapters = Vec::new();
    let mut start = Vec::new();
    for trace in &run.starts {
        start.extend(whole(&at_start, trace));
    }
    chapters.push(chapter("Start", start));
    for (exchange, run) in case.exchanges.iter().zip(&run.exchanges) {
        chapters.push(told(&teller, exchange, run));
    }
    let stop = whole(&at_start, &run.stop);
    if !stop.is_empty() {
        chapters.push(chapter("End", stop));
    }
    Report {
        title: shown(case.name.as_bytes()),
        facts,
        failures,
        chapters,
    }
}

fn chapter(title: &str, events: Vec<Shown>) -> Chapter {
    Chapter {
        title: title.to_owned(),
        events,
        ..Chapter::default()
    }
    .finished()
}

fn whole(teller: &Teller<'_>, trace: &Trace) -> Vec<Shown> {
    let mut events = teller.calls(trace, 0..trace.ordinal());
    events.extend(teller.untraced(trace));
    events
}

fn told(teller: &Teller<'_>, exchange: &Exchange, run: &ExchangeRun) -> Chapter {
    let mut events = Vec::new();
    // Each step stands where it happened: what was sent, the calls, and what went on.
    let mut told = 0;
    for (step, done) in exchange.steps.iter().zip(&run.steps) {
        events.extend(teller.calls(&run.trace, told..done.first_call));
        told = done.end_call;
        if !done.delivered {
            continue;
        }
        events.push(sent(teller, step));
        events.extend(teller.calls(&run.trace, done.first_call..done.end_call));
        events.extend(
            done.effects
                .iter()
                .filter_map(|effect| teller.effect(effect)),
        );
    }
    events.extend(teller.calls(&run.trace, told..run.trace.ordinal()));
    events.extend(teller.untraced(&run.trace));
    let kind = match run.end() {
        End::Response(_) => EndKind::Response,
        End::Reply(_) => EndKind::Reply,
        End::Failed(_) => EndKind::Failed,
        End::Reset => EndKind::Reset,
        End::Open => EndKind::Open,
    };
    Chapter {
        title: request_line(exchange),
        end: Some(Ended {
            kind,
            text: outcome(run).0,
        }),
        events,
        ..Chapter::default()
    }
    .finished()
}

/// What the case sends.
fn sent(teller: &Teller<'_>, step: &Step) -> Shown {
    let (lane, side) = match step.phase {
        Phase::ResponseHeaders | Phase::ResponseBody | Phase::ResponseTrailers => {
            (Lane::Backend, "backend")
        }
        _ => (Lane::Client, "client"),
    };
    let what = step.phase.name().replace('_', " ");
    let title = format!("the {side} sends {what}");
    match &step.event {
        Event::Headers { headers, .. } | Event::Trailers(headers) => {
            teller.head(lane, true, &title, headers)
        }
        Event::Body { chunks, .. } => {
            let title = match chunks.len() {
                1 => title,
                count => format!("{title} in {count} chunks"),
            };
            teller.body(lane, true, &title, &chunks.concat())
        }
    }
}

//! What a change of a plugin changes: the same case in two versions of it.

use gatewright_host::LogLine;

use crate::explore::outcome;
use crate::run::{CaseRun, Mismatch};
use crate::text::shown;

/// Something in which two runs of a case differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The place of the exchange, from 0; nothing for the plugin's start.
    pub exchange: Option<usize>,
    /// What is different, in a sentence.
    pub what: String,
    /// What it was and what it is.
    pub texts: Option<Mismatch>,
}

/// Everything in which what comes of a case after a change differs from what came of it before:
/// whether the plugin starts, how each exchange ends, what is passed on, failures, findings, and log
/// messages.
pub fn changes(before: &CaseRun, after: &CaseRun) -> Vec<Change> {
    let fault = |run: &CaseRun| run.start_faults().next().map(ToString::to_string);
    let (old, new) = (fault(before), fault(after));
    if old != new {
        let words = |fault: Option<String>| fault.unwrap_or_else(|| "it starts".to_owned());
        return vec![Change {
            exchange: None,
            what: "the plugin starts otherwise".to_owned(),
            texts: Some(Mismatch {
                expected: words(old),
                actual: words(new),
            }),
        }];
    }
    let outcomes = outcome::of(before).into_iter().zip(outcome::of(after));
    let mut changes = Vec::new();
    for (exchange, (old, new)) in outcomes.enumerate() {
        let differences = outcome::differences(&old, &new, exchange);
        changes.extend(differences.into_iter().map(|difference| Change {
            exchange: Some(exchange),
            what: difference.message,
            texts: difference.mismatch,
        }));
        let logs = |run: &CaseRun| match run.exchanges.get(exchange) {
            Some(run) => lines(&run.trace.logs),
            None => String::new(),
        };
        let (old, new) = (logs(before), logs(after));
        if old != new {
            changes.push(Change {
                exchange: Some(exchange),
                what: "other messages are logged".to_owned(),
                texts: Some(Mismatch {
                    expected: old,
                    actual: new,
                }),
            });
        }
    }
    changes
}

fn lines(logs: &[LogLine]) -> String {
    let lines: Vec<_> = logs
        .iter()
        .map(|line| format!("{} {}", line.level.name(), shown(&line.message)))
        .collect();
    lines.join("\n")
}

//! What comes of an exchange, as far as a change of how it is sent must not change it.

use std::collections::BTreeSet;

use gatewright_host::{FindingKind, HeaderMap, LocalReply};

use crate::model::{Check, Matcher, Phase, ReplyIs};
use crate::run::{CaseRun, End, ExchangeRun, Mismatch};
use crate::text::{shown, shown_lines};

/// What came of one exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// How it ended, when not by passing on.
    over: Option<Over>,
    /// What was passed on; empty when the exchange ended otherwise, since how much went on before
    /// that is a matter of timing.
    headers: Vec<(Phase, HeaderMap)>,
    bodies: Vec<(Phase, Vec<u8>)>,
    findings: BTreeSet<FindingKind>,
    fault: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Over {
    Reply(LocalReply),
    Failed(u16),
    Reset,
}

/// Something in which an outcome differs.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// The exchange's place.
    pub(crate) exchange: usize,
    /// What differs, in a sentence.
    pub(crate) message: String,
    /// The two texts.
    pub(crate) mismatch: Option<Mismatch>,
    /// An expectation that says how it should be: of a phase, or of the whole exchange. A plugin
    /// that fails needs none.
    pub(crate) expect: Option<(Option<Phase>, Check)>,
}

const HEADERS: [Phase; 4] = [
    Phase::RequestHeaders,
    Phase::RequestTrailers,
    Phase::ResponseHeaders,
    Phase::ResponseTrailers,
];
const BODIES: [Phase; 2] = [Phase::RequestBody, Phase::ResponseBody];

/// What came of the exchanges of a case.
pub(crate) fn of(run: &CaseRun) -> Vec<Outcome> {
    run.exchanges.iter().map(Outcome::new).collect()
}

impl Outcome {
    fn new(run: &ExchangeRun) -> Self {
        let over = match run.end() {
            End::Reply(reply) => Some(Over::Reply(reply.clone())),
            End::Failed(status) => Some(Over::Failed(status)),
            End::Reset => Some(Over::Reset),
            End::Response(_) | End::Open => None,
        };
        let mut outcome = Self {
            findings: run.trace.findings.iter().map(|found| found.kind).collect(),
            fault: run.fault().map(|(fault, _)| fault.to_string()),
            ..Self::default()
        };
        if over.is_none() {
            let headers = HEADERS.into_iter();
            outcome.headers = headers
                .filter_map(|phase| Some((phase, run.headers(phase)?.clone())))
                .collect();
            let bodies = BODIES.into_iter();
            outcome.bodies = bodies
                .filter_map(|phase| Some((phase, run.body(phase)?)))
                .filter(|(_, body)| !body.is_empty())
                .collect();
        }
        outcome.over = over;
        outcome
    }

    fn headers(&self, phase: Phase) -> Option<&HeaderMap> {
        let headers = self.headers.iter().find(|(at, _)| *at == phase);
        headers.map(|(_, headers)| headers)
    }

    fn body(&self, phase: Phase) -> &[u8] {
        let body = self.bodies.iter().find(|(at, _)| *at == phase);
        body.map_or(&[], |(_, body)| body)
    }

    fn in_words(&self) -> String {
        match &self.over {
            Some(Over::Reply(reply)) => format!(
                "a reply of status {} with the body `{}`",
                reply.status,
                shown(&reply.body)
            ),
            Some(Over::Failed(status)) => format!("the plugin fails and the client gets {status}"),
            Some(Over::Reset) => "the stream is reset".to_owned(),
            None => "the exchange is passed on".to_owned(),
        }
    }

    /// The expectation that an exchange ends like this one.
    fn expect_end(&self) -> Check {
        match &self.over {
            Some(Over::Reply(reply)) => Check::Reply(ReplyIs {
                status: Some(reply.status),
                grpc_status: (reply.grpc_status != -1).then_some(reply.grpc_status),
                checks: vec![
                    Check::Exact(reply.headers.clone()),
                    Check::Body(Matcher::exact(reply.body.clone())),
                ],
            }),
            Some(Over::Failed(status)) => Check::Reply(ReplyIs {
                status: Some(u32::from(*status)),
                ..ReplyIs::default()
            }),
            Some(Over::Reset) | None => Check::NoReply,
        }
    }
}

/// Faults and findings that the exchange has and should not have.
pub(super) fn new_trouble(should: &Outcome, is: &Outcome, exchange: usize) -> Vec<Difference> {
    let mut differences = Vec::new();
    if let (None, Some(fault)) = (&should.fault, &is.fault) {
        differences.push(Difference {
            exchange,
            message: format!("the plugin fails: {fault}"),
            mismatch: None,
            expect: None,
        });
    }
    let new: Vec<_> = is.findings.difference(&should.findings).collect();
    if !new.is_empty() {
        let codes: Vec<_> = new.iter().map(|kind| kind.code()).collect();
        let kinds = should.findings.iter().copied().collect();
        differences.push(Difference {
            exchange,
            message: format!("a finding that was not there before: {}", codes.join(", ")),
            mismatch: None,
            expect: Some((None, Check::Findings(kinds))),
        });
    }
    differences
}

/// Everything in which an exchange differs from what it should be.
pub(crate) fn differences(should: &Outcome, is: &Outcome, exchange: usize) -> Vec<Difference> {
    let mut differences = new_trouble(should, is, exchange);
    // After a fault, everything else is its consequence.
    if should == is || (is.fault.is_some() && !differences.is_empty()) {
        return differences;
    }
    let mut differ = |message: String, expected: String, actual: String, expect| {
        differences.push(Difference {
            exchange,
            message,
            mismatch: Some(Mismatch { expected, actual }),
            expect: Some(expect),
        });
    };
    if should.over != is.over {
        differ(
            "the exchange ends in another way".to_owned(),
            should.in_words(),
            is.in_words(),
            (None, should.expect_end()),
        );
        return differences;
    }
    for phase in HEADERS {
        let (expected, actual) = (should.headers(phase), is.headers(phase));
        if expected != actual {
            differ(
                format!("other {} are passed on", phase.name()),
                lines(expected),
                lines(actual),
                (
                    Some(phase),
                    Check::Exact(expected.cloned().unwrap_or_default()),
                ),
            );
        }
    }
    for phase in BODIES {
        let (expected, actual) = (should.body(phase), is.body(phase));
        if expected != actual {
            differ(
                format!("another {} is passed on", phase.name()),
                shown_lines(expected),
                shown_lines(actual),
                (Some(phase), Check::Body(Matcher::exact(expected))),
            );
        }
    }
    differences
}

fn lines(headers: Option<&HeaderMap>) -> String {
    let headers = headers.into_iter().flat_map(HeaderMap::iter);
    let lines: Vec<_> = headers
        .map(|(name, value)| format!("{}: {}", shown(name), shown(value)))
        .collect();
    lines.join("\n")
}

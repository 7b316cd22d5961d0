//! What a test's plugin did, and assertions on it.

use gatewright_host::{Fault, FindingKind, HeaderMap, LocalReply, LogLevel};

use crate::model::{Case, Check, Format, Matcher, Pattern, Phase, ReplyIs};
use crate::paint::Paint;
use crate::render::render_case;
use crate::report::human_failure;
use crate::run::{CaseRun, ExchangeRun, Failure};

/// What the plugin did. Questions and assertions are about the last exchange; see
/// [`Outcome::exchange`] for the others. Each assertion panics with the difference, the logs, and
/// the whole trace.
#[derive(Clone, Debug)]
pub struct Outcome {
    case: Case,
    run: CaseRun,
    index: usize,
}

impl Outcome {
    pub(super) fn new(case: Case, run: CaseRun) -> Self {
        let index = run.exchanges.len().saturating_sub(1);
        Self { case, run, index }
    }

    /// The same outcome, looked at for the exchange of this place, from 0.
    #[must_use]
    pub fn exchange(&self, index: usize) -> Self {
        Self {
            index,
            ..self.clone()
        }
    }

    /// Everything that was seen, for what the questions here do not ask.
    pub fn run(&self) -> &CaseRun {
        &self.run
    }

    fn seen(&self) -> Option<&ExchangeRun> {
        self.run.exchanges.get(self.index)
    }

    /// The plugin's own reply, if it sent one.
    pub fn reply(&self) -> Option<&LocalReply> {
        Some(self.seen()?.reply()?.1)
    }

    /// The request's headers as the upstream gets them.
    pub fn request_headers(&self) -> Option<&HeaderMap> {
        self.seen()?.headers(Phase::RequestHeaders)
    }

    /// The response's headers as the client gets them.
    pub fn response_headers(&self) -> Option<&HeaderMap> {
        self.seen()?.headers(Phase::ResponseHeaders)
    }

    /// The request's body as the upstream gets it.
    pub fn request_body(&self) -> Option<Vec<u8>> {
        self.seen()?.body(Phase::RequestBody)
    }

    /// The response's body as the client gets it.
    pub fn response_body(&self) -> Option<Vec<u8>> {
        self.seen()?.body(Phase::ResponseBody)
    }

    /// Log messages, those of the start first.
    pub fn logs(&self) -> impl Iterator<Item = (LogLevel, &[u8])> {
        self.run
            .starts
            .iter()
            .chain(self.seen().map(|seen| &seen.trace))
            .flat_map(|trace| &trace.logs)
            .map(|line| (line.level, line.message.as_slice()))
    }

    /// How the plugin failed, if it did: at its start, in this exchange, or at its end.
    pub fn fault(&self) -> Option<&Fault> {
        self.run
            .start_faults()
            .chain(self.seen().into_iter().flat_map(|seen| &seen.trace.faults))
            .chain(&self.run.stop.faults)
            .next()
    }

    /// Fuel that all callbacks burnt, about one unit a wasm instruction.
    pub fn fuel(&self) -> u64 {
        self.run.fuel()
    }

    /// The whole story, for people.
    pub fn trace(&self, colour: bool) -> String {
        render_case(&self.case, &self.run, colour)
    }

    /// The plugin replied with this status.
    #[track_caller]
    pub fn assert_reply(&self, status: u32) {
        self.assert_whole(Check::Reply(ReplyIs {
            status: Some(status),
            ..ReplyIs::default()
        }));
    }

    /// The plugin replied with this body.
    #[track_caller]
    pub fn assert_reply_body(&self, body: impl AsRef<[u8]>) {
        self.assert_in_reply(Check::Body(Matcher::exact(body.as_ref())));
    }

    /// The plugin's reply has this header.
    #[track_caller]
    pub fn assert_reply_header(&self, name: &str, value: impl AsRef<[u8]>) {
        self.assert_in_reply(Check::Has(name.into(), Matcher::exact(value.as_ref())));
    }

    #[track_caller]
    fn assert_in_reply(&self, check: Check) {
        self.assert_whole(Check::Reply(ReplyIs {
            checks: vec![check],
            ..ReplyIs::default()
        }));
    }

    /// The plugin did not reply.
    #[track_caller]
    pub fn assert_no_reply(&self) {
        self.assert_whole(Check::NoReply);
    }

    /// The upstream gets this header.
    #[track_caller]
    pub fn assert_request_header(&self, name: &str, value: impl AsRef<[u8]>) {
        let check = Check::Has(name.into(), Matcher::exact(value.as_ref()));
        self.assert_phase(Phase::RequestHeaders, check);
    }

    /// The upstream gets no header of this name.
    #[track_caller]
    pub fn assert_no_request_header(&self, name: &str) {
        self.assert_phase(Phase::RequestHeaders, Check::Lacks(name.into()));
    }

    /// The client gets this header.
    #[track_caller]
    pub fn assert_response_header(&self, name: &str, value: impl AsRef<[u8]>) {
        let check = Check::Has(name.into(), Matcher::exact(value.as_ref()));
        self.assert_phase(Phase::ResponseHeaders, check);
    }

    /// The client gets no header of this name.
    #[track_caller]
    pub fn assert_no_response_header(&self, name: &str) {
        self.assert_phase(Phase::ResponseHeaders, Check::Lacks(name.into()));
    }

    /// The upstream gets this body.
    #[track_caller]
    pub fn assert_request_body(&self, body: impl AsRef<[u8]>) {
        let check = Check::Body(Matcher::exact(body.as_ref()));
        self.assert_phase(Phase::RequestBody, check);
    }

    /// The client gets this body from the upstream, by way of the plugin.
    #[track_caller]
    pub fn assert_response_body(&self, body: impl AsRef<[u8]>) {
        let check = Check::Body(Matcher::exact(body.as_ref()));
        self.assert_phase(Phase::ResponseBody, check);
    }

    /// Some log message of the exchange has this text in it.
    #[track_caller]
    pub fn assert_log(&self, text: &str) {
        let matcher = Matcher::new(Pattern::Contains(text.into()));
        self.assert_whole(Check::Log(None, matcher));
    }

    /// Nothing was found in the exchange that would surprise in production.
    #[track_caller]
    pub fn assert_no_findings(&self) {
        self.assert_findings(&[]);
    }

    /// Exactly these kinds of findings were made in the exchange.
    #[track_caller]
    pub fn assert_findings(&self, kinds: &[FindingKind]) {
        let mut kinds = kinds.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        self.assert_whole(Check::Findings(kinds));
    }

    /// The plugin refused to start, and some log message of the start has this text in it.
    #[track_caller]
    pub fn assert_start_fails(&self, text: &str) {
        let matcher = Matcher::new(Pattern::Contains(text.into()));
        let mut case = self.case.clone();
        case.start_fails = true;
        case.start.push(Check::Log(None, matcher));
        self.verify(&case);
    }

    #[track_caller]
    fn assert_whole(&self, check: Check) {
        let mut case = self.case.clone();
        if let Some(exchange) = case.exchanges.get_mut(self.index) {
            exchange.whole.push(check);
        }
        self.verify(&case);
    }

    #[track_caller]
    fn assert_phase(&self, phase: Phase, check: Check) {
        let mut case = self.case.clone();
        if let Some(exchange) = case.exchanges.get_mut(self.index) {
            match exchange.steps.iter_mut().find(|step| step.phase == phase) {
                Some(step) => step.checks.push(check),
                None => return self.fail(&[nothing_sent(phase)]),
            }
        }
        self.verify(&case);
    }

    #[track_caller]
    fn verify(&self, case: &Case) {
        let mut failures = self.run.check(case, Format::Cases);
        if failures.is_empty() && !case.start_fails && self.seen().is_none() {
            failures.push(failure(None, "the test has no such exchange".to_owned()));
        }
        self.fail(&failures);
    }

    /// Fails the test if there is a failure.
    #[track_caller]
    #[expect(clippy::panic, reason = "an assertion fails the test that makes it")]
    fn fail(&self, failures: &[Failure]) {
        if failures.is_empty() {
            return;
        }
        let paint = Paint { colour: false };
        let mut text = String::from("the plugin did something else\n");
        for failure in failures {
            for line in human_failure(failure, true, paint) {
                text.push_str("  ");
                text.push_str(&line);
                text.push('\n');
            }
        }
        panic!("{text}\n{}", self.trace(false));
    }
}

fn nothing_sent(phase: Phase) -> Failure {
    let message = format!("the test sends nothing in `{}`", phase.name());
    failure(Some(phase), message)
}

fn failure(phase: Option<Phase>, message: String) -> Failure {
    Failure {
        exchange: None,
        phase,
        message,
        mismatch: None,
        logs: Vec::new(),
        fault: None,
    }
}

//! Compares what a case did with what it expects.

mod compare;
mod outside;
mod seen;

use gatewright_host::{FUEL_PER_MILLISECOND, Fault, LogLine};

use super::record::{CaseRun, ExchangeRun};
use crate::model::{Case, Check, Exchange, Format, Phase};
use compare::{Wrong, evaluate};
use seen::Seen;

/// Something that was expected and did not happen, or the other way around.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The exchange's place in its case, from 0, if it was in one.
    pub exchange: Option<usize>,
    /// The phase, if it is about one.
    pub phase: Option<Phase>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// The two texts that should be the same, where there are two.
    pub mismatch: Option<Mismatch>,
    /// Log messages of that phase, or of the exchange when it is about the whole.
    pub logs: Vec<LogLine>,
    /// How the plugin failed, if it did.
    pub fault: Option<Fault>,
}

/// Two texts that should be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What should be.
    pub expected: String,
    /// What is.
    pub actual: String,
}

impl CaseRun {
    /// Everything in which the run differs from what the case expects.
    pub fn check(&self, case: &Case, format: Format) -> Vec<Failure> {
        let mut failures = Failures::default();
        self.check_start(case, format, &mut failures);
        for (index, (exchange, run)) in case.exchanges.iter().zip(&self.exchanges).enumerate() {
            failures.exchange = Some(index);
            check_exchange(exchange, run, format, &mut failures);
        }
        self.check_budget(case, &mut failures);
        failures.exchange = None;
        for fault in &self.stop.faults {
            failures.fault(Some(Phase::Done), fault, self.stop.logs.iter());
        }
        failures.list
    }

    /// Costs over the case's budget.
    fn check_budget(&self, case: &Case, failures: &mut Failures) {
        let over = |what: String| Wrong::because(format!("over the budget: {what}"));
        for (index, run) in self.exchanges.iter().enumerate() {
            failures.exchange = Some(index);
            let fuel = run.trace.fuel();
            if let Some(limit) = case.budget.fuel.filter(|limit| fuel > *limit) {
                let wrong = over(format!("{fuel} fuel, {limit} allowed"));
                failures.push(None, &Seen::default(), wrong);
            }
            let share = 100.0 * fuel as f64 / FUEL_PER_MILLISECOND as f64;
            if let Some(limit) = case.budget.share.filter(|limit| share > *limit) {
                let wrong = over(format!(
                    "{share:.2} % of a request's millisecond, {limit} % allowed"
                ));
                failures.push(None, &Seen::default(), wrong);
            }
        }
        failures.exchange = None;
        let memory = self.memory_bytes.unwrap_or(0) as u64;
        if let Some(limit) = case.budget.memory.filter(|limit| memory > *limit) {
            let wrong = over(format!("{memory} bytes of memory, {limit} allowed"));
            failures.push(None, &Seen::default(), wrong);
        }
    }

    fn check_start(&self, case: &Case, format: Format, failures: &mut Failures) {
        let seen = Seen::start(&self.starts, format);
        match (self.start_faults().next(), case.start_fails) {
            (Some(fault), false) => {
                let logs = self.starts.iter().flat_map(|trace| &trace.logs);
                failures.fault(Some(Phase::Configure), fault, logs);
                return;
            }
            (None, true) => failures.push(
                Some(Phase::Configure),
                &seen,
                Wrong::because("the plugin was expected to refuse to start, and it started"),
            ),
            _ => {}
        }
        failures.check_all(Some(Phase::Configure), &seen, &case.start);
    }
}

fn check_exchange(exchange: &Exchange, run: &ExchangeRun, format: Format, failures: &mut Failures) {
    let fault = run.fault();
    let mut reached_fault = false;
    let mut phase = |phase: Phase, seen: &Seen<'_>, checks: &[Check], failures: &mut Failures| {
        // What comes after an unexpected fault is its consequence, and not worth a line.
        let faulted = fault.is_some_and(|(_, at)| at == Some(phase)) && exchange.trap.is_none();
        if !faulted && !reached_fault {
            failures.check_all(Some(phase), seen, checks);
        }
        reached_fault |= faulted;
    };
    let open = Seen::phase(run, Phase::Open);
    phase(Phase::Open, &open, &exchange.open, failures);
    for (step, done) in exchange.steps.iter().zip(&run.steps) {
        let seen = match format {
            Format::Cases => Seen::phase(run, step.phase),
            Format::Google => Seen::tester(run, step, done),
        };
        phase(step.phase, &seen, &step.checks, failures);
    }
    let done = Seen::phase(run, Phase::Done);
    phase(Phase::Done, &done, &exchange.done, failures);
    match (&exchange.trap, fault) {
        (None, Some((fault, at))) => {
            let logs = run
                .trace
                .logs
                .iter()
                .filter(|line| Phase::of(line.entry) == at);
            failures.fault(at, fault, logs);
            return;
        }
        (Some(trap), Some((fault, at))) => {
            let text = format!("{}: {}", fault.kind.code(), fault.message);
            let texts = [text.as_bytes(), fault.message.as_bytes()];
            if !trap.holds_among(texts) {
                let wrong = Wrong::not("the trap is another", trap, &text);
                failures.push(at, &Seen::whole(run), wrong);
            }
        }
        (Some(trap), None) => failures.push(
            None,
            &Seen::whole(run),
            Wrong::because(format!("expected a trap: {trap}; there was none")),
        ),
        (None, None) => {}
    }
    failures.check_all(None, &Seen::whole(run), &exchange.whole);
}

#[derive(Default)]
struct Failures {
    exchange: Option<usize>,
    list: Vec<Failure>,
}

impl Failures {
    fn check_all(&mut self, phase: Option<Phase>, seen: &Seen<'_>, checks: &[Check]) {
        for check in checks {
            for wrong in evaluate(check, seen) {
                self.push(phase, seen, wrong);
            }
        }
    }

    fn push(&mut self, phase: Option<Phase>, seen: &Seen<'_>, wrong: Wrong) {
        self.list.push(Failure {
            exchange: self.exchange,
            phase,
            message: wrong.message,
            mismatch: wrong.mismatch,
            logs: seen.logs.iter().map(|line| (*line).clone()).collect(),
            fault: None,
        });
    }

    fn fault<'a>(
        &mut self,
        phase: Option<Phase>,
        fault: &Fault,
        logs: impl Iterator<Item = &'a LogLine>,
    ) {
        self.list.push(Failure {
            exchange: self.exchange,
            phase,
            message: format!("the plugin failed: {fault}"),
            mismatch: None,
            logs: logs.cloned().collect(),
            fault: Some(fault.clone()),
        });
    }
}

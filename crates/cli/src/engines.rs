//! Cases through a real Envoy: which one, and what becomes of the cases of several files.

use std::path::PathBuf;

use anyhow::Context as _;
use gatewright_envoy::{CaseVerdict, Inexpressible, Peer, Subject, Trial};
use gatewright_harness::{Case, FailurePolicy, Job};

use crate::gather::Gathered;

/// The variable that names an Envoy where no option does.
const VARIABLE: &str = "GATEWRIGHT_ENVOY";

/// The Envoy that an option or the variable names.
pub(crate) fn named(given: Option<&PathBuf>) -> Option<PathBuf> {
    given.cloned().or_else(|| {
        let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
        named.map(PathBuf::from)
    })
}

/// The Envoy to ask.
pub(crate) fn peer(given: Option<&PathBuf>) -> anyhow::Result<Peer> {
    let program = named(given).with_context(|| {
        format!(
            "there is no Envoy to ask: say which with `--envoy PATH` or `{VARIABLE}`; \
             `scripts/setup` installs one and `source scripts/env.sh` names it"
        )
    })?;
    Ok(Peer::new(program))
}

/// A case that was put to Envoy.
pub(crate) struct Asked<'a> {
    pub(crate) from: &'a Gathered,
    pub(crate) case: &'a Case,
    pub(crate) verdict: CaseVerdict,
}

/// Puts all cases of some jobs to Envoy, and answers in their order.
pub(crate) fn ask<'a>(
    peer: &Peer,
    jobs: &[(Job<'a>, &'a Gathered)],
) -> anyhow::Result<Vec<Asked<'a>>> {
    let subjects: Vec<_> = jobs
        .iter()
        .map(|(job, from)| Subject {
            plugin: job.subject.chain[0].plugin.clone(),
            wasm: from.wasm.clone(),
        })
        .collect();
    let mut trials = Vec::new();
    let mut asked = Vec::new();
    for ((job, from), subject) in jobs.iter().zip(&subjects) {
        for index in &job.selected {
            let case = &from.suite.cases[*index];
            trials.push(Trial {
                case,
                format: from.suite.format,
                subject,
                config: job.subject.config.clone(),
                policy: FailurePolicy::Closed,
            });
            asked.push((*from, case));
        }
    }
    let verdicts = peer.run(&trials)?;
    let asked = asked.into_iter().zip(verdicts);
    Ok(asked
        .map(|((from, case), verdict)| Asked {
            from,
            case,
            verdict,
        })
        .collect())
}

/// Tells on standard error which cases Envoy was not asked, and why not.
pub(crate) fn tell_unasked(unasked: &[(&Gathered, &Case, Inexpressible)]) {
    if unasked.is_empty() {
        return;
    }
    let cases = if unasked.len() == 1 { "case" } else { "cases" };
    anstream::eprintln!("{} {cases} not put to Envoy:", unasked.len());
    for reason in Inexpressible::ALL {
        let of_it: Vec<_> = unasked.iter().filter(|(_, _, why)| why == reason).collect();
        if of_it.is_empty() {
            continue;
        }
        anstream::eprintln!("  {reason}: {}", of_it.len());
        for (from, case, _) in of_it {
            let file = from.suite.file.display();
            anstream::eprintln!("    {file}:{}: {}", case.place.line, case.name);
        }
    }
}

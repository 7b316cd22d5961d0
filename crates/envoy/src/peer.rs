//! Cases through both engines: batches of them through one Envoy each, and where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_harness::{Case, FailurePolicy, Format};
use gatewright_host::{LogLevel, Plugin};

use crate::bootstrap::{Entry, UPSTREAM};
use crate::callouts::Turns;
use crate::emulate::{Emulated, Settings, emulate, hangs_on};
use crate::error::Error;
use crate::inexpressible::Inexpressible;
use crate::judge;
use crate::log::{self, Line, Told};
use crate::plan::Plan;
use crate::process::Envoy;
use crate::session::Session;
use crate::socket::{Server, Sockets};
use crate::verdict::{CaseVerdict, Start, Verdict};

/// Plugins that one Envoy is given. Each costs it a VM for every thread.
const BATCH: usize = 64;

/// A plugin in both forms: compiled for the emulator, and the file that Envoy loads.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The compiled module.
    pub plugin: Plugin,
    /// The module's file.
    pub wasm: PathBuf,
}

/// A case to try in both engines.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    /// The case.
    pub case: &'a Case,
    /// The format that it was written in, which says how it means its ends.
    pub format: Format,
    /// The plugin.
    pub subject: &'a Subject,
    /// A configuration in place of the case's.
    pub config: Option<Arc<[u8]>>,
    /// What happens when the plugin fails, unless the case says so.
    pub policy: FailurePolicy,
}

/// A stock Envoy, to be started as often as it takes.
#[derive(Clone, Debug)]
pub struct Peer {
    program: PathBuf,
}

impl Peer {
    /// An Envoy by its path. It is looked at when it is first started.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
        }
    }

    /// Runs all cases in both engines, and answers in their order.
    ///
    /// # Errors
    /// [`Error`] when Envoy is missing, refuses what it is given, crashes or hangs.
    pub fn run(&self, trials: &[Trial<'_>]) -> Result<Vec<CaseVerdict>, Error> {
        let mut verdicts = Vec::with_capacity(trials.len());
        for batch in trials.chunks(BATCH) {
            self.batch(batch, &mut verdicts)?;
        }
        Ok(verdicts)
    }

    fn batch(&self, trials: &[Trial<'_>], verdicts: &mut Vec<CaseVerdict>) -> Result<(), Error> {
        let prepared: Vec<_> = trials
            .iter()
            .enumerate()
            .map(|(at, trial)| prepare(trial, format!("case-{at}")))
            .collect();
        let able: Vec<&Prepared<'_>> = prepared.iter().flatten().collect();
        let mut session = match able[..] {
            [] => None,
            _ => Some(start(&self.program, &able)?),
        };
        for prepared in &prepared {
            verdicts.push(match (prepared, &mut session) {
                (Ok(prepared), Some((session, logs))) => {
                    let logs = logs.remove(&prepared.name).unwrap_or_default();
                    let verdict = prepared.verdict(session, logs);
                    let verdict = verdict.map_err(|error| Error::During {
                        case: prepared.trial.case.name.clone(),
                        source: Box::new(error),
                    })?;
                    CaseVerdict::Ran(Box::new(verdict))
                }
                (Err(reason), _) => CaseVerdict::Inexpressible(*reason),
                // There is a session as soon as one case can be carried.
                (Ok(_), None) => continue,
            });
        }
        let Some((session, _)) = session else {
            return Ok(());
        };
        let statistics = session.envoy.statistics()?;
        let first = verdicts.len() - prepared.len();
        for (prepared, verdict) in prepared.iter().zip(&mut verdicts[first..]) {
            if let (Ok(prepared), CaseVerdict::Ran(verdict)) = (prepared, verdict) {
                let prefix = format!("http.{}.", prepared.name);
                let own = statistics.iter().filter_map(|(name, value)| {
                    Some((name.strip_prefix(&prefix)?.to_owned(), *value))
                });
                verdict.statistics = own.collect();
            }
        }
        Ok(())
    }
}

/// A case that was planned, and what the emulator did with it.
struct Prepared<'a> {
    trial: &'a Trial<'a>,
    name: String,
    config: Option<Arc<[u8]>>,
    policy: FailurePolicy,
    plan: Plan,
    emulated: Emulated,
}

fn prepare<'a>(trial: &'a Trial<'a>, name: String) -> Result<Prepared<'a>, Inexpressible> {
    let plan = Plan::of(trial.case, trial.format)?;
    let setup = trial.case.world.plugins.first();
    let config = setup
        .and_then(|setup| setup.config.clone())
        .or_else(|| trial.config.clone())
        .or_else(|| trial.case.config.clone());
    let policy = setup
        .and_then(|setup| setup.failure)
        .unwrap_or(trial.policy);
    let settings = Settings {
        plugin: &trial.subject.plugin,
        name: &name,
        config: config.as_ref(),
        policy,
    };
    let emulated = emulate(trial.case, &plan, &settings);
    if let Some(reason) = hangs_on(&emulated, trial.case, &plan, &settings) {
        return Err(reason);
    }
    Ok(Prepared {
        trial,
        name,
        config,
        policy,
        plan,
        emulated,
    })
}

/// Messages of starts, by VM.
type StartLogs = BTreeMap<String, Vec<(LogLevel, Vec<u8>)>>;

fn start(program: &Path, cases: &[&Prepared<'_>]) -> Result<(Session, StartLogs), Error> {
    let entries: Vec<_> = cases
        .iter()
        .map(|case| Entry {
            name: &case.name,
            wasm: &case.trial.subject.wasm,
            config: case.config.as_deref().unwrap_or_default(),
            policy: case.policy,
        })
        .collect();
    let names: BTreeSet<&str> = cases
        .iter()
        .flat_map(|case| case.plan.services.names())
        .collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let upstream = Server::start()?;
    let services: Vec<Server> = names
        .iter()
        .map(|_| Server::start())
        .collect::<Result<_, _>>()?;
    let mut clusters = vec![(UPSTREAM, upstream.port)];
    let ports = services.iter().map(|server| server.port);
    clusters.extend(names.iter().map(String::as_str).zip(ports));
    let mut session = Session {
        envoy: Envoy::start(program, &entries, &clusters)?,
        sockets: Sockets {
            client: None,
            upstream,
            services,
        },
        names,
    };
    session.envoy.barrier()?;
    let lines = log::parse(&session.envoy.new_log()?);
    Ok((session, start_logs(&lines)))
}

/// The messages of each VM's first start. Envoy starts every VM several times: to try it, for its
/// main thread, and for its worker.
fn start_logs(lines: &[Line]) -> StartLogs {
    let mut logs = StartLogs::new();
    let mut running: BTreeMap<u64, StartLogs> = BTreeMap::new();
    for line in lines {
        let run = running.entry(line.thread).or_default();
        match &line.told {
            Told::Message { vm, level, text } => {
                run.entry(vm.clone())
                    .or_default()
                    .push((*level, text.clone()));
            }
            Told::Leave { name, .. } | Told::Failed { name, .. }
                if name == "proxy_on_configure" || name == "proxy_on_vm_start" =>
            {
                // A VM that started goes on to its configuration.
                let refused = matches!(&line.told, Told::Leave { returned: 1, .. });
                if name == "proxy_on_vm_start" && refused {
                    continue;
                }
                for (vm, messages) in std::mem::take(run) {
                    logs.entry(vm).or_insert(messages);
                }
            }
            _ => {}
        }
    }
    logs
}

impl Prepared<'_> {
    fn verdict(
        &self,
        session: &mut Session,
        logs: Vec<(LogLevel, Vec<u8>)>,
    ) -> Result<Verdict, Error> {
        let port = session.envoy.port(&self.name);
        let emulated = &self.emulated;
        let mut verdict = Verdict {
            start: [
                Start {
                    started: emulated.started,
                    logs: emulated.start_logs.clone(),
                },
                Start {
                    // One that fails open gets its listener either way.
                    started: match self.policy {
                        FailurePolicy::Open => emulated.started,
                        FailurePolicy::Closed | FailurePolicy::Reload => port.is_some(),
                    },
                    logs,
                },
            ],
            ..Verdict::default()
        };
        verdict.run.starts = vec![judge::start(self.trial.case, &verdict.start[1])];
        let Some(port) = port else {
            return Ok(verdict);
        };
        let mut turns = Turns::default();
        let case = self.trial.case;
        let sent = self.plan.exchanges.iter().zip(&case.exchanges);
        for ((sent, exchange), exchanged) in sent.zip(&emulated.exchanges) {
            let services = (&self.plan.services, &mut turns);
            let ran = session.exchange(port, sent, exchanged, services)?;
            let run = judge::exchange_run(case, exchange, sent, &ran);
            verdict.run.exchanges.push(run);
            verdict
                .exchanges
                .push([exchanged.outcome.clone(), ran.outcome]);
        }
        Ok(verdict)
    }
}

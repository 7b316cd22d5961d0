//! What both engines did with a case, and where they differ.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_harness::CaseRun;
use gatewright_host::LogLevel;

use crate::exceptions::{Exception, explain};
use crate::inexpressible::Inexpressible;
use crate::outcome::{Aspect, Outcome, shown};

/// What became of a case.
#[derive(Clone, Debug)]
pub enum CaseVerdict {
    /// HTTP cannot carry it.
    Inexpressible(Inexpressible),
    /// Both engines ran it.
    Ran(Box<Verdict>),
}

/// What both engines did with a case.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The start of the plugin: the emulator's, then Envoy's.
    pub start: [Start; 2],
    /// The exchanges: the emulator's outcome, then Envoy's.
    pub exchanges: Vec<[Outcome; 2]>,
    /// Envoy's own statistics of the case's listener, by name: `downstream_rq_total` and so on.
    pub statistics: BTreeMap<String, u64>,
    /// What Envoy did, in a form that the case's expectations can be checked against.
    pub run: CaseRun,
}

/// How a plugin started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Whether it did.
    pub started: bool,
    /// What it logged.
    pub logs: Vec<(LogLevel, Vec<u8>)>,
}

/// Something in which the engines differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The exchange's place in its case, from 0; `None` for the plugin's start.
    pub exchange: Option<usize>,
    /// What differs; `None` for the plugin's start.
    pub aspect: Option<Aspect>,
    /// What the emulator did.
    pub emulator: String,
    /// What Envoy did.
    pub envoy: String,
    /// The exceptions that explain it; none when it is not explained.
    pub known: Vec<&'static Exception>,
}

impl Verdict {
    /// Everything in which the two engines differ.
    pub fn differences(&self) -> Vec<Difference> {
        let [emulator, envoy] = self.start.each_ref().map(Start::text);
        let start = Difference {
            exchange: None,
            aspect: None,
            emulator,
            envoy,
            known: Vec::new(),
        };
        let exchanges = self.exchanges.iter().enumerate().flat_map(|(index, pair)| {
            Aspect::ALL.iter().map(move |aspect| {
                let [emulator, envoy] = pair.each_ref().map(|outcome| outcome.text(*aspect));
                Difference {
                    exchange: Some(index),
                    aspect: Some(*aspect),
                    emulator,
                    envoy,
                    known: Vec::new(),
                }
            })
        });
        std::iter::once(start)
            .chain(exchanges)
            .filter(|difference| difference.emulator != difference.envoy)
            .map(|mut difference| {
                difference.known = explain(&difference);
                difference
            })
            .collect()
    }

    /// The hostcalls that Envoy carried out.
    pub fn hostcalls(&self) -> BTreeSet<&str> {
        self.exchanges
            .iter()
            .flat_map(|[_, envoy]| &envoy.calls)
            .flat_map(|call| &call.hostcalls)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

impl Start {
    fn text(&self) -> String {
        let mut text = String::new();
        for (level, message) in &self.logs {
            text.push_str(&format!("{level}: {}\n", shown(message)));
        }
        text.push_str(if self.started {
            "started\n"
        } else {
            "did not start\n"
        });
        text
    }
}

impl Difference {
    /// What differs, in words.
    pub fn what(&self) -> &'static str {
        self.aspect.map_or("the plugin's start", Aspect::name)
    }

    /// The two texts line by line: `-` is the emulator's alone, `+` Envoy's alone.
    pub fn diff(&self) -> String {
        let diff = similar::TextDiff::from_lines(&self.emulator, &self.envoy);
        let mut out = String::new();
        for change in diff.iter_all_changes() {
            let sign = match change.tag() {
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
                similar::ChangeTag::Equal => ' ',
            };
            out.push(sign);
            out.push(' ');
            out.push_str(change.value().trim_end_matches('\n'));
            out.push('\n');
        }
        out
    }
}

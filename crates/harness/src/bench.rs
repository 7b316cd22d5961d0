//! What a plugin costs: each callback of a case, the whole exchange, memory, memory for each of
//! many open streams.

use std::collections::BTreeMap;

use gatewright_host::{
    Callback, Cost, Entry, FUEL_PER_MILLISECOND, GuestProfile, Limits, Span, Trace, TraceLevel,
};

use crate::model::Case;
use crate::run::{Subject, open_streams, run_case};

/// How many streams a VM of the load balancer must have open at a time.
pub const STREAMS: usize = 1000;

/// What calls of one callback cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallbackCost {
    /// How often it was called.
    pub calls: u64,
    /// Fuel of all calls.
    pub fuel: u64,
    /// Fuel of the dearest call.
    pub dearest: u64,
    /// Hostcalls.
    pub hostcalls: u64,
    /// Bytes that went from the guest to the host.
    pub bytes_from_guest: u64,
    /// Bytes that went from the host to the guest.
    pub bytes_to_guest: u64,
    /// Bytes by which memory grew.
    pub memory_growth: u64,
}

impl CallbackCost {
    fn add(&mut self, cost: &Cost) {
        self.calls += 1;
        self.fuel += cost.fuel;
        self.dearest = self.dearest.max(cost.fuel);
        self.hostcalls += u64::from(cost.hostcalls);
        self.bytes_from_guest += cost.bytes_from_guest;
        self.bytes_to_guest += cost.bytes_to_guest;
        self.memory_growth += cost.memory_growth;
    }

    /// Fuel as a part of the millisecond that production allows, in percent.
    pub fn share(&self) -> f64 {
        100.0 * self.fuel as f64 / FUEL_PER_MILLISECOND as f64
    }
}

/// What a case costs.
#[derive(Clone, Debug, Default)]
pub struct CaseCost {
    /// The case's name.
    pub name: String,
    /// Each callback by its name, in the order in which they came first, over all exchanges.
    pub callbacks: Vec<(&'static str, CallbackCost)>,
    /// The start: initialisation and configuration.
    pub start: CallbackCost,
    /// The dearest of its exchanges, all callbacks together.
    pub exchange: CallbackCost,
    /// Bytes of memory at the peak; memory never shrinks. `None` when the VM failed.
    pub memory: Option<usize>,
    /// What [`STREAMS`] open streams of its first exchange need.
    pub streams: Streams,
}

/// What many open streams need.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Streams {
    /// How many were opened before the plugin failed; all if it did not.
    pub opened: usize,
    /// Bytes of memory for each. Memory grows by 64 KiB, so this is exact to 64 bytes or so.
    pub bytes: f64,
}

/// Measures a case. Costs are fuel and bytes, the same on every run and every machine.
pub fn bench(case: &Case, subject: &Subject) -> CaseCost {
    let run = run_case(case, subject, TraceLevel::Cost);
    let mut cost = CaseCost {
        name: case.name.clone(),
        memory: run.memory_bytes,
        ..CaseCost::default()
    };
    let mut places: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut add = |span: &Span| {
        let name = span.entry.name();
        let place = *places.entry(name).or_insert_with(|| {
            cost.callbacks.push((name, CallbackCost::default()));
            cost.callbacks.len() - 1
        });
        cost.callbacks[place].1.add(&span.cost);
    };
    // Of a chain, the plugin under test is the first.
    let own = |trace: &Trace| -> Vec<Span> {
        let spans = trace.spans.iter();
        spans.filter(|span| span.plugin == 0).cloned().collect()
    };
    for span in run.starts.iter().flat_map(own) {
        cost.start.add(&span.cost);
        // The root context's creation has the name of the streams'.
        if span.entry != Entry::Callback(Callback::OnContextCreate) {
            add(&span);
        }
    }
    for exchange in &run.exchanges {
        let mut whole = CallbackCost::default();
        for span in own(&exchange.trace) {
            add(&span);
            whole.add(&span.cost);
        }
        if whole.fuel > cost.exchange.fuel || cost.exchange.calls == 0 {
            cost.exchange = whole;
        }
    }
    cost.streams = streams(case, subject);
    cost
}

fn streams(case: &Case, subject: &Subject) -> Streams {
    let (before, after, opened) = open_streams(case, subject, STREAMS);
    Streams {
        opened,
        bytes: after.saturating_sub(before) as f64 / opened.max(1) as f64,
    }
}

/// Says which functions of the first plugin, which must be compiled for it, the fuel of a case goes
/// to. Nothing limits the fuel, since watching burns some.
pub fn profile(case: &Case, subject: &Subject) -> Option<GuestProfile> {
    let mut subject = subject.clone();
    for link in &mut subject.chain {
        let limits = link.limits.clone().unwrap_or(Limits::GOOGLE);
        link.limits = Some(Limits {
            fuel_per_invocation: None,
            fuel_per_request: None,
            ..limits
        });
    }
    run_case(case, &subject, TraceLevel::Cost).profile
}

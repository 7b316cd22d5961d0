//! What callouts did, counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gatewright_callout::{Event, Status};

use super::{Histogram, Page, Registry, find};
use crate::snapshot::CalloutUse;

/// What a callout did, by event.
#[derive(Debug, Default)]
pub(crate) struct CalloutStats {
    /// By gRPC's status.
    counts: [[AtomicU64; 17]; 6],
    latencies: [Histogram; 6],
    failed_open: AtomicU64,
}

impl CalloutStats {
    pub(crate) fn record(&self, event: Event, status: Status, time: Duration) {
        let counts = &self.counts[event as usize];
        let number = usize::try_from(status.number()).unwrap_or(usize::MAX);
        // What is no status of gRPC's is counted as unknown, as gRPC itself reads it.
        let count = counts.get(number).unwrap_or(&counts[2]);
        count.fetch_add(1, Relaxed);
        self.latencies[event as usize].record(time);
    }

    pub(crate) fn failed_open(&self) {
        self.failed_open.fetch_add(1, Relaxed);
    }
}

impl Registry {
    pub(crate) fn callout(&self, worker: usize, of: &CalloutUse) -> Arc<CalloutStats> {
        let labels = format!(
            "resource=\"{}\",chain=\"{}\",extension=\"{}\",backend_target_name=\"{}\"",
            of.resource, of.chain, of.extension, of.target
        );
        find(&self.callouts, labels, worker)
    }

    pub(super) fn render_callouts(&self, page: &mut Page) {
        let callouts = self.callouts.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, _, stats) in &*callouts {
            for event in Event::ALL {
                let labels = format!("{labels},event_type=\"{}\"", event.as_str());
                let counts = stats.counts[event as usize].iter().zip(0..);
                for (count, number) in counts {
                    let count = count.load(Relaxed);
                    // Six events of seventeen statuses each would hide the few that there are.
                    if count == 0 && number != 0 {
                        continue;
                    }
                    let status = Status::from_number(number).as_str();
                    page.count(
                        "gatewright_callout_events_total",
                        &format!("{labels},grpc_status=\"{status}\""),
                        count,
                    );
                }
                page.time(
                    "gatewright_callout_event_latencies_seconds",
                    &labels,
                    &stats.latencies[event as usize],
                );
            }
            page.count(
                "gatewright_callout_failed_open_total",
                labels,
                stats.failed_open.load(Relaxed),
            );
        }
    }
}

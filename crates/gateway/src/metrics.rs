//! Counters and histograms, one set a worker so that nobody waits for another, summed when they are
//! asked for; in Prometheus's text form, plugins' named after those of Cloud Monitoring.

mod callouts;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatewright_host::Callback;

pub(crate) use callouts::CalloutStats;

/// Upper bounds of a histogram's buckets, in microseconds.
const BOUNDS: [u64; 16] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000,
    1_000_000, 10_000_000,
];

/// How long things took.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    /// In nanoseconds.
    sum: AtomicU64,
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = BOUNDS.iter().position(|bound| nanos <= bound * 1_000) {
            self.buckets[bucket].fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.sum.fetch_add(nanos, Relaxed);
    }

    fn add_to(&self, sums: &mut HistogramSums) {
        for (sum, bucket) in sums.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
        sums.count += self.count.load(Relaxed);
        sums.sum += self.sum.load(Relaxed);
    }
}

#[derive(Default)]
struct HistogramSums {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: u64,
}

/// What a port served. Classes are of the status; the first is for exchanges without one.
#[derive(Debug, Default)]
pub(crate) struct SiteStats {
    classes: [AtomicU64; 6],
    latencies: Histogram,
}

impl SiteStats {
    pub(crate) fn record(&self, status: u16, time: Duration) {
        let class = usize::from(status / 100).min(5);
        self.classes[class].fetch_add(1, Relaxed);
        self.latencies.record(time);
    }
}

/// The callbacks that production counts: headers and bodies, both ways.
const CALLBACKS: [Callback; 4] = [
    Callback::OnRequestHeaders,
    Callback::OnRequestBody,
    Callback::OnResponseHeaders,
    Callback::OnResponseBody,
];

/// The names that production's metrics have for them.
const OPERATIONS: [&str; 4] = [
    "HTTP_REQUEST_HEADERS",
    "HTTP_REQUEST_BODY",
    "HTTP_RESPONSE_HEADERS",
    "HTTP_RESPONSE_BODY",
];

/// What a plugin did.
#[derive(Debug, Default)]
pub(crate) struct PluginStats {
    ok: [AtomicU64; 4],
    failed: [AtomicU64; 4],
    latencies: [Histogram; 4],
    /// In nanoseconds.
    cpu: AtomicU64,
    memory: AtomicU64,
    traps: AtomicU64,
    restarts: AtomicU64,
}

impl PluginStats {
    pub(crate) fn record(&self, callback: Callback, ok: bool, time: Duration, cpu: Duration) {
        let Some(index) = CALLBACKS.iter().position(|known| *known == callback) else {
            return;
        };
        let counts = if ok { &self.ok } else { &self.failed };
        counts[index].fetch_add(1, Relaxed);
        self.latencies[index].record(time);
        let nanos = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        self.cpu.fetch_add(nanos, Relaxed);
    }

    pub(crate) fn trapped(&self, times: usize) {
        self.traps.fetch_add(times as u64, Relaxed);
    }

    pub(crate) fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    pub(crate) fn memory(&self, bytes: usize) {
        self.memory.fetch_max(bytes as u64, Relaxed);
    }
}

/// All counters of all workers. They outlive the snapshots that they were made for, so that a
/// reload does not turn them back.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    sites: Mutex<Vec<(String, usize, Arc<SiteStats>)>>,
    plugins: Mutex<Vec<(String, usize, Arc<PluginStats>)>>,
    callouts: Mutex<Vec<(String, usize, Arc<CalloutStats>)>>,
}

fn find<T: Default>(
    all: &Mutex<Vec<(String, usize, Arc<T>)>>,
    labels: String,
    worker: usize,
) -> Arc<T> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all
        .iter()
        .find(|(known, owner, _)| *known == labels && *owner == worker);
    if let Some((_, _, stats)) = known {
        return Arc::clone(stats);
    }
    let stats = Arc::<T>::default();
    all.push((labels, worker, Arc::clone(&stats)));
    stats
}

impl Registry {
    pub(crate) fn site(&self, worker: usize, gateway: &str, port: u16) -> Arc<SiteStats> {
        let labels = format!("gateway=\"{gateway}\",port=\"{port}\"");
        find(&self.sites, labels, worker)
    }

    pub(crate) fn plugin(&self, worker: usize, name: &str, version: &str) -> Arc<PluginStats> {
        let labels = format!("plugin_name=\"{name}\",plugin_version=\"{version}\"");
        find(&self.plugins, labels, worker)
    }

    /// Everything, in Prometheus's text form.
    pub(crate) fn render(&self) -> String {
        let mut page = Page::default();
        {
            let sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
            for (labels, _, stats) in &*sites {
                for (class, count) in stats.classes.iter().enumerate() {
                    let class = match class {
                        0 => "none".to_owned(),
                        class => format!("{class}xx"),
                    };
                    page.count(
                        "gatewright_requests_total",
                        &format!("{labels},response_code_class=\"{class}\""),
                        count.load(Relaxed),
                    );
                }
                page.time(
                    "gatewright_request_latencies_seconds",
                    labels,
                    &stats.latencies,
                );
            }
        }
        let plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, _, stats) in &*plugins {
            for (index, operation) in OPERATIONS.iter().enumerate() {
                let labels = format!("{labels},operation=\"{operation}\"");
                for (status, counts) in [("OK", &stats.ok), ("ERROR", &stats.failed)] {
                    page.count(
                        "wasm_plugin_invocation_count",
                        &format!("{labels},status=\"{status}\""),
                        counts[index].load(Relaxed),
                    );
                }
                page.time(
                    "wasm_plugin_invocation_latencies",
                    &labels,
                    &stats.latencies[index],
                );
            }
            page.count(
                "wasm_plugin_cpu_usage_nanoseconds",
                labels,
                stats.cpu.load(Relaxed),
            );
            page.count("wasm_plugin_traps_total", labels, stats.traps.load(Relaxed));
            page.count(
                "wasm_plugin_restarts_total",
                labels,
                stats.restarts.load(Relaxed),
            );
            page.most(
                "wasm_plugin_memory_max_bytes_used",
                labels,
                stats.memory.load(Relaxed),
            );
        }
        drop(plugins);
        self.render_callouts(&mut page);
        page.render()
    }
}

/// A page of metrics in the making: sums by name and labels.
#[derive(Default)]
struct Page {
    numbers: BTreeMap<(&'static str, String), u64>,
    times: BTreeMap<(&'static str, String), HistogramSums>,
}

/// Names, kinds and what they mean.
const ABOUT: &[(&str, &str, &str)] = &[
    (
        "gatewright_requests_total",
        "counter",
        "Requests, by the class of their status; `none` is for those whose client went away.",
    ),
    (
        "gatewright_request_latencies_seconds",
        "histogram",
        "From a request's head to the last byte of its response.",
    ),
    (
        "wasm_plugin_invocation_count",
        "counter",
        "Invocations, as networkactions' wasm_plugin/invocation_count.",
    ),
    (
        "wasm_plugin_invocation_latencies",
        "histogram",
        "Seconds of an invocation, as wasm_plugin/invocation_latencies in milliseconds.",
    ),
    (
        "wasm_plugin_cpu_usage_nanoseconds",
        "counter",
        "CPU time, as wasm_plugin/cpu/usage_times in microseconds.",
    ),
    (
        "wasm_plugin_memory_max_bytes_used",
        "gauge",
        "The most memory that a VM had, as wasm_plugin/memory/max_bytes_used.",
    ),
    (
        "wasm_plugin_traps_total",
        "counter",
        "Invocations that ended the VM: traps, overruns, too much memory.",
    ),
    (
        "wasm_plugin_restarts_total",
        "counter",
        "VMs started in place of one that ended.",
    ),
    (
        "gatewright_callout_events_total",
        "counter",
        "Events that callouts were told of, by the status of their stream.",
    ),
    (
        "gatewright_callout_event_latencies_seconds",
        "histogram",
        "From an event to its answer.",
    ),
    (
        "gatewright_callout_failed_open_total",
        "counter",
        "Events whose callout failed and whose exchange went on.",
    ),
];

impl Page {
    fn count(&mut self, name: &'static str, labels: &str, value: u64) {
        *self.numbers.entry((name, labels.to_owned())).or_default() += value;
    }

    fn most(&mut self, name: &'static str, labels: &str, value: u64) {
        let most = self.numbers.entry((name, labels.to_owned())).or_default();
        *most = value.max(*most);
    }

    fn time(&mut self, name: &'static str, labels: &str, histogram: &Histogram) {
        histogram.add_to(self.times.entry((name, labels.to_owned())).or_default());
    }

    fn render(&self) -> String {
        let mut text = String::new();
        for (name, kind, help) in ABOUT {
            // A string takes whatever is written to it.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            for ((_, labels), value) in self.numbers.iter().filter(|((n, _), _)| n == name) {
                let _ = writeln!(text, "{name}{{{labels}}} {value}");
            }
            for ((_, labels), sums) in self.times.iter().filter(|((n, _), _)| n == name) {
                let mut so_far = 0;
                for (bound, bucket) in BOUNDS.iter().zip(sums.buckets) {
                    so_far += bucket;
                    let bound = *bound as f64 / 1e6;
                    let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {so_far}");
                }
                let (count, sum) = (sums.count, sums.sum as f64 / 1e9);
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
                let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}");
                let _ = writeln!(text, "{name}_count{{{labels}}} {count}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_summed_and_labels_told_apart() {
        let registry = Registry::default();
        for worker in 0..2 {
            let site = registry.site(worker, "default/gw", 80);
            site.record(200, Duration::from_micros(20));
            site.record(503, Duration::from_secs(60));
            let plugin = registry.plugin(worker, "default/p", "v1");
            plugin.record(
                Callback::OnRequestHeaders,
                worker == 0,
                Duration::from_micros(5),
                Duration::from_nanos(70),
            );
            plugin.memory(1_000 * (worker + 1));
        }
        let text = registry.render();
        for line in [
            "gatewright_requests_total{gateway=\"default/gw\",port=\"80\",response_code_class=\"2xx\"} 2",
            "gatewright_requests_total{gateway=\"default/gw\",port=\"80\",response_code_class=\"5xx\"} 2",
            "gatewright_request_latencies_seconds_bucket{gateway=\"default/gw\",port=\"80\",le=\"0.000025\"} 2",
            "gatewright_request_latencies_seconds_bucket{gateway=\"default/gw\",port=\"80\",le=\"10\"} 2",
            "gatewright_request_latencies_seconds_count{gateway=\"default/gw\",port=\"80\"} 4",
            "wasm_plugin_invocation_count{plugin_name=\"default/p\",plugin_version=\"v1\",operation=\"HTTP_REQUEST_HEADERS\",status=\"OK\"} 1",
            "wasm_plugin_cpu_usage_nanoseconds{plugin_name=\"default/p\",plugin_version=\"v1\"} 140",
            "wasm_plugin_memory_max_bytes_used{plugin_name=\"default/p\",plugin_version=\"v1\"} 2000",
        ] {
            assert!(
                text.lines().any(|l| l == line),
                "`{line}` is not in\n{text}"
            );
        }
    }

    #[test]
    fn a_counter_is_found_again_after_a_reload() {
        let registry = Registry::default();
        registry.site(0, "a", 80).record(200, Duration::ZERO);
        registry.site(0, "a", 80).record(200, Duration::ZERO);
        assert!(registry.render().contains("response_code_class=\"2xx\"} 2"));
    }
}

//! Plugins as extensions use them: from an image to what a worker starts.

use std::sync::Arc;

use gatewright_gke::{Event, Extension, ExtensionKind, ExtensionPlan};
use gatewright_host::{Chain, Events, LogLevel, PluginSpec, Profile, TraceLevel};

use super::super::{Logging, PluginUse};
use super::Builder;
use crate::live::Live;

impl Builder<'_> {
    /// The index of a plugin as an extension uses it.
    pub(super) fn plugin(
        &mut self,
        plan: &ExtensionPlan,
        extension: &Extension,
    ) -> Result<usize, String> {
        let (plugin, version) = plan
            .plugin(extension)
            .ok_or("the plugin has no version with a weight")?;
        let (compiled, digest) = self.source.plugin(&version.image.value)?;
        let mut spec = PluginSpec::new(compiled, Profile::Google);
        if let Some(uri) = &version.config_uri {
            spec.settings.configuration = self.source.configuration(&uri.value)?;
        }
        let log = Logging {
            enabled: plugin.log.enabled,
            sample_rate: plugin.log.sample_rate,
            min_level: level(&plugin.log.min_level),
        };
        let limits = &spec.settings.limits;
        let size = spec.plugin.info().size + spec.settings.configuration.len();
        if let Some(limit) = limits.module_bytes.filter(|limit| size > *limit) {
            return Err(format!(
                "module and configuration have {size} bytes together, and production takes {limit}"
            ));
        }
        spec.fail_open = extension.fail_open;
        spec.events = events(extension);
        // What is below the level is dropped where it is cheapest: before it is copied.
        spec.settings.log_level = if log.enabled {
            log.min_level
        } else {
            LogLevel::Critical
        };
        let (namespace, name) = (&plugin.id.namespace, &plugin.id.name);
        let key = format!(
            "{namespace}/{name} {} {digest} {:x} {} {:?} {log:?}",
            version.name,
            fingerprint(&spec.settings.configuration),
            spec.fail_open,
            spec.events,
        );
        if let Some(index) = self.plugins.iter().position(|known| known.key == key) {
            return Ok(index);
        }
        starts(&spec)?;
        self.plugins.push(PluginUse {
            key,
            name: format!("{namespace}/{name}"),
            version: version.name.clone(),
            spec,
            log,
        });
        Ok(self.plugins.len() - 1)
    }
}

/// Starts a plugin once, where a failure can still be told to whoever changed it.
fn starts(spec: &PluginSpec) -> Result<(), String> {
    let door = || Box::new(Live) as Box<_>;
    let chain = Chain::start(Profile::Google, vec![spec.clone()], door, TraceLevel::Off);
    let logs = chain.start_trace(0).map(|trace| {
        let logs = trace.logs.iter();
        let lines = logs.map(|line| format!("\n  {}", String::from_utf8_lossy(&line.message)));
        lines.collect::<String>()
    });
    match chain.start_faults().next() {
        None => Ok(()),
        Some(fault) => Err(format!(
            "the plugin does not start: {fault}{}",
            logs.unwrap_or_default()
        )),
    }
}

fn level(name: &str) -> LogLevel {
    match name {
        "TRACE" => LogLevel::Trace,
        "DEBUG" => LogLevel::Debug,
        "WARN" => LogLevel::Warn,
        "ERROR" => LogLevel::Error,
        "CRITICAL" => LogLevel::Critical,
        _ => LogLevel::Info,
    }
}

fn events(extension: &Extension) -> Events {
    // Plugins are for traffic extensions only.
    let events = extension.shown(ExtensionKind::Traffic);
    let has = |event| events.contains(&event);
    Events {
        headers: [has(Event::RequestHeaders), has(Event::ResponseHeaders)],
        bodies: [has(Event::RequestBody), has(Event::ResponseBody)],
        trailers: [has(Event::RequestTrailers), has(Event::ResponseTrailers)],
    }
}

/// Tells configurations apart: FNV-1a.
fn fingerprint(bytes: &Arc<[u8]>) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

//! Log entries in Cloud Logging's JSON shape, one a line, handed to a writer by way of a thread of
//! its own, so that no worker waits for a terminal.

use std::io::Write;
use std::sync::mpsc;
use std::time::SystemTime;

use gatewright_callout::{Event, Failure};
use gatewright_host::{LogLevel, LogLine};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::snapshot::CalloutUse;

/// Where log entries go.
pub type Sink = Box<dyn Write + Send>;

/// Hands entries on. Cheap to clone, one for each worker.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    lines: mpsc::Sender<String>,
}

impl Log {
    /// Starts the thread that writes; it ends with the last sender.
    pub(crate) fn start(mut sink: Sink) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (lines, received) = mpsc::channel::<String>();
        let thread = std::thread::Builder::new()
            .name("gatewright-log".to_owned())
            .spawn(move || {
                while let Ok(line) = received.recv() {
                    // What came meanwhile goes out in the same write. A sink that is gone, as a
                    // pipe whose reader left, is no reason to stop serving.
                    let mut batch = line;
                    batch.push('\n');
                    for more in received.try_iter().take(256) {
                        batch.push_str(&more);
                        batch.push('\n');
                    }
                    let _ = sink.write_all(batch.as_bytes()).and_then(|()| sink.flush());
                }
            })?;
        Ok((Self { lines }, thread))
    }

    fn send(&self, entry: &Value) {
        let _ = self.lines.send(entry.to_string());
    }

    /// A message of a plugin.
    pub(crate) fn plugin(&self, of: &PluginLine<'_>, line: &LogLine) {
        self.send(&json!({
            "logName": "projects/local/logs/networkservices.googleapis.com%2Fwasm_plugin",
            "resource": of.resource(),
            "timestamp": now(),
            "severity": severity(line.level),
            "labels": {"callback": line.entry.name(), "request_id": of.request},
            "textPayload": String::from_utf8_lossy(&line.message),
        }));
    }

    /// A plugin failed.
    pub(crate) fn fault(&self, of: &PluginLine<'_>, fault: &gatewright_host::Fault) {
        let frames: Vec<_> = fault.frames.iter().map(|frame| &frame.function).collect();
        self.send(&json!({
            "logName": "projects/local/logs/networkservices.googleapis.com%2Fwasm_plugin",
            "resource": of.resource(),
            "timestamp": now(),
            "severity": "ERROR",
            "labels": {"callback": fault.entry.name(), "request_id": of.request},
            "jsonPayload": {
                "message": fault.to_string(),
                "kind": fault.kind.code(),
                "stack": frames,
            },
        }));
    }

    /// A callout failed.
    pub(crate) fn callout(&self, of: &CalloutUse, request: u64, event: Event, failure: &Failure) {
        self.send(&json!({
            "logName": "projects/local/logs/networkservices.googleapis.com%2Fcallout",
            "resource": {"type": "networkservices.googleapis.com/ServiceExtension", "labels": {
                "resource_container": "projects/local",
                "resource": of.resource,
                "chain": of.chain,
                "extension": of.extension,
                "backend_target_name": of.target,
            }},
            "timestamp": now(),
            "severity": "ERROR",
            "labels": {"event_type": event.as_str(), "request_id": format!("{request:016x}")},
            "jsonPayload": {
                "message": failure.to_string(),
                "grpcStatus": failure.status().as_str(),
            },
        }));
    }

    /// A request that was answered.
    pub(crate) fn request(&self, entry: &Value) {
        self.send(entry);
    }
}

/// Which plugin and request a message is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PluginLine<'l> {
    pub(crate) plugin: &'l str,
    pub(crate) version: &'l str,
    pub(crate) request: &'l str,
}

impl PluginLine<'_> {
    fn resource(&self) -> Value {
        json!({
            "type": "networkservices.googleapis.com/WasmPluginVersion",
            "labels": {
                "resource_container": "projects/local",
                "location": "global",
                "plugin_name": self.plugin,
                "plugin_version": self.version,
            },
        })
    }
}

/// The moment, as Cloud Logging writes it.
pub(crate) fn now() -> String {
    OffsetDateTime::from(SystemTime::now())
        .format(&Rfc3339)
        .unwrap_or_default()
}

/// Cloud Logging's names for the levels of the ABI.
const fn severity(level: LogLevel) -> &'static str {
    match level {
        // Cloud Logging has nothing below DEBUG.
        LogLevel::Trace | LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warn => "WARNING",
        LogLevel::Error => "ERROR",
        LogLevel::Critical => "CRITICAL",
    }
}

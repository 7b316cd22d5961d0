//! `gatewright check`: a module, without traffic.

use std::path::PathBuf;

use gatewright_harness::symbols;
use gatewright_host::{
    Limits, ModuleCheck, ModuleFindingKind, ModuleInfo, Profile, Severity, check_needs,
};
use serde_json::json;

use super::{DIM, GREEN, RED, RESET, YELLOW};
use crate::exit::Outcome;
use crate::images;
use crate::modules::{self, Compiler, Module};

/// Check a plugin's module without traffic.
///
/// What its manifest says that it needs (`needs` in `[package.metadata.gatewright]`); its ABI version, imports, exports, start function, size, memory, stack, names and debug
/// sections; the hostcalls that its code can come to and the platform does not offer; and what it
/// does when it is started and configured. Each finding has a code, a sentence and a fix.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright check plugin.wasm                       would the load balancer take it?\n  \
    gatewright check local-reply --config prod.yaml    a plugin here, as it will be configured\n  \
    gatewright check filter.wasm --profile envoy       for Envoy instead\n  \
    gatewright check plugin.wasm --format json         for a build server\n\n\
    Exits with 1 if an error was found; warnings and notes are only said.")]
pub(crate) struct Arguments {
    /// A plugin of the workspace, by the name of its package, or a module's file
    #[arg(value_name = "PLUGIN|FILE.wasm")]
    plugin: String,
    /// The platform that it is for
    #[arg(long, value_name = "google|tester|envoy", default_value_t)]
    profile: Profile,
    /// The configuration that it will run with; without one, refusing to start is no error
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// What the module is, then a finding and its fix at a time
    Human,
    /// One object
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = match &arguments.config {
        Some(path) => Some(images::read_file(path, images::CONFIG_LIMIT)?),
        None => None,
    };
    let Some(module) = modules::find(&arguments.plugin)? else {
        return Ok(Outcome::Failed);
    };
    let compiler = Compiler::new()?;
    let mut check = modules::check(
        &compiler,
        &module.wasm,
        arguments.profile,
        config.as_deref(),
    );
    // Taken out by our own build, and known to whoever shows a backtrace.
    if symbols::side_file(&module.path).is_file() {
        check
            .findings
            .retain(|finding| finding.kind != ModuleFindingKind::NoNames);
    }
    if let (Some(needs), Some(info)) = (&module.needs, &check.info) {
        let found = check_needs(info, arguments.profile, needs);
        check.extend(found);
    }
    match arguments.format {
        Format::Human => anstream::print!("{}", human(&module, &check, arguments.profile)),
        Format::Json => anstream::println!("{:#}", as_json(&module, &check, arguments.profile)),
    }
    Ok(if check.passes() {
        Outcome::Fine
    } else {
        Outcome::Failed
    })
}

fn human(module: &Module, check: &ModuleCheck, profile: Profile) -> String {
    let mut out = format!("{}  {DIM}for {profile}{RESET}\n", module.name);
    if let Some(info) = &check.info {
        for (what, value) in facts(info) {
            out += &format!("  {DIM}{what:<9}{RESET} {value}\n");
        }
    }
    for finding in &check.findings {
        let style = match finding.severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
            Severity::Note => DIM,
        };
        out += &format!(
            "{style}{}{RESET} {DIM}[{}]{RESET} {}\n    {DIM}fix:{RESET} {}\n",
            finding.severity.name(),
            finding.kind.code(),
            finding.message,
            finding.fix
        );
    }
    let count = |severity| {
        let found = check.findings.iter();
        found.filter(|found| found.severity == severity).count()
    };
    let (errors, warnings, notes) = (
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note),
    );
    let (style, mark) = if check.passes() {
        (GREEN, "ok")
    } else {
        (RED, "no")
    };
    out + &format!(
        "{style}{mark}{RESET}  {}, {}, {}\n",
        plural(errors, "error"),
        plural(warnings, "warning"),
        plural(notes, "note")
    )
}

fn plural(count: usize, thing: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{s}")
}

/// What a person wants to see of a module at a glance.
fn facts(info: &ModuleInfo) -> Vec<(&'static str, String)> {
    let kib = |bytes: u64| format!("{:.1} KiB", bytes as f64 / 1024.0);
    let limit = Limits::GOOGLE.module_bytes.unwrap_or(usize::MAX);
    let versions: Vec<_> = info.versions.iter().map(ToString::to_string).collect();
    let callbacks = info
        .exports
        .keys()
        .filter(|name| name.starts_with("proxy_on_") && *name != "proxy_on_memory_allocate")
        .count();
    let hostcalls = info
        .imports
        .iter()
        .filter(|import| import.hostcall().is_some())
        .count();
    let wasi = info
        .imports
        .iter()
        .filter(|import| import.module.starts_with("wasi"))
        .count();
    let mut facts = vec![
        (
            "size",
            format!(
                "{}, {:.1} % of the load balancer's limit",
                kib(info.size as u64),
                100.0 * info.size as f64 / limit as f64
            ),
        ),
        (
            "ABI",
            if versions.is_empty() {
                "none".to_owned()
            } else {
                versions.join(", ")
            },
        ),
        (
            "imports",
            format!(
                "{hostcalls} hostcalls, {wasi} of WASI, {} in all",
                info.imports.len()
            ),
        ),
        (
            "exports",
            format!("{callbacks} callbacks, {} in all", info.exports.len()),
        ),
        (
            "memory",
            format!("{} at the start", kib(info.memory_pages * 64 * 1024)),
        ),
    ];
    if let Some(stack) = info.stack_bytes {
        facts.push(("stack", format!("{} of it", kib(stack))));
    }
    if let Some(names) = info.name_bytes() {
        facts.push(("names", kib(names as u64)));
    }
    facts
}

fn as_json(module: &Module, check: &ModuleCheck, profile: Profile) -> serde_json::Value {
    let findings = check.findings.iter().map(|finding| {
        json!({
            "severity": finding.severity.name(),
            "code": finding.kind.code(),
            "message": finding.message,
            "fix": finding.fix,
        })
    });
    let info = check.info.as_ref().map(|info| {
        let imports = info.imports.iter();
        let sections = info.custom_sections.iter();
        json!({
            "size": info.size,
            "abi": info.versions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "imports": imports
                .map(|import| format!("{}.{}", import.module, import.name))
                .collect::<Vec<_>>(),
            "exports": info.exports.keys().collect::<Vec<_>>(),
            "startFunction": info.has_start,
            "memoryBytes": info.memory_pages * 64 * 1024,
            "memoryBytesMax": info.memory_pages_max.map(|pages| pages.saturating_mul(64 * 1024)),
            "stackBytes": info.stack_bytes,
            "customSections": sections
                .map(|(name, size)| json!({ "name": name, "size": size }))
                .collect::<Vec<_>>(),
        })
    });
    json!({
        "file": module.path,
        "profile": profile.name(),
        "module": info,
        "findings": findings.collect::<Vec<_>>(),
        "passes": check.passes(),
    })
}

//! What can be said of a module without traffic: whether production takes it, and what of it
//! would not work there.

mod needs;
mod reach;

use std::fmt;

use gatewright_abi::{Callback, Version};

use crate::exports;
use crate::fault::{Fault, FaultKind};
use crate::finding::FindingKind;
use crate::limits::Limits;
use crate::module::{Import, LoadError, ModuleInfo};
use crate::profile::{Profile, Rules, Support};
use crate::trace::Trace;
use crate::wasi;
use reach::Use;

pub use needs::{Need, UnknownNeed, check_needs};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Works here and may not in production.
    Warning,
    /// Production refuses the module, or it cannot work there.
    Error,
}

impl Severity {
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a check of a module may find. Each has a stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ModuleFindingKind {
    /// The bytes are no valid wasm module.
    NotWasm,
    /// A component, not a core module.
    Component,
    /// No version of the ABI is marked, or none that hosts know.
    NoAbiMarker,
    /// Only an old version of the ABI is marked.
    OldAbi,
    /// An import that no host offers.
    UnknownImport,
    /// An import or export of the wrong type.
    WrongType,
    /// The memory is not exported.
    NoMemory,
    /// No allocator is exported.
    NoAllocator,
    /// No callback of an exchange is exported.
    NoCallback,
    /// Module and configuration are larger than the platform takes.
    TooLarge,
    /// The memory starts larger than the platform gives, or leaves streams too little.
    Memory,
    /// The stack takes much of the memory.
    Stack,
    /// The tables are larger than hosts allow.
    Table,
    /// A hostcall that the platform does not carry out is called.
    UnsupportedHostcall,
    /// Such a hostcall is imported, and whether it is called cannot be seen.
    PossibleHostcall,
    /// The plugin's manifest says that it needs what the platform does not offer.
    Need,
    /// The module shows a need that the manifest does not name.
    UndeclaredNeed,
    /// A WASI function that every host answers with an error is imported.
    UnsupportedWasi,
    /// A start function runs before the host is ready.
    StartFunction,
    /// There are no names for backtraces.
    NoNames,
    /// Debug sections cost size.
    DebugSections,
    /// The compiler refuses the module.
    Compile,
    /// The plugin fails when it is started.
    StartFails,
    /// The plugin refuses its configuration.
    ConfigureRefused,
    /// Something surprising happens when the plugin is started.
    AtStart,
}

impl ModuleFindingKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::NotWasm,
        Self::Component,
        Self::NoAbiMarker,
        Self::OldAbi,
        Self::UnknownImport,
        Self::WrongType,
        Self::NoMemory,
        Self::NoAllocator,
        Self::NoCallback,
        Self::TooLarge,
        Self::Memory,
        Self::Stack,
        Self::Table,
        Self::UnsupportedHostcall,
        Self::PossibleHostcall,
        Self::Need,
        Self::UndeclaredNeed,
        Self::UnsupportedWasi,
        Self::StartFunction,
        Self::NoNames,
        Self::DebugSections,
        Self::Compile,
        Self::StartFails,
        Self::ConfigureRefused,
        Self::AtStart,
    ];

    /// The code in reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotWasm => "NotWasm",
            Self::Component => "Component",
            Self::NoAbiMarker => "NoAbiMarker",
            Self::OldAbi => "OldAbi",
            Self::UnknownImport => "UnknownImport",
            Self::WrongType => "WrongType",
            Self::NoMemory => "NoMemory",
            Self::NoAllocator => "NoAllocator",
            Self::NoCallback => "NoCallback",
            Self::TooLarge => "TooLarge",
            Self::Memory => "Memory",
            Self::Stack => "Stack",
            Self::Table => "Table",
            Self::UnsupportedHostcall => "UnsupportedHostcall",
            Self::PossibleHostcall => "PossibleHostcall",
            Self::Need => "Need",
            Self::UndeclaredNeed => "UndeclaredNeed",
            Self::UnsupportedWasi => "UnsupportedWasi",
            Self::StartFunction => "StartFunction",
            Self::NoNames => "NoNames",
            Self::DebugSections => "DebugSections",
            Self::Compile => "Compile",
            Self::StartFails => "StartFails",
            Self::ConfigureRefused => "ConfigureRefused",
            Self::AtStart => "AtStart",
        }
    }

    /// How bad it is, unless the place says otherwise.
    const fn severity(self) -> Severity {
        match self {
            Self::NoNames | Self::UnsupportedWasi => Severity::Note,
            Self::OldAbi
            | Self::NoCallback
            | Self::Stack
            | Self::PossibleHostcall
            | Self::UndeclaredNeed
            | Self::StartFunction
            | Self::DebugSections
            | Self::AtStart => Severity::Warning,
            Self::NotWasm
            | Self::Component
            | Self::NoAbiMarker
            | Self::UnknownImport
            | Self::WrongType
            | Self::NoMemory
            | Self::NoAllocator
            | Self::TooLarge
            | Self::Memory
            | Self::Table
            | Self::UnsupportedHostcall
            | Self::Need
            | Self::Compile
            | Self::StartFails
            | Self::ConfigureRefused => Severity::Error,
        }
    }

    /// What to do about it, in general.
    const fn fix(self) -> &'static str {
        match self {
            Self::NotWasm => "give the `.wasm` file that cargo wrote",
            Self::Component => "build for `wasm32-wasip1`; no proxy-wasm host runs components",
            Self::NoAbiMarker => {
                "call the SDK's plugin macro, set `crate-type = [\"cdylib\"]`, and use an SDK of \
                 ABI 0.2.0 or 0.2.1"
            }
            Self::OldAbi => "build with a current SDK, which marks ABI 0.2.1",
            Self::UnknownImport => "find the crate that asks for it and leave it out",
            Self::WrongType => "build with an SDK of the ABI version that the module marks",
            Self::NoMemory => "export the memory as `memory`, as every linker does by default",
            Self::NoAllocator => {
                "export `proxy_on_memory_allocate` or `malloc`, as the SDKs do by themselves"
            }
            Self::NoCallback => "register a root context that creates HTTP contexts",
            Self::TooLarge => {
                "build with `opt-level = \"s\"`, `lto = \"fat\"` and `strip = \"debuginfo\"`, and \
                 look for large tables and crates"
            }
            Self::Memory => "start with less: smaller static data, a smaller stack",
            Self::Stack => "link with `-C link-arg=-zstack-size=131072`",
            Self::Table => "fewer functions behind pointers; this is far from usual",
            Self::UnsupportedHostcall => {
                "leave it out: the call fails there, and the `proxy-wasm` crate panics on that"
            }
            Self::PossibleHostcall => {
                "keep the name section (`strip = \"debuginfo\"`) so that it can be told, or show \
                 by cases that it is not called"
            }
            Self::Need => "run it on Envoy, or do without",
            Self::UndeclaredNeed => {
                "add it to `needs` in `[package.metadata.gatewright]` of its Cargo.toml"
            }
            Self::UnsupportedWasi => "do without files, sockets and threads",
            Self::StartFunction => "initialise in `_initialize` or in `proxy_on_vm_start`",
            Self::NoNames => {
                "keep them with `strip = \"debuginfo\"`: backtraces then name functions"
            }
            Self::DebugSections => "strip them with `strip = \"debuginfo\"` or `wasm-strip`",
            Self::Compile => "build with a current toolchain and no experimental features",
            Self::StartFails => {
                "run it with `gatewright trace`, or start it in a test with `configure:`"
            }
            Self::ConfigureRefused => "give the configuration that it will run with",
            Self::AtStart => "see the log of the start",
        }
    }
}

/// Something found in a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleFinding {
    /// What.
    pub kind: ModuleFindingKind,
    /// How bad it is here.
    pub severity: Severity,
    /// What is wrong, in a sentence that names the thing.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

impl ModuleFinding {
    fn new(kind: ModuleFindingKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            severity: kind.severity(),
            message: message.into(),
            fix: kind.fix().to_owned(),
        }
    }
}

impl fmt::Display for ModuleFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (severity, code) = (self.severity.name(), self.kind.code());
        write!(f, "{severity}[{code}]: {}; {}", self.message, self.fix)
    }
}

impl From<&LoadError> for ModuleFinding {
    fn from(error: &LoadError) -> Self {
        use ModuleFindingKind as K;
        let kind = match error {
            LoadError::NotWasm(_) | LoadError::Invalid { .. } => K::NotWasm,
            LoadError::Component => K::Component,
            LoadError::NoAbiMarker => K::NoAbiMarker,
            LoadError::NoAllocator => K::NoAllocator,
            LoadError::NoMemory => K::NoMemory,
            LoadError::UnknownImports(_) => K::UnknownImport,
            LoadError::WrongType(_) => K::WrongType,
            LoadError::Compile(_) => K::Compile,
        };
        Self::new(kind, error.to_string())
    }
}

/// A module that was looked at.
#[derive(Clone, Debug)]
pub struct ModuleCheck {
    /// What it says of itself, if it is a module.
    pub info: Option<ModuleInfo>,
    /// What was found, the worst first.
    pub findings: Vec<ModuleFinding>,
}

impl ModuleCheck {
    /// Whether nothing was found that is an error.
    pub fn passes(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity < Severity::Error)
    }

    /// Adds findings and puts the worst first.
    pub fn extend(&mut self, more: impl IntoIterator<Item = ModuleFinding>) {
        for finding in more {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        self.findings
            .sort_by(|a, b| b.severity.cmp(&a.severity).then(a.kind.cmp(&b.kind)));
    }
}

/// Bytes of stack that are worth a word.
const LARGE_STACK: u64 = 1024 * 1024;

const PAGE: u64 = 64 * 1024;

/// Looks at a module for a platform. `configuration` is how many bytes it will be configured with.
///
/// Whether it starts is not tried; see [`check_start`].
pub fn check_module(wasm: &[u8], profile: Profile, configuration: usize) -> ModuleCheck {
    let mut check = ModuleCheck {
        info: None,
        findings: Vec::new(),
    };
    let info = match ModuleInfo::read(wasm) {
        Ok(info) => info,
        Err(error) => {
            check.extend([ModuleFinding::from(&error)]);
            return check;
        }
    };
    let rules = profile.rules();
    let mut findings = Vec::new();
    abi(&info, &mut findings);
    imports(&info, &mut findings);
    sizes(&info, &rules.limits, configuration, &mut findings);
    sections(&info, &mut findings);
    hostcalls(wasm, rules, profile, &mut findings);
    check.info = Some(info);
    check.extend(findings);
    check
}

fn abi(info: &ModuleInfo, findings: &mut Vec<ModuleFinding>) {
    use ModuleFindingKind as K;
    match info.version() {
        None => {
            let marker = info
                .exports
                .keys()
                .find(|name| name.starts_with("proxy_abi_version_"));
            findings.push(match marker {
                Some(marker) => ModuleFinding::new(
                    K::NoAbiMarker,
                    format!("exports `{marker}`, a version of the ABI that no host knows"),
                ),
                None => ModuleFinding::from(&LoadError::NoAbiMarker),
            });
        }
        Some(version) => {
            if version == Version::V0_1_0 {
                let message = format!("marks ABI {version} and no later one");
                findings.push(ModuleFinding::new(K::OldAbi, message));
            }
            if let Err(error) = exports::check(info, version) {
                findings.push(ModuleFinding::from(&error));
            }
        }
    }
    if !info.exports_memory {
        findings.push(ModuleFinding::from(&LoadError::NoMemory));
    }
    if info.allocator().is_none() {
        findings.push(ModuleFinding::from(&LoadError::NoAllocator));
    }
    let exchange = [
        Callback::OnRequestHeaders,
        Callback::OnRequestBody,
        Callback::OnResponseHeaders,
        Callback::OnResponseBody,
    ];
    if !exchange
        .iter()
        .any(|callback| info.exports.contains_key(callback.name()))
    {
        findings.push(ModuleFinding::new(
            K::NoCallback,
            "exports no callback for headers or bodies, so it sees nothing of an exchange",
        ));
    }
    if info.has_start {
        findings.push(ModuleFinding::new(
            K::StartFunction,
            "has a start function, which runs while the host allows it logs and WASI only",
        ));
    }
}

fn imports(info: &ModuleInfo, findings: &mut Vec<ModuleFinding>) {
    use ModuleFindingKind as K;
    for import in info.unknown() {
        let Import { module, name } = import;
        let message = format!("imports `{module}.{name}`, which no proxy-wasm host offers");
        let mut finding = ModuleFinding::new(K::UnknownImport, message);
        if let Some(fix) = unknown_fix(import) {
            finding.fix = fix.to_owned();
        }
        findings.push(finding);
    }
    let refused: Vec<_> = info
        .imports
        .iter()
        .filter(|import| import.module.starts_with("wasi") && wasi::refuses(&import.name))
        .map(|import| format!("`{}`", import.name))
        .collect();
    if !refused.is_empty() {
        let message = format!(
            "imports of WASI what every host answers with an error: {}",
            refused.join(", ")
        );
        findings.push(ModuleFinding::new(K::UnsupportedWasi, message));
    }
}

/// What is known of where an unknown import comes from.
fn unknown_fix(import: &Import) -> Option<&'static str> {
    let Import { module, name } = import;
    if module.starts_with("__wbindgen") || module == "wbg" {
        Some(
            "a crate expects a JavaScript host: build for `wasm32-wasip1`, or turn off its \
             features `js` and `wasm-bindgen`",
        )
    } else if module.starts_with("wasi:") || module == "wasi" {
        Some("build for `wasm32-wasip1`; hosts offer WASI preview 1 only")
    } else if module == "env" && name == "memory" {
        Some("export the memory and do not import it: no `--import-memory`")
    } else if module == "env" && name.starts_with("proxy_") {
        Some("it is no hostcall of ABI 0.2.1; look for a misspelt name or a host's own extension")
    } else if module == "env" {
        Some("a symbol was left undefined at linking: a C library is missing or was not linked")
    } else {
        None
    }
}

fn sizes(
    info: &ModuleInfo,
    limits: &Limits,
    configuration: usize,
    findings: &mut Vec<ModuleFinding>,
) {
    use ModuleFindingKind as K;
    let total = info.size.saturating_add(configuration);
    if let Some(limit) = limits.module_bytes.filter(|limit| total > *limit) {
        let with = if configuration > 0 {
            format!(" with {configuration} bytes of configuration")
        } else {
            String::new()
        };
        let message = format!(
            "has {} bytes{with}, more than the {limit} allowed",
            info.size
        );
        findings.push(ModuleFinding::new(K::TooLarge, message));
    }
    let memory = info.memory_pages.saturating_mul(PAGE);
    let limit = limits.memory_bytes as u64;
    if memory > limit {
        let message =
            format!("starts with {memory} bytes of memory, more than the {limit} of a VM");
        findings.push(ModuleFinding::new(K::Memory, message));
    } else if memory > limit / 2 {
        let message = format!(
            "starts with {memory} bytes of memory, more than half of the {limit} that it shares \
             with up to 1000 streams"
        );
        let mut finding = ModuleFinding::new(K::Memory, message);
        finding.severity = Severity::Warning;
        findings.push(finding);
    }
    // Where memory is plenty, a large stack costs nothing.
    let scarce = limit <= 64 * LARGE_STACK;
    if let Some(stack) = info
        .stack_bytes
        .filter(|size| scarce && *size >= LARGE_STACK)
    {
        let message = format!("keeps {stack} bytes of the {limit} of its memory for the stack");
        findings.push(ModuleFinding::new(K::Stack, message));
    }
    if info.table_elements > limits.table_elements as u64 {
        let message = format!(
            "has tables of {} elements, more than the {} that hosts allow",
            info.table_elements, limits.table_elements
        );
        findings.push(ModuleFinding::new(K::Table, message));
    }
}

fn sections(info: &ModuleInfo, findings: &mut Vec<ModuleFinding>) {
    use ModuleFindingKind as K;
    if info.name_bytes().is_none() {
        let message = "has no name section, so backtraces and profiles show numbers";
        findings.push(ModuleFinding::new(K::NoNames, message));
    }
    let debug = info.debug_bytes();
    if debug > 0 {
        let share = 100 * debug / info.size.max(1);
        let message = format!("carries {debug} bytes of debug sections, {share} % of its size");
        findings.push(ModuleFinding::new(K::DebugSections, message));
    }
}

fn hostcalls(wasm: &[u8], rules: &Rules, profile: Profile, findings: &mut Vec<ModuleFinding>) {
    use ModuleFindingKind as K;
    // The module was validated: a second reading finds nothing wrong.
    let Ok(uses) = reach::uses(wasm, rules) else {
        return;
    };
    let mut perhaps = Vec::new();
    for (call, used) in uses {
        if rules.support(call) == Support::Works {
            continue;
        }
        match used {
            Use::Called(by) => {
                let by = if by.is_empty() {
                    String::new()
                } else {
                    format!(", called from `{by}`")
                };
                let message = format!("uses `{}`{by}; {profile} does not offer it", call.name());
                findings.push(ModuleFinding::new(K::UnsupportedHostcall, message));
            }
            Use::Perhaps => perhaps.push(format!("`{}`", call.name())),
        }
    }
    if !perhaps.is_empty() {
        let message = format!(
            "imports what {profile} does not offer, and it cannot be told whether it calls it: {}",
            perhaps.join(", ")
        );
        findings.push(ModuleFinding::new(K::PossibleHostcall, message));
    }
}

/// What a start of the plugin showed: faults, and hostcalls that the platform does not carry out.
///
/// A plugin that refuses to start is an error only if it was given the configuration that it will
/// have.
pub fn check_start(trace: &Trace, profile: Profile, configured: bool) -> Vec<ModuleFinding> {
    use ModuleFindingKind as K;
    let mut findings = Vec::new();
    for found in &trace.findings {
        let name = found.entry.name();
        findings.push(match found.kind {
            FindingKind::UnsupportedHostcall => ModuleFinding::new(
                K::UnsupportedHostcall,
                format!(
                    "calls `{}` in `{name}`; {profile} does not offer it",
                    found.detail
                ),
            ),
            kind => ModuleFinding {
                fix: kind.help().to_owned(),
                ..ModuleFinding::new(K::AtStart, found.to_string())
            },
        });
    }
    for fault in &trace.faults {
        let mut finding = match fault.kind {
            FaultKind::VmStartRefused | FaultKind::ConfigureRefused => {
                ModuleFinding::new(K::ConfigureRefused, refusal(fault, trace))
            }
            _ => ModuleFinding::new(K::StartFails, format!("fails to start: {fault}")),
        };
        // Without a configuration, a plugin that needs one may do as it likes.
        if !configured {
            finding.severity = Severity::Warning;
            finding.fix = ModuleFindingKind::ConfigureRefused.fix().to_owned();
        } else if finding.kind == K::ConfigureRefused {
            finding.fix = "mend the configuration".to_owned();
        }
        findings.push(finding);
    }
    findings
}

/// A refusal with the last words of the plugin, which say why.
fn refusal(fault: &Fault, trace: &Trace) -> String {
    let why = trace.logs.last().map_or(String::new(), |line| {
        format!(": {}", String::from_utf8_lossy(&line.message).trim())
    });
    format!("does not start: {}{why}", fault.message)
}

#[cfg(test)]
mod tests;

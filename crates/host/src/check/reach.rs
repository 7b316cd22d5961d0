//! Which hostcalls a module can come to, by its call graph.
//!
//! A plugin built on the `proxy-wasm` crate imports nearly every hostcall whatever it uses: the
//! tables of its context traits hold each default method, and with it the hostcall behind it. So an
//! import says little. What counts is a path from something that runs to the import: from an
//! exported callback that the platform calls, or from a function that the plugin itself put into a
//! table, along direct calls. A default method of the SDK in a table is no such start, and is known
//! by its name.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_abi::{Callback, Hostcall};
use wasmparser::{
    ElementItems, ExternalKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef,
};

use crate::module::Import;
use crate::profile::{Rules, Support};

/// How sure it is that a hostcall is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is called from code that runs; from which function, where names tell.
    Called(String),
    /// It is called from a function in a table, and whose function that is cannot be told.
    Perhaps,
}

/// The call graph of a module.
#[derive(Default)]
struct Graph {
    /// Imported functions that are hostcalls.
    hostcalls: BTreeMap<u32, Hostcall>,
    imported: u32,
    /// Direct calls, and functions whose reference is taken in code, by caller.
    calls: BTreeMap<u32, BTreeSet<u32>>,
    /// Functions in tables.
    tables: BTreeSet<u32>,
    exports: Vec<(String, u32)>,
    start: Option<u32>,
    names: BTreeMap<u32, String>,
}

/// The hostcalls that the module can come to on a platform, with how sure that is.
///
/// # Errors
/// The parser's, for bytes that are no module.
pub(super) fn uses(
    wasm: &[u8],
    rules: &Rules,
) -> Result<BTreeMap<Hostcall, Use>, wasmparser::BinaryReaderError> {
    let graph = Graph::read(wasm)?;
    // The SDK's own functions can only be told from the plugin's by name.
    let knows_sdk = graph.names.values().any(|name| is_sdk(name));
    let mut uses = BTreeMap::new();
    let entries = graph.exports.iter().filter(|(name, _)| {
        Callback::ALL
            .iter()
            .find(|callback| callback.name() == name)
            .is_none_or(|callback| is_called(*callback, rules))
    });
    for (name, function) in entries {
        graph.walk(*function, name, true, &mut uses);
    }
    if let Some(start) = graph.start {
        graph.walk(start, "the start function", true, &mut uses);
    }
    for function in &graph.tables {
        let name = graph.names.get(function).map_or("", String::as_str);
        if !is_default_method(name) {
            graph.walk(*function, name, knows_sdk, &mut uses);
        }
    }
    Ok(uses)
}

/// Whether a platform ever calls this: what comes back from a hostcall that it does not offer does
/// not come.
fn is_called(callback: Callback, rules: &Rules) -> bool {
    use Callback as C;
    let works = |call| rules.support(call) == Support::Works;
    match callback {
        C::OnTick => works(Hostcall::SetTickPeriodMilliseconds),
        C::OnQueueReady => works(Hostcall::RegisterSharedQueue),
        C::OnHttpCallResponse => works(Hostcall::HttpCall),
        C::OnGrpcReceiveInitialMetadata
        | C::OnGrpcReceive
        | C::OnGrpcReceiveTrailingMetadata
        | C::OnGrpcClose => works(Hostcall::GrpcCall) || works(Hostcall::GrpcStream),
        C::OnForeignFunction => works(Hostcall::CallForeignFunction),
        C::OnRequestTrailers | C::OnResponseTrailers => rules.trailers,
        C::OnLog => rules.on_log,
        _ => true,
    }
}

fn is_sdk(name: &str) -> bool {
    name.starts_with("proxy_wasm::") || name.starts_with("<proxy_wasm::")
}

/// A method that the `proxy-wasm` crate's traits come with, as against a callback or what a plugin
/// wrote. In one mangling it is named by its trait, in the other by the type that has it.
fn is_default_method(name: &str) -> bool {
    let method = name.rsplit("::").next().unwrap_or(name);
    let is_plugins = ["on_", "create_", "get_type"]
        .iter()
        .any(|start| method.starts_with(start));
    name.contains("proxy_wasm::traits::") && !is_plugins
}

impl Graph {
    fn read(wasm: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
        let mut graph = Self::default();
        let mut next = 0;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if !matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                            continue;
                        }
                        let known = Import {
                            module: import.module.to_owned(),
                            name: import.name.to_owned(),
                        };
                        if let Some(call) = known.hostcall() {
                            graph.hostcalls.insert(graph.imported, call);
                        }
                        graph.imported += 1;
                    }
                    next = graph.imported;
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            graph.exports.push((export.name.to_owned(), export.index));
                        }
                    }
                }
                Payload::StartSection { func, .. } => graph.start = Some(func),
                Payload::ElementSection(section) => {
                    for element in section {
                        if let ElementItems::Functions(functions) = element?.items {
                            for function in functions {
                                graph.tables.insert(function?);
                            }
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let mut callees = BTreeSet::new();
                    for operator in body.get_operators_reader()? {
                        match operator? {
                            Operator::Call { function_index }
                            | Operator::ReturnCall { function_index }
                            | Operator::RefFunc { function_index } => {
                                callees.insert(function_index);
                            }
                            _ => {}
                        }
                    }
                    graph.calls.insert(next, callees);
                    next += 1;
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        graph.read_names(names);
                    }
                }
                _ => {}
            }
        }
        Ok(graph)
    }

    /// A broken name section is no name section.
    fn read_names(&mut self, names: wasmparser::NameSectionReader<'_>) {
        for name in names {
            let Ok(Name::Function(functions)) = name else {
                continue;
            };
            for naming in functions.into_iter().flatten() {
                let name = format!("{:#}", rustc_demangle::demangle(naming.name));
                self.names.insert(naming.index, name);
            }
        }
    }

    /// Follows direct calls from a function and writes down the hostcalls that they come to.
    fn walk(&self, from: u32, name: &str, sure: bool, uses: &mut BTreeMap<Hostcall, Use>) {
        // Each function with the nearest one on its path that is not the SDK's.
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![(from, name.to_owned())];
        while let Some((function, caller)) = open.pop() {
            if let Some(call) = self.hostcalls.get(&function) {
                match uses.get(call) {
                    Some(Use::Called(_)) => {}
                    _ if sure => {
                        uses.insert(*call, Use::Called(caller));
                    }
                    _ => {
                        uses.insert(*call, Use::Perhaps);
                    }
                }
                continue;
            }
            for callee in self.calls.get(&function).into_iter().flatten() {
                if seen.insert(*callee) {
                    let name = self.names.get(callee).filter(|name| !is_sdk(name));
                    let is_import = *callee < self.imported;
                    let caller = name
                        .filter(|_| !is_import)
                        .map_or_else(|| caller.clone(), String::clone);
                    open.push((*callee, caller));
                }
            }
        }
    }
}

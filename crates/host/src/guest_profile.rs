//! Which functions of a plugin its fuel goes to, exactly and the same on every run.
//!
//! A module is rewritten before it is compiled: every function is put behind a wrapper that tells
//! the host when it is entered and left. The function itself moves to the end of the index space
//! unchanged, and the wrapper takes its number, so that calls, tables and exports come to the
//! wrapper without being touched. Between two such moments the host knows how much fuel was burnt
//! and in which function; what the wrappers burn themselves is a known number and is taken off. So
//! the fuel of all functions adds up to what the plugin burns without any of this, but for the two
//! units that the engine itself burns to come to a start function.

mod rewrite;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use wasmtime::{AsContextMut, Caller, Func, Instance, Ref, Store};

use crate::state::State;

pub(crate) use rewrite::{Functions, instrument};

/// The export of the table through which wrappers call the host.
const TABLE: &str = "gatewright_profile";
/// The export of what was the start function: it must not run before the table is filled.
const START: &str = "gatewright_profile_start";

/// Fuel that a wrapper burns before it tells that its function is entered: its own entry, the
/// number of the function, the place in the table, the call.
const BEFORE: u64 = 4;
/// Fuel that it burns after its function to tell that it is left: the same without the entry.
const AFTER: u64 = 3;

/// A function with what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCost {
    /// Its name, demangled; its number where the module has no names.
    pub name: String,
    /// How often it was called.
    pub calls: u64,
    /// Fuel that it burnt itself.
    pub own: u64,
    /// Fuel that it and all that it called burnt.
    pub total: u64,
}

/// Where fuel went, as a tree of calls.
#[derive(Clone, Debug, Default)]
pub struct GuestProfile {
    nodes: Vec<Node>,
    names: Vec<String>,
}

/// A function, called along one path.
#[derive(Clone, Debug)]
struct Node {
    function: u32,
    parent: Option<usize>,
    children: BTreeMap<u32, usize>,
    calls: u64,
    own: u64,
}

impl GuestProfile {
    /// All fuel.
    pub fn fuel(&self) -> u64 {
        self.nodes.iter().map(|node| node.own).sum()
    }

    /// The functions that ran, the one that burnt most first.
    pub fn functions(&self) -> Vec<FunctionCost> {
        let mut costs: BTreeMap<u32, FunctionCost> = BTreeMap::new();
        let mut totals: Vec<u64> = self.nodes.iter().map(|node| node.own).collect();
        // A child stands behind its parent.
        for place in (0..self.nodes.len()).rev() {
            if let Some(parent) = self.nodes[place].parent {
                totals[parent] += totals[place];
            }
        }
        for (node, total) in self.nodes.iter().zip(totals) {
            let cost = costs.entry(node.function).or_insert_with(|| FunctionCost {
                name: self.name(node.function),
                calls: 0,
                own: 0,
                total: 0,
            });
            cost.calls += node.calls;
            cost.own += node.own;
            // What a recursive function burns within itself is counted once.
            if !self.path(node).any(|above| above.function == node.function) {
                cost.total += total;
            }
        }
        let mut costs: Vec<_> = costs.into_values().collect();
        costs.sort_by(|a, b| b.own.cmp(&a.own).then_with(|| a.name.cmp(&b.name)));
        costs
    }

    /// One line a path with the fuel burnt at its end: the format of folded stacks, which
    /// flame-graph viewers open.
    pub fn folded(&self) -> String {
        let mut lines = Vec::new();
        for node in self.nodes.iter().filter(|node| node.own > 0) {
            let mut path: Vec<_> = self
                .path(node)
                .map(|above| self.name(above.function))
                .collect();
            path.reverse();
            path.push(self.name(node.function));
            // A semicolon parts frames.
            let path: Vec<_> = path.iter().map(|name| name.replace(';', ",")).collect();
            lines.push((path.join(";"), node.own));
        }
        lines.sort();
        let mut out = String::new();
        for (path, fuel) in lines {
            let _ = writeln!(out, "{path} {fuel}");
        }
        out
    }

    fn name(&self, function: u32) -> String {
        let name = self.names.get(function as usize);
        name.filter(|name| !name.is_empty())
            .cloned()
            .unwrap_or_else(|| format!("function {function}"))
    }

    /// The nodes above one, innermost first.
    fn path<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Node> {
        std::iter::successors(Some(node), |node| Some(&self.nodes[node.parent?])).skip(1)
    }
}

/// What a VM writes down while it runs.
pub(crate) struct Recorder {
    functions: Arc<Functions>,
    profile: GuestProfile,
    roots: BTreeMap<u32, usize>,
    stack: Vec<usize>,
    /// Fuel that was left when it was last looked at.
    left: u64,
}

impl Recorder {
    pub(crate) fn new(functions: Arc<Functions>) -> Self {
        let profile = GuestProfile {
            nodes: Vec::new(),
            names: functions.names.clone(),
        };
        Self {
            functions,
            profile,
            roots: BTreeMap::new(),
            stack: Vec::new(),
            left: 0,
        }
    }

    /// The host is about to call the guest with so much fuel.
    pub(crate) fn begin(&mut self, fuel: u64) {
        self.stack.clear();
        self.left = fuel;
    }

    /// The call is over. If the guest trapped, functions are left that did not say so.
    pub(crate) fn end(&mut self, left: u64) {
        self.burn(left, 0);
        self.stack.clear();
    }

    pub(crate) fn take(&mut self) -> GuestProfile {
        let empty = GuestProfile {
            nodes: Vec::new(),
            names: self.functions.names.clone(),
        };
        self.roots.clear();
        self.stack.clear();
        std::mem::replace(&mut self.profile, empty)
    }

    /// Charges what was burnt since the last look to the function that runs, less the wrapper's.
    fn burn(&mut self, left: u64, wrapper: u64) {
        let burnt = self.left.saturating_sub(left).saturating_sub(wrapper);
        if let Some(node) = self.stack.last() {
            self.profile.nodes[*node].own += burnt;
        }
        self.left = left;
    }

    fn enter(&mut self, function: u32, left: u64) {
        self.burn(left, BEFORE);
        let parent = self.stack.last().copied();
        let next = self.profile.nodes.len();
        let siblings = match parent {
            Some(parent) => &mut self.profile.nodes[parent].children,
            None => &mut self.roots,
        };
        let node = *siblings.entry(function).or_insert(next);
        if node == next {
            self.profile.nodes.push(Node {
                function,
                parent,
                children: BTreeMap::new(),
                calls: 0,
                own: 0,
            });
        }
        self.profile.nodes[node].calls += 1;
        self.stack.push(node);
        // Handing over the arguments and the call are the wrapper's, too.
        self.left = left.saturating_sub(self.functions.handing_over(function));
    }

    fn leave(&mut self, left: u64) {
        self.burn(left, AFTER);
        self.stack.pop();
    }
}

/// Fills the table of an instrumented module and runs what was its start function.
pub(crate) fn attach(instance: &Instance, store: &mut Store<State>) -> wasmtime::Result<()> {
    let enter = Func::wrap(
        &mut *store,
        |mut caller: Caller<'_, State>, function: u32| {
            let left = caller.get_fuel()?;
            if let Some(recorder) = &mut caller.data_mut().recorder {
                recorder.enter(function, left);
            }
            Ok(())
        },
    );
    let leave = Func::wrap(
        &mut *store,
        |mut caller: Caller<'_, State>, _function: u32| {
            let left = caller.get_fuel()?;
            if let Some(recorder) = &mut caller.data_mut().recorder {
                recorder.leave(left);
            }
            Ok(())
        },
    );
    if let Some(table) = instance.get_table(store.as_context_mut(), TABLE) {
        table.set(&mut *store, 0, Ref::Func(Some(enter)))?;
        table.set(&mut *store, 1, Ref::Func(Some(leave)))?;
    }
    if let Ok(start) = instance.get_typed_func::<(), ()>(store.as_context_mut(), START) {
        start.call(store, ())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

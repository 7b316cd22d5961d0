//! What `gatewright bench` says.

use std::collections::BTreeMap;

use gatewright_harness::{CallbackCost, CaseCost, STREAMS};
use gatewright_host::{FunctionCost, GuestProfile, Limits};
use serde_json::{Value, json};

use super::Measured;
use crate::commands::{DIM, RED, RESET};

/// Functions shown to people; the file has all.
const FUNCTIONS: usize = 20;

/// A number, and beside it the old one and the difference where there is one.
fn versus(new: f64, old: Option<f64>, decimals: usize) -> String {
    let Some(old) = old else {
        return format!("{new:.decimals$}");
    };
    let change = if old == new {
        "=".to_owned()
    } else if old == 0.0 {
        "new".to_owned()
    } else {
        format!("{:+.1} %", 100.0 * (new - old) / old)
    };
    format!("{new:.decimals$} (was {old:.decimals$}, {change})")
}

pub(super) fn human(
    new: &Measured,
    old: Option<&Measured>,
    profiles: &[(&str, GuestProfile)],
) -> String {
    let mut out = String::new();
    let limit = Limits::GOOGLE.module_bytes.unwrap_or(usize::MAX) as f64;
    let kib = |bytes: usize| bytes as f64 / 1024.0;
    let size = new.module.wasm.len();
    out += &format!(
        "{}  {} KiB, {:.1} % of the limit\n",
        new.module.name,
        versus(kib(size), old.map(|old| kib(old.module.wasm.len())), 1),
        100.0 * size as f64 / limit
    );
    for (place, cost) in new.costs.iter().enumerate() {
        let before = old.and_then(|old| old.costs.get(place));
        case(cost, before, &mut out);
    }
    if !profiles.is_empty() {
        functions(profiles, &mut out);
    }
    out
}

fn case(cost: &CaseCost, old: Option<&CaseCost>, out: &mut String) {
    *out += &format!("\n{}\n", cost.name);
    let Some(memory) = cost.memory else {
        *out += &format!("  {RED}the plugin fails{RESET}; `gatewright test` says why\n");
        return;
    };
    *out += &format!(
        "  {DIM}{:<34} {:>5} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9}{RESET}\n",
        "callback", "calls", "fuel", "of 1 ms", "hostcalls", "B to it", "B from it", "growth"
    );
    let mut row = |name: &str, cost: &CallbackCost, old: Option<&CallbackCost>| {
        *out += &format!(
            "  {name:<34} {:>5} {:>9} {:>7.3}% {:>9} {:>9} {:>9} {:>9}",
            cost.calls,
            cost.fuel,
            cost.share(),
            cost.hostcalls,
            cost.bytes_to_guest,
            cost.bytes_from_guest,
            cost.memory_growth
        );
        if let Some(old) = old {
            *out += &format!(
                "  fuel {}",
                versus(cost.fuel as f64, Some(old.fuel as f64), 0)
            );
        }
        out.push('\n');
    };
    for (name, callback) in &cost.callbacks {
        let before = old.map(|old| {
            let same = old.callbacks.iter().find(|(other, _)| other == name);
            same.map_or_else(CallbackCost::default, |(_, cost)| *cost)
        });
        row(name, callback, before.as_ref());
    }
    row("the start", &cost.start, old.map(|old| &old.start));
    row(
        "the dearest exchange",
        &cost.exchange,
        old.map(|old| &old.exchange),
    );
    let limit = Limits::GOOGLE.memory_bytes as f64;
    *out += &format!(
        "  memory at the peak: {} B, {:.1} % of a VM\n",
        versus(
            memory as f64,
            old.and_then(|old| Some(old.memory? as f64)),
            0
        ),
        100.0 * memory as f64 / limit
    );
    let streams = cost.streams;
    *out += &format!(
        "  memory a stream, {} open: {} B",
        streams.opened,
        versus(streams.bytes, old.map(|old| old.streams.bytes), 0)
    );
    if streams.opened < STREAMS {
        *out += &format!("; {RED}the next one fails, and {STREAMS} must fit{RESET}");
    }
    out.push('\n');
}

/// All functions of all cases, by name.
fn merged(profiles: &[(&str, GuestProfile)]) -> Vec<FunctionCost> {
    let mut merged: BTreeMap<String, FunctionCost> = BTreeMap::new();
    for function in profiles.iter().flat_map(|(_, profile)| profile.functions()) {
        match merged.get_mut(&function.name) {
            Some(known) => {
                known.calls += function.calls;
                known.own += function.own;
                known.total += function.total;
            }
            None => {
                merged.insert(function.name.clone(), function);
            }
        }
    }
    let mut merged: Vec<_> = merged.into_values().collect();
    merged.sort_by(|a, b| b.own.cmp(&a.own).then_with(|| a.name.cmp(&b.name)));
    merged
}

fn functions(profiles: &[(&str, GuestProfile)], out: &mut String) {
    let functions = merged(profiles);
    let all: u64 = functions.iter().map(|function| function.own).sum();
    *out += &format!(
        "\n  {DIM}{:>9} {:>6} {:>9} {:>7}  function{RESET}\n",
        "fuel", "", "with all", "calls"
    );
    for function in functions.iter().take(FUNCTIONS) {
        *out += &format!(
            "  {:>9} {:>5.1}% {:>9} {:>7}  {}\n",
            function.own,
            100.0 * function.own as f64 / all.max(1) as f64,
            function.total,
            function.calls,
            function.name
        );
    }
    if functions.len() > FUNCTIONS {
        let rest: u64 = functions
            .iter()
            .skip(FUNCTIONS)
            .map(|function| function.own)
            .sum();
        *out += &format!(
            "  {rest:>9} {:>5.1}%                    {} functions more\n",
            100.0 * rest as f64 / all.max(1) as f64,
            functions.len() - FUNCTIONS
        );
    }
    *out += &format!("  {all:>9}                           in all\n");
}

pub(super) fn json(
    new: &Measured,
    old: Option<&Measured>,
    profiles: &[(&str, GuestProfile)],
) -> Value {
    let functions: Vec<_> = merged(profiles)
        .into_iter()
        .map(|function| {
            json!({
                "function": function.name,
                "calls": function.calls,
                "fuel": function.own,
                "totalFuel": function.total,
            })
        })
        .collect();
    json!({
        "new": measured(new),
        "old": old.map(measured),
        "functions": (!profiles.is_empty()).then_some(functions),
    })
}

fn measured(measured: &Measured) -> Value {
    let cases = measured.costs.iter().map(|cost| {
        let callbacks: Vec<_> = cost
            .callbacks
            .iter()
            .map(|(name, cost)| callback(name, cost))
            .collect();
        json!({
            "case": cost.name,
            "callbacks": callbacks,
            "start": callback("start", &cost.start),
            "exchange": callback("exchange", &cost.exchange),
            "memoryBytes": cost.memory,
            "streams": {
                "opened": cost.streams.opened,
                "bytesEach": cost.streams.bytes,
            },
        })
    });
    json!({
        "file": measured.module.path,
        "moduleBytes": measured.module.wasm.len(),
        "cases": cases.collect::<Vec<_>>(),
    })
}

fn callback(name: &str, cost: &CallbackCost) -> Value {
    json!({
        "name": name,
        "calls": cost.calls,
        "fuel": cost.fuel,
        "dearestFuel": cost.dearest,
        "percentOfMillisecond": cost.share(),
        "hostcalls": cost.hostcalls,
        "bytesToGuest": cost.bytes_to_guest,
        "bytesFromGuest": cost.bytes_from_guest,
        "memoryGrowth": cost.memory_growth,
    })
}

//! The calibration of fuel: how much of it production's processor would burn in a millisecond.
//!
//! Production judges a plugin in milliseconds of a processor at about 4 GHz, and we in fuel. Each
//! guest here does one kind of work. Its fuel is counted by an engine that meters, its time by one
//! that does not, and the time is turned into cycles by this machine's clock rate. What comes out
//! is fuel for each 4,000,000 cycles. The constant must not be above the least of them: then a
//! plugin that stays within its fuel stays within its millisecond.

use std::sync::Arc;

use gatewright_host::{
    Attributes, Chain, Engine, EngineOptions, FUEL_PER_MILLISECOND, HeaderMap, Limits, Metering,
    PluginSpec, Profile, Recorded, TraceLevel,
};

use crate::measure::seconds;
use crate::{Bound, figure};

/// Cycles of production's processor in a millisecond.
const CYCLES: f64 = 4_000_000.0;

/// Kinds of work, each the body of a loop over `$i`, with a buffer of 64 KiB at 65,536.
const WORK: &[(&str, &str)] = &[
    (
        "hash",
        "(local.set $x (i32.mul (i32.xor (local.get $x) (i32.load8_u offset=65536
            (i32.and (local.get $i) (i32.const 0xffff)))) (i32.const 16777619)))",
    ),
    (
        "scan",
        "(if (i32.eq (i32.load8_u offset=65536 (i32.and (local.get $i) (i32.const 0xffff)))
            (i32.const 58)) (then (local.set $x (i32.add (local.get $x) (local.get $i)))))",
    ),
    (
        "copy",
        "(i64.store offset=65536 (i32.and (local.get $i) (i32.const 0x7ff8))
            (i64.load offset=98304 (i32.and (local.get $i) (i32.const 0x7ff8))))",
    ),
    (
        "arithmetic",
        "(local.set $x (i32.add (i32.rotl (local.get $x) (i32.const 5))
            (i32.xor (local.get $i) (i32.shl (local.get $x) (i32.const 3)))))",
    ),
    (
        "calls",
        "(local.set $x (call_indirect (type $step) (local.get $x)
            (i32.and (local.get $i) (i32.const 1))))",
    ),
    (
        "division",
        "(local.set $x (i32.add (i32.rem_u (i32.add (local.get $x) (local.get $i))
            (i32.const 1009)) (i32.div_u (local.get $i) (i32.or (local.get $x) (i32.const 1)))))",
    ),
];

fn guest(work: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (type $step (func (param i32) (result i32)))
            (memory (export "memory") 3)
            (table 2 funcref)
            (elem (i32.const 0) $up $down)
            (func $up (type $step) (i32.add (local.get 0) (i32.const 3)))
            (func $down (type $step) (i32.xor (local.get 0) (i32.const 85)))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 4096)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (local $i i32) (local $x i32)
                (loop $again
                    {work}
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $i) (i32.const 4000000))))
                (i32.store (i32.const 16) (local.get $x))
                i32.const 0))"#
    );
    wat::parse_str(text).unwrap_or_default()
}

/// A chain of the guest alone, with fuel for as long as it likes.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn start(wasm: &[u8], metering: Metering) -> Chain {
    let options = EngineOptions {
        metering,
        ..EngineOptions::default()
    };
    let engine = Engine::new(&options).expect("the engine starts");
    let plugin = engine.compile(wasm).expect("the guest compiles");
    let mut spec = PluginSpec::new(plugin, Profile::Google);
    spec.settings.limits = Limits::GOOGLE.calibrated(u64::MAX >> 1);
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    Chain::start(Profile::Google, vec![spec], door, TraceLevel::Cost)
}

/// One run of the work, and the fuel it burnt.
fn work(chain: &mut Chain) -> u64 {
    let stream = chain.open(&Arc::new(Attributes::new()));
    chain.request_headers(stream, HeaderMap::new(), true, &mut Vec::new());
    chain.close(stream).fuel()
}

/// This machine's cycles a second, as its kernel says; 4 GHz where it does not.
fn clock_rate() -> f64 {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mega = text
        .lines()
        .filter_map(|line| line.strip_prefix("cpu MHz"))
        .filter_map(|rest| {
            rest.trim_start_matches([' ', '\t', ':'])
                .parse::<f64>()
                .ok()
        })
        .next();
    mega.unwrap_or(4_000.0) * 1e6
}

pub(crate) fn measure() {
    let rate = clock_rate();
    for (name, body) in WORK {
        let wasm = guest(body);
        let fuel = work(&mut start(&wasm, Metering::Fuel)) as f64;
        let mut bare = start(&wasm, Metering::None);
        work(&mut bare);
        // The quickest round: whatever else the machine did made the others slower.
        let times = (0..25).map(|_| seconds(|| _ = work(&mut bare)));
        let cycles = times.fold(f64::INFINITY, f64::min) * rate;
        let per_millisecond = fuel / cycles * CYCLES;
        let bound = Bound::AtLeast(FUEL_PER_MILLISECOND as f64);
        figure("calibrate", name, per_millisecond, "fuel/ms", bound);
    }
}

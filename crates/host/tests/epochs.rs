//! CPU by epochs, as a live server meters it: what counts is the thread's own time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatewright_host::{
    Attributes, Chain, Door, Effect, Engine, EngineOptions, FaultKind, HeaderMap, Metering,
    PluginSpec, Profile, Trace, TraceLevel,
};

/// A door on whose CPU clock every look costs so many nanoseconds, and behind which an epoch ends
/// each time that the guest asks for random bytes.
struct Clock {
    engine: Engine,
    step: u64,
    looks: Arc<AtomicU64>,
}

impl Door for Clock {
    fn realtime(&mut self) -> u64 {
        0
    }
    fn monotonic(&mut self) -> u64 {
        0
    }
    fn random(&mut self, _: &mut [u8]) {
        self.engine.advance_epoch();
    }
    fn cpu(&mut self) -> u64 {
        self.step * self.looks.fetch_add(1, Ordering::Relaxed)
    }
}

/// A plugin whose request headers take so many turns of a loop, in each of which an epoch ends.
/// Gives effects, trace, and looks at the CPU clock.
fn run(turns: u64, step: u64) -> (Vec<Effect>, Trace, u64) {
    let wasm = wat::parse_str(format!(
        r#"(module
            (import "wasi_snapshot_preview1" "random_get"
                (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (local $left i64)
                (local.set $left (i64.const {turns}))
                (loop $again
                    (drop (call $random (i32.const 0) (i32.const 1)))
                    (local.set $left (i64.sub (local.get $left) (i64.const 1)))
                    (br_if $again (i64.ne (local.get $left) (i64.const 0))))
                i32.const 0))"#
    ))
    .expect("valid text");
    let options = EngineOptions {
        metering: Metering::Epoch,
        ..EngineOptions::default()
    };
    let engine = Engine::new(&options).expect("an engine");
    let spec = PluginSpec::new(engine.compile(&wasm).expect("a plugin"), Profile::Google);
    let looks = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&looks);
    let door = move || {
        Box::new(Clock {
            engine: engine.clone(),
            step,
            looks: Arc::clone(&looks),
        }) as Box<dyn Door>
    };
    let mut chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Off);
    let mut effects = Vec::new();
    let stream = chain.open(&Arc::new(Attributes::new()));
    chain.request_headers(stream, HeaderMap::new(), true, &mut effects);
    let trace = chain.close(stream);
    (effects, trace, seen.load(Ordering::Relaxed))
}

#[test]
fn a_guest_that_spends_its_budget_is_ended() {
    // No end of its own: only the budget of a millisecond, which is ten looks, ends it.
    let (effects, trace, looks) = run(u64::MAX, 100_000);
    assert_eq!(effects, [Effect::Fail { status: 500 }]);
    assert_eq!(trace.faults[0].kind, FaultKind::CpuExceeded);
    assert_eq!(looks, 11);
}

#[test]
fn a_guest_that_waits_for_a_busy_machine_is_not() {
    let (effects, trace, looks) = run(1_000, 0);
    assert!(matches!(effects[..], [Effect::RequestHeaders { .. }]));
    assert_eq!(trace.faults, []);
    assert!(looks > 900, "{looks} epochs ended meanwhile");
}

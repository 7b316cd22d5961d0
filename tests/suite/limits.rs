//! Every limit of the load balancer, at the limit and one past it.

use std::sync::Arc;

use gatewright_host::{
    Attributes, Chain, Effect, Engine, EngineOptions, FaultKind, FindingKind, HeaderMap, Limits,
    PluginSpec, Profile, Recorded, StreamId, Trace, TraceLevel,
};

const MIB: usize = 1024 * 1024;

/// A guest with this memory and these callbacks. `hello` stands at 16.
fn module(pages: usize, callbacks: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_replace_header_map_value"
                (func $set (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_set_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
            (import "env" "proxy_set_buffer_bytes"
                (func $body (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_send_local_response"
                (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") {pages})
            (data (i32.const 16) "hello")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 4096)
            {callbacks})"#
    );
    wat::parse_str(text).expect("the guest is valid")
}

/// A guest whose request headers callback has this body.
fn on_headers(body: &str) -> Vec<u8> {
    let callback = format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            {body} i32.const 0)"#
    );
    module(4, &callback)
}

struct Run {
    chain: Chain,
    stream: StreamId,
    effects: Vec<Effect>,
}

impl Run {
    fn start(wasm: &[u8], change: impl FnOnce(&mut PluginSpec)) -> Self {
        let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
        let plugin = engine.compile(wasm).expect("the guest compiles");
        let mut spec = PluginSpec::new(plugin, Profile::Google);
        change(&mut spec);
        let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
        let mut chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Full);
        let stream = chain.open(&Arc::new(Attributes::new()));
        Self {
            chain,
            stream,
            effects: Vec::new(),
        }
    }

    fn headers(mut self) -> Self {
        let map = [(":path", "/")].into_iter().collect();
        self.chain
            .request_headers(self.stream, map, false, &mut self.effects);
        self
    }

    fn body(mut self, chunk: &[u8]) -> Self {
        self.chain
            .request_body(self.stream, chunk.to_vec(), true, &mut self.effects);
        self
    }

    fn close(mut self) -> (Vec<Effect>, Trace) {
        let trace = self.chain.close(self.stream);
        (self.effects, trace)
    }
}

fn run(wasm: &[u8]) -> (Vec<Effect>, Trace) {
    Run::start(wasm, |_| {}).headers().close()
}

fn passes(effects: &[Effect], trace: &Trace) {
    assert!(trace.faults.is_empty(), "{:?}", trace.faults);
    assert!(
        matches!(effects[..], [Effect::RequestHeaders { .. }]),
        "{effects:?}"
    );
}

fn fails(wasm: &[u8], kind: FaultKind) {
    let (effects, trace) = run(wasm);
    let kinds: Vec<_> = trace.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(
        (kinds, effects),
        (vec![kind], vec![Effect::Fail { status: 500 }])
    );
    let open = Run::start(wasm, |spec| spec.fail_open = true);
    let (effects, _) = open.headers().close();
    assert!(
        matches!(effects[..], [Effect::RequestHeaders { .. }]),
        "open: {effects:?}"
    );
}

/// A module padded by a custom section to this many bytes.
fn padded(size: usize) -> Vec<u8> {
    let mut wasm = on_headers("");
    // Section 0, its size in five bytes of LEB128, the name of one byte.
    let content = size - wasm.len() - 6;
    wasm.push(0);
    for group in 0..5 {
        let bits = (content >> (7 * group)) as u8 & 0x7f;
        wasm.push(bits | if group < 4 { 0x80 } else { 0 });
    }
    wasm.extend([1, b'p']);
    wasm.resize(size, 0);
    wasm
}

#[test]
fn module_and_configuration_are_five_mebibytes_together() {
    let wasm = padded(5 * MIB - 10);
    let start = |configuration: usize| {
        Run::start(&wasm, |spec| {
            spec.settings.configuration = vec![b'x'; configuration].into();
        })
    };
    let (effects, trace) = start(10).headers().close();
    passes(&effects, &trace);
    let large = start(11);
    let faults: Vec<_> = large.chain.start_faults().cloned().collect();
    assert_eq!(faults[0].kind, FaultKind::ModuleTooLarge);
    assert_eq!(
        faults[0].message,
        "module and configuration are 5242881 bytes together, 1 more than the limit"
    );
    assert_eq!(large.headers().close().0, [Effect::Fail { status: 500 }]);
}

#[test]
fn memory_is_sixteen_mebibytes() {
    let grows = |pages: usize| on_headers(&format!("(drop (memory.grow (i32.const {pages})))"));
    let at = Run::start(&grows(252), |_| {}).headers();
    assert_eq!(at.chain.memory_bytes(0), Some(16 * MIB));
    let (effects, trace) = at.close();
    passes(&effects, &trace);
    fails(&grows(253), FaultKind::MemoryExceeded);
    // What a module declares counts from the start.
    let declares = |pages| Run::start(&module(pages, ""), |_| {});
    assert_eq!(declares(256).chain.start_faults().count(), 0);
    let faults: Vec<_> = declares(257).chain.start_faults().map(|f| f.kind).collect();
    assert_eq!(faults, [FaultKind::MemoryExceeded]);
}

/// Counts to a thousand in each of the two callbacks.
const COUNTS: &str = r#"
    (func $count (param i32) (local $n i32)
        (loop $again
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (local.get 0)))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $count (i32.const 1000)) i32.const 0)
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (call $count (i32.const 1000)) i32.const 0)"#;

fn counted(change: impl FnOnce(&mut Limits)) -> (Vec<Effect>, Trace) {
    let wasm = module(1, COUNTS);
    let run = Run::start(&wasm, |spec| change(&mut spec.settings.limits));
    run.headers().body(b"x").close()
}

/// The fuel of the two callbacks, as they cost it without a limit.
fn costs() -> Vec<u64> {
    let (_, trace) = counted(|_| {});
    let named = trace
        .spans
        .iter()
        .filter(|span| span.entry.name().contains("request"));
    named.map(|span| span.cost.fuel).collect()
}

/// The least limit under which the guest is not ended. It is found by trying: the engine looks at
/// the fuel where a function or a loop begins, so what follows the last such place is free.
fn least(cost: u64, limit: fn(&mut Limits, u64)) -> u64 {
    let (mut ends, mut passes) = (0, cost + 1);
    while ends + 1 < passes {
        let middle = ends.midpoint(passes);
        let (_, trace) = counted(|limits| limit(limits, middle));
        match trace.faults.len() {
            0 => passes = middle,
            _ => ends = middle,
        }
    }
    assert!(cost - passes < 16, "{cost} is {passes} and a tail");
    passes
}

#[test]
fn an_invocation_has_its_millisecond_and_not_a_unit_more() {
    let set = |limits: &mut Limits, limit| limits.fuel_per_invocation = Some(limit);
    let least = least(costs()[0], set);
    let (effects, trace) = counted(|limits| set(limits, least));
    assert_eq!((effects.len(), trace.faults.len()), (2, 0));
    let (effects, trace) = counted(|limits| set(limits, least - 1));
    assert_eq!(effects, [Effect::Fail { status: 500 }]);
    assert_eq!(trace.faults[0].kind, FaultKind::CpuExceeded);
}

#[test]
fn a_request_has_its_millisecond_over_all_its_invocations() {
    let set = |limits: &mut Limits, limit| limits.fuel_per_request = Some(limit);
    let least = least(costs().iter().sum(), set);
    let (effects, trace) = counted(|limits| set(limits, least));
    assert_eq!((effects.len(), trace.faults.len()), (2, 0));
    let (effects, trace) = counted(|limits| set(limits, least - 1));
    assert!(
        matches!(
            effects[..],
            [Effect::RequestHeaders { .. }, Effect::Fail { status: 500 }]
        ),
        "{effects:?}"
    );
    assert_eq!(trace.faults[0].entry.name(), "proxy_on_request_body");
}

#[test]
fn what_a_call_costs_does_not_depend_on_when_the_telling_began() {
    let costs = costs();
    let level = |level, run: Run| {
        let mut run = run;
        run.chain.set_stream_level(run.stream, level);
        run
    };
    let wasm = module(1, COUNTS);
    let late = level(TraceLevel::Off, Run::start(&wasm, |_| {})).headers();
    let (_, trace) = level(TraceLevel::Cost, late).body(b"x").close();
    let told = |trace: &Trace, name| -> Vec<u64> {
        let spans = trace.spans.iter().filter(|s| s.entry.name() == name);
        spans.map(|span| span.cost.fuel).collect()
    };
    assert!(told(&trace, "proxy_on_request_headers").is_empty());
    assert_eq!(told(&trace, "proxy_on_request_body"), costs[1..]);
    // What was not told counts against the request all the same.
    let limit = costs[0] + costs[1] / 2;
    let spec = |spec: &mut PluginSpec| spec.settings.limits.fuel_per_request = Some(limit);
    let late = level(TraceLevel::Off, Run::start(&wasm, spec)).headers();
    let (_, trace) = level(TraceLevel::Cost, late).body(b"x").close();
    assert_eq!(trace.faults[0].kind, FaultKind::CpuExceeded);
}

#[test]
fn a_millisecond_is_what_the_calibration_says() {
    let limits = Limits::GOOGLE;
    assert_eq!(
        limits.fuel_per_invocation,
        Some(gatewright_host::FUEL_PER_MILLISECOND)
    );
    let slow = limits.calibrated(7);
    assert_eq!(
        (slow.fuel_per_invocation, slow.fuel_per_request),
        (Some(7), Some(7))
    );
    assert_eq!(Limits::ENVOY.calibrated(7).fuel_per_invocation, None);
}

#[test]
fn an_invocation_logs_sixteen_messages() {
    let logs = |count| {
        let log = "(drop (call $log (i32.const 2) (i32.const 16) (i32.const 5)))";
        let (effects, trace) = run(&on_headers(&log.repeat(count)));
        passes(&effects, &trace);
        let kinds: Vec<_> = trace.findings.iter().map(|finding| finding.kind).collect();
        (trace.logs.len(), kinds)
    };
    assert_eq!(logs(16), (16, vec![]));
    // A flood is one finding.
    assert_eq!(logs(17), (16, vec![FindingKind::LogDropped]));
    assert_eq!(logs(400), (16, vec![FindingKind::LogDropped]));
}

#[test]
fn an_invocation_logs_sixteen_kibibytes() {
    let logs = |size: usize| {
        let body = format!("(drop (call $log (i32.const 2) (i32.const 0) (i32.const {size})))");
        let (effects, trace) = run(&on_headers(&body));
        passes(&effects, &trace);
        (trace.logs.len(), trace.findings.len())
    };
    assert_eq!(logs(16 * 1024), (1, 0));
    assert_eq!(logs(16 * 1024 + 1), (0, 1));
}

#[test]
fn a_mutation_is_a_hundred_and_twenty_eight_kibibytes() {
    const LIMIT: usize = 128 * 1024;
    let header = |size| {
        let body = format!(
            "(drop (call $set (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 0) (i32.const {size})))"
        );
        on_headers(&body)
    };
    let (effects, trace) = run(&header(LIMIT));
    passes(&effects, &trace);
    // Production says "any mutation" and not what happens past it; that it fails is our reading.
    fails(&header(LIMIT + 1), FaultKind::MutationTooLarge);
    let pairs = |size| {
        on_headers(&format!(
            "(drop (call $pairs (i32.const 0) (i32.const 512) (i32.const {size})))"
        ))
    };
    let (effects, trace) = run(&pairs(LIMIT));
    passes(&effects, &trace);
    fails(&pairs(LIMIT + 1), FaultKind::MutationTooLarge);
}

#[test]
fn a_body_mutation_and_a_reply_have_the_same_limit() {
    const LIMIT: usize = 128 * 1024;
    let body = |size| {
        let callback = format!(
            r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                (drop (call $body (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 0)
                    (i32.const {size}))) i32.const 0)"#
        );
        Run::start(&module(4, &callback), |_| {}).body(b"x").close()
    };
    let (effects, trace) = body(LIMIT);
    assert!(trace.faults.is_empty());
    assert!(matches!(&effects[..], [Effect::RequestBody { chunk, .. }] if chunk.len() == LIMIT));
    let (effects, trace) = body(LIMIT + 1);
    assert_eq!(effects, [Effect::Fail { status: 500 }]);
    assert_eq!(trace.faults[0].kind, FaultKind::MutationTooLarge);
    let reply = |size: usize| {
        let body = format!(
            "(drop (call $reply (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const {size}) (i32.const 0) (i32.const 0) (i32.const -1)))"
        );
        on_headers(&body)
    };
    let (effects, _) = run(&reply(LIMIT));
    assert!(matches!(&effects[..], [Effect::Reply(reply)] if reply.body.len() == LIMIT));
    fails(&reply(LIMIT + 1), FaultKind::MutationTooLarge);
}

/// What becomes of the request's headers when the guest hands over this many pairs, each with a
/// name of one byte and values of this size, where mutations have no limit of their own.
#[expect(clippy::panic, reason = "a test helper fails the test that calls it")]
fn handed_over(pairs: usize, size: usize) -> (usize, Vec<FindingKind>) {
    let callback = format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (local $i i32) (local $at i32)
            (i32.store (i32.const 1024) (i32.const {pairs}))
            (loop $sizes
                (local.set $at (i32.add (i32.const 1028) (i32.mul (local.get $i) (i32.const 8))))
                (i32.store (local.get $at) (i32.const 1))
                (i32.store offset=4 (local.get $at) (i32.const {size}))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $sizes (i32.lt_u (local.get $i) (i32.const {pairs}))))
            (local.set $i (i32.const 0))
            (local.set $at (i32.add (i32.const 1028) (i32.mul (i32.const {pairs}) (i32.const 8))))
            (loop $names
                (i32.store8 (local.get $at) (i32.const 97))
                (local.set $at (i32.add (local.get $at) (i32.const {step})))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $names (i32.lt_u (local.get $i) (i32.const {pairs}))))
            (drop (call $pairs (i32.const 0) (i32.const 1024) (i32.const {length}))) i32.const 0)"#,
        step = size + 3,
        length = 4 + pairs * (8 + size + 3),
    );
    let run = Run::start(&module(40, &callback), |spec| {
        spec.settings.limits.mutation_bytes = None;
        spec.settings.limits = spec.settings.limits.clone().calibrated(1_000_000_000);
    });
    let (effects, trace) = run.headers().close();
    passes(&effects, &trace);
    let kinds = trace.findings.iter().map(|finding| finding.kind).collect();
    match effects.into_iter().next() {
        Some(Effect::RequestHeaders { headers, .. }) => (HeaderMap::len(&headers), kinds),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_header_map_has_1024_pairs_and_a_mebibyte() {
    assert_eq!(handed_over(1024, 1), (1024, vec![]));
    assert_eq!(
        handed_over(1025, 1),
        (0, vec![FindingKind::UnreadablePairs])
    );
    // One pair: a count, two lengths, a name and two zero bytes beside the value.
    let whole = MIB - (4 + 8 + 3);
    assert_eq!(handed_over(1, whole), (1, vec![]));
    assert_eq!(
        handed_over(1, whole + 1),
        (0, vec![FindingKind::UnreadablePairs])
    );
}

//! Modules that show one finding each, and that a good one shows none.

use super::*;
use crate::{Chain, Door, Engine, EngineOptions, PluginSpec, Recorded, TraceLevel};

/// A plugin without findings; `$` is where a test puts more.
const GOOD: &str = r#"(module
    $imports
    (memory (export "memory") 2)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0)
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) $headers i32.const 0)
    (func (export "proxy_on_tick") (param i32) $tick)
    $more
    (@custom "name" "\00\05\04good"))"#;

fn plugin(parts: &[(&str, &str)]) -> String {
    let mut text = GOOD.to_owned();
    for (place, part) in parts {
        text = text.replace(place, part);
    }
    ["$imports", "$headers", "$tick", "$more"]
        .iter()
        .fold(text, |text, place| text.replace(place, ""))
}

fn codes(text: &str, profile: Profile) -> Vec<&'static str> {
    let wasm = wat::parse_str(text).unwrap();
    let check = check_module(&wasm, profile, 0);
    check
        .findings
        .iter()
        .map(|found| found.kind.code())
        .collect()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(codes(text, Profile::Google), expected, "{text}");
}

#[test]
fn every_finding_is_shown_by_a_module() {
    check(&plugin(&[]), &[]);
    check(
        &plugin(&[]).replace("abi_version", "ab1_version"),
        &["NoAbiMarker"],
    );
    check(
        &plugin(&[]).replace("version_0_2_1", "version_0_1_0"),
        // Its header callback has no `end_of_stream`.
        &["WrongType", "OldAbi"],
    );
    check(&plugin(&[]).replace("\"memory\"", "\"mem\""), &["NoMemory"]);
    check(
        &plugin(&[]).replace("memory_allocate", "x"),
        &["NoAllocator"],
    );
    check(
        &plugin(&[]).replace("request_headers", "x"),
        &["NoCallback"],
    );
    let import = |line: &str| plugin(&[("$imports", line)]);
    check(
        &import(r#"(import "env" "proxy_dance" (func)) (import "wbg" "a" (func))"#),
        &["UnknownImport", "UnknownImport"],
    );
    check(
        &import(
            r#"(import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32)))"#,
        ),
        &["UnsupportedWasi"],
    );
    let more = |line: &str| plugin(&[("$more", line)]);
    check(&more("(func $s) (start $s)"), &["StartFunction"]);
    check(&more("(global (mut i32) (i32.const 1048576))"), &["Stack"]);
    check(&more("(table 10001 funcref)"), &["Table"]);
    check(
        &more(r#"(@custom ".debug_info" "abc")"#),
        &["DebugSections"],
    );
    check(&plugin(&[]).replace("\"name\"", "\"nam\""), &["NoNames"]);
    check(&plugin(&[]).replace("\") 2)", "\") 129)"), &["Memory"]);
    check(&plugin(&[]).replace("\") 2)", "\") 257)"), &["Memory"]);
    let findings = |bytes: &[u8]| check_module(bytes, Profile::Google, 0).findings;
    assert_eq!(findings(b"<html>")[0].kind, ModuleFindingKind::NotWasm);
    assert_eq!(
        findings(b"\0asm\x0d\0\x01\0")[0].kind,
        ModuleFindingKind::Component
    );
}

#[test]
fn module_and_configuration_count_together() {
    let wasm = wat::parse_str(plugin(&[])).unwrap();
    let room = Limits::GOOGLE.module_bytes.unwrap() - wasm.len();
    assert!(check_module(&wasm, Profile::Google, room).passes());
    let over = check_module(&wasm, Profile::Google, room + 1);
    assert_eq!(over.findings[0].kind, ModuleFindingKind::TooLarge);
    assert!(check_module(&wasm, Profile::Envoy, room + 1).passes());
}

const HTTP_CALL: &str = r#"(import "env" "proxy_http_call" (func $http (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))"#;

#[test]
fn a_hostcall_counts_where_something_that_runs_comes_to_it() {
    let text = |parts: &[(&str, &str)]| {
        let mut all = vec![("$imports", HTTP_CALL)];
        all.extend_from_slice(parts);
        plugin(&all)
    };
    // Imported and never called, or called by what the platform never calls.
    check(&text(&[]), &[]);
    check(
        &text(&[("$tick", "(drop (call $period (i32.const 1)))")]),
        &[],
    );
    let called = text(&[("$headers", "(drop (call $period (i32.const 1)))")]);
    check(&called, &["UnsupportedHostcall"]);
    assert_eq!(codes(&called, Profile::Envoy), [""; 0]);
    let found = check_module(&wat::parse_str(&called).unwrap(), Profile::Google, 0);
    assert_eq!(
        found.findings[0].message,
        "uses `proxy_set_tick_period_milliseconds`, called from `proxy_on_request_headers`; \
         google does not offer it"
    );
    // In a table, and no names tell whose it is.
    let table =
        "(func $f (drop (call $period (i32.const 1)))) (table 1 funcref) (elem (i32.const 0) $f)";
    check(&text(&[("$more", table)]), &["PossibleHostcall"]);
}

#[test]
fn default_methods_of_the_sdk_are_no_use_of_a_hostcall() {
    // The shape of a plugin built on the `proxy-wasm` crate, in both manglings of its names.
    for (default, own) in [
        (
            "_ZN10proxy_wasm6traits11RootContext15set_tick_period17h0123456789abcdefE",
            "_ZN64_$LT$bare..Filter$u20$as$u20$proxy_wasm..traits..HttpContext$GT$23on_http_request_headers17h4380bb7934e86829E",
        ),
        (
            "_RNvYNtC4bare6FilterNtNtC10proxy_wasm6traits11RootContext15set_tick_period",
            "_RNvXC4bareNtC4bare6FilterNtNtC10proxy_wasm6traits11HttpContext23on_http_request_headers",
        ),
    ] {
        let text = |own_calls: &str| {
            format!(
                r#"(module
                (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
                (memory (export "memory") 2)
                (func (export "proxy_abi_version_0_2_1"))
                (func (export "malloc") (param i32) (result i32) i32.const 0)
                (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
                (func $"_ZN10proxy_wasm9hostcalls15set_tick_period17h0123456789abcdefE"
                    (drop (call $period (i32.const 1))))
                (func $"{default}" (call $"_ZN10proxy_wasm9hostcalls15set_tick_period17h0123456789abcdefE"))
                (func $"{own}" {own_calls})
                (table 2 funcref)
                (elem (i32.const 0) $"{default}" $"{own}"))"#
            )
        };
        check(&text(""), &[]);
        let called =
            text(r#"(call $"_ZN10proxy_wasm9hostcalls15set_tick_period17h0123456789abcdefE")"#);
        let found = check_module(&wat::parse_str(&called).unwrap(), Profile::Google, 0);
        let message = &found.findings[0].message;
        assert!(
            message.contains("called from `<bare::Filter as proxy_wasm::traits::HttpContext>::on_http_request_headers`"),
            "{message}"
        );
    }
}

fn start(text: &str, configured: bool) -> Vec<ModuleFinding> {
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    let plugin = engine.compile(&wat::parse_str(text).unwrap()).unwrap();
    let spec = PluginSpec::new(plugin, Profile::Google);
    let door = || Box::new(Recorded::new(0, 0)) as Box<dyn Door>;
    let chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Cost);
    check_start(chain.start_trace(0).unwrap(), Profile::Google, configured)
}

#[test]
fn what_the_start_shows_is_found() {
    let configure = |body: &str| {
        let export =
            format!(r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) {body})"#);
        plugin(&[("$imports", HTTP_CALL), ("$more", &export)])
    };
    assert_eq!(start(&configure("i32.const 1"), false), []);
    let found = start(
        &configure("(drop (call $period (i32.const 1))) i32.const 1"),
        false,
    );
    assert_eq!(found[0].kind, ModuleFindingKind::UnsupportedHostcall);
    assert_eq!(
        found[0].message,
        "calls `proxy_set_tick_period_milliseconds` in `proxy_on_configure`; google does not offer it"
    );
    for (configured, severity) in [(false, Severity::Warning), (true, Severity::Error)] {
        let refused = start(&configure("i32.const 0"), configured);
        assert_eq!(refused[0].kind, ModuleFindingKind::ConfigureRefused);
        assert_eq!(refused[0].severity, severity);
        let trapped = start(&configure("unreachable"), configured);
        assert_eq!(trapped[0].kind, ModuleFindingKind::StartFails);
        assert_eq!(trapped[0].severity, severity);
    }
}

#[test]
fn every_kind_has_a_code_of_its_own_and_a_fix() {
    let mut codes: Vec<_> = ModuleFindingKind::ALL
        .iter()
        .map(|kind| kind.code())
        .collect();
    assert!(
        ModuleFindingKind::ALL
            .iter()
            .all(|kind| !kind.fix().is_empty())
    );
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), ModuleFindingKind::ALL.len());
}

#[test]
fn the_worst_comes_first() {
    let text = plugin(&[("$more", "(func $s) (start $s)")]).replace("\"memory\"", "\"mem\"");
    check(&text, &["NoMemory", "StartFunction"]);
}

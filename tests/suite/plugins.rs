//! The built plugins in the host, below the harness: effects and traces as they are.

use std::sync::Arc;

use gatewright_host::{
    Attributes, Chain, Effect, Engine, EngineOptions, FaultKind, FindingKind, HeaderMap, Hostcall,
    ModuleFindingKind, Plugin, PluginSpec, Profile, Recorded, Support, TraceLevel, check_module,
};

fn load(plugin: &str) -> Plugin {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    engine
        .compile(&gatewright_tests::wasm(plugin))
        .expect("the plugin compiles")
}

fn start(profile: Profile, specs: Vec<PluginSpec>) -> Chain {
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    let chain = Chain::start(profile, specs, door, TraceLevel::Full);
    assert_eq!(
        chain.start_faults().count(),
        0,
        "{:?}",
        chain.start_trace(0)
    );
    chain
}

fn configured(plugin: &str, profile: Profile, configuration: &str) -> PluginSpec {
    let mut spec = PluginSpec::new(load(plugin), profile);
    spec.settings.configuration = configuration.as_bytes().into();
    spec
}

fn request(path: &str) -> HeaderMap {
    [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "example.com"),
        (":path", path),
    ]
    .into_iter()
    .collect()
}

#[test]
fn local_reply_answers_in_every_profile() {
    for profile in Profile::ALL {
        let mut chain = start(
            *profile,
            vec![PluginSpec::new(load("local-reply"), *profile)],
        );
        let stream = chain.open(&Arc::new(Attributes::new()));
        let mut effects = Vec::new();
        chain.request_headers(stream, request("/"), true, &mut effects);
        let [Effect::Reply(reply)] = &effects[..] else {
            panic!("{profile}: {effects:?}");
        };
        assert_eq!((reply.status, &reply.body[..]), (200, &b"Hello World"[..]));
        let trace = chain.close(stream);
        assert!(
            trace.faults.is_empty() && trace.findings.is_empty(),
            "{profile}: {trace:?}"
        );
    }
}

#[test]
fn a_reply_ends_the_chain() {
    let profile = Profile::Google;
    let specs = vec![
        PluginSpec::new(load("local-reply"), profile),
        configured(
            "header-rewrite",
            profile,
            r#"{"request":[{"set":"x","value":"1"}]}"#,
        ),
    ];
    let mut chain = start(profile, specs);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    chain.request_headers(stream, request("/"), true, &mut effects);
    chain.response_headers(stream, HeaderMap::new(), true, &mut effects);
    assert_eq!(effects.len(), 1);
    let trace = chain.close(stream);
    let headers = trace
        .spans
        .iter()
        .filter(|s| s.entry.name() == "proxy_on_request_headers");
    assert_eq!(headers.map(|span| span.plugin).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_refused_configuration_is_an_outcome_with_its_reason_in_the_log() {
    let spec = configured("local-reply", Profile::Google, r#"{"statsu": 200}"#);
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    let mut chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Off);
    let faults: Vec<_> = chain.start_faults().map(|fault| fault.kind).collect();
    assert_eq!(faults, [FaultKind::ConfigureRefused]);
    let logs = &chain.start_trace(0).expect("it was started").logs;
    assert!(
        logs.iter()
            .any(|line| line.message.windows(6).any(|text| text == b"statsu"))
    );

    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    chain.request_headers(stream, request("/"), true, &mut effects);
    assert_eq!(effects, [Effect::Fail { status: 500 }]);
}

#[test]
fn an_edit_of_the_load_balancers_own_header_is_ignored_and_found() {
    let configuration = r#"{"request":[{"set":"X-Forwarded-For","value":"1"}]}"#;
    let profile = Profile::Google;
    let mut chain = start(
        profile,
        vec![configured("header-rewrite", profile, configuration)],
    );
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects = Vec::new();
    chain.request_headers(stream, request("/"), true, &mut effects);
    assert_eq!(
        effects,
        [Effect::RequestHeaders {
            headers: request("/"),
            end_of_stream: true
        }]
    );
    let kinds: Vec<_> = chain
        .close(stream)
        .findings
        .iter()
        .map(|f| f.kind)
        .collect();
    assert_eq!(kinds, [FindingKind::ProtectedHeader]);
}

#[test]
fn the_same_input_costs_the_same_fuel() {
    let plugin = load("sampled-log");
    let cost = || {
        let profile = Profile::Google;
        let mut chain = start(profile, vec![PluginSpec::new(plugin.clone(), profile)]);
        let stream = chain.open(&Arc::new(Attributes::new()));
        chain.request_headers(stream, request("/cart"), true, &mut Vec::new());
        chain.close(stream).fuel()
    };
    assert!(cost() > 0);
    assert_eq!(cost(), cost());
}

#[test]
fn no_plugin_of_ours_has_a_finding_in_its_module() {
    let folders = std::fs::read_dir(gatewright_tests::root().join("plugins")).expect("a folder");
    let mut count = 0;
    for folder in folders {
        let folder = folder.expect("readable");
        if folder.path().join("Cargo.toml").exists() {
            let name = folder.file_name().into_string().expect("text");
            let check = check_module(&gatewright_tests::wasm(&name), Profile::Google, 0);
            assert_eq!(check.findings, [], "{name}");
            count += 1;
        }
    }
    assert!(count >= 3, "{count} plugins");
}

#[test]
fn a_guest_that_makes_every_hostcall_is_refused_for_those_of_envoy_by_name() {
    let wasm = gatewright_tests::wasm("guest-raw");
    let check = check_module(&wasm, Profile::Google, 0);
    for call in Hostcall::ALL {
        let unsupported = Profile::Google.rules().support(*call) != Support::Works;
        let named = check.findings.iter().any(|finding| {
            finding.kind == ModuleFindingKind::UnsupportedHostcall
                && finding.message.contains(&format!("`{}`", call.name()))
        });
        assert_eq!(named, unsupported, "{}", call.name());
    }
    assert!(check_module(&wasm, Profile::Envoy, 0).passes());
}

//! Suites over real plugins: what passes must pass, and what must fail fails.

use std::path::{Path, PathBuf};

use gatewright_harness::{Check, Job, Link, RunOptions, Subject, SuiteMap, SuiteReport, load, run};
use gatewright_host::{Engine, EngineOptions, Profile};

fn subject(plugin: &str, configuration: Option<&Path>) -> Subject {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let plugin = engine
        .compile(&gatewright_tests::wasm(plugin))
        .expect("it compiles");
    let mut subject = Subject::new(Link::new(plugin));
    subject.config = configuration.map(|path| {
        std::fs::read(path)
            .expect("the configuration is there")
            .into()
    });
    subject
}

fn report(file: &Path, subject: &Subject) -> SuiteReport {
    let suite = load(file).expect("the suite can be read");
    run(&[Job::new(&suite, subject)], &RunOptions::default()).remove(0)
}

/// Where Google's suites are; `None` when they are not here and need not be.
fn suites() -> Option<PathBuf> {
    let beside = gatewright_tests::root().join("../shared/google-suites");
    let folder = std::env::var_os("GATEWRIGHT_SUITES").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("GATEWRIGHT_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "Google's suites are not in `{}`",
        folder.display()
    );
    skipped("Google's suites are not here; GATEWRIGHT_SUITES says where they are");
    None
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

#[test]
fn suites_of_plugins_that_are_here_pass() {
    let Some(folder) = suites() else { return };
    let map = SuiteMap::read(&gatewright_tests::root().join("tests/google-suites.toml"))
        .expect("the map can be read");
    let mut cases = 0;
    for entry in &map.suites {
        let plugin = gatewright_tests::root().join("plugins").join(&entry.plugin);
        let file = folder.join(&entry.path);
        // A third of the suites is only in Google's repository.
        if !file.is_file() {
            continue;
        }
        let config = entry.config_path(&file, &plugin);
        let report = report(&file, &subject(&entry.plugin, config.as_deref()));
        for case in &report.cases {
            assert!(
                case.passed(),
                "{}: {}: {:?}",
                file.display(),
                case.name,
                case.failures
            );
        }
        cases += report.cases.len();
    }
    // 97 tests, and 17 of them a second time as YAML.
    assert!(cases >= 97 + 17, "only {cases} cases ran");
}

/// What production may find where Google's own suites run in it, by the finding's code: as a traffic
/// extension, which is what runs where nothing else is said, a plugin may not change the authority
/// and does not learn where a client is; and some of these cases give it no attribute.
const FOUND_IN_SUITES: [(&str, &str); 3] = [
    ("docs_first_plugin", "protected-header"),
    ("geo_directional_origin", "unknown-attribute"),
    ("geo_directional_origin", "attribute-not-forwarded"),
];

#[test]
fn suites_bring_no_finding_in_production() {
    let Some(folder) = suites() else { return };
    let map = SuiteMap::read(&gatewright_tests::root().join("tests/google-suites.toml"))
        .expect("the map can be read");
    for entry in &map.suites {
        let plugin = gatewright_tests::root().join("plugins").join(&entry.plugin);
        let file = folder.join(&entry.path);
        // These two may: they show every callback and every level of the log.
        if !file.is_file() || matches!(entry.plugin.as_str(), "log-calls" | "testing") {
            continue;
        }
        let config = entry.config_path(&file, &plugin);
        let mut subject = subject(&entry.plugin, config.as_deref());
        subject.profile = Some(Profile::Google);
        let mut suite = load(&file).expect("the suite can be read");
        for case in &mut suite.cases {
            for exchange in &mut case.exchanges {
                exchange
                    .steps
                    .iter_mut()
                    .for_each(|step| step.checks.clear());
                exchange.whole = vec![Check::Findings(Vec::new())];
            }
        }
        let report = run(&[Job::new(&suite, &subject)], &RunOptions::default()).remove(0);
        for case in &report.cases {
            for failure in &case.failures {
                let known = FOUND_IN_SUITES.iter().any(|(name, code)| {
                    entry.path.starts_with(name) && failure.message.contains(code)
                });
                assert!(known, "{}: {}: {failure:?}", file.display(), case.name);
            }
        }
    }
}

#[test]
fn a_wrong_plugin_fails_a_suite() {
    let Some(folder) = suites() else { return };
    let wrong = subject("sampled-log", None);
    for suite in ["local_reply", "add_request_header", "overwrite_header"] {
        let report = report(&folder.join(suite).join("tests.textpb"), &wrong);
        assert!(
            report.cases.iter().any(|case| !case.passed()),
            "{suite} passed"
        );
    }
}

#[test]
fn a_right_plugin_with_a_wrong_configuration_fails_its_cases() {
    let root = gatewright_tests::root();
    let wrong = root.join("plugins/header-rewrite/cases/google/overwrite_header.json");
    let subject = subject("header-rewrite", Some(&wrong));
    let report = report(
        &root.join("plugins/header-rewrite/cases/operations.yaml"),
        &subject,
    );
    assert!(report.cases.iter().any(|case| !case.passed()));
}

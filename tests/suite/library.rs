//! The plugin library: every sample of Google's is found, and every plugin keeps what it promises.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gatewright_harness::{
    Case, Check, Job, Link, MappedConfig, RunOptions, Subject, Suite, SuiteMap, load, run,
};
use gatewright_host::{
    Chain, Engine, EngineOptions, Plugin, PluginSpec, Profile, Recorded, TraceLevel,
};

/// The folders of `plugins/samples` in Google's repository.
const SAMPLES: [&str; 36] = [
    "ab_testing",
    "ad_insertion",
    "add_custom_response",
    "add_device_type",
    "add_geo_query",
    "add_request_header",
    "add_response_header",
    "block_request",
    "body_chunking",
    "cdn_token_generator",
    "check_pii",
    "config_denylist",
    "content_injection",
    "docs_first_plugin",
    "docs_plugin_config",
    "enable_recaptcha",
    "error_page_with_traceid",
    "geo_directional_origin",
    "hmac_authcookie",
    "hmac_authtoken",
    "hmac_token_validation",
    "html_domain_rewrite",
    "jwt_auth",
    "local_reply",
    "log_calls",
    "log_query",
    "normalize_header",
    "overwrite_errcode",
    "overwrite_header",
    "redirect",
    "redirect_bulk",
    "regex_rewrite",
    "remove_cookie",
    "set_cookie",
    "set_query",
    "testing",
];

/// A row of the table in `plugins/README.md`.
struct Row {
    sample: String,
    plugin: String,
    config: Option<PathBuf>,
}

fn plugins() -> PathBuf {
    gatewright_tests::root().join("plugins")
}

fn folders() -> BTreeSet<String> {
    let entries = std::fs::read_dir(plugins()).expect("there are plugins");
    let folders = entries
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.join("Cargo.toml").is_file());
    folders
        .map(|path| {
            let name = path.file_name().expect("a folder has a name");
            name.to_string_lossy().into_owned()
        })
        .collect()
}

/// The cells of the rows below a heading's table.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = text.split_once(heading).expect("the heading is there");
    rest.lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

fn readme() -> String {
    std::fs::read_to_string(plugins().join("README.md")).expect("the table is there")
}

/// Where `[text](target)` leads.
fn target(cell: &str) -> Option<&str> {
    cell.split_once("](")?.1.strip_suffix(')')
}

fn rows() -> Vec<Row> {
    table(&readme(), "## Google's samples")
        .into_iter()
        .map(|cells| {
            let [sample, plugin, config] = <[String; 3]>::try_from(cells).expect("three cells");
            Row {
                sample,
                plugin,
                config: target(&config).map(|path| plugins().join(path)),
            }
        })
        .collect()
}

#[test]
fn the_table_names_all_of_googles_samples() {
    let samples: Vec<String> = rows().into_iter().map(|row| row.sample).collect();
    assert_eq!(samples, SAMPLES);
}

#[test]
fn the_table_names_every_plugin_and_each_says_how_it_is_configured() {
    let listed: BTreeSet<String> = table(&readme(), "# The plugins")
        .iter()
        .map(|cells| target(&cells[0]).expect("a link").to_owned())
        .collect();
    assert_eq!(listed, folders());
    for folder in listed {
        let file = plugins().join(&folder).join("README.md");
        let text = std::fs::read_to_string(&file).expect("every plugin has a README");
        assert!(text.starts_with(&format!("# {folder}\n")), "{folder}");
        assert!(
            text.contains(&format!("cargo gw test plugins/{folder}\n")),
            "{folder}"
        );
    }
}

fn start_faults(plugin: &Plugin, config: Option<&Path>) -> Vec<String> {
    let mut spec = PluginSpec::new(plugin.clone(), Profile::Google);
    if let Some(path) = config {
        let bytes = std::fs::read(path).expect("the configuration that the table names is there");
        spec.settings.configuration = bytes.into();
    }
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    let chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Off);
    let faults = chain.start_faults();
    faults.map(|fault| format!("{fault:?}")).collect()
}

#[test]
fn every_sample_starts_in_production_as_the_table_says() {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let mut compiled = BTreeMap::new();
    for row in rows() {
        let plugin = compiled.entry(row.plugin.clone()).or_insert_with(|| {
            let module = engine.compile(&gatewright_tests::wasm(&row.plugin));
            module.expect("it compiles")
        });
        let faults = start_faults(plugin, row.config.as_deref());
        assert_eq!(faults, Vec::<String>::new(), "{}", row.sample);
    }
}

#[test]
fn the_map_of_suites_says_what_the_table_says() {
    let file = gatewright_tests::root().join("tests/google-suites.toml");
    let map = SuiteMap::read(&file).expect("the map can be read");
    let rows = rows();
    let mut mapped = BTreeSet::new();
    for entry in &map.suites {
        let sample = entry.path.parent().expect("a suite lies in a folder");
        let row = rows.iter().find(|row| Path::new(&row.sample) == sample);
        let row = row.unwrap_or_else(|| panic!("`{}` is of no sample", entry.path.display()));
        assert_eq!(entry.plugin, row.plugin, "{}", row.sample);
        match &entry.config {
            // The one suite that does not know an attribute by its name.
            Some(MappedConfig::Plugin(path)) if row.sample == "add_geo_query" => {
                assert!(path.ends_with("add_geo_query.suite.json"));
            }
            Some(MappedConfig::Plugin(path)) => {
                let path = plugins().join(&entry.plugin).join(path);
                assert_eq!(Some(path), row.config, "{}", row.sample);
            }
            Some(MappedConfig::Suite(_)) | None => {}
        }
        mapped.insert(row.sample.clone());
    }
    let samples: BTreeSet<String> = SAMPLES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(mapped, samples);
}

#[test]
fn a_table_that_misses_a_sample_is_seen() {
    let text = "# x\n\n| a | b |\n|---|---|\n| one | two |\n\nend\n| not | this |\n";
    assert_eq!(table(text, "# x"), [["one", "two"]]);
    assert_eq!(target("[a](b/c.json)"), Some("b/c.json"));
    assert_eq!(target("none"), None);
}

/// The kilobytes that `[package.metadata.gatewright]` promises.
fn size_budget(plugin: &str) -> Option<usize> {
    let file = plugins().join(plugin).join("Cargo.toml");
    let text = std::fs::read_to_string(file).expect("every plugin has a manifest");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("size-budget-kb = "))?;
    Some(line.parse().expect("a number of kilobytes"))
}

#[test]
fn every_plugin_keeps_its_size_budget() {
    for plugin in folders() {
        let budget = size_budget(&plugin);
        let budget = budget.unwrap_or_else(|| panic!("{plugin} has no `size-budget-kb`"));
        let size = gatewright_tests::wasm(&plugin).len();
        assert!(
            size <= budget * 1000,
            "{plugin}: {size} bytes of {budget} KB"
        );
    }
}

/// The suites of a plugin's own cases.
fn cases(plugin: &str) -> Vec<Suite> {
    let entries = std::fs::read_dir(plugins().join(plugin).join("cases")).expect("there are cases");
    let files = entries.map(|entry| entry.expect("it can be read").path());
    let files = files.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files
        .map(|path| load(&path).expect("the cases can be read"))
        .collect()
}

#[test]
fn every_plugin_has_cases_for_good_and_for_bad_input_and_budgets_for_all() {
    for plugin in folders() {
        let suites = cases(&plugin);
        let all: Vec<&Case> = suites.iter().flat_map(|suite| &suite.cases).collect();
        let (bad, good): (Vec<&Case>, Vec<&Case>) = all.iter().partition(|case| case.start_fails);
        for case in &good {
            assert!(
                case.budget.fuel.is_some(),
                "{plugin}: `{}` has no budget of fuel",
                case.name
            );
        }
        assert!(!good.is_empty(), "{plugin} has no case that runs");
        // It ignores its configuration.
        assert!(
            !bad.is_empty() || plugin == "log-calls",
            "{plugin} has no case with a configuration that it refuses"
        );
    }
}

#[test]
fn every_plugin_is_explored_and_what_is_left_out_has_a_reason() {
    for plugin in folders() {
        let suites = cases(&plugin);
        let explored = |case: &Case| {
            let left_out = &case.unexplored;
            assert!(
                left_out.iter().all(|(_, reason)| reason.len() > 10),
                "{plugin}"
            );
            !case.start_fails && left_out.len() < 5
        };
        let count = suites.iter().flat_map(|suite| &suite.cases);
        assert!(count.filter(|case| explored(case)).count() > 0, "{plugin}");
    }
}

#[test]
fn cases_bring_no_finding_in_production_but_those_that_they_are_about() {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let (mut looked_at, mut expected) = (0, 0);
    for plugin in folders() {
        // These two may: they show every callback and every level of the log.
        if matches!(plugin.as_str(), "log-calls" | "testing") {
            continue;
        }
        let module = engine.compile(&gatewright_tests::wasm(&plugin));
        let subject = Subject::new(Link::new(module.expect("it compiles")));
        for mut suite in cases(&plugin) {
            suite.cases.retain(|case| case.profile == Profile::Google);
            let exchanges = suite.cases.iter_mut().flat_map(|case| &mut case.exchanges);
            for exchange in exchanges {
                let steps = exchange.steps.iter().flat_map(|step| &step.checks);
                let mut checks = steps.chain(&exchange.whole);
                if checks.any(|check| matches!(check, Check::Findings(all) if !all.is_empty())) {
                    expected += 1;
                } else {
                    exchange.whole.push(Check::Findings(Vec::new()));
                    looked_at += 1;
                }
            }
            for report in run(&[Job::new(&suite, &subject)], &RunOptions::default()) {
                for case in &report.cases {
                    assert!(
                        case.passed(),
                        "{plugin}: {}: {:?}",
                        case.name,
                        case.failures
                    );
                }
            }
        }
    }
    assert!(
        looked_at > 100 && expected < 10,
        "{looked_at} and {expected}"
    );
}

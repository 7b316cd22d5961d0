//! The schemas of the plugins' configurations: every plugin has one, it says what the plugin takes,
//! and nothing of what makes it is in the wasm.

mod validate;

use std::path::{Path, PathBuf};

use gatewright_harness::load;
use gatewright_host::{
    Chain, Engine, EngineOptions, Plugin, PluginSpec, Profile, Recorded, TraceLevel,
};
use serde_json::{Map, Value, json};
use validate::problem;

/// The folders of all plugins.
fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(gatewright_tests::root().join("plugins")).expect("plugins");
    let folders = entries.map(|entry| entry.expect("it can be read").path());
    let mut folders: Vec<_> = folders
        .filter(|folder| folder.join("Cargo.toml").is_file())
        .collect();
    folders.sort();
    folders
}

fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn read(path: &Path) -> String {
    let text = std::fs::read_to_string(path);
    assert!(text.is_ok(), "`{}`: {text:?}", path.display());
    text.unwrap_or_default()
}

fn schema(folder: &Path) -> Value {
    let path = folder.join("config.schema.json");
    let schema = serde_json::from_str(&read(&path));
    assert!(schema.is_ok(), "`{}`: {schema:?}", path.display());
    schema.unwrap_or_default()
}

/// The sources of a plugin in one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    let entries = std::fs::read_dir(folder).expect("a folder of sources");
    for entry in entries {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            text += &sources(&path);
        } else {
            text += &read(&path);
        }
    }
    text
}

#[test]
fn every_plugin_has_a_schema_that_a_test_keeps_fresh() {
    for folder in folders() {
        let name = name(&folder);
        let schema = schema(&folder);
        assert_eq!(
            schema["title"],
            format!("Configuration of the plugin {name}")
        );
        let described = schema["description"].as_str().unwrap_or_default();
        assert!(
            !described.is_empty(),
            "{name}: the schema has no description"
        );
        let sources = sources(&folder.join("src"));
        // The one on the bare crate has no type to make it from, and ignores what it gets.
        let is_bare = !sources.contains("gatewright::");
        assert_eq!(is_bare, name == "log-calls");
        assert!(
            is_bare || sources.contains("gatewright::config_schema!("),
            "{name}: no test holds `config.schema.json` against the type"
        );
    }
}

#[test]
fn every_field_has_a_description_and_stands_in_the_readme() {
    let mut fields = 0;
    for folder in folders() {
        let name = name(&folder);
        let schema = schema(&folder);
        let readme = read(&folder.join("README.md"));
        let root = schema["properties"].as_object();
        for field in root.into_iter().flat_map(Map::keys) {
            assert!(
                readme.contains(&format!("`{field}`")),
                "{name}: the README does not know `{field}`"
            );
        }
        let types = schema["$defs"]
            .as_object()
            .into_iter()
            .flat_map(Map::values);
        for part in types.chain([&schema]) {
            for (field, rule) in part["properties"].as_object().into_iter().flatten() {
                assert!(
                    rule["description"].is_string(),
                    "{name}: nothing says what `{field}` is"
                );
                fields += 1;
            }
        }
    }
    assert!(fields > 100, "only {fields} fields");
}

/// The blocks of JSON in a text.
fn blocks(text: &str) -> Vec<Value> {
    let blocks = text.split("```json\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks
        .map(|block| serde_json::from_str(block).expect("an example is JSON"))
        .collect()
}

#[test]
fn the_examples_of_the_readmes_are_as_their_schemas_say() {
    let mut examples = 0;
    for folder in folders() {
        let schema = schema(&folder);
        let readme = read(&folder.join("README.md"));
        let section = readme
            .split("\n## ")
            .find(|part| part.starts_with("Configuration\n"));
        for example in blocks(section.unwrap_or_default()) {
            assert_eq!(problem(&schema, &example), None, "{}", name(&folder));
            examples += 1;
        }
    }
    assert!(examples >= 10, "only {examples} examples");
}

/// The configurations in JSON that the cases of a plugin have. None and blank ones are read as `{}`.
fn configurations(folder: &Path) -> Vec<Value> {
    let mut texts = Vec::new();
    for sub in ["cases", "cases/google"] {
        let Ok(entries) = std::fs::read_dir(folder.join(sub)) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("it can be read").path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("yaml") => {
                    let suite = load(&path).expect("cases can be read");
                    let configs = suite.cases.into_iter().filter_map(|case| case.config);
                    texts.extend(configs.map(|config| config.to_vec()));
                }
                Some("json") => texts.push(read(&path).into_bytes()),
                _ => {}
            }
        }
    }
    let parsed = texts
        .iter()
        .filter_map(|text| serde_json::from_slice(text).ok());
    let mut all = vec![json!({})];
    for value in parsed.filter(Value::is_object) {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// What a plugin says to a configuration.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Accepted,
    /// Because a field is missing, unknown or of another type.
    Misshapen,
    /// For a reason that no schema need know.
    Refused,
}

fn ask(plugin: &Plugin, configuration: &Value) -> Answer {
    let mut spec = PluginSpec::new(plugin.clone(), Profile::Envoy);
    spec.settings.configuration = configuration.to_string().into_bytes().into();
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    let chain = Chain::start(Profile::Envoy, vec![spec], door, TraceLevel::Full);
    if chain.start_faults().count() == 0 {
        return Answer::Accepted;
    }
    let logs = &chain.start_trace(0).expect("it was started").logs;
    let said: Vec<_> = logs
        .iter()
        .map(|line| String::from_utf8_lossy(&line.message))
        .collect();
    assert!(
        said.iter()
            .any(|line| line.contains("configuration refused")),
        "{configuration}: {said:?}"
    );
    // What serde says of a form.
    let of_form = [
        "unknown field `",
        "missing field `",
        "invalid type: ",
        "invalid value: ",
        "unknown variant `",
        "did not match any variant",
    ];
    match said
        .iter()
        .any(|line| of_form.iter().any(|part| line.contains(part)))
    {
        true => Answer::Misshapen,
        false => Answer::Refused,
    }
}

/// A value with one thing about it changed, in each place: a field more, a field less, and another
/// type.
fn variants(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    let others = [
        json!(null),
        json!(true),
        json!(-1),
        json!(7),
        json!("x"),
        json!([]),
        json!({}),
    ];
    // Serde reads a list as the fields of a struct in order, which no schema needs to say.
    let is_wrong = |other: &Value| other != value && !(value.is_object() && other.is_array());
    all.extend(others.into_iter().filter(is_wrong));
    match value {
        Value::Object(fields) => {
            let with = |key: &str, value: Value| {
                let mut fields = fields.clone();
                fields.insert(key.to_owned(), value);
                Value::Object(fields)
            };
            all.push(with("no such field", json!(1)));
            for (key, value) in fields {
                let mut fewer = fields.clone();
                fewer.remove(key);
                all.push(Value::Object(fewer));
                all.extend(variants(value).into_iter().map(|value| with(key, value)));
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                for variant in variants(item) {
                    let mut items = items.clone();
                    items[at] = variant;
                    all.push(Value::Array(items));
                }
            }
        }
        _ => {}
    }
    all
}

#[test]
fn a_schema_says_of_every_configuration_what_its_plugin_does() {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let (mut accepted, mut misshapen) = (0, 0);
    for folder in folders() {
        let name = name(&folder);
        let plugin = engine.compile(&gatewright_tests::wasm(&name));
        let plugin = plugin.expect("the plugin compiles");
        let schema = schema(&folder);
        let given = configurations(&folder);
        let varied = given.iter().flat_map(variants).filter(Value::is_object);
        let all: Vec<Value> = given.iter().cloned().chain(varied).collect();
        for configuration in all {
            let answer = ask(&plugin, &configuration);
            let problem = problem(&schema, &configuration);
            match answer {
                Answer::Accepted => {
                    assert_eq!(problem, None, "{name} takes {configuration}");
                    accepted += 1;
                }
                Answer::Misshapen => {
                    assert!(problem.is_some(), "{name} does not take {configuration}");
                    misshapen += 1;
                }
                Answer::Refused => {}
            }
        }
    }
    assert!(
        accepted > 500 && misshapen > 1000,
        "{accepted} and {misshapen}"
    );
}

#[test]
fn what_makes_schemas_is_not_in_the_wasm() {
    let holds = |wasm: &[u8], part: &str| {
        wasm.windows(part.len())
            .any(|window| window == part.as_bytes())
    };
    for folder in folders() {
        let name = name(&folder);
        let wasm = gatewright_tests::wasm(&name);
        // Names of functions are in the module, so a search can find something.
        assert!(holds(&wasm, "serde") || holds(&wasm, "proxy"), "{name}");
        for part in ["schemars", "json-schema.org", "JsonSchema"] {
            assert!(!holds(&wasm, part), "{name} has `{part}` in it");
        }
    }
}

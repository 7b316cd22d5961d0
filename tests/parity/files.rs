//! Cases in files: those of every plugin, and Google's suites whose plugin is here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_envoy::{Subject, Trial};
use gatewright_harness::{FailurePolicy, LoadError, Suite, SuiteMap, find, load};
use gatewright_host::Engine;

/// A file of cases, its plugin, and its configuration.
#[derive(Debug)]
pub struct Loaded {
    suite: Suite,
    subject: Subject,
    config: Option<Arc<[u8]>>,
}

impl Loaded {
    /// Its cases as trials.
    pub fn trials(&self) -> impl Iterator<Item = Trial<'_>> {
        self.suite.cases.iter().map(|case| Trial {
            case,
            format: self.suite.format,
            subject: &self.subject,
            config: self.config.clone(),
            policy: FailurePolicy::Closed,
        })
    }
}

/// All files of cases whose plugin is here.
///
/// # Errors
/// [`LoadError`] when a file of cases cannot be read.
///
/// # Panics
/// When a plugin does not compile; a test cannot go on without it.
pub fn files(engine: &Engine, suites: Option<&Path>) -> Result<Vec<Loaded>, LoadError> {
    let mut loaded = Vec::new();
    for suite in find(&crate::root().join("plugins"))? {
        let suite = load(&suite)?;
        let name = suite.plugin.clone().or_else(|| folder_of(&suite.file));
        loaded.extend(name.map(|name| Loaded {
            suite,
            subject: subject(engine, &name),
            config: None,
        }));
    }
    let Some(suites) = suites else {
        return Ok(loaded);
    };
    for entry in &SuiteMap::read(&crate::root().join("tests/google-suites.toml"))?.suites {
        let plugin = crate::root().join("plugins").join(&entry.plugin);
        let file = suites.join(&entry.path);
        // The map also names suites of Google's that do not lie here.
        if !plugin.is_dir() || !file.is_file() {
            continue;
        }
        let suite = load(&file)?;
        let config = entry.config_path(&suite.file, &plugin);
        loaded.push(Loaded {
            subject: subject(engine, &entry.plugin),
            config: config.and_then(|path| Some(std::fs::read(path).ok()?.into())),
            suite,
        });
    }
    Ok(loaded)
}

/// The plugin whose folder holds `cases`.
fn folder_of(file: &Path) -> Option<String> {
    let cases = file.ancestors().find(|path| path.ends_with("cases"))?;
    Some(cases.parent()?.file_name()?.to_str()?.to_owned())
}

#[expect(
    clippy::expect_used,
    reason = "a test without its plugin has nothing to test"
)]
fn subject(engine: &Engine, plugin: &str) -> Subject {
    let wasm: PathBuf = crate::plugins()
        .join(plugin.replace('-', "_"))
        .with_extension("wasm");
    let plugin = engine.compile(&crate::wasm(plugin));
    Subject {
        plugin: plugin.expect("a plugin of this workspace compiles"),
        wasm,
    }
}

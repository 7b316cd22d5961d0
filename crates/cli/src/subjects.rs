//! Which plugin and configuration each file of cases runs against.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_harness::{Link, Subject, Suite, SuiteMap, symbols};
use gatewright_host::{Plugin, Profile};

use crate::cargo::{self, Source, Workspace};
use crate::exit::Usage;
use crate::modules::Compiler;

/// Where the map from Google's suites to plugins lies in a workspace.
const SUITE_MAP: &str = "tests/google-suites.toml";

/// What the user said on the command line, over what files and the map say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// A module in place of a plugin of the workspace.
    pub(crate) plugin: Option<PathBuf>,
    /// A configuration in place of the cases'.
    pub(crate) config: Option<PathBuf>,
    /// A platform in place of the cases'.
    pub(crate) profile: Option<Profile>,
}

/// What a file of cases runs against, or why it does not run.
pub(crate) enum Found {
    /// This, and the module's file.
    Subject(Subject, PathBuf),
    /// The plugin that it is for is not here.
    NotHere(String),
}

/// Plugins, built and compiled as files of cases ask for them.
pub(crate) struct Subjects {
    compiler: Compiler,
    workspace: Option<Workspace>,
    map: SuiteMap,
    overrides: Overrides,
    built: BTreeMap<String, PathBuf>,
    compiled: BTreeMap<PathBuf, Plugin>,
}

impl Subjects {
    /// Looks at the workspace around the current folder, if there is one.
    pub(crate) fn new(overrides: Overrides) -> anyhow::Result<Self> {
        let workspace = match &overrides.plugin {
            // With a module given, there is nothing to build, and no workspace is needed.
            Some(_) => Workspace::find().ok(),
            None => Some(Workspace::find().map_err(|error| {
                Usage(format!(
                    "{error}\n  say which module to run with `--plugin FILE.wasm`"
                ))
            })?),
        };
        let map = workspace
            .as_ref()
            .map(|workspace| workspace.root.join(SUITE_MAP));
        let map = match map.filter(|map| map.exists()) {
            Some(map) => SuiteMap::read(&map).map_err(|error| Usage(error.to_string()))?,
            None => SuiteMap::default(),
        };
        Ok(Self {
            compiler: Compiler::new()?,
            workspace,
            map,
            overrides,
            built: BTreeMap::new(),
            compiled: BTreeMap::new(),
        })
    }

    /// Builds, in one go, the plugins that these files are for. Says whether cargo could.
    pub(crate) fn build(&mut self, suites: &[Suite]) -> anyhow::Result<bool> {
        let Some(workspace) = self
            .workspace
            .clone()
            .filter(|_| self.overrides.plugin.is_none())
        else {
            return Ok(true);
        };
        let mut needed: Vec<&Source> = suites
            .iter()
            .filter_map(|suite| workspace.plugin(&self.plugin_name(suite)?))
            .collect();
        needed.sort_by(|a, b| a.name.cmp(&b.name));
        needed.dedup_by(|a, b| a.name == b.name);
        if needed.is_empty() {
            return Ok(true);
        }
        let Some(built) = cargo::build(&workspace, needed.into_iter(), true)? else {
            return Ok(false);
        };
        self.built = built
            .into_iter()
            .map(|built| (built.name, built.wasm))
            .collect();
        self.compiled.clear();
        Ok(true)
    }

    /// The plugin that a file names, or in whose folder it lies, or that the map gives it.
    fn plugin_name(&self, suite: &Suite) -> Option<String> {
        let around = |file: &Path| Some(self.workspace.as_ref()?.plugin_around(file)?.name.clone());
        suite
            .plugin
            .clone()
            .or_else(|| self.map.find(&suite.file).map(|entry| entry.plugin.clone()))
            .or_else(|| around(&suite.file))
    }

    /// What a file of cases runs against.
    pub(crate) fn of(&mut self, suite: &Suite) -> anyhow::Result<Found> {
        let name = self.plugin_name(suite);
        let wasm = match (&self.overrides.plugin, &name) {
            (Some(wasm), _) => wasm.clone(),
            (None, Some(name)) => match self.built.get(name) {
                Some(wasm) => wasm.clone(),
                None => return Ok(Found::NotHere(format!("there is no plugin `{name}` here"))),
            },
            (None, None) => {
                return Ok(Found::NotHere(
                    "it names no plugin; say which with `plugin:` or `--plugin FILE.wasm`".into(),
                ));
            }
        };
        let plugin = self.compile(&wasm)?;
        let mapped = self
            .map
            .find(&suite.file)
            .filter(|_| self.overrides.plugin.is_none());
        let config = match (&self.overrides.config, mapped) {
            (Some(config), _) => Some(read(config)?),
            (None, Some(entry)) => {
                let folder = self
                    .workspace
                    .as_ref()
                    .and_then(|workspace| Some(workspace.plugin(&entry.plugin)?.folder.clone()))
                    .unwrap_or_default();
                entry
                    .config_path(&suite.file, &folder)
                    .map(|path| read(&path))
                    .transpose()?
            }
            (None, None) => None,
        };
        let mut subject = Subject::new(Link::new(plugin));
        subject.profile = self.overrides.profile;
        subject.config = config;
        Ok(Found::Subject(subject, wasm))
    }

    fn compile(&mut self, wasm: &Path) -> anyhow::Result<Plugin> {
        if let Some(plugin) = self.compiled.get(wasm) {
            return Ok(plugin.clone());
        }
        let bytes = symbols::read(wasm)
            .map_err(|error| Usage(format!("cannot read `{}`: {error}", wasm.display())))?;
        let plugin = self
            .compiler
            .compile(&bytes)
            .map_err(|error| Usage(format!("`{}`: {error}", wasm.display())))?;
        self.compiled.insert(wasm.to_path_buf(), plugin.clone());
        Ok(plugin)
    }
}

/// A file that the user named, or that a file of cases did.
fn read(path: &Path) -> anyhow::Result<Arc<[u8]>> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|error| Usage(format!("cannot read `{}`: {error}", path.display())));
    Ok(bytes?.into())
}

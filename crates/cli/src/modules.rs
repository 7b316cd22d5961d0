//! The module that a command is about: a file, or a plugin of the workspace, built first.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use gatewright_harness::CodeCache;
use gatewright_host::{
    Chain, Door, Engine, EngineOptions, LoadError, ModuleCheck, ModuleFinding, Need, Plugin,
    PluginSpec, Profile, Recorded, TraceLevel, VmSettings, check_module, check_start,
};

use crate::cargo::{self, Workspace};
use crate::commands;
use crate::images;

/// More than any module: what keeps a command from reading a device or a disk image to its end.
const READ_LIMIT: u64 = 256 << 20;

/// A module that was found.
pub(crate) struct Module {
    /// What it is called in reports.
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Its bytes.
    pub(crate) wasm: Vec<u8>,
    /// What its manifest says that it needs; unknown of a file.
    pub(crate) needs: Option<Vec<Need>>,
}

/// Whether a file is meant: a package's name has neither a separator nor an ending.
pub(crate) fn is_file(text: &str) -> bool {
    text.contains(std::path::is_separator) || Path::new(text).extension().is_some()
}

/// Finds a module by the path of its file or the name of its package, which is built; `None` when
/// that failed and cargo said why.
pub(crate) fn find(text: &str) -> anyhow::Result<Option<Module>> {
    if is_file(text) {
        return read(text.to_owned(), PathBuf::from(text)).map(Some);
    }
    let workspace = Workspace::find()?;
    let source = workspace.require(text)?;
    let Some(built) = cargo::build(&workspace, std::iter::once(source), true)? else {
        return Ok(None);
    };
    let built = built.into_iter().find(|built| built.name == source.name);
    let built = built.with_context(|| format!("cargo built no module for `{}`", source.name))?;
    let needs = source.needs()?;
    let module = read(built.name, built.wasm)?;
    Ok(Some(Module {
        needs: Some(needs),
        ..module
    }))
}

/// Reads the module in a file.
pub(crate) fn read_module(path: &Path) -> anyhow::Result<Module> {
    read(path.display().to_string(), path.to_path_buf())
}

fn read(name: String, path: PathBuf) -> anyhow::Result<Module> {
    let wasm = images::read_file(&path, READ_LIMIT)?;
    Ok(Module {
        name,
        path,
        wasm,
        needs: None,
    })
}

/// Compiles modules, through the user's cache where there is one.
pub(crate) struct Compiler {
    pub(crate) engine: Engine,
    cache: Option<CodeCache>,
}

impl Compiler {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            engine: Engine::new(&EngineOptions::default())?,
            // Everything works without a cache, only slower.
            cache: commands::cache()
                .ok()
                .and_then(|folder| CodeCache::open(folder).ok()),
        })
    }

    pub(crate) fn compile(&self, wasm: &[u8]) -> Result<Plugin, LoadError> {
        match &self.cache {
            Some(cache) => cache.plugin(&self.engine, wasm).map(|(plugin, _)| plugin),
            None => self.engine.compile(wasm),
        }
    }
}

/// Looks at a module, and if nothing speaks against it starts it once. `config` is what it will be
/// configured with, if that is known.
pub(crate) fn check(
    compiler: &Compiler,
    wasm: &[u8],
    profile: Profile,
    config: Option<&[u8]>,
) -> ModuleCheck {
    let mut check = check_module(wasm, profile, config.map_or(0, <[u8]>::len));
    // A module that is no plugin cannot be started, and its compiler would repeat what was found.
    let is_plugin = check
        .info
        .as_ref()
        .is_some_and(|info| info.require_plugin().is_ok());
    if is_plugin {
        let found = start(compiler, wasm, profile, config);
        check.extend(found);
    }
    check
}

fn start(
    compiler: &Compiler,
    wasm: &[u8],
    profile: Profile,
    config: Option<&[u8]>,
) -> Vec<ModuleFinding> {
    let plugin = match compiler.compile(wasm) {
        Ok(plugin) => plugin,
        Err(error) => return vec![ModuleFinding::from(&error)],
    };
    let mut settings = VmSettings::new(profile);
    settings.configuration = Arc::from(config.unwrap_or_default());
    let spec = PluginSpec {
        settings,
        ..PluginSpec::new(plugin, profile)
    };
    let door = || Box::new(Recorded::new(0, 0)) as Box<dyn Door>;
    let chain = Chain::start(profile, vec![spec], door, TraceLevel::Cost);
    match chain.start_trace(0) {
        Some(trace) => check_start(trace, profile, config.is_some()),
        None => Vec::new(),
    }
}

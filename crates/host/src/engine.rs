//! The wasm engine: what it meters, and plugins compiled for it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use gatewright_abi::Version;
use wasmtime::{
    Config, Inlining, InstanceAllocationStrategy, InstancePre, Linker, PoolingAllocationConfig,
};

use crate::guest_profile::{self, Functions};
use crate::module::{LoadError, ModuleInfo};
use crate::state::State;
use crate::{exports, hostcalls, wasi};

/// How CPU is accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Metering {
    /// Not at all.
    None,
    /// In fuel: the same input costs the same everywhere.
    #[default]
    Fuel,
    /// By epochs that the embedder advances, and at the end of each the CPU time of the thread, as
    /// the [`Door`](crate::Door) gives it: what it is to be in a live server.
    Epoch,
}

/// Settings of an [`Engine`].
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How CPU is accounted for.
    pub metering: Metering,
    /// Whether small functions of a plugin become parts of their callers. A server gains a tenth of
    /// each exchange; compiling takes three times as long, and a backtrace does not name what is so
    /// inlined, which is why what is there for finding faults does without.
    pub inlining: bool,
    /// VMs that may live at a time; each reserves address space, not memory.
    pub instances: u32,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            metering: Metering::default(),
            inlining: false,
            instances: 256,
        }
    }
}

/// The engine cannot work on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the wasm engine does not start on this machine: {0}")]
pub struct EngineError(String);

/// Compiles plugins and runs their VMs. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    linker: Arc<Linker<State>>,
    metering: Metering,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("metering", &self.metering)
            .finish_non_exhaustive()
    }
}

/// Bytes of memory that a finished VM may leave mapped for the next one: what a small plugin
/// touches. Clearing them costs less than giving the pages back to the system.
const KEEP_RESIDENT: usize = 2 * 1024 * 1024;

/// Address space of one VM's memory. No profile allows more than this.
const MEMORY_SLOT: usize = 1024 * 1024 * 1024;

impl Engine {
    /// Makes an engine.
    ///
    /// # Errors
    /// [`EngineError`] when the machine lacks what the compiler needs or the address space is
    /// limited.
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        let fail = |error: wasmtime::Error| EngineError(format!("{error:#}"));
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(options.instances)
            .total_memories(options.instances)
            .total_tables(options.instances * 4)
            .max_memories_per_module(1)
            .max_tables_per_module(4)
            .max_memory_size(MEMORY_SLOT)
            .linear_memory_keep_resident(KEEP_RESIDENT)
            .table_keep_resident(KEEP_RESIDENT);
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .consume_fuel(options.metering == Metering::Fuel)
            .epoch_interruption(options.metering == Metering::Epoch)
            .compiler_inlining(if options.inlining {
                Inlining::Yes
            } else {
                Inlining::No
            });
        let inner = wasmtime::Engine::new(&config).map_err(fail)?;
        let mut linker = Linker::new(&inner);
        hostcalls::define(&mut linker).map_err(fail)?;
        wasi::define(&mut linker).map_err(fail)?;
        Ok(Self {
            inner,
            linker: Arc::new(linker),
            metering: options.metering,
        })
    }

    /// How CPU is accounted for.
    pub fn metering(&self) -> Metering {
        self.metering
    }

    /// Advances the epoch, which interrupts guests whose deadline it passes.
    pub fn advance_epoch(&self) {
        self.inner.increment_epoch();
    }

    /// A number that is the same for engines that can load each other's precompiled code.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.inner.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    /// Compiles a plugin.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes are not a plugin.
    pub fn compile(&self, wasm: &[u8]) -> Result<Plugin, LoadError> {
        let info = ModuleInfo::read(wasm)?;
        let version = info.require_plugin()?;
        let module = wasmtime::Module::new(&self.inner, wasm)
            .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        self.link(info, version, &module)
    }

    /// Compiles a plugin so that its VMs say which functions their fuel goes to; see
    /// [`Chain::take_profile`](crate::Chain::take_profile). It needs an engine that meters fuel,
    /// and burns more of it.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes are not a plugin.
    pub fn compile_profiled(&self, wasm: &[u8]) -> Result<Plugin, LoadError> {
        let info = ModuleInfo::read(wasm)?;
        let version = info.require_plugin()?;
        let (instrumented, functions) =
            guest_profile::instrument(wasm).map_err(|error| LoadError::Invalid {
                reason: error.message().to_owned(),
                offset: error.offset(),
                length: wasm.len(),
            })?;
        let module = wasmtime::Module::new(&self.inner, &instrumented)
            .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        let mut plugin = self.link(info, version, &module)?;
        plugin.functions = Some(Arc::new(functions));
        Ok(plugin)
    }

    /// Compiles a plugin to code that [`Engine::load`] takes, for a cache that the caller keeps.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes are not a plugin.
    pub fn precompile(&self, wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
        ModuleInfo::read(wasm)?.require_plugin()?;
        self.inner
            .precompile_module(wasm)
            .map_err(|error| LoadError::Compile(format!("{error:#}")))
    }

    /// Loads a plugin from its bytes and the code that [`Engine::precompile`] made of them.
    ///
    /// Code of another engine version or configuration is refused by the engine's own check.
    ///
    /// # Safety
    /// `code` runs as native code: it must be what `precompile` returned for these bytes, from a
    /// place that only the user can write to. A file must stay as it is, and may be removed.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes are not a plugin or the code is of another engine.
    #[expect(
        unsafe_code,
        reason = "native code from a cache; the caller vouches for it"
    )]
    pub unsafe fn load(&self, wasm: &[u8], code: PluginCode) -> Result<Plugin, LoadError> {
        // Only of valid bytes is there code.
        let info = ModuleInfo::of_valid(wasm)?;
        let version = info.require_plugin()?;
        // SAFETY: the caller vouches that the code is ours.
        let module = unsafe {
            match code {
                PluginCode::Bytes(code) => wasmtime::Module::deserialize(&self.inner, code),
                PluginCode::File(file) => {
                    wasmtime::Module::deserialize_open_file(&self.inner, file)
                }
            }
        };
        let module = module.map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        self.link(info, version, &module)
    }

    fn link(
        &self,
        info: ModuleInfo,
        version: Version,
        module: &wasmtime::Module,
    ) -> Result<Plugin, LoadError> {
        exports::check(&info, version)?;
        let pre = self
            .linker
            .instantiate_pre(module)
            .map_err(|error| LoadError::WrongType(format!("{error:#}")))?;
        Ok(Plugin {
            pre,
            engine: self.inner.clone(),
            metering: self.metering,
            version,
            info: Arc::new(info),
            functions: None,
        })
    }
}

/// Code that [`Engine::precompile`] made.
#[derive(Debug)]
pub enum PluginCode {
    /// In memory.
    Bytes(Vec<u8>),
    /// At the beginning of a file, which is mapped and not copied.
    File(std::fs::File),
}

/// A compiled plugin, ready to be started in a VM. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) pre: InstancePre<State>,
    pub(crate) engine: wasmtime::Engine,
    pub(crate) metering: Metering,
    pub(crate) version: Version,
    info: Arc<ModuleInfo>,
    /// Set if it was compiled to be profiled.
    pub(crate) functions: Option<Arc<Functions>>,
}

impl Plugin {
    /// What the module says of itself.
    pub fn info(&self) -> &ModuleInfo {
        &self.info
    }

    /// The ABI version that it is run under.
    pub fn version(&self) -> Version {
        self.version
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("version", &self.version)
            .field("size", &self.info.size)
            .finish_non_exhaustive()
    }
}

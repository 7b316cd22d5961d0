//! Programs for `wasm32-wasip1`, such as the tests of a plugin, each run in a VM of its own.
//!
//! This is not the host of plugins: a program has arguments, output, a clock and an exit code, and
//! no hostcalls. A test that reaches one was built without the SDK's feature `testing` and is told
//! so. Files and sockets are not there.

mod wasi;

use std::sync::Arc;

use wasmtime::{Config, Engine, Linker, Module, Store};

/// A compiled program.
#[derive(Clone)]
pub struct Program {
    engine: Engine,
    module: Module,
}

/// What is no program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The machine cannot run wasm.
    #[error("the wasm engine does not start: {0}")]
    Engine(String),
    /// The bytes are no module.
    #[error("not a wasm module: {0}")]
    NotWasm(String),
    /// A library, or a plugin.
    #[error("the module exports no `_start`, so it is no program; is it a plugin?")]
    NoStart,
}

/// What a program is started with.
#[derive(Clone)]
pub struct Start {
    /// Arguments, the program's own name first.
    pub arguments: Vec<String>,
    /// Nanoseconds since some moment, for both clocks.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, if it came to one.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Why it did not end by itself: a panic ends in a trap.
    pub trap: Option<String>,
}

impl Ended {
    /// Whether it ended with code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

impl Program {
    /// Compiles a program.
    ///
    /// # Errors
    /// [`ProgramError`] for what is no program.
    pub fn compile(wasm: &[u8]) -> Result<Self, ProgramError> {
        let mut config = Config::new();
        // Compiled once and run for moments: the quicker compilation wins.
        config.cranelift_opt_level(wasmtime::OptLevel::None);
        let engine =
            Engine::new(&config).map_err(|error| ProgramError::Engine(format!("{error:#}")))?;
        let module = Module::new(&engine, wasm)
            .map_err(|error| ProgramError::NotWasm(format!("{error:#}")))?;
        if module.get_export("_start").is_none() {
            return Err(ProgramError::NoStart);
        }
        Ok(Self { engine, module })
    }

    /// Runs the program in a fresh VM, to its end. It may run for ever, as any test may.
    pub fn run(&self, start: &Start) -> Ended {
        let mut store = Store::new(&self.engine, wasi::State::new(start));
        let outcome = self.start(&mut store);
        let state = store.into_data();
        let mut ended = Ended {
            code: state.exit,
            stdout: state.stdout,
            stderr: state.stderr,
            trap: None,
        };
        match outcome {
            Ok(()) => ended.code = ended.code.or(Some(0)),
            // Leaving by `proc_exit` unwinds as a trap does.
            Err(_) if ended.code.is_some() => {}
            Err(error) => ended.trap = Some(format!("{error:#}")),
        }
        ended
    }

    fn start(&self, store: &mut Store<wasi::State>) -> wasmtime::Result<()> {
        let mut linker = Linker::new(&self.engine);
        wasi::define(&mut linker)?;
        for import in self.module.imports() {
            let (module, name) = (import.module().to_owned(), import.name().to_owned());
            if let wasmtime::ExternType::Func(ty) = import.ty()
                && linker.get_by_import(&mut *store, &import).is_none()
            {
                let hint = if module == "env" {
                    "; hostcalls are there only in the load balancer: give the SDK the feature \
                     `testing` among the dev-dependencies"
                } else {
                    ""
                };
                let message = format!("`{module}.{name}` is not offered to tests{hint}");
                linker.func_new(&module.clone(), &name.clone(), ty, move |_, _, _| {
                    Err(wasmtime::Error::msg(message.clone()))
                })?;
            }
        }
        let instance = linker.instantiate(&mut *store, &self.module)?;
        instance
            .get_typed_func::<(), ()>(&mut *store, "_start")?
            .call(&mut *store, ())
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

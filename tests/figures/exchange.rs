//! The exchange that figures of cost are about: a plugin replies to a request, in our host and in
//! bare wasmtime.

use std::sync::Arc;

use gatewright_host::{
    Attributes, Chain, Effect, Engine, EngineOptions, HeaderMap, Metering, Plugin, PluginSpec,
    Profile, Recorded, StreamId, TraceLevel,
};

use crate::measure::{median, ratio};

/// Rounds of what takes long, a VM for each.
pub(crate) const ROUNDS: usize = 15;
/// Rounds of warm exchanges, and exchanges in each. A round is far shorter than the time slice of
/// a process, so that on a shared machine most rounds are not interrupted.
const SHORT_ROUNDS: usize = 301;
const EXCHANGES: usize = 500;
/// How often both sides are made anew. Where the system puts code and memory moves either by one
/// part in twenty, for as long as it is there.
const PLACES: usize = 7;

/// The cost of a warm exchange in our host over its cost on the floor, which meters nothing, in the
/// same run.
pub(crate) fn over_floor(wasm: &[u8], metering: Metering, level: TraceLevel) -> f64 {
    let places = (0..PLACES).map(|_| {
        let mut served = Served::start(&compile(wasm, metering), level);
        let mut floor = Floor::start(wasm);
        ratio(
            SHORT_ROUNDS,
            || served.run(EXCHANGES),
            || floor.run(EXCHANGES),
        )
    });
    median(places.collect())
}

#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
pub(crate) fn compile(wasm: &[u8], metering: Metering) -> Plugin {
    let options = EngineOptions {
        metering,
        // As in a server, whose exchanges are warm.
        inlining: true,
        ..EngineOptions::default()
    };
    let engine = Engine::new(&options).expect("the engine starts");
    engine.compile(wasm).expect("the plugin compiles")
}

/// A plugin in our host, on one warm VM.
pub(crate) struct Served {
    chain: Chain,
    attributes: Arc<Attributes>,
    headers: HeaderMap,
    effects: Vec<Effect>,
}

impl Served {
    pub(crate) fn start(plugin: &Plugin, level: TraceLevel) -> Self {
        let spec = PluginSpec::new(plugin.clone(), Profile::Google);
        let door = || Box::new(Recorded::new(0, 0)) as Box<_>;
        Self {
            chain: Chain::start(Profile::Google, vec![spec], door, level),
            attributes: Arc::default(),
            headers: [(":method", "GET"), (":path", "/"), (":authority", "a")]
                .into_iter()
                .collect(),
            effects: Vec::new(),
        }
    }

    /// Exchanges one after the other.
    pub(crate) fn run(&mut self, exchanges: usize) {
        for _ in 0..exchanges {
            let stream = self.begin();
            self.end(stream);
        }
    }

    /// An exchange up to its reply.
    pub(crate) fn begin(&mut self) -> StreamId {
        let stream = self.chain.open(&self.attributes);
        let headers = self.headers.clone();
        self.chain
            .request_headers(stream, headers, true, &mut self.effects);
        assert!(matches!(self.effects[..], [Effect::Reply(_)]));
        self.effects.clear();
        stream
    }

    /// The end of an exchange.
    pub(crate) fn end(&mut self, stream: StreamId) {
        drop(self.chain.close(stream));
    }
}

/// The same callbacks of the same module in bare wasmtime, with hostcalls that do nothing.
pub(crate) struct Floor {
    store: wasmtime::Store<()>,
    create: wasmtime::TypedFunc<(u32, u32), ()>,
    headers: wasmtime::TypedFunc<(u32, u32, u32), u32>,
    done: wasmtime::TypedFunc<u32, u32>,
    delete: wasmtime::TypedFunc<u32, ()>,
    next: u32,
}

impl Floor {
    #[expect(
        clippy::expect_used,
        reason = "a figure that cannot be measured is a failure"
    )]
    pub(crate) fn start(wasm: &[u8]) -> Self {
        let engine = wasmtime::Engine::default();
        let module = wasmtime::Module::new(&engine, wasm).expect("the plugin compiles");
        let mut linker = wasmtime::Linker::new(&engine);
        define_nothing(&mut linker).expect("names are distinct");
        let mut store = wasmtime::Store::new(&engine, ());
        linker
            .define_unknown_imports_as_default_values(&mut store, &module)
            .expect("imports are functions");
        let instance = linker
            .instantiate(&mut store, &module)
            .expect("it instantiates");
        let initialise = instance.get_typed_func::<(), ()>(&mut store, "_initialize");
        initialise
            .expect("a reactor")
            .call(&mut store, ())
            .expect("it initialises");
        macro_rules! get {
            ($name:literal) => {
                instance
                    .get_typed_func(&mut store, $name)
                    .expect("the SDK exports it")
            };
        }
        let create: wasmtime::TypedFunc<(u32, u32), ()> = get!("proxy_on_context_create");
        let start: wasmtime::TypedFunc<(u32, u32), u32> = get!("proxy_on_vm_start");
        let configure: wasmtime::TypedFunc<(u32, u32), u32> = get!("proxy_on_configure");
        let headers = get!("proxy_on_request_headers");
        let done = get!("proxy_on_done");
        let delete = get!("proxy_on_delete");
        create
            .call(&mut store, (1, 0))
            .expect("the root context is made");
        start.call(&mut store, (1, 0)).expect("it starts");
        assert_eq!(
            configure.call(&mut store, (1, 0)).expect("it runs"),
            1,
            "it is configured"
        );
        Self {
            store,
            create,
            headers,
            done,
            delete,
            next: 2,
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "a figure that cannot be measured is a failure"
    )]
    pub(crate) fn run(&mut self, exchanges: usize) {
        for _ in 0..exchanges {
            let id = self.next;
            self.next += 1;
            let store = &mut self.store;
            self.create.call(&mut *store, (id, 1)).expect("it runs");
            self.headers.call(&mut *store, (id, 3, 1)).expect("it runs");
            self.done.call(&mut *store, id).expect("it runs");
            self.delete.call(&mut *store, id).expect("it runs");
        }
    }
}

/// Hostcalls that answer `OK` and do nothing, as cheap as wasmtime can make them.
fn define_nothing(linker: &mut wasmtime::Linker<()>) -> wasmtime::Result<()> {
    macro_rules! define {
        ($($call:ident $name:literal ($($parameter:ident),*);)*) => {
            $(linker.func_wrap("env", $name, |$(_: $parameter),*| 0_i32)?;)*
        };
    }
    gatewright_abi::foreach_hostcall!(define);
    Ok(())
}

//! The whole way through, small: what the host adds to bare wasm.

use std::sync::Arc;

use gatewright_host::{
    Attributes, Chain, Effect, Engine, EngineOptions, HeaderMap, Metering, Plugin, PluginSpec,
    Profile, Recorded, StreamId, TraceLevel,
};

use crate::measure::{median, ratio, seconds};
use crate::{Bound, figure};

const ROUNDS: usize = 15;
const EXCHANGES: usize = 20_000;

pub(crate) fn measure() {
    let wasm = gatewright_tests::wasm("local-reply");
    let mut floor = Floor::start(&wasm, false);
    let plugin = compile(&wasm, Metering::None);

    let mut off = Served::start(&plugin, TraceLevel::Off);
    let value = ratio(ROUNDS, || off.run(EXCHANGES), || floor.run(EXCHANGES));
    figure(
        "vertical",
        "warm-ratio-off",
        value,
        "ratio",
        Bound::AtMost(1.5),
    );

    let mut full = Served::start(&plugin, TraceLevel::Full);
    let value = ratio(ROUNDS, || full.run(EXCHANGES), || floor.run(EXCHANGES));
    figure(
        "vertical",
        "warm-ratio-full",
        value,
        "ratio",
        Bound::AtMost(3.0),
    );

    let metered = compile(&wasm, Metering::Fuel);
    let rounds = (0..ROUNDS).map(|_| {
        seconds(|| {
            for _ in 0..1_000 {
                drop(Served::start(&metered, TraceLevel::Off));
            }
        }) * 1_000.0
    });
    let value = median(rounds.collect());
    figure("vertical", "fresh-vm-us", value, "us", Bound::AtMost(100.0));
}

#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn compile(wasm: &[u8], metering: Metering) -> Plugin {
    let options = EngineOptions {
        metering,
        ..EngineOptions::default()
    };
    let engine = Engine::new(&options).expect("the engine starts");
    engine.compile(wasm).expect("the plugin compiles")
}

/// A plugin in our host, on one warm VM.
struct Served {
    chain: Chain,
    attributes: Arc<Attributes>,
    headers: HeaderMap,
    effects: Vec<Effect>,
}

impl Served {
    fn start(plugin: &Plugin, level: TraceLevel) -> Self {
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

    fn run(&mut self, exchanges: usize) {
        for _ in 0..exchanges {
            let stream: StreamId = self.chain.open(&self.attributes);
            let headers = self.headers.clone();
            self.chain
                .request_headers(stream, headers, true, &mut self.effects);
            assert!(matches!(self.effects[..], [Effect::Reply(_)]));
            self.effects.clear();
            drop(self.chain.close(stream));
        }
    }
}

/// The same callbacks of the same module in bare wasmtime, with hostcalls that do nothing.
struct Floor {
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
    fn start(wasm: &[u8], fuel: bool) -> Self {
        let mut config = wasmtime::Config::new();
        config.consume_fuel(fuel);
        let engine = wasmtime::Engine::new(&config).expect("the engine starts");
        let module = wasmtime::Module::new(&engine, wasm).expect("the plugin compiles");
        let mut linker = wasmtime::Linker::new(&engine);
        define_nothing(&mut linker).expect("names are distinct");
        let mut store = wasmtime::Store::new(&engine, ());
        linker
            .define_unknown_imports_as_default_values(&mut store, &module)
            .expect("imports are functions");
        if fuel {
            store.set_fuel(u64::MAX).expect("fuel is on");
        }
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
    fn run(&mut self, exchanges: usize) {
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

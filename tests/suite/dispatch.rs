//! What hosts do wrong: where the `proxy-wasm` crate's dispatcher panics, ours goes on.
//!
//! The list is that of the SDK's guide, in the page on panics. Each entry is tried on a plugin of
//! either kind, so that the list cannot outlive what it says.

use wasmtime::{Engine, Instance, Linker, Module, Store, Val};

/// A call of an export with numbers.
type Call = (&'static str, &'static [i32]);

const CREATE_ROOT: Call = ("proxy_on_context_create", &[1, 0]);
const CONFIGURE: Call = ("proxy_on_configure", &[1, 0]);
const CREATE_STREAM: Call = ("proxy_on_context_create", &[2, 1]);

/// What the host does wrong, and the calls that do it.
const WRONGS: &[(&str, &[Call])] = &[
    (
        "a callback for a context that was never created",
        &[("proxy_on_request_headers", &[7, 1, 1])],
    ),
    (
        "the end of a context that was never created",
        &[("proxy_on_done", &[7])],
    ),
    (
        "the deletion of a context that was never created",
        &[("proxy_on_delete", &[7])],
    ),
    (
        "a stream of a root that was never created",
        &[("proxy_on_context_create", &[3, 9])],
    ),
    ("a context that is created twice", &[CREATE_STREAM]),
    (
        "a configuration for what is no root",
        &[("proxy_on_configure", &[2, 0])],
    ),
    (
        "the answer to a callout that was not made through the crate",
        &[("proxy_on_http_call_response", &[1, 99, 1, 0, 0])],
    ),
];

/// Runs a plugin on a host whose hostcalls all answer OK and nothing, after a proper start.
fn run(wasm: &[u8], calls: &[Call]) -> Result<(), String> {
    let engine = Engine::default();
    let module = Module::new(&engine, wasm).expect("it compiles");
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker
        .define_unknown_imports_as_default_values(&mut store, &module)
        .expect("imports are functions");
    let instance = linker
        .instantiate(&mut store, &module)
        .expect("it instantiates");
    for (name, arguments) in [
        ("_initialize", &[][..]),
        CREATE_ROOT,
        CONFIGURE,
        CREATE_STREAM,
    ] {
        call(&instance, &mut store, name, arguments).expect("a proper start");
    }
    for (name, arguments) in calls {
        call(&instance, &mut store, name, arguments)?;
    }
    // And the plugin still works.
    call(
        &instance,
        &mut store,
        "proxy_on_request_headers",
        &[2, 1, 1],
    )
}

fn call(
    instance: &Instance,
    store: &mut Store<()>,
    name: &str,
    arguments: &[i32],
) -> Result<(), String> {
    // A host calls only what a guest exports.
    let Some(function) = instance.get_func(&mut *store, name) else {
        return Ok(());
    };
    let arguments: Vec<_> = arguments.iter().map(|number| Val::I32(*number)).collect();
    let mut results = vec![Val::I32(0); function.ty(&mut *store).results().len()];
    function
        .call(store, &arguments, &mut results)
        .map_err(|error| format!("{name}: {error:#}"))
}

#[test]
fn what_panics_in_the_crates_dispatcher_is_survived_by_ours() {
    let bare = gatewright_tests::guest("headers-bare");
    let ours = [
        gatewright_tests::guest("headers-sdk"),
        gatewright_tests::guest("callouts"),
    ];
    for (wrong, calls) in WRONGS {
        assert!(run(&bare, calls).is_err(), "the crate survives {wrong}");
        for ours in &ours {
            assert_eq!(run(ours, calls), Ok(()), "{wrong}");
        }
    }
    for wasm in [&bare, &ours[0], &ours[1]] {
        assert_eq!(run(wasm, &[]), Ok(()));
    }
}

#[test]
fn the_guide_lists_every_one_of_them() {
    let page = gatewright_tests::root().join("crates/sdk/guide/panics.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let page = page.replace('\n', " ");
    for (wrong, _) in WRONGS {
        assert!(page.contains(wrong), "`{wrong}` is not in the page");
    }
}

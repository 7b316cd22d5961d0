//! The guest's side: the callbacks that it exports, looked up once a VM.

use gatewright_abi::{Callback, Version};
use wasmtime::{AsContextMut, Func, FuncType, Instance, ValRaw};

use crate::capabilities::Capabilities;
use crate::module::{LoadError, ModuleInfo};

/// Parameters and results that a callback must have, in the letters of
/// [`Signature`](crate::Signature).
const fn signature(callback: Callback, version: Version) -> (&'static str, &'static str) {
    use Callback as C;
    match callback {
        C::OnRequestHeaders | C::OnResponseHeaders if matches!(version, Version::V0_1_0) => {
            ("ii", "i")
        }
        C::OnRequestHeaders | C::OnResponseHeaders => ("iii", "i"),
        C::OnRequestBody | C::OnResponseBody | C::OnDownstreamData | C::OnUpstreamData => {
            ("iii", "i")
        }
        C::OnVmStart | C::OnConfigure | C::OnRequestTrailers | C::OnResponseTrailers => ("ii", "i"),
        C::OnNewConnection | C::OnDone => ("i", "i"),
        C::OnTick | C::OnLog | C::OnDelete => ("i", ""),
        C::OnContextCreate
        | C::OnQueueReady
        | C::OnDownstreamConnectionClose
        | C::OnUpstreamConnectionClose => ("ii", ""),
        C::OnHttpCallResponse => ("iiiii", ""),
        C::OnGrpcReceiveInitialMetadata
        | C::OnGrpcReceive
        | C::OnGrpcReceiveTrailingMetadata
        | C::OnGrpcClose
        | C::OnForeignFunction => ("iii", ""),
    }
}

/// Checks that each callback of the ABI that the module exports has the ABI's type.
pub(crate) fn check(info: &ModuleInfo, version: Version) -> Result<(), LoadError> {
    for callback in Callback::ALL {
        let Some(found) = info.exports.get(callback.name()) else {
            continue;
        };
        let (parameters, results) = signature(*callback, version);
        if found.parameters != parameters || found.results != results {
            return Err(LoadError::WrongType(format!(
                "exports `{}` as ({}) -> ({}); ABI {version} has it as ({parameters}) -> ({results})",
                callback.name(),
                found.parameters,
                found.results,
            )));
        }
    }
    for name in ["malloc", "proxy_on_memory_allocate"] {
        let signature = info.exports.get(name);
        if signature.is_some_and(|found| found.parameters != "i" || found.results != "i") {
            return Err(LoadError::WrongType(format!(
                "exports `{name}` as something else than (i) -> (i)"
            )));
        }
    }
    Ok(())
}

/// The most numbers that a callback takes.
const MOST: usize = 5;

/// The callbacks of one VM, by their place in [`Callback::ALL`]. A guest exports what it cares for.
#[derive(Default)]
pub(crate) struct Exports {
    found: [Option<Func>; Callback::ALL.len()],
}

impl Exports {
    /// Looks up what the guest exports: functions of a few 32-bit numbers, and of one or none in
    /// return. That they are the ABI's was checked when the plugin was loaded.
    pub(crate) fn find<T: 'static>(
        instance: &Instance,
        store: &mut impl AsContextMut<Data = T>,
    ) -> Self {
        let mut found = [None; Callback::ALL.len()];
        for (place, callback) in found.iter_mut().zip(Callback::ALL) {
            let function = instance.get_func(store.as_context_mut(), callback.name());
            *place = function.filter(|function| is_callable(&function.ty(store.as_context_mut())));
        }
        Self { found }
    }

    /// Leaves out the callbacks that the capabilities do not hold: they are not called.
    pub(crate) fn restrict(&mut self, capabilities: &Capabilities) {
        for (place, callback) in self.found.iter_mut().zip(Callback::ALL) {
            place.take_if(|_| !capabilities.allows(callback.name()));
        }
    }

    /// Calls a callback with a context's id and further numbers, of which older guests take fewer.
    /// Says what it returned, 0 if nothing; for one that the guest does not export, what lets
    /// everything go on.
    ///
    /// All callbacks go through the same instructions: wasmtime's typed functions are compiled for
    /// each type anew, and what an exchange runs through hardly fits into a processor's cache as it
    /// is.
    #[expect(unsafe_code, reason = "one way of calling for all types of callbacks")]
    #[inline]
    pub(crate) fn call<T: 'static>(
        &self,
        store: &mut impl AsContextMut<Data = T>,
        callback: Callback,
        context: u32,
        arguments: &[u32],
    ) -> wasmtime::Result<u32> {
        let Some(function) = &self.found[callback as usize] else {
            return Ok(if_not_exported(callback));
        };
        let mut values = [ValRaw::u32(0); MOST];
        values[0] = ValRaw::u32(context);
        for (value, argument) in values[1..].iter_mut().zip(arguments) {
            *value = ValRaw::u32(*argument);
        }
        // What a function without a result leaves there is not its answer.
        // SAFETY: `find` let only functions through that take at most as many 32-bit numbers as
        // there are here and return at most one. All of them have a value.
        unsafe { function.call_unchecked(store, &raw mut values)? };
        Ok(if returns(callback) {
            values[0].get_u32()
        } else {
            0
        })
    }
}

/// Whether [`Exports::call`] can call a function of this type.
fn is_callable(found: &FuncType) -> bool {
    found.params().len() <= MOST
        && found.results().len() <= 1
        && found.params().all(|kind| kind.is_i32())
        && found.results().all(|kind| kind.is_i32())
}

/// Whether a callback returns a number in every version of the ABI.
const fn returns(callback: Callback) -> bool {
    !signature(callback, Version::V0_2_1).1.is_empty()
}

/// What a guest that does not export a callback would say if it did.
const fn if_not_exported(callback: Callback) -> u32 {
    use Callback as C;
    match callback {
        // Started, configured, and done.
        C::OnVmStart | C::OnConfigure | C::OnDone => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Callback as C;

    /// What a guest of these functions answers to a callback in context 7.
    fn check(functions: &str, callback: Callback, arguments: &[u32], expected: u32) {
        let engine = wasmtime::Engine::default();
        let wasm = wat::parse_str(format!("(module {functions})")).unwrap();
        let module = wasmtime::Module::new(&engine, wasm).unwrap();
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let exports = Exports::find(&instance, &mut store);
        let answer = exports.call(&mut store, callback, 7, arguments).unwrap();
        assert_eq!(answer, expected, "{callback:?} of {functions}");
    }

    #[test]
    fn numbers_go_in_and_one_comes_out() {
        let sum = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (i32.add (local.get 0) (i32.mul (local.get 1) (local.get 2))))"#;
        check(sum, C::OnRequestHeaders, &[3, 100], 307);
    }

    #[test]
    fn an_older_guest_takes_fewer() {
        let second = r#"(func (export "proxy_on_request_headers") (param i32 i32) (result i32)
            (local.get 1))"#;
        check(second, C::OnRequestHeaders, &[3, 1], 3);
    }

    #[test]
    fn without_a_result_the_answer_is_zero() {
        let delete = r#"(func (export "proxy_on_delete") (param i32))"#;
        check(delete, C::OnDelete, &[], 0);
    }

    #[test]
    fn what_is_not_exported_lets_everything_go_on() {
        check("", C::OnDone, &[], 1);
        check("", C::OnConfigure, &[0], 1);
        check("", C::OnRequestHeaders, &[3, 1], 0);
    }

    #[test]
    fn a_function_of_another_type_is_not_called() {
        let wide = r#"(func (export "proxy_on_done") (param i64) (result i32) unreachable)"#;
        check(wide, C::OnDone, &[], 1);
        let many = r#"(func (export "proxy_on_done") (param i32 i32 i32 i32 i32 i32) (result i32)
            unreachable)"#;
        check(many, C::OnDone, &[], 1);
    }
}

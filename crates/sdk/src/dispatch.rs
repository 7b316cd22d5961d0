//! From the host's callbacks, which name a context by number, to the author's types.
//!
//! It is our own and not that of the `proxy-wasm` crate, which panics on what a host may do: on an
//! id that it does not know, on one that comes twice, on a call within a call, and on the answer to
//! a callout that was not made through its own hostcalls, whose statuses are a Rust enum that
//! cannot hold every number. Here none of that panics, and it runs natively too, under test.

mod contexts;
pub(crate) mod exports;

use crate::driver::{self, Root};
use crate::{HostError, Plugin, Stream};
use contexts::{Contexts, Slot};
use core::cell::{Cell, RefCell};
use gatewright_abi::Action;

thread_local! {
    /// The context that a callback runs for.
    static CURRENT: Cell<u32> = const { Cell::new(0) };
}

/// The context that a callback runs for.
pub(crate) fn current() -> u32 {
    CURRENT.get()
}

/// Makes a context the one that runs.
pub(crate) fn enter(context: u32) {
    CURRENT.set(context);
}

/// Every context of a plugin in this VM.
pub struct Dispatcher<P: Plugin> {
    state: RefCell<State<P>>,
}

struct State<P: Plugin> {
    /// One on most hosts; Envoy runs plugins of one VM id together.
    roots: Vec<(u32, Root<P>)>,
    streams: Contexts<P::Stream>,
}

impl<P: Plugin> Dispatcher<P> {
    /// No contexts yet.
    #[expect(clippy::new_without_default, reason = "it must be const")]
    pub const fn new() -> Self {
        Self {
            state: RefCell::new(State {
                roots: Vec::new(),
                streams: Contexts::new(),
            }),
        }
    }

    /// Runs `f` on the state, for a context. None if the host calls in while a callback runs,
    /// which no host should do: the inner call is passed over.
    fn enter<R>(&self, context: u32, f: impl FnOnce(&mut State<P>) -> R) -> Option<R> {
        let mut state = self.state.try_borrow_mut().ok()?;
        CURRENT.set(context);
        Some(f(&mut state))
    }

    /// A context begins: a root without a parent, a stream with one.
    pub fn create(&self, context: u32, parent: u32) {
        self.enter(context, |state| {
            if parent == 0 {
                state.roots.retain(|(id, _)| *id != context);
                state.roots.push((context, Root::new()));
                return;
            }
            let stream = state.root(parent).and_then(|root| root.open());
            let slot = stream.map_or(Slot::Refused, Slot::Open);
            state.streams.insert(context, slot);
        });
    }

    /// The plugin's configuration is there. Says whether it is accepted.
    pub fn configure(&self, context: u32, size: usize) -> bool {
        let accepted = self.enter(context, |state| match state.root(context) {
            Some(root) => root.configure(size),
            None => {
                log::error!("configuration refused: context {context} is no plugin");
                false
            }
        });
        accepted.unwrap_or(false)
    }

    /// Runs a phase of a stream, or refuses a stream that there should not be.
    fn phase(
        &self,
        context: u32,
        on_stream: impl FnOnce(&mut P::Stream) -> Action,
        on_refused: impl FnOnce() -> Action,
    ) -> Action {
        let action = self.enter(context, |state| match state.streams.get(context) {
            Some(Slot::Open(stream)) => on_stream(stream),
            _ => on_refused(),
        });
        action.unwrap_or(Action::Continue)
    }

    /// The request's headers are there.
    pub fn request_headers(&self, context: u32, count: usize, end_of_stream: bool) -> Action {
        self.phase(
            context,
            |stream| driver::request_headers(stream, count, end_of_stream),
            driver::refuse,
        )
    }

    /// A chunk of the request's body is there.
    pub fn request_body(&self, context: u32, size: usize, end_of_stream: bool) -> Action {
        self.phase(
            context,
            |stream| driver::request_body(stream, size, end_of_stream),
            || Action::Continue,
        )
    }

    /// The response's headers are there.
    pub fn response_headers(&self, context: u32, count: usize, end_of_stream: bool) -> Action {
        self.phase(
            context,
            |stream| driver::response_headers(stream, count, end_of_stream),
            driver::refuse,
        )
    }

    /// A chunk of the response's body is there.
    pub fn response_body(&self, context: u32, size: usize, end_of_stream: bool) -> Action {
        self.phase(
            context,
            |stream| driver::response_body(stream, size, end_of_stream),
            || Action::Continue,
        )
    }

    /// Runs what is said at the end of a stream.
    fn end(&self, context: u32, f: impl FnOnce(&mut P::Stream)) {
        self.enter(context, |state| {
            if let Some(Slot::Open(stream)) = state.streams.get(context) {
                f(stream);
            }
        });
    }

    /// The context is over; the host need not wait.
    pub fn done(&self, context: u32) -> bool {
        self.end(context, Stream::on_done);
        true
    }

    /// The stream may be logged.
    pub fn log(&self, context: u32) {
        self.end(context, |stream| stream.on_log(&crate::Finished::new()));
    }

    /// The context is forgotten.
    pub fn delete(&self, context: u32) {
        self.enter(context, |state| {
            if !state.streams.remove(context) {
                state.roots.retain(|(id, _)| *id != context);
            }
        });
    }

    /// A stream's own answer to an error.
    pub(crate) fn failed(&self, context: u32, error: &HostError) -> Action {
        self.phase(
            context,
            |stream| driver::failed(stream, error),
            driver::refuse,
        )
    }

    /// The plugin of a root context, once it is configured.
    pub(crate) fn plugin(&self, context: u32) -> Option<std::rc::Rc<P>> {
        self.enter(context, |state| state.root(context)?.plugin())?
    }
}

impl<P: Plugin> State<P> {
    fn root(&mut self, id: u32) -> Option<&mut Root<P>> {
        let mut roots = self.roots.iter_mut();
        Some(&mut roots.find(|(known, _)| *known == id)?.1)
    }
}

impl<P: Plugin> core::fmt::Debug for Dispatcher<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(target_os = "wasi")))]
mod tests;

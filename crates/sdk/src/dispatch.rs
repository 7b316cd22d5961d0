//! The `proxy-wasm` crate's contexts over our driver.

use crate::driver::{Open, Phases, Root};
use crate::{Plugin, Stream, logger, sys};
use gatewright_abi as abi;
use proxy_wasm::traits::{Context, HttpContext, RootContext, StreamContext};
use proxy_wasm::types::{Action, Bytes, ContextType, GrpcStatusCode, Status};
use std::time::{Duration, SystemTime};
use unused::{never_called, never_called_of_context, never_called_of_http, never_called_of_root};

mod unused;

/// What `_initialize` does for a plugin.
pub fn initialize<P: Plugin>() {
    sys::call_constructors();
    logger::install(P::LOG_LEVEL);
    proxy_wasm::set_root_context(|_| Box::new(Root::<P>::new()));
}

fn action(action: abi::Action) -> Action {
    match action {
        abi::Action::Continue => Action::Continue,
        abi::Action::Pause => Action::Pause,
    }
}

impl<P: Plugin> Context for Root<P> {
    never_called_of_context!();
}

impl<P: Plugin> RootContext for Root<P> {
    never_called_of_root!();

    fn on_configure(&mut self, size: usize) -> bool {
        self.configure(size)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        // Without a context the dispatcher would panic.
        Some(match self.open() {
            Some(open) => Box::new(open),
            None => Box::new(Open::unconfigured()),
        })
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl<S: Stream> Context for Open<S> {
    never_called_of_context!();

    fn on_done(&mut self) -> bool {
        self.done();
        true
    }
}

impl<S: Stream> HttpContext for Open<S> {
    never_called_of_http!();

    fn on_http_request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        action(self.request_headers(count, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        action(self.request_body(size, end_of_stream))
    }

    fn on_http_response_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        action(self.response_headers(count, end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        action(self.response_body(size, end_of_stream))
    }

    fn on_log(&mut self) {
        self.log();
    }
}

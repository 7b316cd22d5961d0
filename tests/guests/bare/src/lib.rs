//! A guest that does what its configuration says, on the bare `proxy-wasm` crate.
//!
//! Lifecycle, dispatch and allocator are the crate's, as in the plugins that people write; only the
//! hostcalls are made past it, because it panics on statuses that hosts do give. Its dispatcher
//! knows only the callouts that it made itself, so what comes back from callouts is not for this
//! guest.
#![cfg(target_os = "wasi")]
#![expect(
    missing_docs,
    reason = "the function that the crate's macro makes has none"
)]

use guest_script::Argument::{Context as Id, Number, Size, Token};
use guest_script::{Callback, call};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| {
        let _ = call(Callback::OnContextCreate, id, &[Number(0)]);
        Box::new(Root { id })
    });
}}

struct Root {
    id: u32,
}

struct Stream {
    id: u32,
}

/// What the script answers; true if it does not say.
fn answer(callback: Callback, id: u32, arguments: &[guest_script::Argument]) -> bool {
    call(callback, id, arguments).unwrap_or(1) != 0
}

impl Context for Root {
    fn on_done(&mut self) -> bool {
        answer(Callback::OnDone, self.id, &[])
    }
}

impl RootContext for Root {
    fn on_vm_start(&mut self, size: usize) -> bool {
        answer(Callback::OnVmStart, self.id, &[Size(size as u32)])
    }

    fn on_configure(&mut self, size: usize) -> bool {
        answer(Callback::OnConfigure, self.id, &[Size(size as u32)])
    }

    fn on_tick(&mut self) {
        let _ = call(Callback::OnTick, self.id, &[]);
    }

    fn on_queue_ready(&mut self, queue: u32) {
        let _ = call(Callback::OnQueueReady, self.id, &[Token(queue)]);
    }

    fn on_log(&mut self) {
        let _ = call(Callback::OnLog, self.id, &[]);
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let _ = call(Callback::OnContextCreate, id, &[Id(self.id)]);
        Some(Box::new(Stream { id }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// The crate tells a context that it is deleted by dropping it.
impl Drop for Root {
    fn drop(&mut self) {
        let _ = call(Callback::OnDelete, self.id, &[]);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = call(Callback::OnDelete, self.id, &[]);
    }
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        answer(Callback::OnDone, self.id, &[])
    }
}

impl Stream {
    fn action(&self, callback: Callback, size: usize, end: Option<bool>) -> Action {
        let size = Number(size as u32);
        let answer = match end {
            Some(end) => call(callback, self.id, &[size, Number(end.into())]),
            None => call(callback, self.id, &[size]),
        };
        match answer {
            Some(1) => Action::Pause,
            _ => Action::Continue,
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, count: usize, end: bool) -> Action {
        self.action(Callback::OnRequestHeaders, count, Some(end))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.action(Callback::OnRequestBody, size, Some(end))
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        self.action(Callback::OnRequestTrailers, count, None)
    }

    fn on_http_response_headers(&mut self, count: usize, end: bool) -> Action {
        self.action(Callback::OnResponseHeaders, count, Some(end))
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.action(Callback::OnResponseBody, size, Some(end))
    }

    fn on_http_response_trailers(&mut self, count: usize) -> Action {
        self.action(Callback::OnResponseTrailers, count, None)
    }

    fn on_log(&mut self) {
        let _ = call(Callback::OnLog, self.id, &[]);
    }
}

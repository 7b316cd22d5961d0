//! Logs every callback of a plugin's and a stream's life. Written on the bare `proxy-wasm` crate,
//! without our SDK, to show that such plugins run here as they are.

#![cfg(target_os = "wasi")]
#![expect(
    missing_docs,
    reason = "the macro of proxy-wasm exports what it does not document"
)]

use log::info;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| {
        info!("root onCreate called");
        Box::new(Root)
    });
}}

struct Root;

impl Context for Root {
    fn on_done(&mut self) -> bool {
        info!("root onDone called");
        true
    }
}

impl RootContext for Root {
    fn on_vm_start(&mut self, _: usize) -> bool {
        info!("root onStart called");
        true
    }

    fn on_configure(&mut self, _: usize) -> bool {
        info!("root onConfigure called");
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        info!("http onCreate called");
        Some(Box::new(Exchange))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        info!("root onDelete called");
    }
}

struct Exchange;

impl Context for Exchange {
    fn on_done(&mut self) -> bool {
        info!("http onDone called");
        true
    }
}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        info!("http onRequestHeaders called");
        Action::Continue
    }

    fn on_http_request_body(&mut self, _: usize, _: bool) -> Action {
        info!("http onRequestBody called");
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        info!("http onResponseHeaders called");
        Action::Continue
    }

    fn on_http_response_body(&mut self, _: usize, _: bool) -> Action {
        info!("http onResponseBody called");
        Action::Continue
    }

    fn on_log(&mut self) {
        info!("http onLog called");
    }
}

/// The SDK of proxy-wasm drops a stream when the host deletes it.
impl Drop for Exchange {
    fn drop(&mut self) {
        info!("http onDelete called");
    }
}

//! Header work as plugins do it, on the bare `proxy-wasm` crate: the measure of `headers-sdk`.
#![cfg(target_os = "wasi")]
#![expect(
    missing_docs,
    reason = "the function that the crate's macro makes has none"
)]

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Headers));
}}

struct Headers;
struct Visit;

impl Context for Headers {}

impl RootContext for Headers {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Visit))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Visit {}

impl HttpContext for Visit {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let agent = self.get_http_request_header_bytes("user-agent");
        let kind = match agent.as_deref() {
            Some(agent) if agent.windows(6).any(|part| part == b"Mobile") => "phone",
            Some(_) => "desktop",
            None => {
                self.send_http_response(403, Vec::new(), Some(b"no agent"));
                return Action::Pause;
            }
        };
        self.set_http_request_header("x-device-type", Some(kind));
        self.add_http_request_header("x-seen", "gatewright");
        self.set_http_request_header("x-secret", None);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if self.get_http_response_header_bytes(":status").as_deref() == Some(b"200") {
            self.add_http_response_header("x-status", "fine");
        }
        self.set_http_response_header("x-served-by", Some("edge"));
        Action::Continue
    }
}

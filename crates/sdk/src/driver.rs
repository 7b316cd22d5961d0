//! What happens between the host's callbacks and an author's types, the same for the wasm
//! dispatcher and for native tests.

use crate::side::{Request, Response};
use crate::{
    Configuration, Flow, Headers, HostError, LocalReply, Plugin, RequestBody, RequestHeaders,
    ResponseBody, ResponseHeaders, Stream, hostcall,
};
use gatewright_abi::{Action, BufferType};
use std::rc::Rc;

/// The root context: a plugin once it is configured.
pub(crate) struct Root<P> {
    plugin: Option<Rc<P>>,
}

impl<P: Plugin> Root<P> {
    pub(crate) const fn new() -> Self {
        Self { plugin: None }
    }

    /// Configures the plugin; says whether that went well. A plugin that was configured before
    /// serves the streams that it already has.
    pub(crate) fn configure(&mut self, size: usize) -> bool {
        let bytes = match read_configuration(size) {
            Ok(bytes) => bytes,
            Err(error) => {
                log::error!("configuration not read: {error}");
                return false;
            }
        };
        match P::Config::from_bytes(&bytes).and_then(P::configure) {
            Ok(plugin) => {
                self.plugin = Some(Rc::new(plugin));
                true
            }
            Err(error) => {
                log::error!("configuration refused: {}", error.locate(&bytes));
                false
            }
        }
    }

    /// Opens a stream; none if the plugin has refused its configuration.
    pub(crate) fn open(&self) -> Option<Open<P::Stream>> {
        self.plugin.as_ref().map(|plugin| Open(plugin.stream()))
    }
}

fn read_configuration(size: usize) -> Result<Vec<u8>, HostError> {
    if size == 0 {
        return Ok(Vec::new());
    }
    hostcall::buffer(BufferType::PluginConfiguration, 0, size)
}

/// An open stream. As large as the author's type, so that one without state costs no memory.
pub(crate) struct Open<S>(S);

/// A stream that the host opened though the plugin refused its configuration: it is answered, not
/// waved through.
pub(crate) struct Unconfigured;

impl Open<Unconfigured> {
    pub(crate) const fn unconfigured() -> Self {
        Self(Unconfigured)
    }
}

impl Unconfigured {
    fn refuse() -> Result<Flow, HostError> {
        log::error!("stream refused: the plugin has no valid configuration");
        Ok(LocalReply::new(500).details("plugin_not_configured").into())
    }
}

impl Stream for Unconfigured {
    fn on_request_headers(&mut self, _: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        Self::refuse()
    }

    fn on_response_headers(&mut self, _: &mut ResponseHeaders<'_>) -> Result<Flow, HostError> {
        Self::refuse()
    }
}

/// What the host calls of a stream.
pub(crate) trait Phases {
    fn request_headers(&mut self, count: usize, end_of_stream: bool) -> Action;
    fn request_body(&mut self, size: usize, end_of_stream: bool) -> Action;
    fn response_headers(&mut self, count: usize, end_of_stream: bool) -> Action;
    fn response_body(&mut self, size: usize, end_of_stream: bool) -> Action;
    fn done(&mut self);
    fn log(&mut self);
}

impl<S: Stream> Phases for Open<S> {
    fn request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        let mut headers = RequestHeaders::new(count, end_of_stream);
        self.run(|stream| stream.on_request_headers(&mut headers))
    }

    fn request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let mut body = RequestBody::new(size, end_of_stream);
        self.run(|stream| stream.on_request_body(&mut body))
    }

    fn response_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        let mut headers = ResponseHeaders::new(count, end_of_stream);
        self.run(|stream| stream.on_response_headers(&mut headers))
    }

    fn response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let mut body = ResponseBody::new(size, end_of_stream);
        if let Err(error) = self.0.on_response_body(&mut body) {
            report(&error);
            // The stream may want to know; what it answers can no longer be sent.
            self.0.on_error(&error);
        }
        Action::Continue
    }

    fn done(&mut self) {
        self.0.on_done();
    }

    fn log(&mut self) {
        self.0.on_log(&Finished::new());
    }
}

impl<S: Stream> Open<S> {
    fn run(&mut self, callback: impl FnOnce(&mut S) -> Result<Flow, HostError>) -> Action {
        let flow = match callback(&mut self.0) {
            Ok(Flow::Continue) => return Action::Continue,
            Ok(flow) => flow,
            Err(error) => {
                report(&error);
                self.0.on_error(&error)
            }
        };
        finish(&flow)
    }
}

fn report(error: &HostError) {
    log::error!("callback failed: {error}");
}

/// Sends a reply. The stream is held even if the host could not send it, because the plugin
/// decided that the request must not go on.
fn finish(flow: &Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Reply(reply) => {
            if let Err(error) = reply.send() {
                report(&error);
            }
            Action::Pause
        }
    }
}

/// Headers of an exchange that is over, to be read only.
#[derive(Debug)]
pub struct Finished {
    request: Headers<'static, Request>,
    response: Headers<'static, Response>,
}

impl Finished {
    fn new() -> Self {
        Self {
            request: Headers::new(0, true),
            response: Headers::new(0, true),
        }
    }

    /// The request's headers as they went upstream.
    pub fn request_headers(&self) -> &RequestHeaders<'_> {
        &self.request
    }

    /// The response's headers as they went to the client.
    pub fn response_headers(&self) -> &ResponseHeaders<'_> {
        &self.response
    }
}

//! What happens between the host's callbacks and an author's types, the same for the wasm
//! dispatcher and for native tests.

use crate::side::{Request, Response};
use crate::{
    Configuration, Flow, Headers, HostError, Plugin, RequestBody, RequestHeaders, ResponseBody,
    ResponseHeaders, Stream, hostcall,
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

    pub(crate) fn open(&self) -> Open<P::Stream> {
        Open {
            stream: self.plugin.as_ref().map(P::stream),
        }
    }
}

fn read_configuration(size: usize) -> Result<Vec<u8>, HostError> {
    if size == 0 {
        return Ok(Vec::new());
    }
    hostcall::buffer(BufferType::PluginConfiguration, 0, size)
}

/// An open stream. There is none inside if the host opened it though the plugin refused its
/// configuration; such a stream is answered, not waved through.
pub(crate) struct Open<S> {
    stream: Option<S>,
}

impl<S: Stream> Open<S> {
    pub(crate) fn request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        let mut headers = RequestHeaders::new(count, end_of_stream);
        self.run(|stream| stream.on_request_headers(&mut headers))
    }

    pub(crate) fn request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let mut body = RequestBody::new(size, end_of_stream);
        self.run(|stream| stream.on_request_body(&mut body))
    }

    pub(crate) fn response_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        let mut headers = ResponseHeaders::new(count, end_of_stream);
        self.run(|stream| stream.on_response_headers(&mut headers))
    }

    pub(crate) fn response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let mut body = ResponseBody::new(size, end_of_stream);
        if let Some(stream) = &mut self.stream
            && let Err(error) = stream.on_response_body(&mut body)
        {
            report(&error);
            // The stream may want to know; what it answers can no longer be sent.
            stream.on_error(&error);
        }
        Action::Continue
    }

    pub(crate) fn done(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.on_done();
        }
    }

    pub(crate) fn log(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.on_log(&Finished::new());
        }
    }

    fn run(&mut self, callback: impl FnOnce(&mut S) -> Result<Flow, HostError>) -> Action {
        let Some(stream) = &mut self.stream else {
            return unconfigured();
        };
        let flow = match callback(stream) {
            Ok(Flow::Continue) => return Action::Continue,
            Ok(flow) => flow,
            Err(error) => {
                report(&error);
                stream.on_error(&error)
            }
        };
        finish(&flow)
    }
}

fn report(error: &HostError) {
    log::error!("callback failed: {error}");
}

fn unconfigured() -> Action {
    log::error!("stream refused: the plugin has no valid configuration");
    finish(&Flow::Reply(
        crate::LocalReply::new(500).details("plugin_not_configured"),
    ))
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

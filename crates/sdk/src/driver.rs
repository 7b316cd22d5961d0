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
    pub(crate) fn open(&self) -> Option<P::Stream> {
        self.plugin.as_ref().map(P::stream)
    }

    /// The plugin, once it is configured.
    pub(crate) fn plugin(&self) -> Option<Rc<P>> {
        self.plugin.clone()
    }
}

fn read_configuration(size: usize) -> Result<Vec<u8>, HostError> {
    if size == 0 {
        return Ok(Vec::new());
    }
    hostcall::buffer(BufferType::PluginConfiguration, 0, size)
}

/// Answers a stream that the host opened though the plugin has no valid configuration: it is not
/// waved through.
pub(crate) fn refuse() -> Action {
    log::error!("stream refused: the plugin has no valid configuration");
    finish(&LocalReply::new(500).details("plugin_not_configured").into())
}

pub(crate) fn request_headers(
    stream: &mut impl Stream,
    count: usize,
    end_of_stream: bool,
) -> Action {
    let mut headers = RequestHeaders::new(count, end_of_stream);
    let flow = stream.on_request_headers(&mut headers);
    settle(stream, flow)
}

pub(crate) fn request_body(stream: &mut impl Stream, size: usize, end_of_stream: bool) -> Action {
    let mut body = RequestBody::new(size, end_of_stream);
    let flow = stream.on_request_body(&mut body);
    settle(stream, flow)
}

pub(crate) fn response_headers(
    stream: &mut impl Stream,
    count: usize,
    end_of_stream: bool,
) -> Action {
    let mut headers = ResponseHeaders::new(count, end_of_stream);
    let flow = stream.on_response_headers(&mut headers);
    settle(stream, flow)
}

pub(crate) fn response_body(stream: &mut impl Stream, size: usize, end_of_stream: bool) -> Action {
    let mut body = ResponseBody::new(size, end_of_stream);
    if let Err(error) = stream.on_response_body(&mut body) {
        report(&error);
        // The stream may want to know; what it answers can no longer be sent.
        stream.on_error(&error);
    }
    Action::Continue
}

/// Does what a callback decided.
fn settle(stream: &mut impl Stream, flow: Result<Flow, HostError>) -> Action {
    match flow {
        Ok(flow) => finish(&flow),
        Err(error) => failed(stream, &error),
    }
}

/// Does what the stream decides about an error.
pub(crate) fn failed(stream: &mut impl Stream, error: &HostError) -> Action {
    report(error);
    finish(&stream.on_error(error))
}

fn report(error: &HostError) {
    log::error!("callback failed: {error}");
}

/// Sends a reply. The stream is held even if the host could not send it, because the plugin
/// decided that the request must not go on.
pub(crate) fn finish(flow: &Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Held(_) => Action::Pause,
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
    pub(crate) fn new() -> Self {
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

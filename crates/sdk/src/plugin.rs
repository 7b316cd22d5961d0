//! The two types that an author writes.

use crate::{
    ConfigError, Configuration, Finished, Flow, HostError, LocalReply, RequestBody, RequestHeaders,
    ResponseBody, ResponseHeaders,
};
use log::LevelFilter;
use std::rc::Rc;

/// A plugin: what is configured once and shared by all streams.
pub trait Plugin: Sized + 'static {
    /// What the configuration is read as: a type that serde deserialises,
    /// [`NoConfig`](crate::NoConfig), [`RawConfig`](crate::RawConfig), or your own
    /// [`Configuration`].
    type Config: Configuration;
    /// What each stream gets one of.
    type Stream: Stream;

    /// Records below this level are not even formatted.
    const LOG_LEVEL: LevelFilter = LevelFilter::Info;

    /// Makes the plugin from its configuration, once.
    ///
    /// # Errors
    /// What is wrong with the configuration. It is logged, and the host does not start the
    /// plugin.
    fn configure(config: Self::Config) -> Result<Self, ConfigError>;

    /// Makes the state of a stream that begins. A stream that needs the plugin keeps a clone.
    fn stream(self: &Rc<Self>) -> Self::Stream;
}

/// One exchange of a request and a response, told in phases.
///
/// Each callback borrows what its phase may touch and nothing else, so access in the wrong phase
/// does not compile:
///
/// ```compile_fail
/// use gatewright::{Flow, HostError, RequestHeaders, Stream};
///
/// struct Wrong;
///
/// impl Stream for Wrong {
///     fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
///         headers.status()?; // There is no status before there is a response.
///         Ok(Flow::Continue)
///     }
/// }
/// ```
///
/// A body phase has no headers, and a callback from whose phase no host sends a reply returns no
/// [`Flow`]:
///
/// ```compile_fail
/// # use gatewright::{Flow, HostError, LocalReply, ResponseBody, Stream};
/// # struct Wrong;
/// impl Stream for Wrong {
///     fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
///         Ok(Flow::Reply(LocalReply::new(500)))
///     }
/// }
/// ```
///
/// Nor can what a callback borrows be kept:
///
/// ```compile_fail
/// # use gatewright::{Flow, HostError, RequestHeaders, Stream};
/// struct Keeps<'a>(Option<&'a mut RequestHeaders<'a>>);
/// impl<'a> Stream for Keeps<'a> {
///     fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
///         self.0 = Some(headers);
///         Ok(Flow::Continue)
///     }
/// }
/// ```
pub trait Stream {
    /// The request's headers have arrived.
    ///
    /// # Errors
    /// An error of a hostcall, which goes to [`Stream::on_error`].
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let _ = headers;
        Ok(Flow::Continue)
    }

    /// A chunk of the request's body has arrived.
    ///
    /// # Errors
    /// As above.
    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<Flow, HostError> {
        let _ = body;
        Ok(Flow::Continue)
    }

    /// The response's headers have arrived.
    ///
    /// # Errors
    /// As above.
    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        let _ = headers;
        Ok(Flow::Continue)
    }

    /// A chunk of the response's body has arrived. No reply is possible any more: the client has
    /// the status already.
    ///
    /// # Errors
    /// As above, except that the answer of [`Stream::on_error`] is not sent.
    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
        let _ = body;
        Ok(())
    }

    /// The exchange is over, whichever way. The last callback that production makes, and the one
    /// for what is said once per exchange; headers are gone by now.
    fn on_done(&mut self) {}

    /// The exchange may be logged, after [`Stream::on_done`]. Envoy calls this; Google's load
    /// balancers do not.
    fn on_log(&mut self, finished: &Finished) {
        let _ = finished;
    }

    /// A callback returned an error, which has been logged.
    ///
    /// By default the client gets a 500: a plugin that guards something must not wave a request
    /// through because the host failed. A plugin that only observes answers
    /// [`Flow::Continue`].
    fn on_error(&mut self, error: &HostError) -> Flow {
        let _ = error;
        Flow::Reply(LocalReply::new(500).details("plugin_hostcall_failed"))
    }
}

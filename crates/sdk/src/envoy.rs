//! What a plugin can do on Envoy and not on Google's load balancers: callouts, metrics, shared
//! data, queues and ticks.
//!
//! Production refuses every hostcall behind this module, so a plugin that uses it names what it
//! needs in its `Cargo.toml`, and `gatewright check --profile google` refuses it by that name:
//!
//! ```toml
//! [package.metadata.gatewright]
//! needs = ["http-callouts", "metrics"]
//! # of: http-callouts, grpc-callouts, metrics, shared-data, queues, ticks, foreign-functions
//! ```
//!
//! Such a plugin is made by [`envoy_plugin!`](crate::envoy_plugin) in the place of
//! [`plugin!`](crate::plugin), and implements [`Service`] beside [`Plugin`]: what it does of its
//! own accord, not for a stream.
//!
//! A callout is an `async` function. [`hold`] stops a stream until one is answered:
//!
//! ```
//! use gatewright::envoy::{self, HttpCall};
//! use gatewright::{Flow, HostError, LocalReply, RequestHeaders, Stream};
//!
//! struct Visit;
//!
//! impl Stream for Visit {
//!     fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
//!         let Some(token) = headers.get("authorization")? else {
//!             return Ok(LocalReply::new(401).into());
//!         };
//!         envoy::hold(headers, async move |headers| {
//!             let call = HttpCall::get("auth-cluster", "auth.example.com", "/check");
//!             let answer = call.header("authorization", token).send().await?;
//!             if answer.status() != Some(200) {
//!                 return Ok(LocalReply::new(403).into());
//!             }
//!             if let Some(user) = answer.headers.get("x-user") {
//!                 headers.set("x-user", user)?;
//!             }
//!             Ok(Flow::Continue)
//!         })
//!     }
//! }
//! # use gatewright::{ConfigError, NoConfig, Plugin, testing::{TestPlugin, CallResponse}};
//! # use std::rc::Rc;
//! # struct Auth;
//! # impl Plugin for Auth {
//! #     type Config = NoConfig;
//! #     type Stream = Visit;
//! #     fn configure(_: NoConfig) -> Result<Self, ConfigError> { Ok(Self) }
//! #     fn stream(self: &Rc<Self>) -> Visit { Visit }
//! # }
//! # impl envoy::Service for Auth {}
//! # gatewright::envoy_plugin!(Auth);
//! # let plugin = TestPlugin::<Auth>::configure("").unwrap();
//! # let mut stream = plugin.stream();
//! # let held = stream.request_headers([("authorization", "x")]);
//! # assert!(!held.goes_on());
//! # let seen = plugin.answer_http(held.sent[0].token, CallResponse::status(200).header("x-user", "ada"));
//! # assert_eq!(seen.headers.get("x-user"), Some(&b"ada"[..]));
//! ```
//!
//! The future is dropped when its stream ends, and with it everything it awaits: the answer to a
//! callout whose stream is gone is nobody's. A future cannot borrow the [`Stream`](crate::Stream); what both need
//! lies behind an `Rc`.

mod foreign;
mod grpc;
mod http;
mod metrics;
mod queues;
mod shared_data;
pub(crate) mod tasks;

use crate::side::Side;
use crate::{Flow, Headers, HostError, Plugin, hostcall};
use core::future::Future;
use core::time::Duration;
use std::rc::Rc;

pub use foreign::{call_foreign_function, set_property};
pub use grpc::{GrpcCall, GrpcResponse, GrpcStream};
pub use http::{HttpCall, HttpResponse};
pub use metrics::{Counter, Gauge, Histogram};
pub use queues::Queue;
pub use shared_data::{SharedData, Version};

/// What a plugin does of its own accord, once it is configured.
pub trait Service: Plugin {
    /// Time has passed, as [`set_tick_period`] asked. Callouts from here go into [`spawn`].
    ///
    /// # Errors
    /// An error of a hostcall, which is logged.
    fn on_tick(self: &Rc<Self>) -> Result<(), HostError> {
        Ok(())
    }

    /// A queue that this plugin registered has something in it.
    ///
    /// # Errors
    /// As above.
    fn on_queue_ready(self: &Rc<Self>, queue: Queue) -> Result<(), HostError> {
        let _ = queue;
        Ok(())
    }
}

/// Asks for [`Service::on_tick`] in this rhythm, in whole milliseconds; zero ends it. Belongs in
/// [`Plugin::configure`].
///
/// # Errors
/// What the host answered, if it was not OK.
pub fn set_tick_period(period: Duration) -> Result<(), HostError> {
    hostcall::envoy::set_tick_period(milliseconds(period))
}

/// As the ABI has it: a part of a millisecond is a whole one, so that no timeout becomes none.
fn milliseconds(duration: Duration) -> u32 {
    let whole = duration.as_nanos().div_ceil(1_000_000);
    u32::try_from(whole).unwrap_or(u32::MAX)
}

/// Holds the stream at these headers until the task is done, then does what it decides.
///
/// The task gets the headers, which stay open to it for as long as the stream is held. A task that
/// ends at once holds nothing. An error goes to [`Stream::on_error`](crate::Stream::on_error).
///
/// # Errors
/// That of a task which ends at once.
pub fn hold<S, F>(headers: &Headers<'_, S>, task: F) -> Result<Flow, HostError>
where
    S: Side + 'static,
    F: AsyncFnOnce(&mut Headers<'static, S>) -> Result<Flow, HostError> + 'static,
{
    let mut held = Headers::new(headers.count(), headers.is_end_of_stream());
    tasks::hold(S::STREAM, Box::pin(async move { task(&mut held).await }))
}

/// Runs a task beside the stream, or beside the plugin if called outside of one. It holds nothing,
/// and is dropped with the stream. An error is logged.
pub fn spawn(task: impl Future<Output = Result<(), HostError>> + 'static) {
    tasks::spawn(Box::pin(task));
}

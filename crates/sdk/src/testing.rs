//! A plugin under `cargo test`: its wiring run natively against the in-memory host.
//!
//! The host is one of its own for each test thread, behaves as Envoy does where a plugin can tell
//! (a header map exists only in its phase), and answers what a test tells it to.
//!
//! ```
//! use gatewright::testing::TestPlugin;
//! # use gatewright::{ConfigError, Flow, HostError, NoConfig, Plugin, RequestHeaders, Stream};
//! # use std::rc::Rc;
//! # struct Hello;
//! # impl Plugin for Hello {
//! #     type Config = NoConfig;
//! #     type Stream = Self;
//! #     fn configure(_: NoConfig) -> Result<Self, ConfigError> { Ok(Self) }
//! #     fn stream(self: &Rc<Self>) -> Self { Self }
//! # }
//! # impl Stream for Hello {
//! #     fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
//! #         headers.append("x-hello", "world")?;
//! #         Ok(Flow::Continue)
//! #     }
//! # }
//!
//! let plugin = TestPlugin::<Hello>::configure("").unwrap();
//! let seen = plugin.stream().request_headers([(":path", "/")]);
//! assert_eq!(seen.headers.get("x-hello"), Some(&b"world"[..]));
//! assert_eq!(seen.reply, None);
//! ```

mod callouts;
#[cfg(feature = "schema")]
pub mod schema;

use crate::dispatch::Dispatcher;
use crate::envoy::tasks;
use crate::sys::memory::{self, Answer, MemoryHost};
use crate::{HeaderList, Plugin, logger};
use core::cell::Cell;
use gatewright_abi::{Action, BufferType, LogLevel, MapType, Status};
use std::rc::Rc;

pub use crate::sys::memory::{Metric, SentCall, SentReply};
pub use callouts::CallResponse;

/// A plugin that is configured in the in-memory host of this thread.
///
/// There is one host a thread: a plugin configured later takes it over.
pub struct TestPlugin<P: Plugin> {
    dispatcher: Rc<Dispatcher<P>>,
    /// The id of the stream that is opened next.
    next: Cell<u32>,
    logs: Vec<(LogLevel, String)>,
}

/// A configuration was refused; the log says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was logged, levels included.
    pub logs: Vec<(LogLevel, String)>,
}

impl<P: Plugin> core::fmt::Debug for TestPlugin<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TestPlugin")
            .field("logs", &self.logs)
            .finish_non_exhaustive()
    }
}

impl<P: Plugin> TestPlugin<P> {
    /// Starts a fresh host and configures the plugin in it.
    ///
    /// # Errors
    /// When the plugin refuses the configuration.
    pub fn configure(configuration: impl AsRef<[u8]>) -> Result<Self, Refused> {
        Self::configure_on(&[], configuration.as_ref())
    }

    /// The same, on a host that answers some hostcalls with these numbers.
    ///
    /// # Errors
    /// When the plugin refuses the configuration, or cannot read it.
    pub fn configure_on(
        answers: &[(&'static str, u32)],
        configuration: &[u8],
    ) -> Result<Self, Refused> {
        reset();
        memory::with(|host| {
            host.buffers = vec![(BufferType::PluginConfiguration, configuration.to_vec())];
        });
        for (call, status) in answers {
            answer(call, *status, b"");
        }
        logger::install(P::LOG_LEVEL);
        let dispatcher = Rc::new(Dispatcher::new());
        dispatcher.create(ROOT, 0);
        let accepted = dispatcher.configure(ROOT, configuration.len());
        let logs = memory::with(|host| {
            host.buffers.clear();
            host.calls.clear();
            core::mem::take(&mut host.logs)
        });
        if accepted {
            Ok(Self {
                dispatcher,
                next: Cell::new(ROOT + 1),
                logs,
            })
        } else {
            Err(Refused { logs })
        }
    }

    /// What was logged while the plugin was configured.
    pub fn logs(&self) -> &[(LogLevel, String)] {
        &self.logs
    }

    /// Opens a stream. Any number may be open at once.
    pub fn stream(&self) -> TestStream {
        let id = self.next.replace(self.next.get() + 1);
        self.dispatcher.create(id, ROOT);
        TestStream {
            id,
            events: Rc::<Dispatcher<P>>::clone(&self.dispatcher),
        }
    }
}

/// The id of the root context.
const ROOT: u32 = 1;

/// Puts a fresh host in the place of this thread's.
pub fn reset() {
    tasks::reset();
    memory::with(|host| *host = MemoryHost::new());
}

/// The metrics that were defined on this thread's host.
pub fn metrics() -> Vec<Metric> {
    memory::with(|host| host.shared.metrics.clone())
}

/// Milliseconds between ticks that the plugin asked for; 0 for none.
pub fn tick_period() -> u32 {
    memory::with(|host| host.shared.tick_period)
}

/// Makes the host of this thread answer every later call of this name with a status, and where it
/// is OK with these bytes.
pub fn answer(call: &'static str, status: u32, bytes: &[u8]) {
    memory::with(|host| {
        host.answers.retain(|answer| answer.call != call);
        host.answers.push(Answer {
            call,
            status,
            bytes: bytes.to_vec(),
        });
    });
}

/// Sets where the random numbers of this thread's host start.
pub fn seed(seed: u64) {
    memory::with(|host| host.random = seed);
}

/// Sets what the clock of this thread's host shows, since the Unix epoch.
pub fn set_clock(time: core::time::Duration) {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    memory::with(|host| host.time = nanoseconds);
}

/// Sets an attribute of this thread's host, by its path with dots, to the bytes that a host sends:
/// text as it is, numbers as eight bytes with the lowest first.
pub fn set_attribute(path: &str, value: impl AsRef<[u8]>) {
    let path = path.replace('.', "\0").into_bytes();
    let value = value.as_ref().to_vec();
    memory::with(|host| {
        host.properties.retain(|(known, _)| *known != path);
        host.properties.push((path, value));
    });
}

/// What a phase did, as the host saw it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seen {
    /// Whether the stream goes on.
    pub action: Action,
    /// The headers after a headers phase.
    pub headers: HeaderList,
    /// The body after a body phase.
    pub body: Vec<u8>,
    /// The reply that was sent.
    pub reply: Option<SentReply>,
    /// What was logged.
    pub logs: Vec<(LogLevel, String)>,
    /// The hostcalls that were made, in order.
    pub calls: Vec<&'static str>,
    /// The callouts that were made.
    pub sent: Vec<SentCall>,
}

/// What a host calls, whatever the plugin.
trait Events {
    fn event(&self, event: Event, size: usize, end_of_stream: bool) -> Action;
}

#[derive(Clone, Copy)]
enum Event {
    RequestHeaders(u32),
    RequestBody(u32),
    ResponseHeaders(u32),
    ResponseBody(u32),
    Done(u32),
    Log(u32),
    Delete(u32),
}

impl<P: Plugin> Events for Dispatcher<P> {
    fn event(&self, event: Event, size: usize, end_of_stream: bool) -> Action {
        match event {
            Event::RequestHeaders(id) => return self.request_headers(id, size, end_of_stream),
            Event::RequestBody(id) => return self.request_body(id, size, end_of_stream),
            Event::ResponseHeaders(id) => return self.response_headers(id, size, end_of_stream),
            Event::ResponseBody(id) => return self.response_body(id, size, end_of_stream),
            Event::Done(id) => {
                self.done(id);
                tasks::end(id);
            }
            Event::Log(id) => self.log(id),
            Event::Delete(id) => {
                tasks::end(id);
                self.delete(id);
            }
        }
        Action::Continue
    }
}

/// A stream that a test leads through its phases. Dropped, it ends without being told.
pub struct TestStream {
    id: u32,
    events: Rc<dyn Events>,
}

impl Drop for TestStream {
    fn drop(&mut self) {
        self.events.event(Event::Delete(self.id), 0, false);
    }
}

impl core::fmt::Debug for TestStream {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TestStream").finish_non_exhaustive()
    }
}

impl TestStream {
    /// The request's headers arrive, and a body will follow.
    pub fn request_headers<N, V>(&mut self, headers: impl IntoIterator<Item = (N, V)>) -> Seen
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let count = begin_headers(MapType::HttpRequestHeaders, headers);
        let event = Event::RequestHeaders(self.id);
        let action = self.events.event(event, count, false);
        end(action)
    }

    /// A chunk of the request's body arrives.
    pub fn request_body(&mut self, chunk: impl AsRef<[u8]>, end_of_stream: bool) -> Seen {
        let size = begin_body(BufferType::HttpRequestBody, chunk.as_ref());
        let event = Event::RequestBody(self.id);
        let action = self.events.event(event, size, end_of_stream);
        end(action)
    }

    /// The response's headers arrive, and a body will follow.
    pub fn response_headers<N, V>(&mut self, headers: impl IntoIterator<Item = (N, V)>) -> Seen
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let count = begin_headers(MapType::HttpResponseHeaders, headers);
        let event = Event::ResponseHeaders(self.id);
        let action = self.events.event(event, count, false);
        end(action)
    }

    /// A chunk of the response's body arrives.
    pub fn response_body(&mut self, chunk: impl AsRef<[u8]>, end_of_stream: bool) -> Seen {
        let size = begin_body(BufferType::HttpResponseBody, chunk.as_ref());
        let event = Event::ResponseBody(self.id);
        let action = self.events.event(event, size, end_of_stream);
        end(action)
    }

    /// The exchange is over, as production ends it.
    pub fn done(self) -> Seen {
        self.events.event(Event::Done(self.id), 0, false);
        end(Action::Continue)
    }

    /// The exchange is over and logged, as Envoy ends it, with these headers to read.
    pub fn done_and_log(self, request: HeaderList, response: HeaderList) -> Seen {
        self.events.event(Event::Done(self.id), 0, false);
        memory::with(|host| {
            host.maps = vec![
                (MapType::HttpRequestHeaders, request),
                (MapType::HttpResponseHeaders, response),
            ];
        });
        self.events.event(Event::Log(self.id), 0, false);
        end(Action::Continue)
    }
}

fn begin_headers<N, V>(map: MapType, headers: impl IntoIterator<Item = (N, V)>) -> usize
where
    N: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let mut list = HeaderList::new();
    for (name, value) in headers {
        list.append(name.as_ref().to_ascii_lowercase(), value);
    }
    let count = list.len();
    memory::with(|host| host.maps = vec![(map, list)]);
    count
}

fn begin_body(buffer: BufferType, chunk: &[u8]) -> usize {
    memory::with(|host| host.buffers = vec![(buffer, chunk.to_vec())]);
    chunk.len()
}

fn end(action: Action) -> Seen {
    memory::with(|host| {
        // A stream that is held keeps its headers, which a callout's answer may change.
        let is_held = action == Action::Pause && host.reply.is_none();
        let headers = match is_held {
            true => host.maps.last().cloned(),
            false => core::mem::take(&mut host.maps).pop(),
        };
        let body = core::mem::take(&mut host.buffers).pop();
        Seen {
            action,
            headers: headers.map(|(_, headers)| headers).unwrap_or_default(),
            body: body.map(|(_, body)| body).unwrap_or_default(),
            reply: host.reply.take(),
            logs: core::mem::take(&mut host.logs),
            calls: core::mem::take(&mut host.calls),
            sent: core::mem::take(&mut host.shared.sent),
        }
    })
}

impl Seen {
    /// The messages that were logged, without their levels.
    pub fn messages(&self) -> Vec<&str> {
        self.logs
            .iter()
            .map(|(_, message)| message.as_str())
            .collect()
    }

    /// Whether the stream goes on unanswered.
    pub fn goes_on(&self) -> bool {
        self.action == Action::Continue && self.reply.is_none()
    }
}

/// The statuses that a host may answer and that a plugin must survive: the ABI's and others.
pub fn every_status() -> impl Iterator<Item = u32> {
    (0..=15)
        .chain([99, u32::MAX])
        .filter(|status| *status != Status::Ok.as_u32())
}

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

use crate::driver::{Open, Phases, Root};
use crate::sys::memory::{self, Answer, MemoryHost};
use crate::{HeaderList, Plugin, logger};
use gatewright_abi::{Action, BufferType, LogLevel, MapType, Status};

pub use crate::sys::memory::SentReply;

/// A plugin that is configured in the in-memory host of this thread.
///
/// There is one host a thread: a plugin configured later takes it over.
pub struct TestPlugin<P: Plugin> {
    root: Root<P>,
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
        memory::with(|host| {
            *host = MemoryHost::new();
            host.buffers = vec![(BufferType::PluginConfiguration, configuration.to_vec())];
        });
        for (call, status) in answers {
            answer(call, *status, b"");
        }
        logger::install(P::LOG_LEVEL);
        let mut root = Root::new();
        let accepted = root.configure(configuration.len());
        let logs = memory::with(|host| {
            host.buffers.clear();
            host.calls.clear();
            core::mem::take(&mut host.logs)
        });
        if accepted {
            Ok(Self { root, logs })
        } else {
            Err(Refused { logs })
        }
    }

    /// What was logged while the plugin was configured.
    pub fn logs(&self) -> &[(LogLevel, String)] {
        &self.logs
    }

    /// Opens a stream.
    pub fn stream(&self) -> TestStream {
        TestStream::new(&self.root)
    }
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
}

/// A stream that a test leads through its phases.
pub struct TestStream {
    open: Box<dyn Phases>,
}

impl core::fmt::Debug for TestStream {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TestStream").finish_non_exhaustive()
    }
}

impl TestStream {
    /// As the dispatcher opens one.
    fn new<P: Plugin>(root: &Root<P>) -> Self {
        let open: Box<dyn Phases> = match root.open() {
            Some(open) => Box::new(open),
            None => Box::new(Open::unconfigured()),
        };
        Self { open }
    }

    /// The request's headers arrive, and a body will follow.
    pub fn request_headers<N, V>(&mut self, headers: impl IntoIterator<Item = (N, V)>) -> Seen
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let count = begin_headers(MapType::HttpRequestHeaders, headers);
        let action = self.open.request_headers(count, false);
        end(action)
    }

    /// A chunk of the request's body arrives.
    pub fn request_body(&mut self, chunk: impl AsRef<[u8]>, end_of_stream: bool) -> Seen {
        let size = begin_body(BufferType::HttpRequestBody, chunk.as_ref());
        let action = self.open.request_body(size, end_of_stream);
        end(action)
    }

    /// The response's headers arrive, and a body will follow.
    pub fn response_headers<N, V>(&mut self, headers: impl IntoIterator<Item = (N, V)>) -> Seen
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let count = begin_headers(MapType::HttpResponseHeaders, headers);
        let action = self.open.response_headers(count, false);
        end(action)
    }

    /// A chunk of the response's body arrives.
    pub fn response_body(&mut self, chunk: impl AsRef<[u8]>, end_of_stream: bool) -> Seen {
        let size = begin_body(BufferType::HttpResponseBody, chunk.as_ref());
        let action = self.open.response_body(size, end_of_stream);
        end(action)
    }

    /// The exchange is over, as production ends it.
    pub fn done(mut self) -> Seen {
        self.open.done();
        end(Action::Continue)
    }

    /// The exchange is over and logged, as Envoy ends it, with these headers to read.
    pub fn done_and_log(mut self, request: HeaderList, response: HeaderList) -> Seen {
        self.open.done();
        memory::with(|host| {
            host.maps = vec![
                (MapType::HttpRequestHeaders, request),
                (MapType::HttpResponseHeaders, response),
            ];
        });
        self.open.log();
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
        let headers = core::mem::take(&mut host.maps).pop();
        let body = core::mem::take(&mut host.buffers).pop();
        Seen {
            action,
            headers: headers.map(|(_, headers)| headers).unwrap_or_default(),
            body: body.map(|(_, body)| body).unwrap_or_default(),
            reply: host.reply.take(),
            logs: core::mem::take(&mut host.logs),
            calls: core::mem::take(&mut host.calls),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigError, NoConfig, Stream};
    use std::rc::Rc;

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    struct Nothing;

    impl Plugin for Nothing {
        type Config = NoConfig;
        type Stream = Self;

        fn configure(_: NoConfig) -> Result<Self, ConfigError> {
            Ok(Self)
        }

        fn stream(self: &Rc<Self>) -> Self {
            Self
        }
    }

    impl Stream for Nothing {}

    #[test]
    fn a_stream_of_a_plugin_that_was_never_configured_is_answered() {
        memory::with(|host| *host = MemoryHost::new());
        logger::install(log::LevelFilter::Info);
        let mut stream = TestStream::new(&Root::<Nothing>::new());
        for seen in [
            stream.request_headers([(":path", "/")]),
            stream.response_headers([(":status", "200")]),
        ] {
            assert!(!seen.goes_on());
            assert_eq!(seen.reply.map(|reply| reply.status), Some(500));
            assert_eq!(
                seen.logs.first().map(|(_, message)| message.as_str()),
                Some("stream refused: the plugin has no valid configuration")
            );
        }
    }
}

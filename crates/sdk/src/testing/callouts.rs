//! Answers to callouts, and what else only Envoy calls.

use super::{ROOT, Seen, TestPlugin, end};
use crate::HeaderList;
use crate::envoy::Service;
use crate::sys::memory;
use gatewright_abi::{Action, BufferType, Hostcall, MapType};

/// The answer to an HTTP callout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct CallResponse {
    headers: HeaderList,
    body: Vec<u8>,
    trailers: HeaderList,
}

impl CallResponse {
    /// An answer with this status.
    pub fn status(status: u16) -> Self {
        let mut response = Self::default();
        response.headers.append(":status", status.to_string());
        response
    }

    /// No answer: the upstream could not be reached, reset the call, or took too long.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a header.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Adds a trailer.
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.append(name, value);
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

impl<P: Service> TestPlugin<P> {
    /// Time has passed.
    pub fn tick(&self) -> Seen {
        self.dispatcher.tick(ROOT);
        end(Action::Continue)
    }

    /// A queue has something in it, which `name` it was registered under says.
    pub fn queue_ready(&self, name: &str, value: impl AsRef<[u8]>) -> Seen {
        let mut id = 0;
        // As another VM puts something in.
        memory::calls::envoy::register_shared_queue(name.as_bytes(), &mut id);
        memory::calls::envoy::enqueue_shared_queue(id, value.as_ref());
        memory::with(|host| host.calls.clear());
        self.dispatcher.queue_ready(ROOT, id);
        end(Action::Continue)
    }

    /// An HTTP callout is answered. What the stream does then is in what is seen: `goes_on` says
    /// whether it was continued, and `headers` are those it was held at.
    pub fn answer_http(&self, token: u32, response: CallResponse) -> Seen {
        let CallResponse {
            headers,
            body,
            trailers,
        } = response;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let (count, trailing) = (number(headers.len()), number(trailers.len()));
        let size = body.len();
        memory::with(|host| {
            host.maps
                .insert(0, (MapType::HttpCallResponseHeaders, headers));
            host.maps
                .insert(0, (MapType::HttpCallResponseTrailers, trailers));
            host.buffers = vec![(BufferType::HttpCallResponseBody, body)];
        });
        self.dispatcher
            .http_call_response(ROOT, token, count, size, trailing);
        answered()
    }

    /// A gRPC message comes for a call or a stream.
    pub fn answer_grpc(&self, token: u32, message: impl AsRef<[u8]>) -> Seen {
        let message = message.as_ref().to_vec();
        let size = message.len();
        memory::with(|host| host.buffers = vec![(BufferType::GrpcReceiveBuffer, message)]);
        self.dispatcher.grpc_receive(ROOT, token, size);
        answered()
    }

    /// Metadata comes for a gRPC stream: its initial, or that at its end.
    pub fn grpc_metadata(&self, token: u32, metadata: HeaderList, trailing: bool) -> Seen {
        let map = match trailing {
            false => MapType::GrpcReceiveInitialMetadata,
            true => MapType::GrpcReceiveTrailingMetadata,
        };
        memory::with(|host| host.maps.insert(0, (map, metadata)));
        match trailing {
            false => self.dispatcher.grpc_initial_metadata(ROOT, token, 0),
            true => self.dispatcher.grpc_trailing_metadata(ROOT, token, 0),
        }
        answered()
    }

    /// A gRPC call or stream ends with a status.
    pub fn close_grpc(&self, token: u32, status: u32, message: impl AsRef<[u8]>) -> Seen {
        memory::with(|host| host.shared.grpc_status = (status, message.as_ref().to_vec()));
        self.dispatcher.grpc_close(ROOT, token, status);
        answered()
    }
}

/// What a plugin did about an answer. The stream goes on if the plugin continued it.
fn answered() -> Seen {
    let is_continued = memory::with(|host| {
        let callouts = [
            MapType::HttpCallResponseHeaders,
            MapType::HttpCallResponseTrailers,
            MapType::GrpcReceiveInitialMetadata,
            MapType::GrpcReceiveTrailingMetadata,
        ];
        host.maps.retain(|(map, _)| !callouts.contains(map));
        host.buffers.clear();
        host.calls.contains(&Hostcall::ContinueStream.name())
    });
    end(match is_continued {
        true => Action::Continue,
        false => Action::Pause,
    })
}

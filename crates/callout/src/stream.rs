//! A stream to a callout: messages out, answers in, by a task of its own that needs nobody to wait.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use prost::Message as _;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use crate::client::{Client, broken};
use crate::config::{Config, MESSAGE_LIMIT};
use crate::event::Half;
use crate::session::{Session, Taken};
use crate::status::{Failure, Status};
use crate::wire::{PREFIX, ProcessingResponse};

/// Messages that may wait to be sent. Whoever sends more waits too.
const OUTBOX: usize = 16;
/// Bytes of answers that may wait to be taken. The callout waits then.
const INBOX: usize = 1024 * 1024;
/// How long a callout may take to end a stream that nobody needs any more.
const LINGER: Duration = Duration::from_secs(1);

/// Messages on their way out: the body of the request.
#[derive(Debug)]
pub(crate) struct Outbox(pub(crate) mpsc::Receiver<Bytes>);

/// A stream.
pub(crate) struct Stream {
    /// Nothing once nothing more is to be sent, which ends the request's body.
    outbox: RefCell<Option<mpsc::Sender<Bytes>>>,
    shared: Rc<Shared>,
    task: AbortHandle,
}

/// What the task and its stream share.
pub(crate) struct Shared {
    pub(crate) session: RefCell<Session>,
    /// Something came, for each half.
    came: [Notify; 2],
    /// Something was taken.
    taken: Notify,
    /// Nobody needs the stream any more.
    left: Notify,
}

impl Shared {
    pub(crate) fn new(session: Session) -> Rc<Self> {
        Rc::new(Self {
            session: RefCell::new(session),
            came: Default::default(),
            taken: Notify::new(),
            left: Notify::new(),
        })
    }

    fn tell(&self) {
        for half in &self.came {
            half.notify_one();
        }
    }
}

impl Stream {
    /// Begins a stream; whether it came about shows in the first answer.
    pub(crate) fn begin(client: &Rc<Client>, config: &Config, shared: &Rc<Shared>) -> Self {
        let (outbox, receiver) = mpsc::channel(OUTBOX);
        let run = run(
            Rc::clone(client),
            config.authority.clone(),
            Outbox(receiver),
            Rc::clone(shared),
        );
        Self {
            outbox: RefCell::new(Some(outbox)),
            shared: Rc::clone(shared),
            task: tokio::task::spawn_local(run).abort_handle(),
        }
    }

    /// Sends a message, as soon as there is room. One that cannot be sent shows in the answers.
    pub(crate) async fn send(&self, message: Bytes) {
        let outbox = self.outbox.borrow().clone();
        if let Some(outbox) = outbox {
            let _ = outbox.send(message).await;
        }
    }

    /// Sends a message if there is room. Gives whether there was.
    pub(crate) fn try_send(&self, message: Bytes) -> bool {
        let outbox = self.outbox.borrow();
        outbox
            .as_ref()
            .is_some_and(|outbox| outbox.try_send(message).is_ok())
    }

    /// The next answer about a half.
    pub(crate) async fn next(&self, half: Half) -> Result<Taken, Failure> {
        loop {
            let next = self.shared.session.borrow_mut().next(half);
            if let Some(next) = next {
                self.shared.taken.notify_one();
                return next;
            }
            self.shared.came[half as usize].notified().await;
        }
    }

    /// Ends it at once: nothing that comes counts any more.
    pub(crate) fn cut(&self) {
        self.outbox.take();
        self.task.abort();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Without a sender the request's body is at its end, and the callout may end the stream too.
        self.outbox.take();
        self.shared.left.notify_one();
    }
}

/// The task of a stream.
async fn run(client: Rc<Client>, authority: String, outbox: Outbox, shared: Rc<Shared>) {
    let talk = async {
        let response = client.begin(&authority, outbox).await?;
        read(response, &shared).await
    };
    let leave = async {
        shared.left.notified().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        ended = talk => {
            shared.session.borrow_mut().ended(ended.err());
            shared.tell();
        }
        () = leave => {}
    }
}

/// Reads answers to the end of the stream.
async fn read(response: Response<Incoming>, shared: &Shared) -> Result<(), Failure> {
    let (head, mut body) = response.into_parts();
    let kind = head.headers.get("content-type");
    let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if !head.status.is_success() || !is_grpc {
        let kind = kind.map_or("none", |kind| kind.to_str().unwrap_or("unreadable"));
        return Err(Failure::NotGrpc {
            status: Status::of_http(head.status.as_u16()),
            what: format!("status {}, content type {kind}", head.status.as_u16()),
        });
    }
    let mut buffer = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame.map_err(|error| broken(&error))?.into_data() {
            Ok(bytes) => {
                buffer.extend_from_slice(&bytes);
                while let Some(message) = message(&mut buffer)? {
                    shared.session.borrow_mut().came(message)?;
                    shared.tell();
                }
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return end(&trailers).unwrap_or_else(|| Err(unfinished()));
            }
        }
        loop {
            let waiting = shared.session.borrow().waiting();
            if waiting <= INBOX {
                break;
            }
            shared.taken.notified().await;
        }
    }
    // A stream that ends before it began has its status in its head.
    end(&head.headers).unwrap_or_else(|| Err(unfinished()))
}

fn unfinished() -> Failure {
    Failure::Broken("the stream has no status at its end".to_owned())
}

/// How a stream ended, where that is said.
fn end(trailers: &HeaderMap) -> Option<Result<(), Failure>> {
    let status = trailers.get("grpc-status")?;
    let status = status.to_str().ok().and_then(|text| text.parse().ok());
    let status = status.map_or(Status::UNKNOWN, Status::from_number);
    if status == Status::OK {
        return Some(Ok(()));
    }
    let said = tonic::Status::from_header_map(trailers);
    Some(Err(Failure::Ended {
        status,
        message: said.map_or_else(String::new, |said| said.message().to_owned()),
    }))
}

/// Takes a message out of what came, if it is there as a whole.
fn message(buffer: &mut BytesMut) -> Result<Option<ProcessingResponse>, Failure> {
    let Some(prefix) = buffer.get(..PREFIX) else {
        return Ok(None);
    };
    let length = prefix[1..]
        .iter()
        .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    // Before it is waited for: it may never come, and would have to be kept.
    if length > MESSAGE_LIMIT {
        return Err(Failure::TooLarge(length));
    }
    if prefix[0] != 0 {
        return Err(Failure::Protocol("a compressed message".to_owned()));
    }
    if buffer.len() < PREFIX + length {
        return Ok(None);
    }
    buffer.advance(PREFIX);
    let bytes = buffer.split_to(length).freeze();
    let message = ProcessingResponse::decode(bytes)
        .map_err(|error| Failure::Protocol(format!("a message that cannot be read: {error}")))?;
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame;

    #[test]
    fn messages_are_taken_whole_and_no_larger_than_the_limit() {
        let bytes = frame(&ProcessingResponse {
            request_drain_requests: true,
            ..Default::default()
        });
        let mut buffer = BytesMut::new();
        for (index, byte) in bytes.iter().enumerate() {
            assert_eq!(message(&mut buffer), Ok(None), "{index}");
            buffer.extend_from_slice(&[*byte]);
        }
        assert!(matches!(message(&mut buffer), Ok(Some(_))));
        assert!(buffer.is_empty());
        let mut large = BytesMut::from(&[0, 0, 2, 0, 1][..]);
        assert_eq!(message(&mut large), Err(Failure::TooLarge(128 * 1024 + 1)));
        let mut compressed = BytesMut::from(&[1, 0, 0, 0, 0][..]);
        assert!(matches!(
            message(&mut compressed),
            Err(Failure::Protocol(_))
        ));
    }

    #[test]
    fn the_end_of_a_stream_tells_its_status() {
        let mut trailers = HeaderMap::new();
        assert_eq!(end(&trailers), None);
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        assert_eq!(end(&trailers), Some(Ok(())));
        trailers.insert("grpc-status", http::HeaderValue::from_static("7"));
        trailers.insert("grpc-message", http::HeaderValue::from_static("no%20way"));
        let ended = Failure::Ended {
            status: Status::PERMISSION_DENIED,
            message: "no way".to_owned(),
        };
        assert_eq!(end(&trailers), Some(Err(ended)));
    }
}

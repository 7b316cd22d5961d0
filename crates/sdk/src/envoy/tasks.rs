//! Futures and the callouts that they await.
//!
//! There is no waker: a future of a plugin only ever awaits callouts, so those of a context are
//! polled when an answer for that context comes.

use crate::dispatch::{self, Dispatcher};
use crate::reply::Held;
use crate::{Flow, HeaderList, HostError, driver, hostcall};
use core::cell::RefCell;
use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use gatewright_abi::{Action, BufferType, Hostcall, MapType, StreamType};
use std::collections::VecDeque;
use std::rc::Rc;

use super::{HttpResponse, Queue, Service};

type Work<T> = Pin<Box<dyn Future<Output = Result<T, HostError>>>>;

/// A future, and the context that it is dropped with.
struct Task {
    context: u32,
    kind: Kind,
}

enum Kind {
    Holding(StreamType, Work<Flow>),
    Beside(Work<()>),
}

/// What comes back of a callout.
#[derive(Debug)]
pub(super) enum Event {
    Http(HttpResponse),
    Message(Vec<u8>),
    InitialMetadata(HeaderList),
    TrailingMetadata(HeaderList),
    Closed { status: u32, message: Vec<u8> },
    Failed(HostError),
}

/// How a callout was made: its token is a number among those of its kind only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Http,
    GrpcCall,
    GrpcStream,
}

/// Where what comes back lies until its future is polled.
type Mailbox = Rc<RefCell<VecDeque<Event>>>;

/// A callout that is under way.
struct Pending {
    token: u32,
    wire: Wire,
    context: u32,
    events: Mailbox,
}

thread_local! {
    /// Never dropped with a thread, because futures make hostcalls when they are.
    static TASKS: RefCell<ManuallyDrop<Vec<Task>>> =
        const { RefCell::new(ManuallyDrop::new(Vec::new())) };
    static PENDING: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
}

/// The near end of a callout. Dropped, the callout is nobody's any more.
#[derive(Debug)]
pub(super) struct Callout {
    pub(super) token: u32,
    wire: Wire,
    events: Mailbox,
}

impl Callout {
    /// For a callout that the host has just taken.
    pub(super) fn new(wire: Wire, token: u32) -> Self {
        let events = Rc::new(RefCell::new(VecDeque::new()));
        let pending = Pending {
            token,
            wire,
            context: dispatch::current(),
            events: Rc::clone(&events),
        };
        PENDING.with_borrow_mut(|all| all.push(pending));
        Self {
            token,
            wire,
            events,
        }
    }

    /// The next thing that comes back; `None` once nothing more will.
    pub(super) async fn next(&mut self) -> Option<Event> {
        core::future::poll_fn(|_| match self.events.borrow_mut().pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if self.is_over() => Poll::Ready(None),
            None => Poll::Pending,
        })
        .await
    }

    /// Whether the host will say no more.
    pub(super) fn is_over(&self) -> bool {
        PENDING.with_borrow(|all| !all.iter().any(|p| p.is(self.wire, self.token)))
    }
}

impl Drop for Callout {
    fn drop(&mut self) {
        if take(&[self.wire], self.token, true).is_some() && self.wire != Wire::Http {
            // There is no hostcall that ends an HTTP call.
            hostcall::envoy::grpc_cancel(self.token);
        }
    }
}

impl Pending {
    fn is(&self, wire: Wire, token: u32) -> bool {
        self.token == token && self.wire == wire
    }
}

/// The context and the mailbox of a callout, which is over if `last`.
fn take(wires: &[Wire], token: u32, last: bool) -> Option<(u32, Wire, Mailbox)> {
    PENDING.with_borrow_mut(|all| {
        let is = |p: &Pending| wires.iter().any(|wire| p.is(*wire, token));
        let at = all.iter().position(is)?;
        let pending = all.get(at)?;
        let found = (pending.context, pending.wire, Rc::clone(&pending.events));
        if last || pending.wire == Wire::GrpcCall {
            all.swap_remove(at);
        }
        Some(found)
    })
}

/// Polls a future that has just been made.
fn first_poll<T>(future: &mut Work<T>) -> Poll<Result<T, HostError>> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

fn keep(kind: Kind) {
    let context = dispatch::current();
    TASKS.with_borrow_mut(|tasks| tasks.push(Task { context, kind }));
}

/// Holds the running stream, unless the future ends at once.
pub(super) fn hold(stream: StreamType, mut future: Work<Flow>) -> Result<Flow, HostError> {
    if let Poll::Ready(flow) = first_poll(&mut future) {
        return flow;
    }
    keep(Kind::Holding(stream, future));
    Ok(Flow::Held(Held(())))
}

/// Keeps a future beside the running context, unless it ends at once.
pub(super) fn spawn(mut future: Work<()>) {
    match first_poll(&mut future) {
        Poll::Pending => keep(Kind::Beside(future)),
        Poll::Ready(result) => report(result),
    }
}

fn report(result: Result<(), HostError>) {
    if let Err(error) = result {
        log::error!("task failed: {error}");
    }
}

/// Takes the tasks of a context out, so that nothing is borrowed while they run or are dropped.
fn tasks_of(context: u32) -> Vec<Task> {
    TASKS.with_borrow_mut(|tasks| {
        let (of_it, others) = core::mem::take(&mut **tasks)
            .into_iter()
            .partition(|task| task.context == context);
        **tasks = others;
        of_it
    })
}

/// The context is over: its futures are dropped, and the callouts that they await with them.
pub(crate) fn end(context: u32) {
    drop(tasks_of(context));
}

/// A fresh host, in tests.
#[cfg(any(not(target_os = "wasi"), feature = "testing"))]
pub(crate) fn reset() {
    let tasks = TASKS.with_borrow_mut(|tasks| core::mem::take(&mut **tasks));
    drop(tasks);
    drop(PENDING.take());
}

impl<P: Service> Dispatcher<P> {
    /// Something came back for a callout.
    fn arrived(&self, wires: &[Wire], token: u32, last: bool, read: impl FnOnce(Wire) -> Event) {
        let Some((context, wire, events)) = take(wires, token, last) else {
            // Its future was dropped, or the host made it up.
            return;
        };
        if let Err(error) = hostcall::envoy::set_effective_context(context) {
            // The hostcalls of the future will say what is wrong.
            log::warn!("callout answered: {error}");
        }
        let event = read(wire);
        events.borrow_mut().push_back(event);
        self.run(context);
    }

    /// Polls the tasks of a context and does what those decide that are done.
    fn run(&self, context: u32) {
        dispatch::enter(context);
        for mut task in tasks_of(context) {
            let done = match &mut task.kind {
                Kind::Holding(stream, future) => match first_poll(future) {
                    Poll::Pending => false,
                    Poll::Ready(flow) => {
                        self.resume(context, *stream, flow);
                        true
                    }
                },
                Kind::Beside(future) => match first_poll(future) {
                    Poll::Pending => false,
                    Poll::Ready(result) => {
                        report(result);
                        true
                    }
                },
            };
            if !done {
                TASKS.with_borrow_mut(|tasks| tasks.push(task));
            }
        }
    }

    /// What the driver does at the end of a callback, later.
    fn resume(&self, context: u32, stream: StreamType, flow: Result<Flow, HostError>) {
        let action = match &flow {
            Ok(flow) => driver::finish(flow),
            Err(error) => self.failed(context, error),
        };
        if action == Action::Continue
            && let Err(error) = hostcall::envoy::continue_stream(stream)
        {
            log::error!("stream not continued: {error}");
        }
    }

    /// An HTTP callout was answered, or failed if there are no headers.
    pub fn http_call_response(
        &self,
        _context: u32,
        token: u32,
        headers: u32,
        body: usize,
        trailers: u32,
    ) {
        self.arrived(&[Wire::Http], token, true, |_| {
            if headers == 0 {
                return Event::Failed(HostError::unanswered(Hostcall::HttpCall.name()));
            }
            match HttpResponse::receive(body, trailers) {
                Ok(response) => Event::Http(response),
                Err(error) => Event::Failed(error),
            }
        });
    }

    /// The initial metadata of a gRPC stream.
    pub fn grpc_initial_metadata(&self, _context: u32, token: u32, _count: u32) {
        self.metadata(
            token,
            MapType::GrpcReceiveInitialMetadata,
            Event::InitialMetadata,
        );
    }

    /// The trailing metadata of a gRPC stream.
    pub fn grpc_trailing_metadata(&self, _context: u32, token: u32, _count: u32) {
        self.metadata(
            token,
            MapType::GrpcReceiveTrailingMetadata,
            Event::TrailingMetadata,
        );
    }

    fn metadata(&self, token: u32, map: MapType, event: fn(HeaderList) -> Event) {
        // A single call shows none of it, and must not be over because of it.
        self.arrived(&[Wire::GrpcStream], token, false, |_| {
            crate::headers::read(map).map_or_else(Event::Failed, event)
        });
    }

    /// A gRPC message.
    pub fn grpc_receive(&self, _context: u32, token: u32, size: usize) {
        self.arrived(&[Wire::GrpcCall, Wire::GrpcStream], token, false, |_| {
            hostcall::buffer(BufferType::GrpcReceiveBuffer, 0, size)
                .map_or_else(Event::Failed, Event::Message)
        });
    }

    /// A gRPC callout is over.
    pub fn grpc_close(&self, _context: u32, token: u32, status: u32) {
        self.arrived(&[Wire::GrpcCall, Wire::GrpcStream], token, true, |_| {
            // The status came with the call; only its message is asked for.
            let message = hostcall::envoy::status().map(|(_, message)| message);
            Event::Closed {
                status,
                message: message.unwrap_or_default(),
            }
        });
    }

    /// Time has passed.
    pub fn tick(&self, context: u32) {
        if let Some(plugin) = self.plugin(context) {
            report(plugin.on_tick());
        }
    }

    /// A queue has something in it.
    pub fn queue_ready(&self, context: u32, queue: u32) {
        if let Some(plugin) = self.plugin(context) {
            report(plugin.on_queue_ready(Queue::from_id(queue)));
        }
    }

    /// The context is over, and its tasks with it.
    pub fn done_with_tasks(&self, context: u32) -> bool {
        let done = self.done(context);
        end(context);
        done
    }

    /// The context is forgotten, and tasks that began since it was over.
    pub fn delete_with_tasks(&self, context: u32) {
        end(context);
        self.delete(context);
    }
}

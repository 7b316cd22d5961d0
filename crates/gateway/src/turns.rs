//! Which connection may begin its next exchange: what is under way comes first.
//!
//! A worker that takes up each request as soon as it comes has, among a thousand busy connections, a
//! thousand exchanges half done. It goes round them step by step, and finds none of their memory in
//! its caches any more. So while several exchanges are under way, a connection with something to
//! read waits until the worker has seen what else has come: the answers that upstreams sent in the
//! meantime are ahead of it. Nobody waits for an exchange to end, however slow an upstream is; the
//! order is all that changes. Connections of HTTP/1 take turns, one for all requests that come close
//! upon each other; the streams of an HTTP/2 connection take none.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

/// Exchanges that are under way before a next one has to wait.
const AT_ONCE: usize = 32;

/// How many begin each time that the worker has seen what came, whatever else is under way.
const EACH_TIME: usize = 8;

/// The turns of a worker's connections.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    under_way: Cell<usize>,
    /// The first place that has not been called yet, which is that of the first who waits.
    next: Cell<u64>,
    waiting: RefCell<VecDeque<Waker>>,
    /// Told when somebody begins to wait.
    somebody: Notify,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(u64);

/// A turn, as long as it is there.
#[derive(Debug)]
pub(crate) struct Turn(Rc<Turns>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
    }
}

impl Turns {
    /// Takes a turn, or a place among those that wait for one. Whoever goes away simply lets it
    /// pass.
    pub(crate) fn poll(
        self: &Rc<Self>,
        place: &mut Option<Place>,
        context: &Context<'_>,
    ) -> Poll<Turn> {
        let mut waiting = self.waiting.borrow_mut();
        match *place {
            Some(Place(mine)) if mine < self.next.get() => *place = None,
            Some(Place(mine)) => {
                let ahead = usize::try_from(mine - self.next.get()).unwrap_or(usize::MAX);
                if let Some(waker) = waiting.get_mut(ahead) {
                    waker.clone_from(context.waker());
                }
                return Poll::Pending;
            }
            None if self.under_way.get() < AT_ONCE && waiting.is_empty() => {}
            None => {
                *place = Some(Place(self.next.get() + waiting.len() as u64));
                if waiting.is_empty() {
                    self.somebody.notify_one();
                }
                waiting.push_back(context.waker().clone());
                return Poll::Pending;
            }
        }
        self.under_way.set(self.under_way.get() + 1);
        Poll::Ready(Turn(Rc::clone(self)))
    }

    /// Calls those that wait, as long as the worker lives.
    pub(crate) async fn call(self: Rc<Self>) {
        loop {
            while self.waiting.borrow().is_empty() {
                self.somebody.notified().await;
            }
            // Goes behind everything that is ready now or that the sockets have ready.
            tokio::task::yield_now().await;
            let free = AT_ONCE.saturating_sub(self.under_way.get());
            let mut waiting = self.waiting.borrow_mut();
            let called = free.max(EACH_TIME).min(waiting.len());
            self.next.set(self.next.get() + called as u64);
            waiting.drain(..called).for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    /// Takes all turns that are free where nobody waits.
    fn all_free(turns: &Rc<Turns>) -> Vec<Turn> {
        let context = Context::from_waker(Waker::noop());
        let take = |_| match turns.poll(&mut None, &context) {
            Poll::Ready(turn) => turn,
            Poll::Pending => panic!("it has to wait"),
        };
        (0..AT_ONCE).map(take).collect()
    }

    /// Lets some wait of which this one goes away, and tells who was called, in order.
    fn called(turns: &Rc<Turns>, waiting: usize, leaves: Option<usize>) -> Vec<usize> {
        let order = Rc::new(RefCell::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime, async {
            let (mut all, mut kept) = (Vec::new(), Vec::new());
            for number in 0..waiting {
                let (turns, order) = (Rc::clone(turns), Rc::clone(&order));
                all.push(tokio::task::spawn_local(async move {
                    let mut place = None;
                    let turn = poll_fn(|context| turns.poll(&mut place, context)).await;
                    order.borrow_mut().push(number);
                    turn
                }));
            }
            // Each has its place then.
            tokio::task::yield_now().await;
            if let Some(leaves) = leaves {
                all.remove(leaves).abort();
            }
            tokio::task::spawn_local(Rc::clone(turns).call());
            for one in all {
                kept.push(one.await.expect("it is called"));
            }
        });
        order.take()
    }

    #[test]
    fn few_at_a_time_do_not_wait() {
        let turns = Rc::default();
        drop(all_free(&turns));
        // They were given back.
        let taken = all_free(&turns);
        let context = Context::from_waker(Waker::noop());
        assert!(turns.poll(&mut None, &context).is_pending());
        assert_eq!(taken.len(), AT_ONCE);
    }

    #[test]
    fn more_are_called_in_order_though_no_exchange_ends() {
        let turns = Rc::default();
        let _taken = all_free(&turns);
        let many = 5 * EACH_TIME + 1;
        assert_eq!(called(&turns, many, None), (0..many).collect::<Vec<_>>());
    }

    #[test]
    fn whoever_goes_away_keeps_nobody_waiting() {
        let turns = Rc::default();
        let _taken = all_free(&turns);
        assert_eq!(called(&turns, 4, Some(0)), [1, 2, 3]);
        assert_eq!(called(&turns, 4, Some(3)), [0, 1, 2]);
    }
}

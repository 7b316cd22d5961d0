//! Exchanges that are written down for the page: which ones, and what of them.
//!
//! While nobody looks at the page, a request costs the load of one number. While somebody does, so
//! many exchanges a second are taken, and those are traced in full until they have shown so much of
//! their bodies; no more than so many are on their way at a time.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use gatewright_host::{HeaderMap as Fields, Trace};
use gatewright_view::model::CallKind;
use tokio::sync::mpsc;

/// Exchanges that are taken at a time, those counted that wait to be shown.
const MOST_AT_A_TIME: u32 = 32;
/// Bytes of bodies after which an exchange is traced no more.
const MOST_BYTES: usize = 256 * 1024;
/// Events after which an exchange is traced no more.
const MOST_EVENTS: usize = 256;

/// Says which exchanges are taken. All workers share it.
#[derive(Debug)]
pub(crate) struct Sampler {
    /// Exchanges that may be taken still. Nothing while nobody looks.
    credits: AtomicU32,
    /// Exchanges that are taken and not shown yet.
    taken: AtomicU32,
    told: mpsc::UnboundedSender<Taken>,
}

impl Sampler {
    /// A sampler, and where the exchanges come out that it took.
    pub(crate) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Taken>) {
        let (told, taken) = mpsc::unbounded_channel();
        let sampler = Self {
            credits: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            told,
        };
        (Arc::new(sampler), taken)
    }

    /// Lets so many exchanges be taken from now on, however many were left.
    pub(crate) fn allow(&self, exchanges: u32) {
        self.credits.store(exchanges, Relaxed);
    }

    /// Whether the exchange that begins is taken.
    fn takes(&self) -> bool {
        // The one thing that a request costs while nobody looks.
        if self.credits.load(Relaxed) == 0 {
            return false;
        }
        if self.taken.fetch_add(1, Relaxed) >= MOST_AT_A_TIME {
            self.taken.fetch_sub(1, Relaxed);
            return false;
        }
        let paid = self
            .credits
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .is_ok();
        if !paid {
            self.taken.fetch_sub(1, Relaxed);
        }
        paid
    }
}

/// An exchange on its way to the page. Another is taken in its place once it is gone.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) story: Story,
    sampler: Arc<Sampler>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.sampler.taken.fetch_sub(1, Relaxed);
    }
}

/// What is written down of an exchange.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) began: SystemTime,
    /// From its first byte to its last.
    pub(crate) took: Duration,
    /// The Gateway, as `namespace/name`, and the port of its manifest.
    pub(crate) gateway: String,
    pub(crate) port: u16,
    pub(crate) protocol: String,
    pub(crate) client: String,
    /// Told apart in logs by this, if an extension saw it.
    pub(crate) request: Option<u64>,
    pub(crate) rule: Option<String>,
    /// The Service, as `namespace/name`.
    pub(crate) backend: Option<String>,
    /// The status that went out; 0 for none.
    pub(crate) status: u16,
    /// Bytes of the response's body that went out, and whether they were all.
    pub(crate) sent: u64,
    pub(crate) whole: bool,
    /// The extensions that took part.
    pub(crate) parts: Vec<Named>,
    pub(crate) events: Vec<Noted>,
    /// What each plugin did, by its place among the parts.
    pub(crate) traces: Vec<(usize, Trace)>,
    /// Whether there was more than is written down.
    pub(crate) cut: bool,
    bytes: usize,
}

/// An extension, by its names.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) chain: String,
    pub(crate) extension: String,
    /// The plugin with its version, or the Service.
    pub(crate) runs: String,
    pub(crate) kind: CallKind,
}

/// Whose message it is, and on which side of the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client's request, as it came.
    FromClient,
    /// The request, as it goes on.
    ToBackend,
    /// The backend's response, as it came.
    FromBackend,
    /// The response, as it goes back.
    ToClient,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Noted {
    /// A message passed, of which this is the head.
    Message(Side, Fields),
    /// An extension was shown something.
    Event(Event),
}

/// One event of one extension.
#[derive(Debug)]
pub(crate) struct Event {
    /// The extension, by its place among the parts.
    pub(crate) part: usize,
    /// As the access log says it.
    pub(crate) event: &'static str,
    /// The calls into the plugin that it brought, by their place in its trace.
    pub(crate) calls: std::ops::Range<u32>,
    pub(crate) time: Duration,
    /// CPU time of a plugin.
    pub(crate) cpu: Option<Duration>,
    /// As the access log says it.
    pub(crate) effect: &'static str,
    /// The fields that a callout was shown, and what it made of them; a plugin's trace tells of its
    /// own.
    pub(crate) change: Option<(Fields, Fields)>,
}

impl Story {
    fn new() -> Self {
        Self {
            began: SystemTime::now(),
            took: Duration::ZERO,
            gateway: String::new(),
            port: 0,
            protocol: String::new(),
            client: String::new(),
            request: None,
            rule: None,
            backend: None,
            status: 0,
            sent: 0,
            whole: false,
            parts: Vec::new(),
            events: Vec::new(),
            traces: Vec::new(),
            cut: false,
            bytes: 0,
        }
    }
}

/// An exchange that is written down. It goes to the page when everybody who writes is done.
#[derive(Debug)]
pub(crate) struct Watched {
    story: RefCell<Option<Story>>,
    start: Instant,
    sampler: Arc<Sampler>,
}

impl Watched {
    /// The exchange that begins, if it is taken.
    pub(crate) fn begin(sampler: &Arc<Sampler>) -> Option<Rc<Self>> {
        sampler.takes().then(|| {
            Rc::new(Self {
                story: RefCell::new(Some(Story::new())),
                start: Instant::now(),
                sampler: Arc::clone(sampler),
            })
        })
    }

    /// Writes something down.
    pub(crate) fn tell(&self, write: impl FnOnce(&mut Story)) {
        if let Some(story) = self.story.borrow_mut().as_mut() {
            write(story);
        }
    }

    /// The head of a message.
    pub(crate) fn head(&self, side: Side, head: Fields) {
        self.tell(|story| story.events.push(Noted::Message(side, head)));
    }

    /// More extensions that take part. Gives the place of the first of them.
    pub(crate) fn parts(&self, more: impl Iterator<Item = Named>) -> usize {
        let mut first = 0;
        self.tell(|story| {
            first = story.parts.len();
            story.parts.extend(more);
        });
        first
    }

    /// Something that an extension was shown.
    pub(crate) fn event(&self, event: Event) {
        let weight = event
            .change
            .as_ref()
            .map_or(0, |(before, after)| before.byte_size() + after.byte_size());
        let has_room = self.has_room(weight);
        // What ended the exchange is told in any case.
        if has_room || matches!(event.effect, "IMMEDIATE_RESPONSE" | "FAILED") {
            self.tell(|story| story.events.push(Noted::Event(event)));
        }
    }

    /// Counts what is held of an exchange. Afterwards, whether more of it is still written down.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        let mut has_room = false;
        self.tell(|story| {
            story.bytes += more;
            has_room = story.bytes <= MOST_BYTES && story.events.len() < MOST_EVENTS;
            story.cut |= !has_room;
        });
        has_room
    }

    /// The exchange is over.
    pub(crate) fn over(&self) {
        let took = self.start.elapsed();
        self.tell(|story| story.took = took);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(story) = self.story.get_mut().take() {
            let sampler = Arc::clone(&self.sampler);
            // Without an admin port nobody reads it.
            let _ = self.sampler.told.send(Taken { story, sampler });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_while_nobody_looks() {
        let (sampler, _taken) = Sampler::new();
        assert!(Watched::begin(&sampler).is_none());
        sampler.allow(2);
        let held: Vec<_> = (0..3).map(|_| Watched::begin(&sampler)).collect();
        let taken: Vec<_> = held.iter().map(Option::is_some).collect();
        assert_eq!(taken, [true, true, false]);
        sampler.allow(0);
        assert!(Watched::begin(&sampler).is_none());
    }

    #[test]
    fn so_many_are_on_their_way_at_a_time() {
        let (sampler, mut taken) = Sampler::new();
        sampler.allow(1_000);
        let held: Vec<_> = (0..100).filter_map(|_| Watched::begin(&sampler)).collect();
        assert_eq!(held.len(), MOST_AT_A_TIME as usize);
        drop(held);
        // They wait to be shown, and still count.
        assert!(Watched::begin(&sampler).is_none());
        drop(taken.try_recv().expect("one of them"));
        assert!(Watched::begin(&sampler).is_some());
    }

    #[test]
    fn an_exchange_is_cut_at_its_limit() {
        let (sampler, mut taken) = Sampler::new();
        sampler.allow(1);
        let watched = Watched::begin(&sampler).expect("taken");
        let event = |effect| Event {
            part: 0,
            event: "RESPONSE_BODY",
            calls: 0..0,
            time: Duration::ZERO,
            cpu: None,
            effect,
            change: None,
        };
        for _ in 0..10 * MOST_EVENTS {
            watched.event(event("NONE"));
        }
        assert!(!watched.has_room(0));
        watched.event(event("FAILED"));
        drop(watched);
        let taken = taken.try_recv().expect("told");
        assert!(taken.story.cut);
        assert_eq!(taken.story.events.len(), MOST_EVENTS + 1);
    }
}

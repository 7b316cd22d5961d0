//! Changes of a case that must not change what comes of it: which there are, and making them.

use std::fmt;

use gatewright_host::HeaderMap;

use crate::model::{Case, Event, Exchange, Phase, Step, Turns, Variation};
use crate::text::shown;

/// One change of one exchange.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// The exchange's place in its case.
    pub(super) exchange: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// The body in this step comes in chunks of these sizes.
    Split { step: usize, sizes: Vec<usize> },
    /// The end comes with an empty last chunk: after a body, or after headers without one.
    EmptyEnd { step: usize },
    /// The end comes with the headers in this step: an empty body after them is left out.
    EndOnHeaders { step: usize },
    /// The names in this step are in capitals, or begin with them.
    Case { step: usize, capitals: bool },
    /// A header of this step comes a second time, with its value or with another.
    Duplicate {
        step: usize,
        header: usize,
        other_value: bool,
    },
    /// The exchange runs twice at the same time.
    Twins { turns: Vec<usize> },
}

/// Bodies up to this size are split in every way there is.
const EVERY_SPLIT: usize = 10;
/// Bodies up to this size are split in two everywhere.
const EVERY_CUT: usize = 256;
/// Random splits of a longer body.
const RANDOM_SPLITS: usize = 64;
/// Random orders of twins.
const RANDOM_TURNS: usize = 8;
/// What a duplicate with another value has.
const OTHER: &[u8] = b"gatewright";

impl Kind {
    pub(super) fn variation(&self) -> Variation {
        match self {
            Self::Split { .. } => Variation::Splits,
            Self::EmptyEnd { .. } | Self::EndOnHeaders { .. } => Variation::EndOfStream,
            Self::Case { .. } => Variation::Case,
            Self::Duplicate { .. } => Variation::Duplicates,
            Self::Twins { .. } => Variation::Twins,
        }
    }
}

/// Numbers that look random and are the same for the same seed.
pub(super) struct Random(u64);

impl Random {
    /// A sequence for a case, told from those of others by its name.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below the limit, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (limit.max(1) as u64)).unwrap_or(0)
    }
}

/// All changes of one way, the smaller first.
pub(super) fn changes(case: &Case, variation: Variation, random: &mut Random) -> Vec<Change> {
    let mut changes = Vec::new();
    for (exchange, sent) in case.exchanges.iter().enumerate() {
        let mut add = |kind| changes.push(Change { exchange, kind });
        if variation == Variation::Twins {
            if sent.trap.is_none() {
                twins(sent, random, &mut add);
            }
            continue;
        }
        for (step, sent_step) in sent.steps.iter().enumerate() {
            match (variation, &sent_step.event) {
                (Variation::Splits, Event::Body { chunks, .. }) => {
                    splits(step, chunks, random, &mut add);
                }
                (Variation::EndOfStream, event) => ends(step, event, sent, &mut add),
                (Variation::Case, Event::Headers { headers, .. } | Event::Trailers(headers))
                    if regular(headers).next().is_some() =>
                {
                    for capitals in [false, true] {
                        add(Kind::Case { step, capitals });
                    }
                }
                (
                    Variation::Duplicates,
                    Event::Headers { headers, .. } | Event::Trailers(headers),
                ) => {
                    for header in regular(headers) {
                        for other_value in [false, true] {
                            add(Kind::Duplicate {
                                step,
                                header,
                                other_value,
                            });
                        }
                    }
                }
                _ => {}
            }
        }
    }
    changes
}

/// The places of headers that are no pseudo-headers.
fn regular(headers: &HeaderMap) -> impl Iterator<Item = usize> {
    let named = headers.iter().enumerate();
    named
        .filter(|(_, (name, _))| !name.starts_with(b":"))
        .map(|(place, _)| place)
}

fn splits(step: usize, chunks: &[Vec<u8>], random: &mut Random, add: &mut impl FnMut(Kind)) {
    let body = chunks.concat();
    let length = body.len();
    let mut cuts: Vec<Vec<usize>> = Vec::new();
    if chunks.len() > 1 {
        cuts.push(Vec::new());
    }
    if length <= EVERY_SPLIT {
        let places = length.saturating_sub(1);
        let mut masks: Vec<u32> = (1..(1_u32 << places)).collect();
        masks.sort_by_key(|mask| mask.count_ones());
        cuts.extend(masks.iter().map(|mask| {
            (0..places)
                .filter(|bit| mask & (1 << bit) != 0)
                .map(|bit| bit + 1)
                .collect()
        }));
    } else {
        let boundaries: Vec<usize> = if length <= EVERY_CUT {
            (1..length).collect()
        } else {
            boundaries(&body)
        };
        cuts.extend(boundaries.into_iter().map(|cut| vec![cut]));
        for _ in 0..RANDOM_SPLITS {
            let count = 2 + random.below(7);
            let mut places: Vec<_> = (0..count).map(|_| 1 + random.below(length - 1)).collect();
            places.sort_unstable();
            places.dedup();
            cuts.push(places);
        }
    }
    let now: Vec<_> = chunks.iter().map(Vec::len).collect();
    for places in cuts {
        let sizes = sizes(&places, length);
        if sizes != now {
            add(Kind::Split { step, sizes });
        }
    }
}

/// The sizes of chunks between cuts.
fn sizes(cuts: &[usize], length: usize) -> Vec<usize> {
    let mut last = 0;
    let ends = cuts.iter().copied().chain([length]);
    ends.map(|end| end - std::mem::replace(&mut last, end))
        .collect()
}

/// Where a long body is cut in two: at its ends, around powers of two, at its middle, around the
/// first line ends, and inside the first characters of more than one byte.
fn boundaries(body: &[u8]) -> Vec<usize> {
    const LINES: usize = 8;
    let length = body.len();
    let mut cuts = vec![1, 2, 3, length / 2, length - 2, length - 1];
    let powers = (6..usize::BITS).map(|power| 1_usize << power);
    for power in powers.take_while(|power| *power < length) {
        cuts.extend([power - 1, power, power + 1]);
    }
    let lines = body.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    for (place, _) in lines.take(LINES) {
        cuts.extend([place, place + 1]);
    }
    let inside = body
        .iter()
        .enumerate()
        .filter(|(_, byte)| (0x80..0xc0).contains(*byte));
    cuts.extend(inside.take(LINES).map(|(place, _)| place));
    cuts.retain(|cut| (1..length).contains(cut));
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

fn ends(step: usize, event: &Event, exchange: &Exchange, add: &mut impl FnMut(Kind)) {
    match event {
        Event::Headers {
            end_of_stream: true,
            ..
        } => add(Kind::EmptyEnd { step }),
        Event::Headers { .. } => {
            // An empty body that carries the end may be left out, unless something is said of it.
            if let Some(Step {
                event:
                    Event::Body {
                        chunks,
                        end_of_stream: true,
                    },
                checks,
                ..
            }) = exchange.steps.get(step + 1)
                && chunks.iter().all(Vec::is_empty)
                && checks.is_empty()
            {
                add(Kind::EndOnHeaders { step });
            }
        }
        Event::Body {
            chunks,
            end_of_stream: true,
        } if chunks.last().is_some_and(|chunk| !chunk.is_empty()) => {
            add(Kind::EmptyEnd { step });
        }
        _ => {}
    }
}

/// Orders in which two streams take turns: in rotation, the second inside of the first, random ones.
fn twins(exchange: &Exchange, random: &mut Random, add: &mut impl FnMut(Kind)) {
    // The end of a stream is a turn, too.
    let events = |step: &Step| match &step.event {
        Event::Body { chunks, .. } => chunks.len(),
        _ => 1,
    };
    let turns = 1 + exchange.steps.iter().map(events).sum::<usize>();
    const NESTED: usize = 32;
    add(Kind::Twins { turns: Vec::new() });
    for first in 1..turns.min(NESTED) {
        let mut order = vec![0; first];
        order.extend(std::iter::repeat_n(1, turns));
        add(Kind::Twins { turns: order });
    }
    if turns > 2 {
        for _ in 0..RANDOM_TURNS {
            let order = (0..turns * 2).map(|_| random.below(2)).collect();
            add(Kind::Twins { turns: order });
        }
    }
}

impl Change {
    /// The case with this change, without a budget: more calls cost more.
    pub(super) fn apply(&self, case: &Case) -> Case {
        let mut changed = case.clone();
        changed.budget = crate::model::Budget::default();
        changed.name = format!("{}, {}", case.name, self.kind.variation().name());
        if let Kind::Twins { turns } = &self.kind {
            changed.exchanges = pair(case, self.exchange);
            changed.turns = Some(Turns(turns.clone()));
            return changed;
        }
        let Some(exchange) = changed.exchanges.get_mut(self.exchange) else {
            return changed;
        };
        self.kind.apply(exchange);
        changed
    }

    /// The same change with less of it, in the order in which it is to be tried.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let with = |kind| Self {
            exchange: self.exchange,
            kind,
        };
        match &self.kind {
            Kind::Split { step, sizes } if sizes.len() > 2 => (0..sizes.len() - 1)
                .map(|join| {
                    let mut sizes = sizes.clone();
                    let next = sizes.remove(join + 1);
                    sizes[join] += next;
                    with(Kind::Split { step: *step, sizes })
                })
                .collect(),
            Kind::Twins { turns } if !turns.is_empty() => {
                let shorter = &turns[..turns.len() - 1];
                vec![with(Kind::Twins {
                    turns: shorter.to_vec(),
                })]
            }
            _ => Vec::new(),
        }
    }
}

/// The same exchange twice.
pub(super) fn pair(case: &Case, exchange: usize) -> Vec<Exchange> {
    let one = case.exchanges.get(exchange);
    one.map_or_else(Vec::new, |one| vec![one.clone(), one.clone()])
}

impl Kind {
    fn apply(&self, exchange: &mut Exchange) {
        match self {
            Self::Split { step, sizes } => {
                if let Some(Event::Body { chunks, .. }) = event(exchange, *step) {
                    let body = chunks.concat();
                    let mut rest = &body[..];
                    *chunks = sizes
                        .iter()
                        .map(|size| {
                            let (chunk, after) = rest.split_at(*size.min(&rest.len()));
                            rest = after;
                            chunk.to_vec()
                        })
                        .collect();
                }
            }
            Self::EmptyEnd { step } => {
                let phase = exchange.steps.get(*step).map(|step| step.phase);
                match event(exchange, *step) {
                    Some(Event::Body { chunks, .. }) => chunks.push(Vec::new()),
                    Some(Event::Headers { end_of_stream, .. }) => {
                        *end_of_stream = false;
                        let phase = match phase {
                            Some(Phase::ResponseHeaders) => Phase::ResponseBody,
                            _ => Phase::RequestBody,
                        };
                        let event = Event::Body {
                            chunks: vec![Vec::new()],
                            end_of_stream: true,
                        };
                        let empty = Step {
                            phase,
                            event,
                            checks: Vec::new(),
                            advance: 0,
                        };
                        exchange.steps.insert(step + 1, empty);
                    }
                    _ => {}
                }
            }
            Self::EndOnHeaders { step } => {
                if let Some(Event::Headers { end_of_stream, .. }) = event(exchange, *step) {
                    *end_of_stream = true;
                    exchange.steps.remove(step + 1);
                }
            }
            Self::Case { step, capitals } => {
                if let Some(headers) = headers(exchange, *step) {
                    *headers = headers
                        .iter()
                        .map(|(name, value)| (recased(name, *capitals), value.to_vec()))
                        .collect();
                }
            }
            Self::Duplicate {
                step,
                header,
                other_value,
            } => {
                if let Some(headers) = headers(exchange, *step) {
                    let again = headers
                        .iter()
                        .nth(*header)
                        .map(|(name, value)| (name.to_vec(), value.to_vec()));
                    if let Some((name, value)) = again {
                        headers.append(&name, if *other_value { OTHER } else { &value });
                    }
                }
            }
            Self::Twins { .. } => {}
        }
    }
}

fn event(exchange: &mut Exchange, step: usize) -> Option<&mut Event> {
    exchange.steps.get_mut(step).map(|step| &mut step.event)
}

fn headers(exchange: &mut Exchange, step: usize) -> Option<&mut HeaderMap> {
    match event(exchange, step)? {
        Event::Headers { headers, .. } | Event::Trailers(headers) => Some(headers),
        Event::Body { .. } => None,
    }
}

/// A name in capitals, or with one at the start of each word. Pseudo-headers stay.
fn recased(name: &[u8], capitals: bool) -> Vec<u8> {
    if name.starts_with(b":") {
        return name.to_vec();
    }
    let mut start = true;
    name.iter()
        .map(|byte| {
            let raise = capitals || start;
            start = *byte == b'-';
            if raise {
                byte.to_ascii_uppercase()
            } else {
                byte.to_ascii_lowercase()
            }
        })
        .collect()
}

/// What is different, in words, given the case that it was made from.
pub(super) struct InWords<'a>(pub(super) &'a Change, pub(super) &'a Case);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(change, case) = self;
        let exchange = case.exchanges.get(change.exchange);
        let phase = |step: &usize| {
            let step = exchange.and_then(|exchange| exchange.steps.get(*step));
            step.map_or("exchange", |step| step.phase.name())
        };
        match &change.kind {
            Kind::Split { step, sizes } if sizes.len() == 1 => {
                write!(f, "{} in one piece", phase(step))
            }
            Kind::Split { step, sizes } => {
                let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
                write!(f, "{} in chunks of {} bytes", phase(step), sizes.join(", "))
            }
            Kind::EmptyEnd { step } => {
                write!(f, "the end after {} in an empty chunk", phase(step))
            }
            Kind::EndOnHeaders { step } => write!(f, "the end on {}", phase(step)),
            Kind::Case { step, capitals } => {
                let how = if *capitals { "CAPITALS" } else { "Title-Case" };
                write!(f, "names of {} in {how}", phase(step))
            }
            Kind::Duplicate {
                step,
                header,
                other_value,
            } => {
                let mut headers = exchange.cloned().unwrap_or_default();
                let name = self::headers(&mut headers, *step)
                    .and_then(|headers| Some(shown(headers.iter().nth(*header)?.0)))
                    .unwrap_or_default();
                let how = if *other_value {
                    " with another value"
                } else {
                    ""
                };
                write!(f, "`{name}` twice in {}{how}", phase(step))
            }
            Kind::Twins { turns } if turns.is_empty() => {
                f.write_str("two streams of the exchange in turns")
            }
            Kind::Twins { turns } => {
                let turns: Vec<_> = turns.iter().map(|turn| (turn + 1).to_string()).collect();
                write!(
                    f,
                    "two streams of the exchange in turns {}",
                    turns.join(" ")
                )
            }
        }
    }
}

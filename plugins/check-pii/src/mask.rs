//! Masking: a pure function of text, whole or in chunks.

use gatewright::Transform;
use std::rc::Rc;

/// What a number looks like, place by place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Place>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A digit that is masked.
    Masked,
    /// A digit that stays.
    Kept,
    /// This byte.
    Literal(u8),
}

impl Pattern {
    /// `X` is a digit that is masked, `9` one that stays, every other character itself.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let place = |byte| match byte {
            b'X' => Place::Masked,
            b'9' => Place::Kept,
            byte => Place::Literal(byte),
        };
        let places: Vec<Place> = text.bytes().map(place).collect();
        if !(4..=64).contains(&places.len()) || !places.contains(&Place::Masked) {
            return Err("must have 4 to 64 places, one of them `X`");
        }
        if places
            .iter()
            .any(|place| matches!(place, Place::Literal(byte) if byte.is_ascii_digit()))
        {
            return Err("must have `X` for a digit that is masked and `9` for one that stays");
        }
        Ok(Self(places))
    }

    /// How many places from the front fit.
    fn fitting(&self, text: &[u8]) -> usize {
        let fits = |(place, byte): &(&Place, &u8)| match place {
            Place::Masked | Place::Kept => byte.is_ascii_digit(),
            Place::Literal(literal) => literal == *byte,
        };
        self.0.iter().zip(text).take_while(fits).count()
    }

    /// Whether this byte can begin a number.
    fn can_begin(&self, byte: u8) -> bool {
        match self.0.first() {
            Some(Place::Literal(literal)) => *literal == byte,
            _ => byte.is_ascii_digit(),
        }
    }

    /// Masks what can be decided, appends it, and answers where the rest begins: what may be the
    /// front of a number whose end is yet to come.
    fn mask(&self, text: &[u8], is_end: bool, out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            // Most of a text is no number; that is copied at once.
            let begin = rest.iter().position(|byte| self.can_begin(*byte));
            let (before, rest) = rest.split_at(begin.unwrap_or(rest.len()));
            out.extend_from_slice(before);
            at += before.len();
            let fitting = self.fitting(rest);
            if fitting == self.0.len() {
                out.extend(self.0.iter().zip(rest).map(|(place, byte)| match place {
                    Place::Masked => b'X',
                    Place::Kept | Place::Literal(_) => *byte,
                }));
                at += fitting;
            } else if fitting == rest.len() && !is_end {
                return at;
            } else if let Some(byte) = rest.first() {
                out.push(*byte);
                at += 1;
            }
        }
        at
    }
}

/// The text with every number masked; none if there is none.
pub(crate) fn masked(patterns: &[Pattern], text: &[u8]) -> Option<Vec<u8>> {
    let mut current = text.to_vec();
    for pattern in patterns {
        let mut out = Vec::with_capacity(current.len());
        pattern.mask(&current, true, &mut out);
        current = out;
    }
    (current != text).then_some(current)
}

/// The same for a body that comes in chunks, wherever they are cut. One pattern after the other
/// masks what the one before let go.
pub(crate) struct Masker {
    patterns: Rc<[Pattern]>,
    /// For each pattern, what may be the front of a number.
    held: Vec<Vec<u8>>,
}

impl Masker {
    pub(crate) fn new(patterns: &Rc<[Pattern]>) -> Self {
        Self {
            patterns: Rc::clone(patterns),
            held: patterns.iter().map(|_| Vec::new()).collect(),
        }
    }

    fn pass(&mut self, chunk: &[u8], is_end: bool, out: &mut Vec<u8>) {
        let mut current = chunk.to_vec();
        for (pattern, held) in self.patterns.iter().zip(&mut self.held) {
            let text = if held.is_empty() {
                current
            } else {
                held.extend_from_slice(&current);
                core::mem::take(held)
            };
            let mut masked = Vec::with_capacity(text.len());
            let rest = pattern.mask(&text, is_end, &mut masked);
            held.extend_from_slice(text.get(rest..).unwrap_or_default());
            current = masked;
        }
        out.append(&mut current);
    }
}

impl Transform for Masker {
    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.pass(chunk, false, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.pass(&[], true, out);
    }
}

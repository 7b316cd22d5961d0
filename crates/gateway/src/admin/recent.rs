//! The exchanges that were written down last, as many as there is room for.

use std::collections::VecDeque;
use std::sync::Arc;

use gatewright_view::model::Exchange;
use gatewright_view::page::Summary;

/// Exchanges that are kept.
const MOST: usize = 128;
/// Bytes of JSON that are kept of them.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// A ring: what is new takes the place of what is old.
#[derive(Debug, Default)]
pub(super) struct Recent {
    kept: VecDeque<(Summary, Arc<str>)>,
    bytes: usize,
    latest: u64,
}

impl Recent {
    /// Adds an exchange, and gives it its number.
    pub(super) fn add(&mut self, mut summary: Summary, exchange: &Exchange) {
        // Data of ours that holds no map with other keys than texts: it has a JSON.
        let json: Arc<str> = serde_json::to_string(exchange).unwrap_or_default().into();
        if json.len() > MOST_BYTES {
            return;
        }
        self.latest += 1;
        summary.id = self.latest;
        self.bytes += json.len();
        self.kept.push_back((summary, json));
        while self.kept.len() > MOST || self.bytes > MOST_BYTES {
            if let Some((_, old)) = self.kept.pop_front() {
                self.bytes -= old.len();
            }
        }
    }

    /// The number of the latest; 0 when there was none.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    /// Those that came after one, the latest first.
    pub(super) fn after(&self, id: u64) -> Vec<Summary> {
        let later = self.kept.iter().rev();
        later
            .map(|(summary, _)| summary)
            .take_while(|summary| summary.id > id)
            .cloned()
            .collect()
    }

    /// One of them, as JSON.
    pub(super) fn json(&self, id: u64) -> Option<Arc<str>> {
        let found = self.kept.iter().find(|(summary, _)| summary.id == id);
        found.map(|(_, json)| Arc::clone(json))
    }

    /// One of them. It was written here, so it can be read.
    pub(super) fn exchange(&self, id: u64) -> Option<Exchange> {
        serde_json::from_str(&self.json(id)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use gatewright_view::model::EndKind;

    use super::*;

    fn summary() -> Summary {
        Summary {
            id: 0,
            time: String::new(),
            title: String::new(),
            kind: EndKind::Response,
            status: String::new(),
            took_ns: 0,
            extensions: String::new(),
        }
    }

    fn exchange(bytes: usize) -> Exchange {
        Exchange {
            title: "x".repeat(bytes),
            ..Exchange::default()
        }
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut recent = Recent::default();
        for _ in 0..MOST + 5 {
            recent.add(summary(), &exchange(1));
        }
        assert_eq!(
            (recent.kept.len(), recent.latest()),
            (MOST, MOST as u64 + 5)
        );
        assert!(recent.json(5).is_none() && recent.json(6).is_some());
        let after: Vec<_> = recent.after(MOST as u64 + 3).iter().map(|s| s.id).collect();
        assert_eq!(after, [MOST as u64 + 5, MOST as u64 + 4]);
        assert_eq!(recent.exchange(6), Some(exchange(1)));
    }

    #[test]
    fn large_ones_are_fewer() {
        let mut recent = Recent::default();
        for _ in 0..20 {
            recent.add(summary(), &exchange(1024 * 1024));
            assert!(recent.bytes <= MOST_BYTES);
        }
        assert_eq!(recent.kept.len(), 7);
        let sum: usize = recent.kept.iter().map(|(_, json)| json.len()).sum();
        assert_eq!(recent.bytes, sum);
        recent.add(summary(), &exchange(MOST_BYTES));
        assert_eq!(recent.latest(), 20);
    }
}

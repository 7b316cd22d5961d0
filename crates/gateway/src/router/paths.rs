//! The matches of one host, found by their path: what a request costs does not grow with the
//! number of routes.

use std::collections::HashMap;

use super::entry::{Entry, Path};
use super::{Asked, Matched};

/// Matches, each under its path.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// In the order of precedence.
    entries: Vec<Entry>,
    exact: Places,
    prefixes: Places,
    /// The lengths that prefixes have. They are few, and a request is looked up once for each.
    lengths: Vec<usize>,
}

/// The places of entries, by their path.
type Places = HashMap<Box<[u8]>, Vec<usize>>;

impl FromIterator<(Path, Entry)> for Paths {
    fn from_iter<I: IntoIterator<Item = (Path, Entry)>>(matches: I) -> Self {
        let mut paths = Self::default();
        for (path, entry) in matches {
            let places = match path {
                Path::Exact(path) => paths.exact.entry(path),
                Path::Prefix(path) => paths.prefixes.entry(path),
            };
            places.or_default().push(paths.entries.len());
            paths.entries.push(entry);
        }
        let lengths = paths.prefixes.keys().map(|prefix| prefix.len());
        paths.lengths = lengths.collect();
        paths.lengths.sort_unstable();
        paths.lengths.dedup();
        paths
    }
}

impl Paths {
    /// The first match that fits, in the order of precedence.
    pub(super) fn find(&self, asked: &Asked<'_>) -> Option<Matched> {
        let prefixes = self.lengths.iter().filter_map(|length| {
            let (prefix, rest) = asked.path.split_at_checked(*length)?;
            let is_whole = rest.is_empty() || rest.starts_with(b"/");
            self.prefixes.get(prefix).filter(|_| is_whole)
        });
        let places = self.exact.get(asked.path).into_iter().chain(prefixes);
        let fitting = places.filter_map(|places| {
            let mut places = places.iter().copied();
            places.find(|place| self.entries[*place].fits(asked))
        });
        fitting.min().map(|place| self.entries[place].to)
    }
}

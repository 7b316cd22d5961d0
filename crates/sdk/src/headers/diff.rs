//! What changed in a list of headers, as the fewest hostcalls that make it so.

use super::list::{Entry, HeaderList};

/// One hostcall's worth of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// Every value under the name goes.
    Remove(&'a [u8]),
    /// This becomes the only value.
    Replace(&'a [u8], &'a [u8]),
    /// This value is added.
    Append(&'a [u8], &'a [u8]),
}

/// A list as it was before an edit: its entries, and how long its buffer was.
pub(crate) struct Before {
    entries: Vec<Entry>,
    length: usize,
}

impl Before {
    pub(crate) fn of(list: &HeaderList) -> Self {
        Self {
            entries: list.entries.clone(),
            length: list.bytes.len(),
        }
    }

    /// The changes from then to `now`, which must be the same list after an edit.
    ///
    /// Names that did not change cost one comparison of ranges each. The order of headers of
    /// different names has no meaning in HTTP and is not restored; that of values under one name
    /// is.
    pub(crate) fn changes<'a>(&self, now: &'a HeaderList) -> Vec<Change<'a>> {
        let mut changes = Vec::new();
        for name in self.touched_names(now) {
            self.changes_of(name, now, &mut changes);
        }
        changes
    }

    /// Names under which something is new or gone. Editing never reorders entries, so the two
    /// lists are walked side by side.
    fn touched_names<'a>(&self, now: &'a HeaderList) -> Vec<&'a [u8]> {
        let mut names: Vec<&[u8]> = Vec::new();
        let mut touch = |name: &'a [u8]| {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        };
        let mut left = now.entries.as_slice();
        for entry in &self.entries {
            while let Some((next, rest)) = left.split_first()
                && self.is_new(*next)
            {
                touch(next.name.of(&now.bytes));
                left = rest;
            }
            match left.split_first() {
                Some((next, rest)) if next == entry => left = rest,
                _ => touch(entry.name.of(&now.bytes)),
            }
        }
        for entry in left {
            touch(entry.name.of(&now.bytes));
        }
        names
    }

    fn is_new(&self, entry: Entry) -> bool {
        entry.name.added_after(self.length) || entry.value.added_after(self.length)
    }

    fn changes_of<'a>(&self, name: &'a [u8], now: &'a HeaderList, changes: &mut Vec<Change<'a>>) {
        let mut old = self
            .entries
            .iter()
            .filter(|entry| entry.name.of(&now.bytes).eq_ignore_ascii_case(name))
            .map(|entry| entry.value.of(&now.bytes))
            .peekable();
        let values: Vec<&[u8]> = now.get_all(name).collect();
        let Some((first, rest)) = values.split_first() else {
            changes.push(Change::Remove(name));
            return;
        };
        let was_absent = old.peek().is_none();
        let mut kept = 0;
        while let Some(value) = old.next_if(|value| values.get(kept) == Some(value)) {
            let _: &[u8] = value;
            kept += 1;
        }
        let grown = old.next().is_none() && !was_absent;
        let added = if grown {
            values.get(kept..).unwrap_or_default()
        } else {
            // Sets a name that was absent too: a pseudo-header can be set but not added to.
            changes.push(Change::Replace(name, first));
            rest
        };
        changes.extend(added.iter().map(|value| Change::Append(name, value)));
    }
}

//! Streams by the number that the host gave them.

/// What a context id stands for.
#[derive(Debug)]
pub(super) enum Slot<S> {
    /// A stream of the plugin.
    Open(S),
    /// A stream that the host opened though the plugin has no valid configuration.
    Refused,
    /// One that is over, until the list is tidied.
    Gone,
}

/// Open streams, ordered by id.
///
/// Hosts count ids upwards, so a new stream goes to the end and looking one up is a binary search.
/// A stream lies in the list itself, without an allocation of its own.
#[derive(Debug)]
pub(super) struct Contexts<S> {
    entries: Vec<(u32, Slot<S>)>,
    gone: usize,
}

impl<S> Contexts<S> {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            gone: 0,
        }
    }

    /// Where an id is, or where it would be.
    fn place(&self, id: u32) -> Result<usize, usize> {
        match self.entries.last() {
            None => Err(0),
            // Nearly always: the newest stream, or one that begins.
            Some((last, _)) if *last == id => Ok(self.entries.len() - 1),
            Some((last, _)) if *last < id => Err(self.entries.len()),
            Some(_) => self.entries.binary_search_by_key(&id, |(id, _)| *id),
        }
    }

    /// Puts a stream in, in the place of one that had its id.
    pub(super) fn insert(&mut self, id: u32, slot: Slot<S>) {
        match self.place(id) {
            Ok(at) => {
                if let Some((_, old)) = self.entries.get_mut(at) {
                    self.gone -= usize::from(matches!(old, Slot::Gone));
                    *old = slot;
                }
            }
            Err(at) => self.entries.insert(at, (id, slot)),
        }
    }

    pub(super) fn get(&mut self, id: u32) -> Option<&mut Slot<S>> {
        let at = self.place(id).ok()?;
        match self.entries.get_mut(at) {
            None | Some((_, Slot::Gone)) => None,
            Some((_, slot)) => Some(slot),
        }
    }

    /// Takes a stream out; says whether there was one.
    pub(super) fn remove(&mut self, id: u32) -> bool {
        let Some(slot) = self.get(id) else {
            return false;
        };
        *slot = Slot::Gone;
        self.gone += 1;
        // At the end at once; elsewhere when half of the list is over, so that it is cheap for
        // each stream however many are open.
        while let Some((_, Slot::Gone)) = self.entries.last() {
            self.entries.pop();
            self.gone -= 1;
        }
        if self.gone > self.entries.len() / 2 {
            self.entries.retain(|(_, slot)| !matches!(slot, Slot::Gone));
            self.gone = 0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn open(contexts: &mut Contexts<u32>, id: u32) -> Option<u32> {
        match contexts.get(id) {
            Some(Slot::Open(stream)) => Some(*stream),
            _ => None,
        }
    }

    #[test]
    fn streams_are_found_in_whatever_order_they_come_and_go() {
        let mut contexts = Contexts::new();
        let mut model = std::collections::BTreeMap::new();
        let mut random = 1_u32;
        for step in 0..5_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let id = random >> 26;
            if random & 0x100 == 0 {
                contexts.insert(id, Slot::Open(step));
                model.insert(id, step);
            } else {
                assert_eq!(contexts.remove(id), model.remove(&id).is_some());
            }
            for id in 0..64 {
                assert_eq!(open(&mut contexts, id), model.get(&id).copied());
            }
            assert!(contexts.entries.len() <= 2 * model.len() + 1);
        }
    }
}

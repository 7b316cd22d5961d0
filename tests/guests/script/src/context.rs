//! What the guest remembers between callbacks.

use std::cell::RefCell;

use gatewright_abi::Callback;

/// Contexts, counts and variables of the whole VM.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) script: Option<&'static str>,
    contexts: Vec<(u32, String)>,
    roots: u32,
    streams: u32,
    counts: Vec<(Callback, u32, u32)>,
    variables: Vec<Variable>,
}

#[derive(Debug)]
struct Variable {
    name: String,
    value: i64,
    /// Whether it is the number of a callout or of a queue.
    is_token: bool,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Looks at the memory. Nothing in the closure may call the host, which may call back.
pub(crate) fn with<R>(look: impl FnOnce(&mut Memory) -> R) -> R {
    MEMORY.with_borrow_mut(look)
}

impl Memory {
    /// Names a new context by the order in which it came, since hosts number them differently:
    /// `root`, `root2`, `stream`, `stream2`.
    pub(crate) fn create(&mut self, id: u32, parent: u32) {
        let (kind, count) = match parent {
            0 => ("root", &mut self.roots),
            _ => ("stream", &mut self.streams),
        };
        *count += 1;
        let name = match *count {
            1 => kind.to_owned(),
            count => format!("{kind}{count}"),
        };
        self.set(&name, i64::from(id), false);
        self.contexts.retain(|(known, _)| *known != id);
        self.contexts.push((id, name));
    }

    /// The name of a context; its number, if it was never created.
    pub(crate) fn context(&self, id: u32) -> String {
        let found = self.contexts.iter().find(|(known, _)| *known == id);
        found.map_or_else(|| id.to_string(), |(_, name)| name.clone())
    }

    /// How often this callback came in this context, this time included.
    pub(crate) fn count(&mut self, callback: Callback, context: u32) -> u32 {
        let place = self
            .counts
            .iter_mut()
            .find(|(known, id, _)| *known == callback && *id == context);
        if let Some((_, _, count)) = place {
            *count = count.saturating_add(1);
            return *count;
        }
        self.counts.push((callback, context, 1));
        1
    }

    /// Forgets how often callbacks came in a context that ends.
    pub(crate) fn forget(&mut self, context: u32) {
        self.counts.retain(|(_, id, _)| *id != context);
    }

    pub(crate) fn set(&mut self, name: &str, value: i64, is_token: bool) {
        self.variables.retain(|variable| variable.name != name);
        self.variables.push(Variable {
            name: name.to_owned(),
            value,
            is_token,
        });
    }

    pub(crate) fn get(&self, name: &str) -> Option<i64> {
        let found = self.variables.iter().find(|known| known.name == name);
        found.map(|variable| variable.value)
    }

    /// A callout or queue by the variable that holds its number; the number, if none does.
    pub(crate) fn token(&self, token: u32) -> String {
        let is = |known: &&Variable| known.is_token && known.value == i64::from(token);
        // The newest variable: a host may give a number again.
        match self.variables.iter().rev().find(is) {
            Some(variable) => format!("${}", variable.name),
            None => token.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_named_in_the_order_they_come() {
        let mut memory = Memory::default();
        memory.create(7, 0);
        memory.create(9, 7);
        memory.create(12, 7);
        assert_eq!(memory.context(7), "root");
        assert_eq!(memory.context(12), "stream2");
        assert_eq!(memory.context(3), "3");
        assert_eq!(memory.get("stream"), Some(9));
    }

    #[test]
    fn a_token_is_named_by_its_newest_variable() {
        let mut memory = Memory::default();
        memory.set("metric", 5, false);
        memory.set("call", 5, true);
        assert_eq!(memory.token(5), "$call");
        assert_eq!(memory.token(6), "6");
    }
}

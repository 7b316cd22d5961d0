//! The objects, and the log of their changes that watches read.
//!
//! Every write has a number, and every version of an object is named by the number of its write. A
//! write is told to the journal, if there is one, before anybody can see it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::journal::{Journal, Record};
use crate::kinds::Kind;
use crate::object::{Key, meta, meta_mut, meta_text};
use crate::selector::Selector;

/// Changes that are remembered. A client that was away for longer lists anew, which it is told.
const REMEMBERED: usize = 16_384;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was made.
    Added,
    /// It is another version.
    Modified,
    /// It is gone.
    Deleted,
}

/// A write.
#[derive(Clone, Debug)]
struct Change {
    revision: u64,
    key: Key,
    before: Option<Arc<Value>>,
    /// Nothing if the object is gone.
    after: Option<Arc<Value>>,
}

/// A change as a watch tells it.
#[derive(Clone, Debug)]
pub struct Told {
    /// The number of the write.
    pub revision: u64,
    /// What it means to whoever watches.
    pub what: What,
    /// The object; the last version of one that is gone, with the number of its end.
    pub object: Arc<Value>,
}

/// Which objects: of a kind, in one namespace or all, selected.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The kind.
    pub kind: Kind,
    /// The namespace; nothing for all.
    pub namespace: Option<String>,
    /// Labels and fields.
    pub selector: Selector,
}

impl Scope {
    /// All objects of a kind.
    #[must_use]
    pub fn all(kind: Kind) -> Self {
        Self {
            kind,
            namespace: None,
            selector: Selector::default(),
        }
    }

    fn has(&self, key: &Key, object: &Value) -> bool {
        self.is_about(key) && self.selector.matches(object)
    }

    fn is_about(&self, key: &Key) -> bool {
        key.kind == self.kind && self.namespace.as_ref().is_none_or(|n| *n == key.namespace)
    }
}

/// Objects, numbered and remembered.
#[derive(Debug, Default)]
pub struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    revision: u64,
    /// The first number that is still remembered is the next one.
    forgotten: u64,
    log: VecDeque<Change>,
    journal: Option<Journal>,
}

impl Store {
    /// An empty store in memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The store that a journal tells of.
    #[must_use]
    pub fn with_journal(journal: Journal, records: Vec<Record>, revision: u64) -> Self {
        let mut store = Self {
            revision,
            forgotten: revision,
            journal: Some(journal),
            ..Self::default()
        };
        for record in records {
            match record {
                Record::Put { key, object } => store.objects.insert(key, Arc::new(object)),
                Record::Delete { key } => store.objects.remove(&key),
            };
        }
        store
    }

    /// A store with one object, to see what a write to it would give.
    pub(crate) fn trial(key: &Key, object: &Arc<Value>, revision: u64) -> Self {
        Self {
            objects: BTreeMap::from([(key.clone(), Arc::clone(object))]),
            revision,
            ..Self::default()
        }
    }

    /// The number of the last write.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// An object.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// An object that must be there.
    ///
    /// # Errors
    /// That it is not found.
    pub fn need(&self, key: &Key) -> Result<&Arc<Value>, Failure> {
        let missing = || Failure::not_found(key.kind.info(), &key.name);
        self.objects.get(key).ok_or_else(missing)
    }

    /// The objects of a scope in the order of namespace and name, from after a key on.
    pub fn list<'s>(
        &'s self,
        scope: &'s Scope,
        after: Option<&Key>,
    ) -> impl Iterator<Item = (&'s Key, &'s Arc<Value>)> {
        let first = Key {
            kind: scope.kind,
            namespace: scope.namespace.clone().unwrap_or_default(),
            name: String::new(),
        };
        let from = match after {
            Some(key) if *key > first => Bound::Excluded(key.clone()),
            _ => Bound::Included(first),
        };
        self.objects
            .range((from, Bound::Unbounded))
            .take_while(move |(key, _)| scope.is_about(key))
            .filter(move |(key, object)| scope.has(key, object))
    }

    /// Every object.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// Adds an object: gives it an identity, and the number of the write.
    ///
    /// # Errors
    /// That there is one, or that it cannot be kept.
    pub fn create(
        &mut self,
        key: &Key,
        mut object: Value,
        now: &str,
    ) -> Result<Arc<Value>, Failure> {
        if self.objects.contains_key(key) {
            return Err(Failure::already_exists(key.kind.info(), &key.name));
        }
        let uid = uid(key, self.revision + 1, now);
        let metadata = meta_mut(&mut object);
        metadata.insert("uid".to_owned(), uid.into());
        metadata.insert("creationTimestamp".to_owned(), now.into());
        metadata.insert("generation".to_owned(), 1.into());
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            metadata.remove(field);
        }
        if !key.kind.info().namespaced {
            metadata.remove("namespace");
        }
        // Events and namespaces have no generations.
        if matches!(key.kind, Kind::Event | Kind::Namespace | Kind::Secret) {
            metadata.remove("generation");
        }
        self.put(key, object)
    }

    /// Puts another version of an object in the place of the one that is there. One that says the
    /// same is no write. An object that is to go does so with its last finalizer.
    ///
    /// # Errors
    /// That there is none, that it was written in between, or that it cannot be kept.
    pub fn update(&mut self, key: &Key, mut object: Value) -> Result<Arc<Value>, Failure> {
        let before = Arc::clone(self.need(key)?);
        let wanted = meta_text(&object, "resourceVersion");
        if !wanted.is_empty() && wanted != meta_text(&before, "resourceVersion") {
            return Err(Failure::modified(key.kind.info(), &key.name));
        }
        let other = meta_text(&object, "uid");
        if !other.is_empty() && other != meta_text(&before, "uid") {
            let why = format!(
                "Precondition failed: UID in precondition: {other}, UID in object meta: {}",
                meta_text(&before, "uid")
            );
            return Err(Failure::conflict(key.kind.info(), &key.name, &why));
        }
        let metadata = meta_mut(&mut object);
        for field in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "generation",
            "resourceVersion",
        ] {
            match meta(&before, field) {
                Some(value) => metadata.insert(field.to_owned(), value.clone()),
                None => metadata.remove(field),
            };
        }
        let leaves = meta(&before, "deletionTimestamp").is_some() && !has_finalizers(&object);
        if leaves {
            return self.remove(key, object);
        }
        if object == *before {
            return Ok(before);
        }
        if let Some(generation) = meta(&before, "generation").and_then(Value::as_i64)
            && has_other_content(&before, &object)
        {
            meta_mut(&mut object).insert("generation".to_owned(), (generation + 1).into());
        }
        self.put(key, object)
    }

    /// Deletes an object, or, if it has finalizers, says that it is to go.
    ///
    /// # Errors
    /// That there is none or another one, or that this cannot be kept.
    pub fn delete(
        &mut self,
        key: &Key,
        preconditions: &Value,
        now: &str,
    ) -> Result<(Arc<Value>, bool), Failure> {
        let before = Arc::clone(self.need(key)?);
        for field in ["uid", "resourceVersion"] {
            let wanted = preconditions.get(field).and_then(Value::as_str);
            let found = meta_text(&before, field);
            if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
                let why = format!(
                    "Precondition failed: {field} in precondition: {wanted}, in object meta: {found}"
                );
                return Err(Failure::conflict(key.kind.info(), &key.name, &why));
            }
        }
        if !has_finalizers(&before) {
            return Ok((self.remove(key, (*before).clone())?, true));
        }
        if meta(&before, "deletionTimestamp").is_some() {
            return Ok((before, false));
        }
        let mut object = (*before).clone();
        let metadata = meta_mut(&mut object);
        metadata.insert("deletionTimestamp".to_owned(), now.into());
        metadata.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
        Ok((self.put(key, object)?, false))
    }

    fn put(&mut self, key: &Key, mut object: Value) -> Result<Arc<Value>, Failure> {
        let revision = self.revision + 1;
        meta_mut(&mut object).insert("resourceVersion".to_owned(), revision.to_string().into());
        if let Some(journal) = &mut self.journal {
            // What cannot be written down did not happen.
            journal.put(revision, key, &object).map_err(unkept)?;
        }
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.remember(revision, key, before, Some(Arc::clone(&object)));
        Ok(object)
    }

    fn remove(&mut self, key: &Key, mut object: Value) -> Result<Arc<Value>, Failure> {
        let revision = self.revision + 1;
        if let Some(journal) = &mut self.journal {
            journal.delete(revision, key).map_err(unkept)?;
        }
        self.objects.remove(key);
        meta_mut(&mut object).insert("resourceVersion".to_owned(), revision.to_string().into());
        let last = Arc::new(object);
        self.remember(revision, key, Some(Arc::clone(&last)), None);
        Ok(last)
    }

    fn remember(
        &mut self,
        revision: u64,
        key: &Key,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
    ) {
        self.revision = revision;
        self.log.push_back(Change {
            revision,
            key: key.clone(),
            before,
            after,
        });
        if self.log.len() > REMEMBERED
            && let Some(oldest) = self.log.pop_front()
        {
            self.forgotten = oldest.revision;
        }
        if let Some(journal) = &mut self.journal {
            // That the old journal goes on growing is no reason to refuse a write that it holds.
            let _ = journal.compact_if_large(revision, &self.objects);
        }
    }

    /// The changes after a write, as they look to whoever watches a scope. An object that begins to
    /// be selected is added to those, and one that ceases to be is deleted from them.
    ///
    /// # Errors
    /// That they are forgotten.
    pub fn changes(&self, after: u64, scope: &Scope) -> Result<Vec<Told>, Failure> {
        // A number that was not given yet is from another life of the store.
        if after < self.forgotten || after > self.revision {
            return Err(Failure::expired(after, self.forgotten));
        }
        let start = self.log.partition_point(|change| change.revision <= after);
        let told = self.log.range(start..).filter_map(|change| {
            if !scope.is_about(&change.key) {
                return None;
            }
            let seen = |object: &Option<Arc<Value>>| {
                object
                    .clone()
                    .filter(|object| scope.selector.matches(object))
            };
            let (what, object) = match (seen(&change.before), seen(&change.after)) {
                (None, Some(after)) => (What::Added, after),
                (Some(_), Some(after)) => (What::Modified, after),
                (Some(before), None) => (What::Deleted, before),
                (None, None) => return None,
            };
            Some(Told {
                revision: change.revision,
                what,
                object,
            })
        });
        Ok(told.collect())
    }
}

fn unkept(error: std::io::Error) -> Failure {
    Failure::internal(format!("the change cannot be kept: {error}"))
}

fn has_finalizers(object: &Value) -> bool {
    meta(object, "finalizers")
        .and_then(Value::as_array)
        .is_some_and(|finalizers| !finalizers.is_empty())
}

/// Whether two versions differ in more than metadata and status.
fn has_other_content(before: &Value, after: &Value) -> bool {
    let content = |object: &Value| -> Vec<(String, Value)> {
        let fields = object.as_object().into_iter().flatten();
        fields
            .filter(|(field, _)| {
                !matches!(
                    field.as_str(),
                    "metadata" | "status" | "apiVersion" | "kind"
                )
            })
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect()
    };
    content(before) != content(after)
}

/// An identity that no other object has: of what it is, when it was made, and the number of its
/// first write.
fn uid(key: &Key, revision: u64, now: &str) -> String {
    let mix = |seed: u64| {
        let text = format!("{key} {revision} {now}");
        let hash = text.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        hash ^ (hash >> 29)
    };
    let (high, low) = (mix(0xcbf2_9ce4_8422_2325), mix(0x9e37_79b9_7f4a_7c15));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        (low >> 48) & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

/// A list of objects as the API answers with it.
#[must_use]
pub fn list_json(kind: Kind, version: &str, revision: u64, items: Vec<Value>) -> Value {
    json!({
        "apiVersion": kind.info().api_version(version),
        "kind": format!("{}List", kind.info().name),
        "metadata": {"resourceVersion": revision.to_string()},
        "items": items,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2025-08-08T20:16:13Z";

    fn key(name: &str) -> Key {
        Key {
            kind: Kind::Gateway,
            namespace: "default".to_owned(),
            name: name.to_owned(),
        }
    }

    fn object(name: &str, port: i64) -> Value {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"port": port},
        })
    }

    fn store(names: &[&str]) -> Store {
        let mut store = Store::new();
        for name in names {
            store.create(&key(name), object(name, 80), NOW).unwrap();
        }
        store
    }

    #[test]
    fn an_object_is_numbered_and_its_generation_counts_changes_of_its_content() {
        let mut store = store(&["a"]);
        let first = Arc::clone(store.get(&key("a")).unwrap());
        assert_eq!(first["metadata"]["resourceVersion"], "1");
        assert_eq!(first["metadata"]["generation"], 1);
        let mut other = object("a", 80);
        other["status"] = json!({"x": 1});
        let second = store.update(&key("a"), other.clone()).unwrap();
        assert_eq!(second["metadata"]["generation"], 1);
        other["spec"]["port"] = 81.into();
        let third = store.update(&key("a"), other).unwrap();
        assert_eq!(third["metadata"]["generation"], 2);
        assert_eq!(third["metadata"]["uid"], first["metadata"]["uid"]);
        // The same again is no write.
        assert_eq!(store.update(&key("a"), (*third).clone()).unwrap(), third);
        assert_eq!(store.revision(), 3);
    }

    #[test]
    fn a_version_that_was_overtaken_is_a_conflict() {
        let mut store = store(&["a"]);
        let seen = (**store.get(&key("a")).unwrap()).clone();
        store.update(&key("a"), object("a", 81)).unwrap();
        let failure = store.update(&key("a"), seen).unwrap_err();
        assert_eq!((failure.code, failure.reason), (409, "Conflict"));
        assert!(failure.message.contains("the object has been modified"));
        assert_eq!(
            store
                .create(&key("a"), object("a", 1), NOW)
                .unwrap_err()
                .reason,
            "AlreadyExists"
        );
        assert_eq!(
            store.update(&key("b"), object("b", 1)).unwrap_err().code,
            404
        );
    }

    #[test]
    fn a_watch_is_told_every_change_of_its_scope_once() {
        let mut store = store(&["a"]);
        store.update(&key("a"), object("a", 81)).unwrap();
        store.delete(&key("a"), &Value::Null, NOW).unwrap();
        let scope = Scope::all(Kind::Gateway);
        let told = |after| -> Vec<_> {
            let changes = store.changes(after, &scope).unwrap();
            changes.iter().map(|c| (c.revision, c.what)).collect()
        };
        assert_eq!(
            told(0),
            [(1, What::Added), (2, What::Modified), (3, What::Deleted)]
        );
        assert_eq!(told(2), [(3, What::Deleted)]);
        let last = store.changes(2, &scope).unwrap();
        assert_eq!(last[0].object["metadata"]["resourceVersion"], "3");
        assert!(
            store
                .changes(0, &Scope::all(Kind::Service))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn an_object_enters_and_leaves_what_is_selected() {
        let mut store = store(&["a"]);
        let labelled = |value: &str| {
            let mut object = object("a", 80);
            object["metadata"]["labels"] = json!({"x": value});
            object
        };
        for value in ["1", "2", "1"] {
            store.update(&key("a"), labelled(value)).unwrap();
        }
        let scope = Scope {
            selector: Selector::parse("x=1", "").unwrap(),
            ..Scope::all(Kind::Gateway)
        };
        let changes = store.changes(0, &scope).unwrap();
        let whats: Vec<_> = changes.iter().map(|change| change.what).collect();
        assert_eq!(whats, [What::Added, What::Deleted, What::Added]);
    }

    #[test]
    fn what_is_forgotten_is_gone_and_so_is_what_never_was() {
        let mut store = store(&["a"]);
        for port in 0..=REMEMBERED as i64 {
            store.update(&key("a"), object("a", port)).unwrap();
        }
        let scope = Scope::all(Kind::Gateway);
        assert_eq!(store.changes(0, &scope).unwrap_err().code, 410);
        assert!(store.changes(store.revision() - 10, &scope).is_ok());
        assert_eq!(
            store
                .changes(store.revision() + 1, &scope)
                .unwrap_err()
                .code,
            410
        );
    }

    #[test]
    fn an_object_with_finalizers_goes_with_the_last_of_them() {
        let mut store = store(&[]);
        let mut held = object("a", 80);
        held["metadata"]["finalizers"] = json!(["x/y"]);
        store.create(&key("a"), held.clone(), NOW).unwrap();
        let (marked, gone) = store.delete(&key("a"), &Value::Null, NOW).unwrap();
        assert!(!gone && meta(&marked, "deletionTimestamp").is_some());
        // Nobody takes the mark back.
        let kept = store.update(&key("a"), held).unwrap();
        assert!(meta(&kept, "deletionTimestamp").is_some());
        store.update(&key("a"), object("a", 80)).unwrap();
        assert!(store.get(&key("a")).is_none());
        let changes = store.changes(0, &Scope::all(Kind::Gateway)).unwrap();
        assert_eq!(
            changes.last().map(|change| change.what),
            Some(What::Deleted)
        );
    }

    #[test]
    fn a_deletion_holds_to_its_preconditions() {
        let mut store = store(&["a"]);
        let wrong = json!({"uid": "other"});
        assert_eq!(store.delete(&key("a"), &wrong, NOW).unwrap_err().code, 409);
        let uid = store.get(&key("a")).unwrap()["metadata"]["uid"].clone();
        assert!(store.delete(&key("a"), &json!({"uid": uid}), NOW).is_ok());
    }

    #[test]
    fn lists_are_in_order_and_go_on_after_a_key() {
        let store = store(&["c", "a", "b"]);
        let scope = Scope::all(Kind::Gateway);
        let names = |after: Option<&Key>| -> Vec<String> {
            let found = store.list(&scope, after);
            found.map(|(key, _)| key.name.clone()).collect()
        };
        assert_eq!(names(None), ["a", "b", "c"]);
        assert_eq!(names(Some(&key("a"))), ["b", "c"]);
    }
}

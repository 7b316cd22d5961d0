//! The controller: what `gatewright-gke` found is written into the objects, and told as events.

use gatewright_gke::{
    Cloud, DescribeOptions, Era, ObjectId, Report, StatusEvent, annotations, written,
};
use serde_json::{Map, Value, json};

use super::{Api, now};
use crate::failure::Failure;
use crate::kinds::Kind;
use crate::object::{Key, at, entry, meta, meta_mut, meta_text};
use crate::store::{Scope, Store};

/// Who writes events.
const COMPONENT: &str = "sc-gateway-controller";
/// What keeps a Gateway until the controller has seen that it is to go.
const FINALIZER: &str = "gateway.finalizer.networking.gke.io";
/// The annotation that changes with every look, and so is no change.
const LOOKED: &str = "networking.gke.io/last-reconcile-time";

/// What the load balancer could not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The object.
    pub object: ObjectId,
    /// Why.
    pub message: String,
}

/// What was found and what is served.
#[derive(Clone, Copy, Debug)]
pub struct Reconciled<'a> {
    /// The objects, checked together.
    pub report: &'a Report,
    /// What is not served although it was accepted.
    pub troubles: &'a [Trouble],
    /// Project, region, and the address of Gateways.
    pub cloud: Cloud<'a>,
}

impl Api {
    /// The objects as manifests, with names for messages, in the order in which they came: of two
    /// that are in conflict the older one is first.
    #[must_use]
    pub fn manifests(&self) -> Vec<(String, Vec<u8>)> {
        let store = self.store();
        let mut objects: Vec<_> = store
            .all()
            .filter(|(key, object)| {
                let counts = match key.kind {
                    Kind::Namespace | Kind::Event | Kind::GatewayClass => false,
                    Kind::Pod => !crate::workloads::is_owned(object),
                    _ => true,
                };
                counts && meta(object, "deletionTimestamp").is_none()
            })
            .collect();
        objects.sort_by_key(|(key, object)| (meta_text(object, "creationTimestamp"), *key));
        let manifest = |(key, object): (&Key, &std::sync::Arc<Value>)| {
            let mut object = (**object).clone();
            let map = crate::object::as_map(&mut object);
            map.remove("status");
            meta_mut(&mut object).remove("managedFields");
            (key.to_string(), object.to_string().into_bytes())
        };
        objects.into_iter().map(manifest).collect()
    }

    /// Writes conditions, addresses, annotations and events, and lets objects go that are to.
    ///
    /// # Errors
    /// That a change cannot be kept.
    pub fn reconciled(&self, found: Reconciled<'_>) -> Result<(), Failure> {
        let mut store = self.store();
        let time = now();
        let leaving: Vec<_> = store
            .all()
            .filter(|(_, object)| meta(object, "deletionTimestamp").is_some())
            .map(|(key, object)| (key.clone(), (**object).clone()))
            .collect();
        for (key, mut object) in leaving {
            set_finalizer(&mut object, false);
            store.update(&key, object)?;
        }
        for object in found
            .report
            .objects
            .iter()
            .filter(|object| !object.rejected)
        {
            let Some(kind) = Kind::from_name(&object.id.kind) else {
                continue;
            };
            let key = Key {
                kind,
                namespace: object.id.namespace.clone(),
                name: object.id.name.clone(),
            };
            // It may have been deleted since the report was made.
            let Some(before) = store.get(&key).map(|object| (**object).clone()) else {
                continue;
            };
            let options = DescribeOptions {
                era: Era::August2025,
                time: &time,
                reconciled: true,
                cloud: found.cloud,
            };
            let troubles: Vec<&Trouble> = found
                .troubles
                .iter()
                .filter(|trouble| trouble.object == object.id)
                .collect();
            let mut after = before.clone();
            if let Some(mut status) = written(found.report, object, &options) {
                if !troubles.is_empty() {
                    unprogram(&mut status);
                }
                let generation = meta(&before, "generation").cloned().unwrap_or(1.into());
                let old = before.get("status").cloned().unwrap_or(Value::Null);
                settle(&mut status, &old, &generation);
                after["status"] = status;
            } else if matches!(
                kind,
                Kind::GcpTrafficExtension | Kind::GcpRoutingExtension | Kind::GcpWasmPlugin
            ) {
                crate::object::as_map(&mut after).remove("status");
            }
            if kind == Kind::Gateway {
                set_finalizer(&mut after, true);
                if let Some(gateway) = found.report.model.gateway(&key.namespace, &key.name) {
                    let notes = annotations(found.report, gateway, &time, &found.cloud);
                    annotate(&mut after, &before, notes);
                }
            }
            store.update(&key, after)?;
            let mut events: Vec<StatusEvent> = found
                .report
                .statuses
                .get(&object.id)
                .filter(|status| !status.ancestors.is_empty())
                .map(|status| status.events(&object.id, Era::August2025))
                .unwrap_or_default();
            if !troubles.is_empty() {
                events.retain(|event| !event.message.starts_with("Programming of"));
                events.extend(troubles.iter().map(|trouble| StatusEvent {
                    kind: "Warning",
                    reason: "SYNC",
                    message: trouble.message.clone(),
                }));
            }
            tell(&mut store, &key, &before, &events, &time)?;
        }
        forget_events(&mut store, &time)?;
        self.revision.send_replace(store.revision());
        Ok(())
    }
}

/// Takes the word back that the load balancer has it.
fn unprogram(status: &mut Value) {
    let ancestors = status.get_mut("ancestors").and_then(Value::as_array_mut);
    for ancestor in ancestors.into_iter().flatten() {
        if let Some(conditions) = ancestor.get_mut("conditions").and_then(Value::as_array_mut) {
            conditions.retain(|condition| condition["type"] != "Programmed");
        }
    }
}

/// Lets a condition that holds still keep its time, and notes which generation it is about.
fn settle(status: &mut Value, old: &Value, generation: &Value) {
    match status {
        Value::Object(map) => {
            if map.contains_key("lastTransitionTime") {
                let same = old.get("status") == map.get("status");
                if let Some(time) = old.get("lastTransitionTime").filter(|_| same) {
                    map.insert("lastTransitionTime".to_owned(), time.clone());
                }
                map.insert("observedGeneration".to_owned(), generation.clone());
            }
            for (field, value) in map {
                settle(value, old.get(field).unwrap_or(&Value::Null), generation);
            }
        }
        Value::Array(items) => {
            let old = old.as_array().map(Vec::as_slice).unwrap_or_default();
            for (index, item) in items.iter_mut().enumerate() {
                let same = |field: &str, other: &&Value| {
                    item.get(field).is_some() && item.get(field) == other.get(field)
                };
                // Conditions by type, ancestors and parents by what they refer to, the rest by place.
                let before = ["type", "ancestorRef", "parentRef", "name"]
                    .iter()
                    .find(|field| item.get(**field).is_some())
                    .map_or_else(
                        || old.get(index),
                        |field| old.iter().find(|other| same(field, other)),
                    );
                settle(item, before.unwrap_or(&Value::Null), generation);
            }
        }
        _ => {}
    }
}

fn set_finalizer(object: &mut Value, wanted: bool) {
    let metadata = meta_mut(object);
    let list = metadata.get("finalizers").and_then(Value::as_array);
    let mut list = list.cloned().unwrap_or_default();
    list.retain(|finalizer| finalizer != FINALIZER);
    if wanted {
        list.push(FINALIZER.into());
    }
    if list.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), list.into());
    }
}

/// Sets the controller's annotations, and leaves those that others set.
fn annotate(after: &mut Value, before: &Value, notes: Vec<(String, String)>) {
    let there = meta(before, "annotations");
    let own = |key: &str| {
        there
            .and_then(|there| there.get(key))
            .and_then(Value::as_str)
    };
    let is_new = notes
        .iter()
        .any(|(key, value)| key != LOOKED && own(key) != Some(value));
    let stale: Vec<String> = there
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .filter(|key| {
            matches!(
                key.as_str(),
                "networking.gke.io/wasm-plugins" | "networking.gke.io/wasm-plugin-versions"
            ) && !notes.iter().any(|(known, _)| known == key)
        })
        .collect();
    if !is_new && stale.is_empty() {
        return;
    }
    let metadata = meta_mut(after);
    let map: &mut Map<String, Value> =
        crate::object::as_map(metadata.entry("annotations").or_insert(Value::Null));
    for key in stale {
        map.remove(&key);
    }
    for (key, value) in notes {
        map.insert(key, value.into());
    }
}

/// Writes events about an object: a new one for what was not said yet, and a count for what is said
/// again of another generation.
fn tell(
    store: &mut Store,
    key: &Key,
    about: &Value,
    events: &[StatusEvent],
    time: &str,
) -> Result<(), Failure> {
    let info = key.kind.info();
    let scope = Scope {
        namespace: Some(key.namespace.clone()),
        ..Scope::all(Kind::Event)
    };
    let uid = meta_text(about, "uid");
    let known: Vec<(Key, Value)> = store
        .list(&scope, None)
        .filter(|(_, event)| at(event, "involvedObject.uid").and_then(Value::as_str) == Some(uid))
        .map(|(key, event)| (key.clone(), (**event).clone()))
        .collect();
    let generation = meta(about, "generation").cloned().unwrap_or(1.into());
    for event in events {
        let same = known.iter().find(|(_, known)| {
            known["message"] == event.message.as_str() && known["type"] == event.kind
        });
        if let Some((name, known)) = same {
            let seen = at(known, "metadata.annotations");
            let seen = seen.and_then(|notes| notes.get(GENERATION)).cloned();
            if event.reason == "ADD" || seen == Some(generation.to_string().into()) {
                continue;
            }
            let mut again = known.clone();
            again["count"] = (known["count"].as_u64().unwrap_or(1) + 1).into();
            again["lastTimestamp"] = time.into();
            entry(&mut again["metadata"], "annotations")
                .insert(GENERATION.to_owned(), generation.to_string().into());
            store.update(name, again)?;
            continue;
        }
        // Names in the order of the writes, since lists are ordered by name.
        let name = format!("{}.{:016x}", key.name, store.revision() + 1);
        let object = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": name,
                "namespace": key.namespace,
                "annotations": {GENERATION: generation.to_string()},
            },
            "involvedObject": {
                "apiVersion": info.api_version(info.versions[0]),
                "kind": info.name,
                "name": key.name,
                "namespace": key.namespace,
                "resourceVersion": meta_text(about, "resourceVersion"),
                "uid": uid,
            },
            "type": event.kind,
            "reason": event.reason,
            "message": event.message,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": "",
            "firstTimestamp": time,
            "lastTimestamp": time,
            "eventTime": null,
            "count": 1,
        });
        let event_key = Key {
            kind: Kind::Event,
            namespace: key.namespace.clone(),
            name,
        };
        store.create(&event_key, object, time)?;
    }
    Ok(())
}

/// The generation that an event was last said of.
const GENERATION: &str = "gatewright.dev/generation";

/// Events that are kept; the API server forgets them after an hour.
const EVENTS: usize = 1000;

fn forget_events(store: &mut Store, time: &str) -> Result<(), Failure> {
    let scope = Scope::all(Kind::Event);
    let mut all: Vec<(String, Key)> = store
        .list(&scope, None)
        .map(|(key, event)| {
            let last = event["lastTimestamp"].as_str().unwrap_or_default();
            (last.to_owned(), key.clone())
        })
        .collect();
    if all.len() <= EVENTS {
        return Ok(());
    }
    all.sort();
    for (_, key) in all.drain(..all.len() - EVENTS) {
        store.delete(&key, &Value::Null, time)?;
    }
    Ok(())
}

//! What is done with objects: read, listed, created, updated, deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Api, Method, Request, Target, Whole, follow, now, shown};
use crate::admission::{Admitted, FieldValidation, admit};
use crate::defaults;
use crate::failure::Failure;
use crate::kinds::Kind;
use crate::object::{Key, at, meta, meta_mut, meta_text};
use crate::patch::apply::{Applier, note_update};
use crate::patch::fields::Manager;
use crate::selector::Selector;
use crate::store::{Scope, Store, list_json};
use crate::table;

impl Target {
    pub(super) fn scope(&self, request: &Request) -> Result<Scope, Failure> {
        let mut selector = Selector::parse(
            request.parameter("labelSelector"),
            request.parameter("fieldSelector"),
        )?;
        if let Some(name) = &self.name {
            selector = Selector::parse("", &format!("metadata.name={name}"))?;
        }
        Ok(Scope {
            kind: self.kind,
            namespace: self.namespace.clone(),
            selector,
        })
    }
}

/// The object that a request is about to write, and how.
pub(super) struct Write<'r> {
    pub(super) request: &'r Request,
    pub(super) target: &'r Target,
    pub(super) manager: Manager,
    validation: FieldValidation,
    /// Nothing is kept, and the answer is what would have been.
    pub(super) dry: bool,
}

impl<'r> Write<'r> {
    pub(super) fn new(request: &'r Request, target: &'r Target) -> Result<Self, Failure> {
        let dry = match request.parameter("dryRun") {
            "" => false,
            "All" => true,
            other => {
                let message =
                    format!("dryRun: Unsupported value: {other:?}: supported values: \"All\"");
                return Err(Failure::bad_request(message));
            }
        };
        Ok(Self {
            request,
            target,
            manager: Manager {
                name: request.manager(),
                applies: false,
                subresource: target.subresource.clone().unwrap_or_default(),
            },
            validation: FieldValidation::parse(request.parameter("fieldValidation"))?,
            dry,
        })
    }

    pub(super) fn applier<'a>(&self, api_version: &'a str, time: &'a str) -> Applier<'a> {
        Applier {
            manager: self.manager.clone(),
            force: self.request.flag("force"),
            api_version,
            time,
        }
    }
}

impl Api {
    pub(super) fn act(&self, request: &Request, target: &Target) -> Result<Whole, Failure> {
        match (request.method, &target.name) {
            (Method::Get, Some(name)) => {
                let store = self.store();
                let object = shown(store.need(&target.key(name))?, target);
                Ok(Whole::fine(table::or_object(request, target, object)))
            }
            (Method::Post, None) => {
                let write = Write::new(request, target)?;
                self.create(&write, request.value()?)
            }
            (Method::Put, Some(name)) => {
                let write = Write::new(request, target)?;
                let object = self.sent(&write, request.value()?, Some(name))?;
                self.put(&write, name, object)
            }
            (Method::Patch, Some(name)) => self.patch(Write::new(request, target)?, name),
            (Method::Delete, Some(name)) => self.delete(&Write::new(request, target)?, name),
            (Method::Delete, None) => self.delete_all(&Write::new(request, target)?),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    pub(super) fn list(&self, request: &Request, target: &Target) -> Result<Value, Failure> {
        let scope = target.scope(request)?;
        let store = self.store();
        let limit: usize = match request.parameter("limit") {
            "" | "0" => usize::MAX,
            text => text
                .parse()
                .map_err(|_| Failure::bad_request(format!("limit: `{text}` is no number")))?,
        };
        // A list in parts is as old as its first part: what changed since is told to a watch.
        let (revision, after) = match request.parameter("continue") {
            "" => (store.revision(), None),
            token => read_token(token, target)?,
        };
        let mut found = store.list(&scope, after.as_ref());
        let items: Vec<_> = found.by_ref().take(limit).collect();
        let rest = found.count();
        let last = items.last().map(|(key, _)| (*key).clone());
        let objects = items.iter().map(|(_, object)| shown(object, target));
        let mut list = list_json(target.kind, &target.version, revision, objects.collect());
        if let Some(key) = last.filter(|_| rest > 0) {
            let token = json!([revision, key.namespace, key.name]).to_string();
            list["metadata"]["continue"] = URL_SAFE_NO_PAD.encode(token).into();
            if request.parameter("labelSelector").is_empty()
                && request.parameter("fieldSelector").is_empty()
            {
                list["metadata"]["remainingItemCount"] = rest.into();
            }
        }
        Ok(table::or_list(request, target, list))
    }

    /// An object as a client sent it, held against where it was sent.
    pub(super) fn sent(
        &self,
        write: &Write<'_>,
        mut object: Value,
        name: Option<&str>,
    ) -> Result<Value, Failure> {
        let target = write.target;
        let info = target.kind.info();
        if !object.is_object() {
            return Err(Failure::bad_request("the body of the request is no object"));
        }
        for (field, expected) in [
            ("apiVersion", target.api_version()),
            ("kind", info.name.to_owned()),
        ] {
            let found = object
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default();
            if !found.is_empty() && found != expected {
                return Err(Failure::bad_request(format!(
                    "the {field} in the data ({found}) does not match the expected {field} ({expected})"
                )));
            }
        }
        object["apiVersion"] = info.api_version(info.versions[0]).into();
        object["kind"] = info.name.into();
        let metadata = meta_mut(&mut object);
        if let Some(namespace) = &target.namespace {
            let found = metadata
                .get("namespace")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if !found.is_empty() && found != namespace {
                return Err(Failure::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
            metadata.insert("namespace".to_owned(), namespace.clone().into());
        } else if info.namespaced {
            return Err(Failure::bad_request(
                "an object of this kind is created in a namespace",
            ));
        }
        if let Some(name) = name {
            let found = metadata
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if !found.is_empty() && found != name {
                return Err(Failure::bad_request(format!(
                    "the name of the object ({found}) does not match the name on the URL ({name})"
                )));
            }
            metadata.insert("name".to_owned(), name.into());
        }
        Ok(object)
    }

    fn create(&self, write: &Write<'_>, object: Value) -> Result<Whole, Failure> {
        let mut object = self.sent(write, object, None)?;
        let target = write.target;
        let mut store = self.store();
        if !meta_text(&object, "resourceVersion").is_empty() {
            return Err(Failure::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let generated = meta_text(&object, "generateName").to_owned();
        if meta_text(&object, "name").is_empty() && !generated.is_empty() {
            let name = format!("{generated}{:05x}", store.revision() + 1);
            meta_mut(&mut object).insert("name".to_owned(), name.into());
        }
        if let Some(namespace) = &target.namespace {
            need_namespace(&store, namespace)?;
        }
        let time = now();
        let api_version = target.api_version();
        if target.kind.info().status {
            // A status is written by itself.
            crate::object::as_map(&mut object).remove("status");
        }
        let Admitted {
            mut object,
            warnings,
        } = self.admitted(write, object, None, &store)?;
        note_update(
            target.kind,
            None,
            &mut object,
            &write.applier(&api_version, &time),
        );
        let key = Key::of(target.kind, &object);
        if write.dry {
            if store.get(&key).is_some() {
                return Err(Failure::already_exists(target.kind.info(), &key.name));
            }
            let mut dry = Store::new();
            let made = dry.create(&key, object, &time)?;
            return Ok(Whole {
                code: 201,
                body: shown(&made, target),
                warnings,
            });
        }
        let made = store.create(&key, object, &time)?;
        follow(&mut store, target.kind, &key.namespace)?;
        Ok(Whole {
            code: 201,
            body: shown(&made, target),
            warnings,
        })
    }

    /// Runs the checks of the API server and its defaults.
    pub(super) fn admitted(
        &self,
        write: &Write<'_>,
        object: Value,
        before: Option<&Value>,
        store: &Store,
    ) -> Result<Admitted, Failure> {
        let target = write.target;
        let status = object.get("status").cloned();
        let mut admitted = admit(
            target.kind,
            &target.version,
            object,
            write.validation,
            self.settings.profile,
        )?;
        // The checker lets a status go by that the store keeps.
        if let Some(status) = status {
            admitted.object["status"] = status;
        }
        let services = Scope::all(Kind::Service);
        let own = Key::of(target.kind, &admitted.object);
        let taken: BTreeSet<String> = store
            .list(&services, None)
            .filter(|(key, _)| **key != own)
            .filter_map(|(_, service)| Some(at(service, "spec.clusterIP")?.as_str()?.to_owned()))
            .collect();
        defaults::fill(target.kind, &mut admitted.object, before, &taken)?;
        if target.kind == Kind::Pod && admitted.object.get("status").is_none() {
            admitted.object["spec"]["nodeName"] = "gatewright".into();
            admitted.object["status"] = crate::workloads::pod_status(&admitted.object, &now());
        }
        Ok(admitted)
    }

    /// Puts a version of an object in the place of another, or its status alone.
    fn put(&self, write: &Write<'_>, name: &str, object: Value) -> Result<Whole, Failure> {
        let mut store = self.store();
        let before = Arc::clone(store.need(&write.target.key(name))?);
        self.put_over(write, &mut store, &before, object, Noted::Here)
    }

    pub(super) fn put_over(
        &self,
        write: &Write<'_>,
        store: &mut Store,
        before: &Arc<Value>,
        mut object: Value,
        noted: Noted,
    ) -> Result<Whole, Failure> {
        let target = write.target;
        let info = target.kind.info();
        let managed_by_client = meta(&object, "managedFields") != meta(before, "managedFields");
        if target.subresource.is_some() {
            let status = object.get("status").cloned().unwrap_or(Value::Null);
            let sent = meta(&object, "resourceVersion").cloned();
            let managed = meta(&object, "managedFields").cloned();
            object = (**before).clone();
            object["status"] = status;
            if let Some(sent) = sent {
                meta_mut(&mut object).insert("resourceVersion".to_owned(), sent);
            }
            if let Some(managed) = managed {
                meta_mut(&mut object).insert("managedFields".to_owned(), managed);
            }
        } else if info.status {
            match before.get("status") {
                Some(status) => object["status"] = status.clone(),
                None => {
                    crate::object::as_map(&mut object).remove("status");
                }
            }
        }
        if target.kind == Kind::Secret
            && at(before, "immutable") == Some(&Value::Bool(true))
            && (object.get("data") != before.get("data"))
        {
            let cause = crate::failure::Cause {
                reason: "FieldValueForbidden".to_owned(),
                field: "data".to_owned(),
                message: "Forbidden: field is immutable when `immutable` is set".to_owned(),
            };
            return Err(Failure::invalid(info, meta_text(before, "name"), &[cause]));
        }
        let Admitted {
            mut object,
            warnings,
        } = self.admitted(write, object, Some(before), store)?;
        let time = now();
        let api_version = target.api_version();
        match noted {
            // Whoever writes `managedFields` themselves knows what they do.
            Noted::Here if managed_by_client && meta(&object, "managedFields").is_some() => {}
            Noted::Here => note_update(
                target.kind,
                Some(before),
                &mut object,
                &write.applier(&api_version, &time),
            ),
            Noted::Already => {}
        }
        let key = Key::of(target.kind, before);
        let made = if write.dry {
            let mut dry = Store::trial(&key, before, store.revision());
            let mut made = (*dry.update(&key, object)?).clone();
            // There is no write that could have a number.
            if let Some(there) = meta(before, "resourceVersion") {
                meta_mut(&mut made).insert("resourceVersion".to_owned(), there.clone());
            }
            Arc::new(made)
        } else {
            let made = store.update(&key, object)?;
            if target.subresource.is_none() {
                follow(store, target.kind, &key.namespace)?;
            }
            made
        };
        Ok(Whole {
            code: 200,
            body: shown(&made, target),
            warnings,
        })
    }

    fn delete(&self, write: &Write<'_>, name: &str) -> Result<Whole, Failure> {
        let target = write.target;
        if target.subresource.is_some() {
            return Err(Failure::method_not_allowed());
        }
        let options = match write.request.body.is_empty() {
            true => Value::Null,
            false => write.request.value()?,
        };
        let preconditions = options.get("preconditions").cloned().unwrap_or(Value::Null);
        let key = target.key(name);
        let mut store = self.store();
        let dry = write.dry || options.get("dryRun").is_some();
        if dry {
            let object = store.need(&key)?;
            return Ok(Whole::fine(success(target, object)));
        }
        if target.kind == Kind::Namespace {
            if name == super::DEFAULT {
                return Err(Failure::forbidden(
                    target.kind.info(),
                    name,
                    "this namespace may not be deleted",
                ));
            }
            // What is in it goes first.
            let inside: Vec<Key> = store
                .all()
                .filter(|(key, _)| key.namespace == name)
                .map(|(key, _)| key.clone())
                .collect();
            for key in inside {
                store.delete(&key, &Value::Null, &now())?;
            }
        }
        let (object, gone) = store.delete(&key, &preconditions, &now())?;
        follow(&mut store, target.kind, &key.namespace)?;
        let body = if gone {
            success(target, &object)
        } else {
            shown(&object, target)
        };
        Ok(Whole::fine(body))
    }

    fn delete_all(&self, write: &Write<'_>) -> Result<Whole, Failure> {
        let target = write.target;
        let scope = target.scope(write.request)?;
        let mut store = self.store();
        let keys: Vec<Key> = store
            .list(&scope, None)
            .map(|(key, _)| key.clone())
            .collect();
        let mut items = Vec::new();
        for key in keys {
            let object = match write.dry {
                true => Arc::clone(store.need(&key)?),
                false => store.delete(&key, &Value::Null, &now())?.0,
            };
            items.push(shown(&object, target));
        }
        if let Some(namespace) = &target.namespace {
            follow(&mut store, target.kind, namespace)?;
        }
        let list = list_json(target.kind, &target.version, store.revision(), items);
        Ok(Whole::fine(list))
    }
}

/// Whether `managedFields` are to be brought up to date.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    Here,
    /// Server-side apply did it.
    Already,
}

pub(super) fn need_namespace(store: &Store, namespace: &str) -> Result<(), Failure> {
    let key = Key {
        kind: Kind::Namespace,
        namespace: String::new(),
        name: namespace.to_owned(),
    };
    store.need(&key).map(drop)
}

fn read_token(token: &str, target: &Target) -> Result<(u64, Option<Key>), Failure> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let value: Value = serde_json::from_slice(&bytes).ok()?;
        let key = Key {
            kind: target.kind,
            namespace: value.get(1)?.as_str()?.to_owned(),
            name: value.get(2)?.as_str()?.to_owned(),
        };
        Some((value.get(0)?.as_u64()?, Some(key)))
    };
    read().ok_or_else(|| Failure::bad_request("continue key is not valid"))
}

/// What a deletion is answered with.
fn success(target: &Target, object: &Value) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": meta_text(object, "name"),
            "group": target.kind.info().group,
            "kind": target.kind.info().plural,
            "uid": meta_text(object, "uid"),
        },
    })
}

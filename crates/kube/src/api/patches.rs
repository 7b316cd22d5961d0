//! Patches of the four kinds, as requests.

use std::sync::Arc;

use serde_json::{Value, json};

use super::verbs::{Noted, Write, need_namespace};
use super::{Api, Whole, follow, now, shown};
use crate::admission::Admitted;
use crate::failure::Failure;
use crate::object::{Key, meta, meta_mut};
use crate::patch::apply::apply;
use crate::patch::{PatchType, json_patch, merge, strategic};
use crate::store::Store;

/// What takes which patches.
const CUSTOM: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
];
const BUILT_IN: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

impl Api {
    pub(super) fn patch(&self, mut write: Write<'_>, name: &str) -> Result<Whole, Failure> {
        let (request, target) = (write.request, write.target);
        let info = target.kind.info();
        let accepted = if info.built_in { BUILT_IN } else { CUSTOM };
        let patch_type = PatchType::of(request.media())
            .filter(|kind| info.built_in || *kind != PatchType::Strategic)
            .ok_or_else(|| Failure::unsupported(accepted))?;
        let patch = request.value()?;
        let key = target.key(name);
        let mut store = self.store();
        let before = store.get(&key).cloned();
        if patch_type == PatchType::Apply {
            if request.parameter("fieldManager").is_empty() {
                return Err(Failure::bad_request(
                    "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
                ));
            }
            write.manager.applies = true;
            if meta(&patch, "managedFields").is_some_and(|fields| !fields.is_null()) {
                return Err(Failure::bad_request("metadata.managedFields must be nil"));
            }
            let wanted = self.sent(&write, patch, Some(name))?;
            return self.apply(&write, &mut store, before.as_ref(), &key, &wanted);
        }
        let before = before.ok_or_else(|| Failure::not_found(info, name))?;
        // In the version that the client speaks, which the patch may name.
        let mut object = shown(&before, target);
        match patch_type {
            PatchType::Json => json_patch(&mut object, &patch)?,
            PatchType::Strategic => strategic(target.kind, &mut object, &patch)?,
            PatchType::Merge | PatchType::Apply => merge(&mut object, &patch),
        }
        let object = self.sent(&write, object, Some(name))?;
        self.put_over(&write, &mut store, &before, object, Noted::Here)
    }

    pub(super) fn apply(
        &self,
        write: &Write<'_>,
        store: &mut Store,
        before: Option<&Arc<Value>>,
        key: &Key,
        wanted: &Value,
    ) -> Result<Whole, Failure> {
        let target = write.target;
        let (time, api_version) = (now(), target.api_version());
        let applier = write.applier(&api_version, &time);
        match before {
            Some(before) => {
                let mut object = apply(target.kind, before, wanted, &applier)?;
                if let Some(sent) = meta(wanted, "resourceVersion") {
                    meta_mut(&mut object).insert("resourceVersion".to_owned(), sent.clone());
                }
                self.put_over(write, store, before, object, Noted::Already)
            }
            None if target.subresource.is_some() => {
                Err(Failure::not_found(target.kind.info(), &key.name))
            }
            None => {
                if let Some(namespace) = &target.namespace {
                    need_namespace(store, namespace)?;
                }
                let empty = json!({"metadata": {}});
                let object = apply(target.kind, &empty, wanted, &applier)?;
                let Admitted { object, warnings } = self.admitted(write, object, None, store)?;
                if write.dry {
                    let made = Store::new().create(key, object, &time)?;
                    return Ok(Whole {
                        code: 201,
                        body: shown(&made, target),
                        warnings,
                    });
                }
                let made = store.create(key, object, &time)?;
                follow(store, target.kind, &key.namespace)?;
                Ok(Whole {
                    code: 201,
                    body: shown(&made, target),
                    warnings,
                })
            }
        }
    }
}

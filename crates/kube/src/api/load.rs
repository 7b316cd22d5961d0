//! Objects that come from files and not from clients.

use serde_json::Value;

use super::verbs::Write;
use super::{Api, Method, Request, Target, ensure_namespace, follow, now};
use crate::failure::Failure;
use crate::kinds::Kind;
use crate::object::Key;

impl Api {
    /// Puts an object in the store that comes from a file and not from a client, as `kubectl apply`
    /// would, except that a namespace that is not there is made.
    ///
    /// # Errors
    /// What the API server says to it.
    pub fn load(&self, object: &Value) -> Result<(), Failure> {
        let name = object
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let kind = Kind::from_name(name).ok_or_else(|| Failure::no_such_path(name))?;
        let key = Key::of(kind, object);
        let info = kind.info();
        let target = Target {
            kind,
            version: object
                .get("apiVersion")
                .and_then(Value::as_str)
                .and_then(|version| version.rsplit('/').next())
                .unwrap_or(info.versions[0])
                .to_owned(),
            namespace: info.namespaced.then(|| key.namespace.clone()),
            name: Some(key.name.clone()),
            subresource: None,
        };
        if info.namespaced {
            ensure_namespace(&mut self.store(), &key.namespace)?;
        }
        let request = Request {
            method: Method::Patch,
            path: String::new(),
            query: [
                ("fieldManager", "gatewright"),
                ("force", "true"),
                ("fieldValidation", "Warn"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            accept: String::new(),
            content_type: "application/apply-patch+yaml".to_owned(),
            authorization: String::new(),
            user_agent: String::new(),
            body: Vec::new(),
        };
        let mut write = Write::new(&request, &target)?;
        write.manager.applies = true;
        let mut wanted = self.sent(&write, object.clone(), Some(&key.name))?;
        crate::object::as_map(&mut wanted).remove("status");
        let mut store = self.store();
        let before = store.get(&key).cloned();
        self.apply(&write, &mut store, before.as_ref(), &key, &wanted)?;
        self.revision.send_replace(store.revision());
        Ok(())
    }

    /// Deletes an object that came from a file which has it no longer.
    ///
    /// # Errors
    /// That this cannot be kept.
    pub fn unload(&self, key: &Key) -> Result<(), Failure> {
        let mut store = self.store();
        if store.get(key).is_some() {
            store.delete(key, &Value::Null, &now())?;
            follow(&mut store, key.kind, &key.namespace)?;
            self.revision.send_replace(store.revision());
        }
        Ok(())
    }
}

//! Watches: the changes of some objects, as they come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use super::{Api, Request, Target, shown};
use crate::failure::Failure;
use crate::store::{Scope, Told, What};
use crate::table;

/// How long a watch lives at most; clients then begin another where this one ended.
const LIFE: Duration = Duration::from_secs(30 * 60);
/// How often a watch without changes is told how far it has come.
const QUIET: Duration = Duration::from_secs(60);

/// A watch that goes on.
#[derive(Debug)]
pub struct Watch {
    api: Option<Arc<Api>>,
    request: Request,
    target: Target,
    scope: Scope,
    /// The last write that was told.
    seen: u64,
    ready: VecDeque<Value>,
    bookmarks: bool,
    revisions: Receiver<u64>,
    end: Duration,
    over: bool,
}

impl Api {
    pub(super) fn watch(&self, request: &Request, target: &Target) -> Result<Watch, Failure> {
        let scope = target.scope(request)?;
        let text = request.parameter("resourceVersion");
        let asked: u64 = match text {
            "" => 0,
            text => text.parse().map_err(|_| {
                Failure::bad_request(format!("resourceVersion: `{text}` is no number"))
            })?,
        };
        let timeout = request.parameter("timeoutSeconds").parse().ok();
        let initial = request.flag("sendInitialEvents");
        let store = self.store();
        let mut watch = Watch {
            api: None,
            request: request.clone(),
            target: target.clone(),
            scope,
            seen: asked,
            ready: VecDeque::new(),
            bookmarks: request.flag("allowWatchBookmarks"),
            revisions: self.revisions(),
            end: timeout.map_or(LIFE, Duration::from_secs).min(LIFE),
            over: false,
        };
        // Who knows nothing yet is told first what there is.
        if asked == 0 || initial {
            watch.seen = store.revision();
            let all: Vec<_> = store
                .list(&watch.scope, None)
                .map(|(_, object)| Arc::clone(object))
                .collect();
            for object in all {
                let event = watch.event("ADDED", &object);
                watch.ready.push_back(event);
            }
            if initial {
                let mut bookmark = watch.bookmark();
                bookmark["object"]["metadata"]["annotations"] =
                    json!({"k8s.io/initial-events-end": "true"});
                watch.ready.push_back(bookmark);
            }
        } else {
            // One that cannot begin says so now, and not in the middle.
            store.changes(asked, &watch.scope)?;
        }
        Ok(watch)
    }
}

impl Watch {
    /// How long the watch lives.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.end
    }

    /// Goes on with the API that it is about, which outlives it.
    #[must_use]
    pub fn on(mut self, api: &Arc<Api>) -> Self {
        self.api = Some(Arc::clone(api));
        self
    }

    /// The next event; nothing at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            // Marked before the look, so that a write after it is waited for in vain by nobody.
            self.revisions.mark_unchanged();
            self.look();
            if !self.ready.is_empty() {
                continue;
            }
            match tokio::time::timeout(QUIET, self.revisions.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => self.over = true,
                Err(_) if self.bookmarks => return Some(self.bookmark()),
                Err(_) => {}
            }
        }
    }

    /// The last event of a watch whose time is over.
    #[must_use]
    pub fn farewell(&self) -> Option<Value> {
        self.bookmarks.then(|| self.bookmark())
    }

    fn look(&mut self) {
        let Some(api) = self.api.clone() else {
            self.over = true;
            return;
        };
        let store = api.store();
        match store.changes(self.seen, &self.scope) {
            Ok(changes) => {
                for Told { what, object, .. } in changes {
                    let word = match what {
                        What::Added => "ADDED",
                        What::Modified => "MODIFIED",
                        What::Deleted => "DELETED",
                    };
                    let event = self.event(word, &object);
                    self.ready.push_back(event);
                }
                self.seen = store.revision();
            }
            Err(failure) => {
                self.ready
                    .push_back(json!({"type": "ERROR", "object": failure.status()}));
                self.over = true;
            }
        }
    }

    fn event(&self, what: &str, object: &Arc<Value>) -> Value {
        let object = shown(object, &self.target);
        json!({"type": what, "object": table::or_object(&self.request, &self.target, object)})
    }

    fn bookmark(&self) -> Value {
        json!({
            "type": "BOOKMARK",
            "object": {
                "apiVersion": self.target.api_version(),
                "kind": self.target.kind.info().name,
                "metadata": {"resourceVersion": self.seen.to_string(), "creationTimestamp": null},
            },
        })
    }
}

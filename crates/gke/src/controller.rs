//! The Gateway controller: references, what it refuses, and what nobody refuses and yet surprises.
//!
//! Its reasons are GKE's. Its messages are GKE's where they are public: the sentences of the
//! documentation's troubleshooting section and what users quote of HTTPRoutes.

mod backend;
mod extension;
mod route;
mod routing;
mod surprise;

pub(crate) use route::{attached, narrower};

use std::collections::BTreeMap;

use crate::condition::Language;
use crate::finding::{Finding, ObjectId};
use crate::model::Model;
use crate::place::{File, Place};
use crate::profile::Profile;
use crate::report::Sink;
use crate::rule::Rule;
use crate::status::Status;

/// What the controller looks at.
pub(crate) struct Controller<'a> {
    pub(crate) model: &'a Model,
    pub(crate) files: &'a [File],
    pub(crate) profile: Profile,
    pub(crate) language: Option<&'a dyn Language>,
}

impl Controller<'_> {
    /// Reconciles everything once: findings, and the status of each extension and plugin.
    pub(crate) fn run(&self, sink: &mut Sink) -> BTreeMap<ObjectId, Status> {
        let mut statuses = BTreeMap::new();
        for set in &self.model.extensions {
            statuses.insert(set.id.clone(), self.extension(set, sink));
        }
        let plugins = self.plugins(&statuses);
        statuses.extend(plugins);
        for route in &self.model.routes {
            self.route(route, sink);
        }
        self.surprises(sink);
        statuses
    }

    fn finding(
        &self,
        rule: Rule,
        id: &ObjectId,
        place: Option<Place>,
        path: String,
        message: String,
    ) -> Finding {
        let mut finding = Finding::new(rule, message).of(id).path(path);
        finding.place = place;
        finding
    }
}

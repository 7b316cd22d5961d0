//! What the controller writes: conditions by ancestor, and events.

use crate::finding::ObjectId;

/// The types of conditions, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// The object itself is fine.
    Accepted,
    /// Everything that it refers to exists.
    ResolvedRefs,
    /// The load balancer has it.
    Programmed,
}

impl ConditionType {
    /// The type's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::Programmed => "Programmed",
        }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCondition {
    /// Its type.
    pub kind: ConditionType,
    /// True or False.
    pub status: bool,
    /// The reason.
    pub reason: &'static str,
    /// The message, empty where all is well.
    pub message: String,
}

/// The conditions for one Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// The Gateway's namespace.
    pub namespace: String,
    /// The Gateway's name.
    pub name: String,
    /// The conditions in order.
    pub conditions: Vec<StatusCondition>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusEvent {
    /// `Normal` or `Warning`.
    pub kind: &'static str,
    /// `ADD` or `SYNC`.
    pub reason: &'static str,
    /// The message.
    pub message: String,
}

/// The status of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// One entry a Gateway.
    pub ancestors: Vec<Ancestor>,
}

/// Why an extension is not programmed on a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Accepted or ResolvedRefs.
    pub(crate) kind: ConditionType,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Ancestor {
    /// The ancestor with conditions from the first refusal of each type: an object that is not
    /// accepted gets no further than that, one with a missing reference is not programmed.
    pub(crate) fn new(namespace: &str, name: &str, refusals: &[Refusal]) -> Self {
        let mut conditions = Vec::new();
        for (kind, success) in [
            (ConditionType::Accepted, "Accepted"),
            (ConditionType::ResolvedRefs, "ResolvedRefs"),
            (ConditionType::Programmed, "ProgrammingSucceeded"),
        ] {
            if let Some(refusal) = refusals.iter().find(|refusal| refusal.kind == kind) {
                conditions.push(StatusCondition {
                    kind,
                    status: false,
                    reason: refusal.reason,
                    message: refusal.message.clone(),
                });
                break;
            }
            conditions.push(StatusCondition {
                kind,
                status: true,
                reason: success,
                message: String::new(),
            });
        }
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            conditions,
        }
    }

    /// Whether the load balancer has it.
    #[must_use]
    pub fn is_programmed(&self) -> bool {
        self.conditions
            .iter()
            .any(|condition| condition.kind == ConditionType::Programmed && condition.status)
    }

    /// The reference as the controller prints it in events.
    #[must_use]
    pub fn reference(&self) -> String {
        format!(
            "AncestorRef {{Group: \"gateway.networking.k8s.io\", Kind: \"Gateway\", Namespace: \"{}\", Name: \"{}\", SectionName: nil, Port: nil}}",
            self.namespace, self.name
        )
    }
}

/// The two eras of output that the documentation shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Era {
    /// March 2025: no ResolvedRefs, no observed generation, one event of reconciliation.
    March2025,
    /// August 2025.
    #[default]
    August2025,
}

impl Status {
    /// The events that led to the status, oldest first.
    #[must_use]
    pub fn events(&self, id: &ObjectId, era: Era) -> Vec<StatusEvent> {
        let own = format!("{}/{}", id.namespace, id.name);
        let normal = |reason, message| StatusEvent {
            kind: "Normal",
            reason,
            message,
        };
        let mut events = vec![normal("ADD", own.clone())];
        // The controller calls a plugin by another name in its events.
        let kind = match id.kind.as_str() {
            "GCPWasmPlugin" => "WasmPlugin",
            kind => kind,
        };
        for ancestor in &self.ancestors {
            let reference = ancestor.reference();
            let failed = ancestor
                .conditions
                .iter()
                .find(|condition| !condition.status);
            let accepted = ancestor
                .conditions
                .iter()
                .any(|c| c.kind == ConditionType::Accepted && c.status);
            let resolved = ancestor
                .conditions
                .iter()
                .any(|c| c.kind == ConditionType::ResolvedRefs && c.status);
            if accepted {
                events.push(normal(
                    "SYNC",
                    format!("Attachment of {kind} \"{own}\" to {reference} was a success"),
                ));
            }
            if resolved && era == Era::August2025 {
                events.push(normal(
                    "SYNC",
                    format!(
                        "All the object references were able to be resolved for {kind} \"{own}\" bound to {reference}"
                    ),
                ));
            }
            if ancestor.is_programmed() {
                let word = match era {
                    Era::March2025 => "Reconciliation",
                    Era::August2025 => "Programming",
                };
                events.push(normal(
                    "SYNC",
                    format!("{word} of {kind} \"{own}\" to {reference} was a success"),
                ));
            }
            if let Some(condition) = failed {
                events.push(StatusEvent {
                    kind: "Warning",
                    reason: "SYNC",
                    message: condition.message.clone(),
                });
            }
        }
        events
    }
}

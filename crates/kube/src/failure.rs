//! What a request fails with: the Status objects that `kubectl` turns into its own sentences.

use serde_json::{Value, json};

use crate::kinds::{Info, Kind};

/// Why a request fails. Each becomes a Status with the code and the reason that the API server
/// gives, since clients tell failures apart by them.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The HTTP code.
    pub code: u16,
    /// The reason, such as `NotFound`.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
    /// What it is about, for clients: kind, name, causes.
    pub details: Option<Value>,
}

/// One of several things that are wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The reason, such as `FieldValueInvalid`.
    pub reason: String,
    /// The field's path.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
        }
    }

    fn about(mut self, info: &Info, name: &str) -> Self {
        self.details = Some(json!({"name": name, "group": info.group, "kind": info.plural}));
        self
    }

    /// The client is nobody that the server knows.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The server has no such object.
    #[must_use]
    pub fn not_found(info: &Info, name: &str) -> Self {
        let message = format!("{} {name:?} not found", info.resource());
        Self::new(404, "NotFound", message).about(info, name)
    }

    /// The server has no such path, and what it is for instead.
    #[must_use]
    pub fn no_such_path(path: &str) -> Self {
        let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.info().name).collect();
        let message = format!(
            "the server could not find the requested resource: `{path}` is not served here; this \
             is a development server for the kinds {}",
            kinds.join(", ")
        );
        let mut failure = Self::new(404, "NotFound", message);
        failure.details = Some(json!({}));
        failure
    }

    /// There is such a path, and not for this method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    /// The client takes none of what can be answered with.
    #[must_use]
    pub fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json";
        Self::new(406, "NotAcceptable", message)
    }

    /// The object exists.
    #[must_use]
    pub fn already_exists(info: &Info, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", info.resource());
        Self::new(409, "AlreadyExists", message).about(info, name)
    }

    /// Nobody may do this.
    #[must_use]
    pub fn forbidden(info: &Info, name: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {why}", info.resource());
        Self::new(403, "Forbidden", message).about(info, name)
    }

    /// The object is not what the client thought it is.
    #[must_use]
    pub fn conflict(info: &Info, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            info.resource()
        );
        Self::new(409, "Conflict", message).about(info, name)
    }

    /// Another version of the object was written in between.
    #[must_use]
    pub fn modified(info: &Info, name: &str) -> Self {
        Self::conflict(
            info,
            name,
            "the object has been modified; please apply your changes to the latest version and \
             try again",
        )
    }

    /// Fields that others manage would be changed.
    #[must_use]
    pub fn apply_conflict(causes: &[Cause]) -> Self {
        let message = match causes {
            [one] => format!(
                "Apply failed with 1 conflict: {}: {}",
                one.message, one.field
            ),
            all => {
                let mut lines = Vec::new();
                let mut managers: Vec<_> = all.iter().map(|cause| &cause.message).collect();
                managers.sort();
                managers.dedup();
                for manager in managers {
                    lines.push(format!("{}:", manager.replacen("conflict", "conflicts", 1)));
                    let own = all.iter().filter(|cause| cause.message == *manager);
                    lines.extend(own.map(|cause| format!("- {}", cause.field)));
                }
                format!(
                    "Apply failed with {} conflicts: {}",
                    all.len(),
                    lines.join("\n")
                )
            }
        };
        let mut failure = Self::new(409, "Conflict", message);
        failure.details =
            Some(json!({"causes": causes.iter().map(Cause::json).collect::<Vec<_>>()}));
        failure
    }

    /// The changes that a watch asks for are forgotten.
    #[must_use]
    pub fn expired(asked: u64, oldest: u64) -> Self {
        let message = format!("too old resource version: {asked} ({oldest})");
        Self::new(410, "Expired", message)
    }

    /// The body is larger than the server reads.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// The body is in a format that is not read.
    #[must_use]
    pub fn unsupported(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// The object breaks rules.
    #[must_use]
    pub fn invalid(info: &Info, name: &str, causes: &[Cause]) -> Self {
        let list: Vec<_> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let message = format!(
            "{} {name:?} is invalid: {}",
            info.qualified(),
            match &list[..] {
                [one] => one.clone(),
                all => format!("[{}]", all.join(", ")),
            }
        );
        let mut failure = Self::new(422, "Invalid", message);
        failure.details = Some(json!({
            "name": name,
            "group": info.group,
            "kind": info.name,
            "causes": causes.iter().map(Cause::json).collect::<Vec<_>>(),
        }));
        failure
    }

    /// The server itself failed.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = format!("Internal error occurred: {}", message.into());
        Self::new(500, "InternalError", message)
    }

    /// The Status object.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

impl Cause {
    fn json(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cause_stands_alone_and_several_in_brackets() {
        let cause = |field: &str| Cause {
            reason: "FieldValueRequired".to_owned(),
            field: field.to_owned(),
            message: "Required value".to_owned(),
        };
        let info = Kind::Gateway.info();
        assert_eq!(
            Failure::invalid(info, "x", &[cause("spec.a")]).message,
            "Gateway.gateway.networking.k8s.io \"x\" is invalid: spec.a: Required value"
        );
        assert!(
            Failure::invalid(info, "x", &[cause("a"), cause("b")])
                .message
                .ends_with("is invalid: [a: Required value, b: Required value]")
        );
    }

    #[test]
    fn a_path_that_is_not_served_is_told_what_is() {
        let failure = Failure::no_such_path("/api/v1/configmaps");
        assert_eq!(failure.code, 404);
        assert!(
            failure
                .message
                .contains("development server for the kinds Namespace, Event")
        );
    }
}

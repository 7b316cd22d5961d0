//! The objects and their conditions, as JSON for `/status`.

use gatewright_gke::Report;
use serde_json::{Value, json};

/// Every object that has a status, by kind, namespace and name.
pub(super) fn status(report: &Report) -> Value {
    let objects = report.statuses.iter().map(|(id, status)| {
        let ancestors = status.ancestors.iter().map(|ancestor| {
            let conditions = ancestor.conditions.iter().map(|condition| {
                json!({
                    "type": condition.kind.as_str(),
                    "status": if condition.status { "True" } else { "False" },
                    "reason": condition.reason,
                    "message": condition.message,
                })
            });
            json!({
                "gateway": format!("{}/{}", ancestor.namespace, ancestor.name),
                "conditions": conditions.collect::<Vec<_>>(),
            })
        });
        json!({
            "kind": id.kind,
            "namespace": id.namespace,
            "name": id.name,
            "ancestors": ancestors.collect::<Vec<_>>(),
        })
    });
    Value::Array(objects.collect())
}

//! Pods of Deployments. There is no scheduler and nothing runs: what would run is written down, so
//! that `kubectl get pod` answers and Services have endpoints.

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::object::{Key, at, meta, meta_text};
use crate::selector::Selector;
use crate::store::{Scope, Store};

const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Makes, changes and deletes the Pods of a namespace's Deployments, and writes the Deployments'
/// status.
///
/// # Errors
/// That a change cannot be kept.
pub(crate) fn reconcile(store: &mut Store, namespace: &str, now: &str) -> Result<(), Failure> {
    let scope = |kind| Scope {
        namespace: Some(namespace.to_owned()),
        selector: Selector::default(),
        ..Scope::all(kind)
    };
    let deployments: Vec<Value> = store
        .list(&scope(Kind::Deployment), None)
        .map(|(_, object)| (**object).clone())
        .collect();
    let has_secret = |store: &Store, name: &str| {
        let key = Key {
            kind: Kind::Secret,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        store.get(&key).is_some()
    };
    let mut wanted = Vec::new();
    for deployment in &deployments {
        let missing = secrets(deployment)
            .into_iter()
            .find(|secret| !has_secret(store, secret));
        let pods = pods(deployment, missing.as_deref());
        let ready = if missing.is_some() { 0 } else { pods.len() };
        wanted.extend(pods);
        let mut object = deployment.clone();
        object["status"] = status(deployment, ready, now);
        store.update(&Key::of(Kind::Deployment, deployment), object)?;
    }
    let owned: Vec<Key> = store
        .list(&scope(Kind::Pod), None)
        .filter(|(_, pod)| is_owned(pod))
        .map(|(key, _)| key.clone())
        .collect();
    for key in owned {
        if !wanted.iter().any(|pod| Key::of(Kind::Pod, pod) == key) {
            store.delete(&key, &Value::Null, now)?;
        }
    }
    for pod in wanted {
        let key = Key::of(Kind::Pod, &pod);
        match store.get(&key) {
            None => {
                let mut pod = pod;
                pod["status"] = pod_status(&pod, now);
                store.create(&key, pod, now)?;
            }
            Some(there) => {
                let starts = is_ready(there) != is_ready(&pod);
                if starts {
                    let mut object = (**there).clone();
                    object["spec"] = pod["spec"].clone();
                    object["status"] = pod_status(&pod, now);
                    store.update(&key, object)?;
                }
            }
        }
    }
    Ok(())
}

/// Whether a Pod is of a Deployment.
#[must_use]
pub(crate) fn is_owned(pod: &Value) -> bool {
    meta(pod, "ownerReferences").is_some()
}

/// Secrets without which Pods of a Deployment do not start.
fn secrets(deployment: &Value) -> Vec<String> {
    let volumes = at(deployment, "spec.template.spec.volumes").and_then(Value::as_array);
    let secrets = volumes.into_iter().flatten().filter_map(|volume| {
        let secret = volume.get("secret")?;
        let is_optional = secret.get("optional").and_then(Value::as_bool) == Some(true);
        let name = secret.get("secretName")?.as_str()?;
        (!is_optional).then(|| name.to_owned())
    });
    secrets.collect()
}

/// Characters that name a Pod, of what it is made from.
fn suffix(text: &str, length: usize) -> String {
    let mut number = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut suffix = String::new();
    for _ in 0..length {
        suffix.push(char::from(LETTERS[(number % 27) as usize]));
        number = (number / 27) ^ number.rotate_left(31);
    }
    suffix
}

/// The Pods that a Deployment asks for; a missing Secret keeps them from starting.
fn pods(deployment: &Value, missing: Option<&str>) -> Vec<Value> {
    let name = meta_text(deployment, "name");
    let template = at(deployment, "spec.template").cloned().unwrap_or_default();
    let hash = suffix(&template.to_string(), 10);
    let replicas = at(deployment, "spec.replicas").and_then(Value::as_u64);
    // Nobody looks at thousands of Pods that do not run.
    let replicas = replicas.unwrap_or(1).min(1000);
    let one = |index| {
        let mut metadata = template
            .get("metadata")
            .cloned()
            .unwrap_or_else(|| json!({}));
        let own = suffix(&format!("{hash}{}{index}", meta_text(deployment, "uid")), 5);
        metadata["name"] = format!("{name}-{hash}-{own}").into();
        metadata["namespace"] = meta_text(deployment, "namespace").into();
        metadata["labels"]["pod-template-hash"] = hash.clone().into();
        metadata["ownerReferences"] = json!([{
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": name,
            "uid": meta_text(deployment, "uid"),
            "controller": true,
            "blockOwnerDeletion": true,
        }]);
        let mut spec = template.get("spec").cloned().unwrap_or_else(|| json!({}));
        if missing.is_none() {
            spec["nodeName"] = "gatewright".into();
        }
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    };
    (0..replicas).map(one).collect()
}

/// Whether a Pod has a node, and so would run.
fn is_ready(pod: &Value) -> bool {
    at(pod, "spec.nodeName").is_some()
}

/// The status of a Pod that would run, or that waits.
#[must_use]
pub(crate) fn pod_status(pod: &Value, now: &str) -> Value {
    let ready = is_ready(pod);
    let word = if ready { "True" } else { "False" };
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": now});
    let containers = at(pod, "spec.containers").and_then(Value::as_array);
    let containers = containers.into_iter().flatten().map(|container| {
        let state = if ready {
            json!({"running": {"startedAt": now}})
        } else {
            json!({"waiting": {"reason": "ContainerCreating"}})
        };
        json!({
            "name": container.get("name"),
            "image": container.get("image"),
            "imageID": "",
            "lastState": {},
            "ready": ready,
            "restartCount": 0,
            "started": ready,
            "state": state,
        })
    });
    let mut status = json!({
        "phase": if ready { "Running" } else { "Pending" },
        "conditions": [
            condition("Initialized", "True"),
            condition("Ready", word),
            condition("ContainersReady", word),
            condition("PodScheduled", "True"),
        ],
        "containerStatuses": containers.collect::<Vec<_>>(),
        "qosClass": "Burstable",
        "startTime": now,
    });
    if ready {
        status["podIP"] = "127.0.0.1".into();
        status["podIPs"] = json!([{"ip": "127.0.0.1"}]);
        status["hostIP"] = "127.0.0.1".into();
    }
    status
}

fn status(deployment: &Value, ready: usize, now: &str) -> Value {
    let replicas = at(deployment, "spec.replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    let ready = ready as u64;
    let available = ready >= replicas;
    let condition = |kind: &str, status: bool, reason: &str, message: &str| {
        let word = if status { "True" } else { "False" };
        let conditions = at(deployment, "status.conditions").and_then(Value::as_array);
        let old = conditions.into_iter().flatten().find(|c| c["type"] == kind);
        // A condition that holds still is as old as it was.
        let since = old
            .filter(|old| old["status"] == word && old["reason"] == reason)
            .and_then(|old| old["lastTransitionTime"].as_str())
            .unwrap_or(now);
        json!({
            "type": kind,
            "status": word,
            "reason": reason,
            "message": message,
            "lastTransitionTime": since,
            "lastUpdateTime": since,
        })
    };
    let (reason, message) = if available {
        (
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    let mut status = json!({
        "observedGeneration": meta(deployment, "generation"),
        "replicas": replicas,
        "updatedReplicas": replicas,
        "conditions": [
            condition("Available", available, reason, message),
            condition("Progressing", true, "NewReplicaSetAvailable", "The Pods are made."),
        ],
    });
    if ready > 0 {
        status["readyReplicas"] = ready.into();
        status["availableReplicas"] = ready.into();
    }
    if !available {
        status["unavailableReplicas"] = (replicas - ready).into();
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2025-08-08T20:16:13Z";

    fn deployment(replicas: u64) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "app", "namespace": "default"},
            "spec": {
                "replicas": replicas,
                "template": {
                    "metadata": {"labels": {"app": "store"}},
                    "spec": {
                        "containers": [{"name": "c", "image": "i"}],
                        "volumes": [{"name": "certs", "secret": {"secretName": "tls"}}],
                    },
                },
            },
        })
    }

    fn phases(store: &Store) -> Vec<String> {
        let scope = Scope::all(Kind::Pod);
        let pods = store.list(&scope, None);
        pods.map(|(_, pod)| pod["status"]["phase"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn pods_wait_for_a_secret_run_with_it_and_go_with_the_deployment() {
        let mut store = Store::new();
        let app = deployment(2);
        let key = Key::of(Kind::Deployment, &app);
        store.create(&key, app, NOW).unwrap();
        reconcile(&mut store, "default", NOW).unwrap();
        assert_eq!(phases(&store), ["Pending", "Pending"]);
        let secret = json!({"metadata": {"name": "tls", "namespace": "default"}});
        store
            .create(&Key::of(Kind::Secret, &secret), secret, NOW)
            .unwrap();
        reconcile(&mut store, "default", NOW).unwrap();
        assert_eq!(phases(&store), ["Running", "Running"]);
        assert_eq!(store.get(&key).unwrap()["status"]["readyReplicas"], 2);
        let revision = store.revision();
        reconcile(&mut store, "default", "2026-01-01T00:00:00Z").unwrap();
        assert_eq!(
            store.revision(),
            revision,
            "what is as it should be is left alone"
        );
        store.update(&key, deployment(1)).unwrap();
        reconcile(&mut store, "default", NOW).unwrap();
        assert_eq!(phases(&store).len(), 1);
        store.delete(&key, &Value::Null, NOW).unwrap();
        reconcile(&mut store, "default", NOW).unwrap();
        assert!(phases(&store).is_empty());
    }
}

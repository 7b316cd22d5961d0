//! What the API server fills into objects of its own kinds, and the checks that need it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::failure::{Cause, Failure};
use crate::kinds::Kind;
use crate::object::{Key, as_map, at, entry, meta_mut, meta_text};

/// Fills in what an object of a kind has when it is stored. `before` is the version that is there;
/// `taken` are addresses of Services.
///
/// # Errors
/// What is wrong with an object of Kubernetes' own kinds.
pub(crate) fn fill(
    kind: Kind,
    object: &mut Value,
    before: Option<&Value>,
    taken: &BTreeSet<String>,
) -> Result<(), Failure> {
    match kind {
        Kind::Service => service(object, before, taken),
        Kind::Secret => return secret(object),
        Kind::Deployment => return deployment(object),
        Kind::Namespace => namespace(object),
        _ => {}
    }
    Ok(())
}

fn default(map: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    map.entry(field).or_insert(value.into());
}

fn service(object: &mut Value, before: Option<&Value>, taken: &BTreeSet<String>) {
    let key = Key::of(Kind::Service, object);
    let spec = entry(object, "spec");
    default(spec, "type", "ClusterIP");
    default(spec, "sessionAffinity", "None");
    default(spec, "internalTrafficPolicy", "Cluster");
    default(spec, "ipFamilies", json!(["IPv4"]));
    default(spec, "ipFamilyPolicy", "SingleStack");
    if spec.get("type").and_then(Value::as_str) != Some("ExternalName") {
        let old = before
            .and_then(|before| at(before, "spec.clusterIP"))
            .cloned();
        let address = spec
            .get("clusterIP")
            .cloned()
            .filter(|ip| ip.as_str() != Some(""));
        let address = address
            .or(old)
            .unwrap_or_else(|| address_of(&key, taken).into());
        spec.insert("clusterIP".to_owned(), address.clone());
        spec.insert("clusterIPs".to_owned(), json!([address]));
    }
    for port in ports(spec, "ports") {
        default(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or(Value::Null);
        default(port, "targetPort", number);
    }
    entry(object, "status")
        .entry("loadBalancer")
        .or_insert_with(|| json!({}));
}

fn ports<'m>(
    map: &'m mut Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'m mut Map<String, Value>> {
    let items = map.get_mut(field).and_then(Value::as_array_mut);
    items.into_iter().flatten().map(as_map)
}

/// An address of the range that GKE takes, told by the Service's name unless somebody has it.
fn address_of(key: &Key, taken: &BTreeSet<String>) -> String {
    let hash = key.to_string().bytes().fold(7_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let at = |number: u32| format!("34.118.{}.{}", 224 + (number >> 8) % 16, number % 256);
    let mut free = (0..4096).map(|step| at((hash.wrapping_add(step)) % 4096));
    free.find(|address| !taken.contains(address))
        .unwrap_or_else(|| "None".to_owned())
}

fn secret(object: &mut Value) -> Result<(), Failure> {
    let name = meta_text(object, "name").to_owned();
    let map = as_map(object);
    default(map, "type", "Opaque");
    let texts = map.remove("stringData");
    if let Some(Value::Object(texts)) = texts {
        let data = as_map(map.entry("data").or_insert(Value::Null));
        for (field, text) in texts {
            let text = text.as_str().unwrap_or_default();
            data.insert(field, STANDARD.encode(text).into());
        }
    }
    let mut causes = Vec::new();
    let data = map.get("data").and_then(Value::as_object);
    if map.get("type").and_then(Value::as_str) == Some("kubernetes.io/tls") {
        for field in ["tls.crt", "tls.key"] {
            if data.is_none_or(|data| !data.contains_key(field)) {
                causes.push(Cause {
                    reason: "FieldValueRequired".to_owned(),
                    field: format!("data[{field}]"),
                    message: "Required value".to_owned(),
                });
            }
        }
    }
    for (field, value) in data.into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        if STANDARD.decode(text).is_err() {
            return Err(Failure::bad_request(format!(
                "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data in \
                 `data[{field}]`"
            )));
        }
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(Kind::Secret.info(), &name, &causes))
    }
}

fn deployment(object: &mut Value) -> Result<(), Failure> {
    let name = meta_text(object, "name").to_owned();
    let spec = entry(object, "spec");
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "progressDeadlineSeconds", 600);
    let rolling = json!({
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    });
    default(spec, "strategy", rolling);
    let template = as_map(spec.entry("template").or_insert(Value::Null));
    pod_spec(as_map(template.entry("spec").or_insert(Value::Null)));
    let labels = at(object, "spec.template.metadata.labels").cloned();
    let wanted = at(object, "spec.selector.matchLabels").and_then(Value::as_object);
    let selects = wanted
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.as_ref().and_then(|labels| labels.get(key)) == Some(value));
    let bad = |field: &str, message: String| {
        let cause = Cause {
            reason: "FieldValueInvalid".to_owned(),
            field: field.to_owned(),
            message,
        };
        Err(Failure::invalid(Kind::Deployment.info(), &name, &[cause]))
    };
    if !selects {
        let shown = labels.unwrap_or_else(|| json!({}));
        return bad(
            "spec.template.metadata.labels",
            format!("Invalid value: {shown}: `selector` does not match template `labels`"),
        );
    }
    let containers = at(object, "spec.template.spec.containers").and_then(Value::as_array);
    if containers.is_none_or(Vec::is_empty) {
        return bad("spec.template.spec.containers", "Required value".to_owned());
    }
    Ok(())
}

/// What a Pod has, of a Deployment or by itself.
pub(crate) fn pod_spec(spec: &mut Map<String, Value>) {
    default(spec, "restartPolicy", "Always");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "dnsPolicy", "ClusterFirst");
    for container in ports(spec, "containers") {
        let image = container
            .get("image")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or_default();
        let floats = name.ends_with(":latest") || !name.contains([':', '@']);
        let policy = if floats { "Always" } else { "IfNotPresent" };
        default(container, "imagePullPolicy", policy);
        for port in ports(container, "ports") {
            default(port, "protocol", "TCP");
        }
    }
}

fn namespace(object: &mut Value) {
    let name = meta_text(object, "name").to_owned();
    let labels = meta_mut(object).entry("labels").or_insert(Value::Null);
    default(as_map(labels), "kubernetes.io/metadata.name", name);
    default(entry(object, "status"), "phase", "Active");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(kind: Kind, mut object: Value) -> Result<Value, Failure> {
        fill(kind, &mut object, None, &BTreeSet::new()).map(|()| object)
    }

    #[test]
    fn a_service_gets_an_address_that_nobody_has_and_keeps_it() {
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 443}]}});
        let first = filled(Kind::Service, service.clone()).unwrap();
        let address = first["spec"]["clusterIP"].as_str().unwrap().to_owned();
        assert!(address.starts_with("34.118."));
        assert_eq!(
            first["spec"]["ports"][0],
            json!({"port": 443, "protocol": "TCP", "targetPort": 443})
        );
        let mut other = service.clone();
        fill(
            Kind::Service,
            &mut other,
            None,
            &BTreeSet::from([address.clone()]),
        )
        .unwrap();
        assert_ne!(other["spec"]["clusterIP"], address);
        let mut same = service;
        fill(Kind::Service, &mut same, Some(&first), &BTreeSet::new()).unwrap();
        assert_eq!(same["spec"]["clusterIP"], address);
    }

    #[test]
    fn a_secret_keeps_texts_as_data_and_a_certificate_needs_its_key() {
        let secret = filled(
            Kind::Secret,
            json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}}),
        )
        .unwrap();
        assert_eq!(secret["data"]["a"], "Yg==");
        assert!(secret.get("stringData").is_none());
        let failure = filled(
            Kind::Secret,
            json!({"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "data": {"tls.crt": "Yg=="}}),
        )
        .unwrap_err();
        assert_eq!(
            failure.message,
            "Secret \"s\" is invalid: data[tls.key]: Required value"
        );
        assert!(filled(Kind::Secret, json!({"data": {"a": "%"}})).is_err());
    }

    #[test]
    fn a_deployment_selects_its_own_pods() {
        let deployment = |label: &str| {
            json!({
                "metadata": {"name": "d"},
                "spec": {
                    "selector": {"matchLabels": {"app": "store"}},
                    "template": {
                        "metadata": {"labels": {"app": label}},
                        "spec": {"containers": [{"name": "c", "image": "a/b"}]},
                    },
                },
            })
        };
        let filled_in = filled(Kind::Deployment, deployment("store")).unwrap();
        assert_eq!(filled_in["spec"]["replicas"], 1);
        assert_eq!(
            filled_in["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"],
            "Always"
        );
        let failure = filled(Kind::Deployment, deployment("other")).unwrap_err();
        assert!(failure.message.ends_with("spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not match template `labels`"));
    }
}

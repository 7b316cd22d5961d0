//! The Kubernetes resources that put an image in front of a Gateway, pinned by digest.

use crate::{Digest, PatternError, gke_accepts};

/// What the resources are made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Name of the plugin, from which the resources' names are made.
    pub name: String,
    /// The Kubernetes namespace, if it is to be written.
    pub namespace: Option<String>,
    /// Name of the Gateway.
    pub gateway: String,
    /// Registry and repository, such as `us-docker.pkg.dev/my-project/plugins/local-reply`.
    pub repository: String,
    /// The image.
    pub digest: Digest,
    /// Registry and repository of the configuration's image, and its digest.
    pub config: Option<(String, Digest)>,
    /// The version's name.
    pub version: String,
    /// The host of the requests that the plugin sees; all of them without.
    pub host: Option<String>,
    /// Events, in GKE's words.
    pub events: Vec<String>,
}

/// Why no resources are written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// GKE's field would refuse the reference.
    #[error("`{reference}` cannot be used in a GCPWasmPlugin: {source}")]
    Reference {
        /// The reference.
        reference: String,
        /// Why.
        source: PatternError,
    },
    /// A name that Kubernetes or GKE would refuse.
    #[error(
        "`{value}` is no {what}: use 1 to 63 of a-z, 0-9 and `-`, beginning with a letter and not ending in `-`"
    )]
    Name {
        /// Which name.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A host with characters that no host has.
    #[error("`{value}` is no host name to match on")]
    Host {
        /// The value.
        value: String,
    },
    /// No event, or one that plugins do not get.
    #[error(
        "`{value}` is not an event of plugins; they get RequestHeaders, RequestBody, ResponseHeaders and ResponseBody"
    )]
    Event {
        /// The value.
        value: String,
    },
}

const EVENTS: [&str; 4] = [
    "RequestHeaders",
    "RequestBody",
    "ResponseHeaders",
    "ResponseBody",
];

/// Writes a `GCPWasmPlugin` and the `GCPTrafficExtension` that uses it, as YAML.
///
/// # Errors
///
/// [`ManifestError`] for what the API server would refuse.
pub fn manifest(deployment: &Deployment) -> Result<String, ManifestError> {
    let image = reference(&deployment.repository, deployment.digest)?;
    let config = match &deployment.config {
        Some((repository, digest)) => Some(reference(repository, *digest)?),
        None => None,
    };
    // `-extension` is added to the plugin's name, and the whole must fit.
    name("plugin name", &deployment.name, 63 - "-extension".len())?;
    name("gateway name", &deployment.gateway, 63)?;
    name("version name", &deployment.version, 63)?;
    if let Some(namespace) = &deployment.namespace {
        name("namespace", namespace, 63)?;
    }
    let host = deployment.host.as_deref();
    if let Some(value) = host.filter(|host| {
        host.is_empty()
            || !host
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
    }) {
        return Err(ManifestError::Host {
            value: value.to_owned(),
        });
    }
    if let Some(value) = deployment
        .events
        .iter()
        .find(|event| !EVENTS.contains(&event.as_str()))
    {
        return Err(ManifestError::Event {
            value: value.clone(),
        });
    }
    if deployment.events.is_empty() {
        return Err(ManifestError::Event {
            value: String::new(),
        });
    }
    let plugin = &deployment.name;
    let namespace = deployment
        .namespace
        .iter()
        .map(|value| format!("  namespace: {value}\n"))
        .collect::<String>();
    let config = config
        .iter()
        .map(|value| format!("      pluginConfigURI: {value}\n"))
        .collect::<String>();
    let matching = host.iter().map(|host| {
        format!("      matchCondition:\n        celExpressions:\n          - celMatcher: request.host == \"{host}\"\n")
    });
    let events = deployment
        .events
        .iter()
        .map(|event| format!("            - {event}\n"))
        .collect::<String>();
    Ok(format!(
        "apiVersion: networking.gke.io/v1
kind: GCPWasmPlugin
metadata:
  name: {plugin}
{namespace}spec:
  versions:
    - name: {version}
      image: {image}
{config}      weight: 1000000
---
apiVersion: networking.gke.io/v1
kind: GCPTrafficExtension
metadata:
  name: {plugin}-extension
{namespace}spec:
  targetRefs:
    - group: gateway.networking.k8s.io
      kind: Gateway
      name: {gateway}
  extensionChains:
    - name: {plugin}-chain
{matching}      extensions:
        - name: {plugin}
          supportedEvents:
{events}          backendRef:
            group: networking.gke.io
            kind: GCPWasmPlugin
            name: {plugin}
",
        version = deployment.version,
        gateway = deployment.gateway,
        matching = matching.collect::<String>(),
    ))
}

fn reference(repository: &str, digest: Digest) -> Result<String, ManifestError> {
    let reference = format!("{repository}@{digest}");
    match gke_accepts(&reference) {
        Ok(()) => Ok(reference),
        Err(source) => Err(ManifestError::Reference { reference, source }),
    }
}

fn name(what: &'static str, value: &str, max: usize) -> Result<(), ManifestError> {
    let fits = (1..=max).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_lowercase())
        && !value.ends_with('-')
        && value
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if fits {
        Ok(())
    } else {
        Err(ManifestError::Name {
            what,
            value: value.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Deployment {
        Deployment {
            name: "local-reply".into(),
            namespace: None,
            gateway: "external-http".into(),
            repository: "us-docker.pkg.dev/my-project/plugins/local-reply".into(),
            digest: Digest::of(b"image"),
            config: Some((
                "us-docker.pkg.dev/my-project/plugins/local-reply-config".into(),
                Digest::of(b"config"),
            )),
            version: "v1".into(),
            host: Some("store.example.com".into()),
            events: vec!["RequestHeaders".into(), "ResponseHeaders".into()],
        }
    }

    #[test]
    fn both_resources_are_written_and_pinned() {
        let text = manifest(&deployment()).expect("writes");
        for line in [
            "kind: GCPWasmPlugin\nmetadata:\n  name: local-reply\nspec:\n",
            &format!(
                "      image: us-docker.pkg.dev/my-project/plugins/local-reply@{}\n",
                Digest::of(b"image")
            ),
            &format!(
                "      pluginConfigURI: us-docker.pkg.dev/my-project/plugins/local-reply-config@{}\n",
                Digest::of(b"config")
            ),
            "          - celMatcher: request.host == \"store.example.com\"\n",
            "            - RequestHeaders\n            - ResponseHeaders\n          backendRef:\n",
        ] {
            assert!(text.contains(line), "{line}\nnot in\n{text}");
        }
    }

    #[test]
    fn what_the_api_server_would_refuse_is_not_written() {
        let check = |change: fn(&mut Deployment)| {
            let mut deployment = deployment();
            change(&mut deployment);
            manifest(&deployment).expect_err("refused")
        };
        assert!(matches!(
            check(|d| d.repository = "localhost:5000/x".into()),
            ManifestError::Reference { .. }
        ));
        assert!(matches!(
            check(|d| d.name = "Local".into()),
            ManifestError::Name {
                what: "plugin name",
                ..
            }
        ));
        assert!(matches!(
            check(|d| d.name = "x".repeat(54)),
            ManifestError::Name { .. }
        ));
        assert!(matches!(
            check(|d| d.host = Some("a\"||true".into())),
            ManifestError::Host { .. }
        ));
        assert!(matches!(
            check(|d| d.events = vec!["RequestTrailers".into()]),
            ManifestError::Event { .. }
        ));
        assert!(matches!(
            check(|d| d.events.clear()),
            ManifestError::Event { .. }
        ));
    }
}

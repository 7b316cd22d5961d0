//! What a client asks: the parts of a request, and which objects its path names.

use serde_json::Value;

use crate::failure::Failure;
use crate::kinds::{Kind, group_version};
use crate::object::Key;
use crate::proto;

/// The methods that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Create.
    Post,
    /// Update.
    Put,
    /// Patch.
    Patch,
    /// Delete.
    Delete,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, percent-decoded.
    pub path: String,
    /// The query's parameters, decoded, in order.
    pub query: Vec<(String, String)>,
    /// `Accept`.
    pub accept: String,
    /// `Content-Type`.
    pub content_type: String,
    /// `Authorization`.
    pub authorization: String,
    /// `User-Agent`, whose first word is the manager of fields by default.
    pub user_agent: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A parameter; empty if it is not there.
    #[must_use]
    pub fn parameter(&self, name: &str) -> &str {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether a parameter says yes.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.parameter(name), "1" | "true" | "True")
    }

    /// Whether the client shows the token, compared in a time that says nothing of where it is
    /// wrong.
    pub(super) fn knows(&self, token: &str) -> bool {
        if token.is_empty() {
            return true;
        }
        let shown = self
            .authorization
            .strip_prefix("Bearer ")
            .unwrap_or_default();
        shown.len() == token.len()
            && shown
                .bytes()
                .zip(token.bytes())
                .fold(0, |differ, (a, b)| differ | (a ^ b))
                == 0
    }

    pub(super) fn takes_json(&self) -> bool {
        let accept = self.accept.trim();
        accept.is_empty()
            || accept.split(',').any(|one| {
                let media = one.split(';').next().unwrap_or_default().trim();
                matches!(
                    media,
                    "application/json" | "application/*" | "*/*" | "text/plain"
                )
            })
    }

    /// The media type of the body.
    pub(super) fn media(&self) -> &str {
        self.content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
    }

    /// The body as a value: JSON, or YAML where the media type says so.
    pub(super) fn value(&self) -> Result<Value, Failure> {
        if self.media() == proto::MEDIA {
            return proto::read(&self.body);
        }
        if self.media().ends_with("yaml") {
            let input = gatewright_gke::Input {
                name: "request",
                bytes: &self.body,
            };
            let (nodes, findings) =
                gatewright_gke::documents(&input, &gatewright_gke::Options::default());
            let fault = findings.first().map(|finding| finding.message.clone());
            return match (nodes.into_iter().next(), fault) {
                (_, Some(fault)) => Err(Failure::bad_request(fault)),
                (Some(node), None) => Ok(node.to_json()),
                (None, None) => Ok(Value::Null),
            };
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::bad_request(format!("the body of the request is no JSON: {error}"))
        })
    }

    /// Who manages what the request writes.
    pub(super) fn manager(&self) -> String {
        match self.parameter("fieldManager") {
            "" => {
                let word = self.user_agent.split('/').next().unwrap_or_default();
                if word.is_empty() { "unknown" } else { word }.to_owned()
            }
            name => name.to_owned(),
        }
    }
}

/// Which objects a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The kind.
    pub kind: Kind,
    /// The version that the client speaks.
    pub version: String,
    /// The namespace; nothing for all, and for kinds without.
    pub namespace: Option<String>,
    /// The name; nothing for the collection.
    pub name: Option<String>,
    /// `status`.
    pub subresource: Option<String>,
}

impl Target {
    /// Reads a path such as `/apis/apps/v1/namespaces/default/deployments/a/status`.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let parts: Vec<_> = path.split('/').skip(1).collect();
        let (group, version, rest) = match &parts[..] {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        // Namespaces are objects too.
        let (namespace, rest) = match rest {
            ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status"] => (None, rest),
            ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest),
            _ => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, None, None),
            [plural, name] => (*plural, Some(*name), None),
            [plural, name, "status"] => (*plural, Some(*name), Some("status")),
            _ => return None,
        };
        let kind = Kind::served(group, version, plural)?;
        let info = kind.info();
        let fits = info.namespaced || namespace.is_none();
        let is_one = name.is_none() || namespace.is_some() == info.namespaced;
        let has_status = subresource.is_none() || info.status;
        (fits && is_one && has_status && name != Some("")).then(|| Self {
            kind,
            version: version.to_owned(),
            namespace,
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
        })
    }

    /// `group/version` as the client speaks it.
    #[must_use]
    pub fn api_version(&self) -> String {
        group_version(self.kind.info().group, &self.version)
    }

    /// The key of an object of the target, by its name.
    pub(super) fn key(&self, name: &str) -> Key {
        Key {
            kind: self.kind,
            namespace: self.namespace.clone().unwrap_or_default(),
            name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_objects() {
        let check = |path: &str, expected: Option<(Kind, Option<&str>, Option<&str>)>| {
            let found = Target::parse(path);
            let found = found.as_ref().map(|target| {
                (
                    target.kind,
                    target.namespace.as_deref(),
                    target.name.as_deref(),
                )
            });
            assert_eq!(found, expected, "{path}");
        };
        check("/api/v1/namespaces", Some((Kind::Namespace, None, None)));
        check(
            "/api/v1/namespaces/shop",
            Some((Kind::Namespace, None, Some("shop"))),
        );
        check("/api/v1/services", Some((Kind::Service, None, None)));
        check(
            "/api/v1/namespaces/shop/services/a/status",
            Some((Kind::Service, Some("shop"), Some("a"))),
        );
        check(
            "/apis/gateway.networking.k8s.io/v1beta1/gatewayclasses/x",
            Some((Kind::GatewayClass, None, Some("x"))),
        );
        check("/api/v1/services/a", None);
        check("/api/v1/namespaces/shop/secrets/a/status", None);
        check("/api/v1/configmaps", None);
        check("/apis/apps/v2/deployments", None);
        check("/api/v1/namespaces/shop/services/a/proxy", None);
        check(
            "/apis/gateway.networking.k8s.io/v1/namespaces/x/gatewayclasses",
            None,
        );
    }
}

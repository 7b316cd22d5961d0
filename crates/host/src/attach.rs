//! Where in the load balancer a plugin is attached, and the attributes that exist there.

use std::fmt;
use std::str::FromStr;

/// The kind of extension that runs the plugin. Each comes at its own point of a request's way, so
/// each knows other things of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AttachPoint {
    /// `LbEdgeExtension`: before anything else, the cache included.
    Edge,
    /// `LbRouteExtension`: before the route is chosen.
    Route,
    /// `LbTrafficExtension`, on GKE `GCPTrafficExtension`: after the route is chosen.
    #[default]
    Traffic,
    /// `AuthzExtension`.
    Authz,
}

impl AttachPoint {
    /// Every point.
    pub const ALL: &'static [Self] = &[Self::Edge, Self::Route, Self::Traffic, Self::Authz];

    /// The name as it is written in cases.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Route => "route",
            Self::Traffic => "traffic",
            Self::Authz => "authz",
        }
    }

    /// The attributes that an extension at this point can forward.
    pub fn attributes(self) -> impl Iterator<Item = &'static str> {
        ATTRIBUTES
            .iter()
            .filter(move |attribute| attribute.at[self as usize])
            .map(|attribute| attribute.name)
    }

    /// Whether an attribute exists here, by its path with zero bytes, as the ABI sends it. Under
    /// `request.headers` a header's name may follow.
    pub fn has(self, path: &[u8]) -> bool {
        let path = path.strip_suffix(&[0]).unwrap_or(path);
        self.attributes().any(|name| {
            let is_map = name == "request.headers";
            let mut rest = path.split(|byte| *byte == 0);
            let all = name
                .split('.')
                .all(|segment| rest.next() == Some(segment.as_bytes()));
            all && (rest.next().is_none() || (is_map && rest.next().is_none()))
        })
    }
}

impl fmt::Display for AttachPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no point of attachment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no point of attachment; there are `edge`, `route`, `traffic` and `authz`")]
pub struct UnknownAttachPoint(String);

impl FromStr for AttachPoint {
    type Err = UnknownAttachPoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|point| point.name() == text)
            .ok_or_else(|| UnknownAttachPoint(text.to_owned()))
    }
}

/// An attribute and where it exists.
struct Attribute {
    name: &'static str,
    /// By the places of [`AttachPoint::ALL`].
    at: [bool; 4],
}

const fn everywhere(name: &'static str) -> Attribute {
    Attribute {
        name,
        at: [true; 4],
    }
}

/// Known once a route is or is being chosen.
const fn with_route(name: &'static str) -> Attribute {
    Attribute {
        name,
        at: [false, true, true, false],
    }
}

/// The attributes of the CEL matcher's reference, which are those that `forwardAttributes` takes.
/// The reference marks the backend service's for route and traffic extensions only. Its matrix was
/// not readable for `source.client_region`; Google's own sample asks a traffic extension for it.
const ATTRIBUTES: &[Attribute] = &[
    everywhere("request.headers"),
    everywhere("request.method"),
    everywhere("request.host"),
    everywhere("request.path"),
    everywhere("request.query"),
    everywhere("request.scheme"),
    with_route("request.backend_service_name"),
    with_route("request.backend_service_project_number"),
    everywhere("source.ip"),
    everywhere("source.port"),
    everywhere("source.client_region"),
    everywhere("connection.sni"),
    everywhere("connection.tls_version"),
    everywhere("connection.sha256_peer_certificate_digest"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: [bool; 4]) {
        let path = path.replace('.', "\0");
        let found: Vec<_> = AttachPoint::ALL
            .iter()
            .map(|point| point.has(path.as_bytes()))
            .collect();
        assert_eq!(found, expected, "{path:?}");
    }

    #[test]
    fn each_point_has_its_attributes() {
        check("source.client_region", [true; 4]);
        check("request.client_region", [false; 4]);
        check("request.backend_service_name", [false, true, true, false]);
        check("request.headers", [true; 4]);
        check("request.headers.x-a", [true; 4]);
        check("request.headers.x-a.b", [false; 4]);
        check("request.method.x", [false; 4]);
        check("request", [false; 4]);
        check("", [false; 4]);
    }

    #[test]
    fn every_name_finds_its_point() {
        for point in AttachPoint::ALL {
            assert_eq!(point.name().parse::<AttachPoint>().as_ref(), Ok(point));
        }
        assert!("cdn".parse::<AttachPoint>().is_err());
    }
}

//! Where in the load balancer a plugin is attached, and the attributes that exist there.

use std::fmt;
use std::str::FromStr;

/// The kind of extension that runs the plugin. Each comes at its own point of a request's way, so
/// each knows other things of it. Authorization extensions run callouts only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AttachPoint {
    /// `LbEdgeExtension`: before anything else, the cache included.
    Edge,
    /// `LbRouteExtension`: before the route is chosen.
    Route,
    /// `LbTrafficExtension`, on GKE `GCPTrafficExtension`: after the route is chosen.
    #[default]
    Traffic,
}

impl AttachPoint {
    /// Every point.
    pub const ALL: &'static [Self] = &[Self::Edge, Self::Route, Self::Traffic];

    /// The name as it is written in cases.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Route => "route",
            Self::Traffic => "traffic",
        }
    }

    /// The attributes that an extension at this point can forward.
    pub fn attributes(self) -> impl Iterator<Item = &'static str> {
        ATTRIBUTES
            .iter()
            .filter(move |attribute| attribute.at[self as usize])
            .map(|attribute| attribute.name)
    }

    /// Whether an attribute exists here, by its path with zero bytes, as the ABI sends it.
    pub fn has(self, path: &[u8]) -> bool {
        let path = path.strip_suffix(&[0]).unwrap_or(path);
        self.attributes().any(|name| {
            name.split('.')
                .map(str::as_bytes)
                .eq(path.split(|byte| *byte == 0))
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
#[error("`{0}` is no point of attachment; there are `edge`, `route` and `traffic`")]
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
    /// By the places of [`AttachPoint::ALL`]: edge, route, traffic.
    at: [bool; 3],
}

const EVERYWHERE: [bool; 3] = [true; 3];
const EDGE: [bool; 3] = [true, false, false];
const TRAFFIC: [bool; 3] = [false, false, true];
const NOT_ROUTE: [bool; 3] = [true, false, true];

const fn attribute(name: &'static str, at: [bool; 3]) -> Attribute {
    Attribute { name, at }
}

/// The attributes that `forwardAttributes` takes, by the page "Supported attributes" of the Service
/// Extensions documentation, which has a column for each kind of extension.
const ATTRIBUTES: &[Attribute] = &[
    attribute("request.method", EVERYWHERE),
    attribute("request.host", EVERYWHERE),
    attribute("request.path", EVERYWHERE),
    attribute("request.query", EVERYWHERE),
    attribute("request.scheme", EVERYWHERE),
    attribute("request.origin", TRAFFIC),
    attribute("request.user_agent_family", NOT_ROUTE),
    attribute("request.device_request_type", NOT_ROUTE),
    attribute("request.backend_service_name", TRAFFIC),
    attribute("request.backend_service_project_number", TRAFFIC),
    attribute("source.ip", EVERYWHERE),
    attribute("source.port", EVERYWHERE),
    attribute("source.client_region", NOT_ROUTE),
    attribute("source.client_region_subdivision", EDGE),
    attribute("source.client_city", EDGE),
    attribute("connection.sni", EVERYWHERE),
    attribute("connection.tls_version", EVERYWHERE),
    attribute("connection.sha256_peer_certificate_digest", EVERYWHERE),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: [bool; 3]) {
        let path = path.replace('.', "\0");
        let found: Vec<_> = AttachPoint::ALL
            .iter()
            .map(|point| point.has(path.as_bytes()))
            .collect();
        assert_eq!(found, expected, "{path:?}");
    }

    #[test]
    fn each_point_has_its_attributes() {
        check("source.ip", [true; 3]);
        check("source.client_region", [true, false, true]);
        check("source.client_city", [true, false, false]);
        check("request.backend_service_name", [false, false, true]);
        // What Google's own sample asks for, and its tester hides that it does not exist.
        check("request.client_region", [false; 3]);
        check("request.method.x", [false; 3]);
        check("request", [false; 3]);
        check("", [false; 3]);
    }

    #[test]
    fn every_name_finds_its_point() {
        for point in AttachPoint::ALL {
            assert_eq!(point.name().parse::<AttachPoint>().as_ref(), Ok(point));
        }
        assert!("cdn".parse::<AttachPoint>().is_err());
    }
}

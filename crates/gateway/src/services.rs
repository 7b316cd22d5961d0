//! What a cluster would know and manifests do not say: where Services live, and on which ports.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::tls::Authority;

/// Where a Service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceAt {
    /// It listens here, and speaks what its `appProtocol` says.
    Address(SocketAddr),
    /// It listens here, without TLS whatever the manifest says: on a developer's machine most do.
    Plaintext(SocketAddr),
    /// The built-in store answers for it, as that of the documentation does.
    Store,
    /// It should be somewhere and is not, for this reason.
    Nowhere(String),
}

/// Which port of which Gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortKey {
    /// The Gateway's name.
    pub gateway: String,
    /// The listener's port.
    pub port: u16,
}

/// What stands around the manifests.
#[derive(Clone, Debug)]
pub struct Services {
    /// Where Services are, by `namespace/name`. A Service of a route that is not listed is a store.
    pub at: BTreeMap<String, ServiceAt>,
    /// What stands for Google APIs that extensions call, by `googleAPIServiceName`.
    pub google_apis: BTreeMap<String, ServiceAt>,
    /// On which local port a listener's port is served; 0 for any free one.
    pub ports: BTreeMap<u16, u16>,
    /// The same for one Gateway, which goes first.
    pub gateway_ports: BTreeMap<PortKey, u16>,
    /// The address to listen at.
    pub bind: IpAddr,
    /// Who signs certificates where there is no Secret. Without one, HTTPS listeners are refused.
    pub authority: Option<Arc<Authority>>,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            at: BTreeMap::new(),
            google_apis: BTreeMap::new(),
            ports: BTreeMap::new(),
            gateway_ports: BTreeMap::new(),
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            authority: None,
        }
    }
}

impl Services {
    /// The address for a listener's port.
    ///
    /// Ports below 1024 need privileges that nobody should have for this, so 80 becomes 8080,
    /// 443 becomes 8443, and others move up by 8000.
    pub(crate) fn address(&self, gateway: &str, port: u16) -> SocketAddr {
        let key = PortKey {
            gateway: gateway.to_owned(),
            port,
        };
        let local = self
            .gateway_ports
            .get(&key)
            .or_else(|| self.ports.get(&port))
            .copied()
            .unwrap_or(match port {
                80 => 8080,
                443 => 8443,
                1..1024 => port + 8000,
                _ => port,
            });
        SocketAddr::new(self.bind, local)
    }

    pub(crate) fn find(&self, namespace: &str, name: &str) -> ServiceAt {
        self.at
            .get(&format!("{namespace}/{name}"))
            .cloned()
            .unwrap_or(ServiceAt::Store)
    }

    /// Where a Service is that is called: nothing built in answers for one by itself.
    pub(crate) fn callout(&self, namespace: &str, name: &str) -> ServiceAt {
        let found = self.at.get(&format!("{namespace}/{name}")).cloned();
        found.unwrap_or_else(|| {
            ServiceAt::Nowhere(format!(
                "nothing says where the callout `{namespace}/{name}` is; name it under `services` \
                 in `gatewright.yaml`, as `{name}: {{plaintext: '127.0.0.1:8080'}}`"
            ))
        })
    }

    /// What stands for a Google API.
    pub(crate) fn google_api(&self, name: &str) -> ServiceAt {
        self.google_apis.get(name).cloned().unwrap_or_else(|| {
            ServiceAt::Nowhere(format!(
                "nothing stands for the Google API `{name}`, and none is called from here; name a \
                 stand-in under `google-apis` in `gatewright.yaml`"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileged_ports_move_up_unless_one_is_named() {
        let mut services = Services::default();
        let port = |services: &Services, port| services.address("gw", port).port();
        assert_eq!(port(&services, 80), 8080);
        assert_eq!(port(&services, 443), 8443);
        assert_eq!(port(&services, 81), 8081);
        assert_eq!(port(&services, 8080), 8080);
        services.ports.insert(80, 9000);
        let key = PortKey {
            gateway: "gw".to_owned(),
            port: 443,
        };
        services.gateway_ports.insert(key, 0);
        assert_eq!(port(&services, 80), 9000);
        assert_eq!(port(&services, 443), 0);
    }
}

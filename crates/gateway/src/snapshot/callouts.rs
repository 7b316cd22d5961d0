//! Extensions that call a Service or a Google API: where it is, and what it is told.

use std::sync::Arc;
use std::time::Duration;

use gatewright_callout::{BodyMode, Config, Event, Rules};
use gatewright_gke::{
    self as gke, Backend, BodySendMode, Cloud, Extension, ExtensionKind, ExtensionSet, Gateway,
    Report, annotations,
};

use super::{CalloutKind, CalloutUse};
use crate::services::{ServiceAt, Services};

/// What goes around an extension.
pub(super) struct Around<'a> {
    pub(super) report: &'a Report,
    pub(super) services: &'a Services,
    pub(super) gateway: &'a Gateway,
    pub(super) set: &'a ExtensionSet,
    /// The chain's name.
    pub(super) chain: &'a str,
}

impl Around<'_> {
    /// The callout of an extension whose backend is a Service or a Google API.
    ///
    /// # Errors
    /// A sentence that says why it cannot be called and what to do.
    pub(super) fn callout(&self, extension: &Extension) -> Result<CalloutUse, String> {
        let (kind, target, found, authority) = match &extension.backend.value {
            Backend::Service { name, port, .. } => {
                let namespace = &self.set.id.namespace;
                let found = self.services.callout(namespace, name);
                let target = format!("{namespace}/{name}:{port}");
                let authority = extension.authority.clone().unwrap_or_default();
                (CalloutKind::Service, target, found, authority)
            }
            Backend::GoogleApi { name } => {
                let found = self.services.google_api(name);
                (CalloutKind::GoogleApi, name.clone(), found, name.clone())
            }
            _ => return Err("it calls nothing".to_owned()),
        };
        let (at, tls) = match found {
            ServiceAt::Address(at) => (at, self.is_encrypted(extension)),
            ServiceAt::Plaintext(at) => (at, false),
            ServiceAt::Nowhere(why) => return Err(why),
            ServiceAt::Store => return Err(format!("the store is no callout: `{target}`")),
        };
        Ok(CalloutUse {
            kind,
            target,
            at,
            tls,
            resource: format!("{}/{}", self.set.id.namespace, self.set.id.name),
            chain: self.chain.to_owned(),
            extension: extension.name.value.clone(),
            config: Arc::new(self.config(extension, authority)),
        })
    }

    /// Whether the callout is spoken to over TLS: unless its port's `appProtocol` says H2C.
    fn is_encrypted(&self, extension: &Extension) -> bool {
        let Backend::Service { name, port, .. } = &extension.backend.value else {
            return true;
        };
        let service = self.report.model.service(&self.set.id.namespace, name);
        let protocol = service.and_then(|service| {
            let port = service.ports.iter().find(|known| known.port == *port)?;
            port.app_protocol.as_ref().map(|spot| spot.value.as_str())
        });
        !matches!(protocol, Some("H2C" | "kubernetes.io/h2c"))
    }

    fn config(&self, extension: &Extension, authority: String) -> Config {
        let rules = match self.set.kind {
            ExtensionKind::Traffic => Rules::Traffic,
            ExtensionKind::Routing => Rules::Routing,
        };
        let (kind, collection) = match self.set.kind {
            ExtensionKind::Traffic => ("lb_traffic_extension", "lb-traffic-extensions"),
            ExtensionKind::Routing => ("lb_route_extension", "lb-route-extensions"),
        };
        // The names are those of the resources that the controller would make, as the Gateway's
        // annotations have them.
        let names = annotations(self.report, self.gateway, "", &Cloud::default());
        let name = |key: &str| {
            let key = format!("networking.gke.io/{key}");
            let found = names.iter().find(|(known, _)| *known == key);
            found.map_or("", |(_, value)| value.trim_start_matches('/'))
        };
        let resource = name(collection).rsplit('/').next().unwrap_or_default();
        let metadata = extension.metadata.iter().map(|(key, value)| {
            let value = value.replace("{forwarding_rule_id}", name("forwarding-rules"));
            (key.clone(), value)
        });
        Config {
            rules,
            authority,
            events: extension
                .shown(self.set.kind)
                .iter()
                .copied()
                .map(event)
                .collect(),
            request_body: mode(extension.request_body),
            response_body: mode(extension.response_body),
            timeout: Duration::from_millis(extension.timeout_ms),
            fail_open: extension.fail_open,
            observability: extension.observability,
            forward_headers: extension.forward_headers.clone(),
            metadata: metadata.collect(),
            metadata_namespace: format!(
                "com.google.{kind}.{resource}.{}.{}",
                self.chain, extension.name.value
            ),
        }
    }
}

const fn event(event: gke::Event) -> Event {
    match event {
        gke::Event::RequestHeaders => Event::RequestHeaders,
        gke::Event::RequestBody => Event::RequestBody,
        gke::Event::RequestTrailers => Event::RequestTrailers,
        gke::Event::ResponseHeaders => Event::ResponseHeaders,
        gke::Event::ResponseBody => Event::ResponseBody,
        gke::Event::ResponseTrailers => Event::ResponseTrailers,
    }
}

const fn mode(mode: Option<BodySendMode>) -> BodyMode {
    match mode {
        Some(BodySendMode::FullDuplexStreamed) => BodyMode::FullDuplex,
        Some(BodySendMode::Streamed) | None => BodyMode::Streamed,
    }
}

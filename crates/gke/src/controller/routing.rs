//! What only a GCPRoutingExtension must not do, although its CRD admits it.

use super::extension::Judge;
use crate::model::{BodySendMode, Event, Extension, ExtensionSet};
use crate::rule::Rule;

impl Judge<'_, '_, '_> {
    /// What a GCPRoutingExtension may see, although the CRD is the same.
    pub(super) fn routing(&mut self, extension: &Extension, path: &str) {
        let duplex = extension.request_body == Some(BodySendMode::FullDuplexStreamed);
        let allowed: &[Event] = if duplex {
            &[
                Event::RequestHeaders,
                Event::RequestBody,
                Event::RequestTrailers,
            ]
        } else {
            &[Event::RequestHeaders]
        };
        let excess: Vec<&str> = extension
            .events
            .iter()
            .flatten()
            .filter(|event| !allowed.contains(event))
            .map(|event| event.as_str())
            .collect();
        if !excess.is_empty() {
            self.refuse(
                Rule::RoutingEvents,
                extension.places.events,
                format!("{path}.supportedEvents"),
                format!("a GCPRoutingExtension does not support {} here", excess.join(", ")),
                "RequestHeaders, and with requestBodySendMode FullDuplexStreamed also RequestBody and RequestTrailers",
            );
        }
        if extension.request_body == Some(BodySendMode::Streamed) {
            self.refuse(
                Rule::RoutingBodyMode,
                extension.places.request_body,
                format!("{path}.requestBodySendMode"),
                "a GCPRoutingExtension takes request bodies only as FullDuplexStreamed".to_owned(),
                "write FullDuplexStreamed or leave the body out",
            );
        }
        if extension.response_body.is_some() {
            self.refuse(
                Rule::RoutingBodyMode,
                extension.places.response_body,
                format!("{path}.responseBodySendMode"),
                "a GCPRoutingExtension sees no responses".to_owned(),
                "remove it or use a GCPTrafficExtension",
            );
        }
    }

    pub(super) fn routing_chains(&mut self, set: &ExtensionSet) {
        for (index, chain) in set.chains.iter().enumerate() {
            if let Some(second) = chain.extensions.get(1) {
                self.refuse(
                    Rule::RoutingChainSize,
                    second.name.place,
                    format!("spec.extensionChains[{index}].extensions"),
                    "GCPRoutingExtension chains are limited to 1 Extension per ExtensionChain"
                        .to_owned(),
                    "keep one; the CRD admits three, the load balancer does not",
                );
            }
        }
    }
}

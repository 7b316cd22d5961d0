//! A routing extension that does not work: what becomes of requests before their route is found.

use crate::support::{OK, Setup, TO_UP, Upstream, route};

/// A routing extension on paths with `/routing`, whose callout is nowhere.
fn setup(upstream: &Upstream, fail_open: bool) -> Setup {
    let mut manifests = route(TO_UP);
    manifests += &format!(
        "---
apiVersion: networking.gke.io/v1
kind: GCPRoutingExtension
metadata: {{name: routing}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]
  extensionChains:
  - name: chain
    matchCondition: {{celExpressions: [{{celMatcher: request.path.contains(\"routing\")}}]}}
    extensions:
    - name: callout
      authority: callout.test
      failOpen: {fail_open}
      backendRef: {{kind: Service, name: callout, port: 443}}
---
apiVersion: v1
kind: Service
metadata: {{name: callout}}
spec: {{ports: [{{port: 443, appProtocol: HTTP2}}], selector: {{app: callout}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: callout}}
spec:
  selector: {{matchLabels: {{app: callout}}}}
  template:
    metadata: {{labels: {{app: callout}}}}
    spec: {{containers: [{{name: c, image: r.test/c}}]}}
"
    );
    let mut setup = Setup::new(manifests);
    setup.class = "gke-l7-rilb";
    setup.up(upstream.at);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = nobody.local_addr().expect("an address");
    let at = gatewright_gateway::ServiceAt::Address(at);
    setup.services.at.insert("default/callout".to_owned(), at);
    setup.access_log = true;
    setup
}

#[test]
fn a_routing_extension_that_does_not_work_fails_as_it_says() {
    for (fail_open, expected) in [(true, 200), (false, 500)] {
        let upstream = Upstream::answering(OK);
        let running = setup(&upstream, fail_open).start_with_problems();
        assert_eq!(running.get("/routing").status, expected);
        // No chain runs there.
        assert_eq!(running.get("/other").status, 200);
        let log = running.end();
        let told = |part: &str| assert!(log.contains(part), "{part}: {log}");
        told("\"resource\":\"default/routing\"");
        told(&format!("\"failedOpen\":{fail_open}"));
    }
}

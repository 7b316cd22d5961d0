//! What the plan decides for the documentation's store.

use super::{Client, Plan, Request};
use crate::Report;
use crate::condition::Verdict;
use crate::fixtures::{
    APP, GLOBAL, INTERNAL, MISSING_PLUGIN, PLUGIN, ROUTE, ROUTING, TRAFFIC, TRAFFIC_WITH_PLUGIN,
    documented,
};

fn request<'r>(host: &'r str, path: &'r str, headers: &'r [(&'r [u8], &'r [u8])]) -> Request<'r> {
    Request {
        method: b"GET",
        scheme: b"https",
        host: host.as_bytes(),
        path: path.as_bytes(),
        query: b"",
        headers,
        client: Client::default(),
    }
}

fn backend(plan: &Plan, request: &Request<'_>) -> Option<String> {
    let choice = plan.gateways[0].route(request)?;
    Some(choice.backends.first()?.name.value.clone())
}

fn store() -> Report {
    documented(
        &[PLUGIN, TRAFFIC_WITH_PLUGIN, ROUTE],
        "external-http",
        GLOBAL,
    )
}

#[test]
fn the_store_routes_by_host_path_and_header() {
    let report = store();
    let check = |host, path, headers: &[(&[u8], &[u8])], expected: Option<&str>| {
        let found = backend(&report.plan, &request(host, path, headers));
        assert_eq!(found.as_deref(), expected, "{host}{path}");
    };
    check("store.example.com", "/", &[], Some("store-v1"));
    check("STORE.example.com", "/de", &[], Some("store-german"));
    check("store.example.com", "/de/buch", &[], Some("store-german"));
    check("store.example.com", "/deutsch", &[], Some("store-v1"));
    check(
        "store.example.com",
        "/x",
        &[(b"Env", b"canary")],
        Some("store-v2"),
    );
    // A longer path wins over a header.
    check(
        "store.example.com",
        "/de",
        &[(b"env", b"canary")],
        Some("store-german"),
    );
    check("other.example.com", "/", &[], None);
}

#[test]
fn a_more_specific_hostname_decides_before_any_path() {
    let other = ROUTE
        .replace("name: store\n", "name: wide\n")
        .replace("\"store.example.com\"", "\"*.example.com\"")
        .replace("\"service-extensions.example.com\"", "\"*.example.org\"")
        .replace("value: /de", "value: /only/here");
    let report = documented(&[ROUTE, &other], "external-http", GLOBAL);
    let name = |host, path| {
        let request = request(host, path, &[]);
        report.plan.gateways[0]
            .route(&request)
            .map(|choice| choice.route.id.name.clone())
    };
    assert_eq!(
        name("store.example.com", "/only/here").as_deref(),
        Some("store")
    );
    assert_eq!(name("a.example.com", "/").as_deref(), Some("wide"));
    assert_eq!(name("example.com", "/"), None);
}

#[test]
fn first_matching_chain_runs_and_later_ones_are_not_asked() {
    let text = TRAFFIC_WITH_PLUGIN.replace(
        "  extensionChains:\n",
        "  extensionChains:\n  - name: chain0\n    matchCondition:\n      celExpressions:\n      - celMatcher: request.path.contains(\"admin\")\n    extensions:\n    - name: ext0\n      supportedEvents: [RequestHeaders]\n      backendRef: {group: networking.gke.io, kind: GCPWasmPlugin, name: gcp-wasm-plugin}\n",
    );
    let report = documented(&[PLUGIN, &text, ROUTE], "external-http", GLOBAL);
    let plan = &report.plan.gateways[0];
    let check = |path, expected: Option<&str>, asked| {
        let request = request("store.example.com", path, &[]);
        let decision = plan.decide(&request);
        let chain = decision
            .traffic_chain()
            .map(|chain| chain.name.value.as_str());
        assert_eq!((chain, decision.traffic.len()), (expected, asked), "{path}");
    };
    check("/admin/serviceextensions", Some("chain0"), 1);
    check("/serviceextensions", Some("chain1"), 2);
    check("/", None, 2);
}

#[test]
fn a_plugin_resolves_to_the_version_with_a_weight() {
    let report = documented(
        &[crate::fixtures::TWO_VERSIONS, TRAFFIC_WITH_PLUGIN, ROUTE],
        "external-http",
        GLOBAL,
    );
    let extension = report.plan.gateways[0].traffic.as_ref().unwrap();
    let (plugin, version) = extension
        .plugin(&extension.set.chains[0].extensions[0])
        .unwrap();
    assert_eq!(plugin.id.name, "gcp-wasm-plugin");
    assert_eq!(version.name, "wasm-plugin-version-v1");
}

#[test]
fn without_a_language_a_condition_is_not_evaluated_and_does_not_hold() {
    let input = crate::Input {
        name: "a.yaml",
        bytes: TRAFFIC.as_bytes(),
    };
    let app = crate::Input {
        name: "b.yaml",
        bytes: APP.as_bytes(),
    };
    let options = crate::Options {
        gateways: vec![("GATEWAY_NAME".into(), GLOBAL.into())],
        ..crate::Options::default()
    };
    let report = crate::check(&[input, app], &options);
    let traffic = report.plan.gateways[0].traffic.as_ref().unwrap();
    let asked = traffic.ask(&request("a", "/serviceextensions", &[]), None);
    assert!(matches!(asked[0].verdict, Verdict::NotEvaluated(_)));
    assert!(!asked[0].verdict.holds());
}

#[test]
fn an_explanation_names_route_chain_plugin_and_version() {
    let report = store();
    let request = request("store.example.com", "/serviceextensions", &[]);
    assert_eq!(
        report.plan.gateways[0].explain(&request),
        "\
GET https://store.example.com/serviceextensions on Gateway default/external-http (gke-l7-global-external-managed)
  routing extension: none
  route: HTTPRoute default/store rule 0 match 0 -> store-v1:8080 (weight 1)
  traffic extension: GCPTrafficExtension default/gcp-traffic-extension-with-plugin
    chain chain1 runs: request.path.contains(\"serviceextensions\")
      ext1: plugin gcp-wasm-plugin version wasm-plugin-version (us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main) on RequestHeaders, ResponseHeaders
"
    );
}

#[test]
fn an_explanation_says_why_not() {
    let report = documented(
        &[APP, ROUTING, MISSING_PLUGIN, ROUTE],
        "internal-http",
        INTERNAL,
    );
    let text = report.plan.gateways[0].explain(&request("nowhere.example.com", "/", &[]));
    for needle in [
        "chain chain1 does not match: request.path.contains(\"serviceextensions\")",
        "route: none of 1 takes the request: 404",
        "has store.example.com, service-extensions.example.com; asked for nowhere.example.com",
        "my-gateway-plugin-extension is not programmed: NotAllowed: GCPWasmPlugin is not supported on Gateways of class gke-l7-rilb",
    ] {
        assert!(text.contains(needle), "{needle}\n{text}");
    }
}

#[test]
fn a_service_has_the_images_of_what_it_selects() {
    let report = documented(&[APP, ROUTING, ROUTE], "internal-http", INTERNAL);
    assert_eq!(
        report.model.images("default", "extension-service"),
        ["us-docker.pkg.dev/service-extensions-samples/callouts/python-example-basic:main"]
    );
    assert!(report.model.images("default", "other").is_empty());
}

/// The documentation's first walk-through: its route names `service-extensions.example.com`, and
/// what its callout answers is `service-extensions.com`.
#[test]
fn a_route_is_found_with_what_the_routing_extension_makes_of_a_request() {
    let asked = request("store.example.com", "/serviceextensions", &[]);
    let made = request("service-extensions.com", "/", &[]);
    let explain = |route: &str, made| {
        let report = documented(&[APP, ROUTING, route], "internal-http", INTERNAL);
        report.plan.gateways[0].explain_rerouted(&asked, made)
    };
    let text = explain(ROUTE, Some(&made));
    for needle in [
        "      ext1: callout extension-service:443",
        "    it makes of the request: GET https://service-extensions.com/",
        "  route: none of 1 takes the request: 404",
        "has store.example.com, service-extensions.example.com; asked for service-extensions.com",
    ] {
        assert!(text.contains(needle), "{needle}\n{text}");
    }
    let mended = ROUTE.replace("service-extensions.example.com", "service-extensions.com");
    let text = explain(&mended, Some(&made));
    assert!(text.contains("rule 0 match 0 -> store-v1:8080"), "{text}");
    // Where nobody knows, that is said.
    let text = explain(ROUTE, None);
    assert!(text.contains("is not known"), "{text}");
    assert!(text.contains("-> store-v1:8080"), "{text}");
}

//! What people do with `kubectl` besides the documentation's commands.

use super::cluster::{Cluster, documented, have};
use super::normal::normal;

const GATEWAY: [&str; 2] = ["--gateway", "external-http=gke-l7-global-external-managed"];

/// A cluster with the documentation's plugin on a Gateway.
fn with_plugin() -> Cluster {
    let cluster = Cluster::start(&GATEWAY);
    for page in [
        "store-route.yaml",
        "wasm-plugin.yaml",
        "gcp-traffic-extension-with-plugin.yaml",
    ] {
        cluster.page(page, "external-http");
        cluster
            .sh(&format!("kubectl apply -f {page}"))
            .expect(0, "created");
    }
    cluster.until(
        "kubectl describe gcptrafficextension gcp-traffic-extension-with-plugin",
        "Programming of GCPTrafficExtension",
    );
    cluster
}

#[test]
fn describe_says_what_gatewright_describe_says() {
    if !have(&["kubectl"]) {
        return;
    }
    let cluster = with_plugin();
    for object in [
        "gcptrafficextension/gcp-traffic-extension-with-plugin",
        "gcpwasmplugin/gcp-wasm-plugin",
        "gateway/external-http",
        "httproute/store",
    ] {
        let kubectl = cluster.sh(&format!("kubectl describe {object}"));
        assert_eq!(kubectl.code, Some(0), "{}", kubectl.err);
        let program = env!("CARGO_BIN_EXE_gatewright");
        let pages = "store-route.yaml wasm-plugin.yaml gcp-traffic-extension-with-plugin.yaml";
        let own = cluster.sh(&format!(
            "{program} describe {object} {pages} --gateway external-http=gke-l7-global-external-managed --address {}",
            cluster.address
        ));
        assert_eq!(own.code, Some(0), "{}", own.err);
        assert_eq!(normal(&kubectl.out), normal(&own.out), "{object}");
    }
}

#[test]
fn objects_are_explained_compared_edited_watched_waited_for_and_deleted() {
    if !have(&["kubectl"]) {
        return;
    }
    let mut cluster = with_plugin();
    cluster
        .sh("kubectl explain gcpwasmplugin.spec.versions.weight")
        .expect(0, "weight is 0 to 1000000");
    cluster
        .sh("kubectl wait --for=condition=Programmed gateway/external-http --timeout=60s")
        .expect(
            0,
            "gateway.gateway.networking.k8s.io/external-http condition met",
        );
    let table = cluster.sh("kubectl get gateway external-http");
    let lines: Vec<_> = table.out.lines().collect();
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(lines[0]),
        ["NAME", "CLASS", "ADDRESS", "PROGRAMMED", "AGE"]
    );
    assert_eq!(
        words(lines[1])[1..4],
        [
            "gke-l7-global-external-managed",
            &cluster.address.to_string(),
            "True"
        ]
    );
    // A difference is shown and changes nothing.
    let changed = documented("wasm-plugin.yaml").replace("Test wasm", "Another wasm");
    cluster.file("wasm-plugin.yaml", changed);
    let diff = cluster.sh("kubectl diff -f wasm-plugin.yaml");
    assert_eq!(diff.code, Some(1), "{}", diff.err);
    assert!(
        diff.out
            .contains("+  - description: Another wasm plugin version"),
        "{}",
        diff.out
    );
    cluster
        .sh("kubectl get gcpwasmplugin gcp-wasm-plugin -o jsonpath='{.spec.versions[0].description}'")
        .expect(0, "Test wasm plugin version");
    // A watch sees an edit.
    let mut watch = cluster.follow("kubectl get gcpwasmplugin gcp-wasm-plugin -w -o jsonpath='{.spec.versions[0].description}{\"\\n\"}'");
    watch.wait_for_all(&["Test wasm"]);
    cluster
        .sh("EDITOR=\"sed -i s/Test/Edited/\" kubectl edit gcpwasmplugin gcp-wasm-plugin")
        .expect(0, "edited");
    watch.wait_for_all(&["Edited wasm"]);
    cluster
        .sh("kubectl apply -f wasm-plugin.yaml")
        .expect(0, "configured");
    watch.wait_for_all(&["Another wasm"]);
    drop(watch);
    cluster
        .sh("kubectl patch gcptrafficextension gcp-traffic-extension-with-plugin --type=json -p '[{\"op\": \"replace\", \"path\": \"/spec/extensionChains/0/matchCondition/celExpressions/0/celMatcher\", \"value\": \"request.path.contains(\\\"elsewhere\\\")\"}]'")
        .expect(0, "patched");
    cluster
        .sh("kubectl delete gateway external-http")
        .expect(0, "deleted");
    cluster
        .sh("kubectl get gateway external-http")
        .expect(1, "Error from server (NotFound): gateways.gateway.networking.k8s.io \"external-http\" not found");
    cluster.until(
        "kubectl describe gcptrafficextension gcp-traffic-extension-with-plugin",
        "spec.gatewayRef: gateway \"external-http\" not found in namespace \"default\"",
    );
    cluster.wait_for("NoMatchingTarget");
}

#[test]
fn server_side_apply_shares_fields_and_names_who_has_them() {
    if !have(&["kubectl"]) {
        return;
    }
    let cluster = Cluster::start(&[]);
    cluster.page("wasm-plugin.yaml", "");
    cluster
        .sh("kubectl apply --server-side -f wasm-plugin.yaml")
        .expect(0, "serverside-applied");
    let changed = documented("wasm-plugin.yaml").replace("INFO", "WARN");
    cluster.file("wasm-plugin.yaml", changed);
    cluster
        .sh("kubectl apply --server-side --field-manager=other -f wasm-plugin.yaml")
        .expect(1, "conflict with \"kubectl\": .spec.logConfig.minLogLevel");
    cluster
        .sh("kubectl apply --server-side --field-manager=other --force-conflicts -f wasm-plugin.yaml")
        .expect(0, "serverside-applied");
    cluster
        .sh("kubectl get gcpwasmplugin gcp-wasm-plugin --show-managed-fields -o yaml")
        .expect(0, "manager: other");
    // A Service's ports are merged by their key.
    cluster.page("extension-service-app.yaml", "");
    cluster
        .sh("kubectl apply -f extension-service-app.yaml")
        .expect(0, "service/extension-service created");
    let changed = documented("extension-service-app.yaml").replace(
        "port: 443\n    targetPort: 443",
        "port: 443\n    targetPort: 8443",
    );
    cluster.file("extension-service-app.yaml", changed);
    let applied = cluster.sh("kubectl apply -f extension-service-app.yaml");
    applied.expect(0, "service/extension-service configured");
    assert!(!applied.err.contains("warning"), "{}", applied.err);
    cluster
        .sh("kubectl get service extension-service -o jsonpath='{.spec.ports[*].targetPort}'")
        .expect(0, "8443");
}

#[test]
fn what_is_not_served_and_who_is_not_known_are_told() {
    if !have(&["kubectl", "curl"]) {
        return;
    }
    let cluster = Cluster::start(&[]);
    cluster.sh("kubectl create configmap a").expect(
        1,
        "this is a development server for the kinds Namespace, Event, Pod,",
    );
    cluster.sh("kubectl get pizza").expect(
        1,
        "error: the server doesn't have a resource type \"pizza\"",
    );
    cluster
        .sh("kubectl --token=wrong get gateways")
        .expect(1, "You must be logged in to the server");
    cluster
        .sh("kubectl get gatewayclasses")
        .expect(0, "gke-l7-rilb");
    cluster
        .sh("kubectl create namespace shop")
        .expect(0, "created");
    cluster
        .sh("kubectl delete namespace default")
        .expect(1, "is forbidden");
    cluster
        .sh("kubectl delete namespace shop")
        .expect(0, "deleted");
    cluster
        .sh("kubectl api-resources")
        .expect(0, "gcptrafficextensions");
    cluster
        .sh("kubectl version")
        .expect(0, "Server Version: v1.33");
}

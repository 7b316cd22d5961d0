//! What was acknowledged is there after a kill.

use super::cluster::{Cluster, have};
use crate::support::Place;

#[test]
fn objects_outlive_a_kill_and_nobody_else_takes_the_folder() {
    if !have(&["kubectl"]) {
        return;
    }
    let state = [
        "--state",
        "state",
        "--gateway",
        "external-http=gke-l7-global-external-managed",
    ];
    let mut cluster = Cluster::start_in(Place::new(), &state);
    cluster.page("wasm-plugin.yaml", "external-http");
    cluster.page("store-route.yaml", "external-http");
    cluster
        .sh("kubectl apply -f wasm-plugin.yaml -f store-route.yaml")
        .expect(0, "created");
    cluster
        .sh("kubectl label httproute store a=b")
        .expect(0, "labeled");
    let program = env!("CARGO_BIN_EXE_gatewright");
    cluster
        .sh(&format!(
            "{program} serve --kube=127.0.0.1:0 --state state --kubeconfig other"
        ))
        .expect(3, "another process serves from it");
    let uid = "kubectl get httproute store -o jsonpath='{.metadata.uid} {.metadata.labels.a}'";
    let before = cluster.sh(uid).out;
    assert!(before.ends_with(" b"), "{before}");
    cluster.kill();
    let cluster = Cluster::start_in(cluster.into_place(), &state);
    assert_eq!(cluster.sh(uid).out, before);
    cluster
        .sh("kubectl get gcpwasmplugin,gateway")
        .expect(0, "gcp-wasm-plugin");
}

//! kube's Rust client, as a second client of the API.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
    WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use super::cluster::{Cluster, PATIENCE, have};
use crate::support::figure;

async fn client(cluster: &Cluster) -> Client {
    let kubeconfig = Kubeconfig::read_from(cluster.at("kubeconfig")).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options);
    Client::try_from(config.await.expect("a configuration")).expect("a client")
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

#[test]
fn kubes_own_client_lists_watches_and_patches() {
    let cluster = Cluster::start(&[]);
    run(async {
        let client = client(&cluster).await;
        let services: Api<Service> = Api::namespaced(client.clone(), "default");
        let made: Service = serde_json::from_value(json!({
            "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]},
        }))
        .expect("a Service");
        let made = services
            .create(&PostParams::default(), &made)
            .await
            .expect("created");
        let version = made.metadata.resource_version.clone().expect("a version");
        let patch = json!({"metadata": {"labels": {"x": "y"}}});
        let patched = services
            .patch("a", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("patched");
        assert_eq!(patched.metadata.labels.expect("labels")["x"], "y");
        let strategic =
            json!({"spec": {"ports": [{"port": 81, "name": "more"}, {"port": 80, "name": "one"}]}});
        let patched = services
            .patch("a", &PatchParams::default(), &Patch::Strategic(&strategic))
            .await
            .expect("patched");
        assert_eq!(patched.spec.expect("a spec").ports.expect("ports").len(), 2);
        let found = services
            .list(&ListParams::default().labels("x=y"))
            .await
            .expect("listed");
        assert_eq!(found.items.len(), 1);
        // A watch from the creation on tells both patches and the end.
        services
            .delete("a", &Default::default())
            .await
            .expect("deleted");
        let mut stream = Box::pin(
            services
                .watch(&WatchParams::default().timeout(10), &version)
                .await
                .expect("watched"),
        );
        let mut told = Vec::new();
        while told.len() < 3 {
            match stream.next().await.expect("an event").expect("no error") {
                WatchEvent::Modified(_) => told.push("modified"),
                WatchEvent::Deleted(_) => told.push("deleted"),
                other => unreachable!("{other:?}"),
            }
        }
        assert_eq!(told, ["modified", "modified", "deleted"]);
        let kind = GroupVersionKind::gvk("networking.gke.io", "v1", "GCPWasmPlugin");
        let resource = ApiResource::from_gvk_with_plural(&kind, "gcpwasmplugins");
        let plugins: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), "default", &resource);
        let wrong = json!({
            "apiVersion": "networking.gke.io/v1", "kind": "GCPWasmPlugin",
            "metadata": {"name": "p"}, "spec": {"versions": []},
        });
        let error = plugins
            .patch("p", &PatchParams::apply("test"), &Patch::Apply(&wrong))
            .await
            .expect_err("it is invalid");
        assert!(
            error.to_string().contains("should have at least 1 items"),
            "{error}"
        );
    });
}

/// How many changes a watcher follows.
const CHANGES: usize = 10_000;

#[test]
fn a_watcher_that_reconnects_loses_nothing_of_ten_thousand_changes() {
    let cluster = Cluster::start(&[]);
    let lost = run(async {
        let client = client(&cluster).await;
        let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
        let first: Secret =
            serde_json::from_value(json!({"metadata": {"name": "a"}})).expect("a Secret");
        let made = secrets
            .create(&PostParams::default(), &first)
            .await
            .expect("created");
        let start = made.metadata.resource_version.expect("a version");
        let writer = {
            let secrets = secrets.clone();
            tokio::spawn(async move {
                for number in 0..CHANGES {
                    let patch = json!({"metadata": {"annotations": {"n": number.to_string()}}});
                    secrets
                        .patch("a", &PatchParams::default(), &Patch::Merge(&patch))
                        .await
                        .expect("patched");
                }
            })
        };
        let mut seen = 0;
        let mut version = start;
        let mut expected = 0;
        let follow = async {
            while seen < CHANGES {
                let watch = secrets
                    .watch(&WatchParams::default().timeout(10), &version)
                    .await;
                let mut stream = Box::pin(watch.expect("watched"));
                // Each connection takes a few, and the next goes on where it ended.
                for _ in 0..97 {
                    let Some(event) = stream.next().await else {
                        break;
                    };
                    if let WatchEvent::Modified(secret) = event.expect("no error") {
                        let number = secret.metadata.annotations.expect("annotations")["n"].clone();
                        assert_eq!(number, expected.to_string());
                        version = secret.metadata.resource_version.expect("a version");
                        expected += 1;
                        seen += 1;
                    }
                    if seen == CHANGES {
                        break;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE * 4 + Duration::from_secs(1), follow)
            .await
            .expect("in time");
        writer.await.expect("written");
        CHANGES - seen
    });
    figure("watch-changes", &CHANGES.to_string());
    figure("watch-lost", &lost.to_string());
    assert_eq!(lost, 0);
}

#[test]
fn what_is_applied_is_soon_programmed_and_served() {
    if !have(&["kubectl", "curl"]) {
        return;
    }
    let mut cluster =
        Cluster::start(&["--gateway", "external-http=gke-l7-global-external-managed"]);
    cluster.curlrc();
    for page in ["store-route.yaml", "wasm-plugin.yaml", EXTENSION] {
        cluster.page(page, "external-http");
    }
    cluster
        .sh("kubectl apply -f store-route.yaml -f wasm-plugin.yaml")
        .expect(0, "created");
    let mut times: Vec<u128> = (0..5).map(|_| applied(&cluster)).collect();
    times.sort_unstable();
    figure("apply-to-programmed-ms", &times[2].to_string());
}

const EXTENSION: &str = "gcp-traffic-extension-with-plugin.yaml";

/// Milliseconds from `kubectl apply` until the condition is there and the plugin answers.
fn applied(cluster: &Cluster) -> u128 {
    let curl = format!(
        "curl -s http://store.example.com/serviceextensions --resolve store.example.com:80:{}",
        cluster.address
    );
    let kind = GroupVersionKind::gvk("networking.gke.io", "v1", "GCPTrafficExtension");
    let resource = ApiResource::from_gvk_with_plural(&kind, "gcptrafficextensions");
    let elapsed = run(async {
        let client = client(cluster).await;
        let extensions: Api<DynamicObject> = Api::namespaced_with(client, "default", &resource);
        let watch = extensions
            .watch(&WatchParams::default().timeout(60), "0")
            .await;
        let mut stream = Box::pin(watch.expect("watched"));
        let begun = Instant::now();
        let apply = cluster.sh(&format!("kubectl apply -f {EXTENSION}"));
        apply.expect(0, "created");
        loop {
            let event = stream.next().await.expect("an event").expect("no error");
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event
                && object.data.to_string().contains("ProgrammingSucceeded")
            {
                break;
            }
        }
        cluster.sh(&curl).expect(0, "Hello World");
        begun.elapsed().as_millis()
    });
    cluster
        .sh(&format!("kubectl delete -f {EXTENSION}"))
        .expect(0, "deleted");
    cluster.until(&curl, "store-v1");
    elapsed
}

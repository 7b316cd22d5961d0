//! What stands for an image in `gatewright serve`: each way that `gatewright.yaml` has, and a real
//! registry.

use std::path::Path;

use crate::docker_registry::{DockerRegistry, Setup};
use crate::serving::{GATEWAY, LOG, PLUGIN, Serving, answering, documented, have_curl, place};
use crate::support::Place;

/// The image of the documentation's plugin.
const IMAGE: &str = "us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main";

/// Serves the documentation's plugin with something that stands for its image.
fn instead(place: &Place, at: &str, more: &[&str]) -> Serving {
    place.file(
        "m/gatewright.yaml",
        format!("images:\n  {IMAGE}: {{{at}}}\n"),
    );
    Serving::start(place, &[&GATEWAY[..], more].concat())
}

#[test]
fn a_layout_as_a_folder_or_a_tar_stands_for_an_image() {
    if !have_curl() {
        return;
    }
    let place = place(&PLUGIN);
    place.file("packed.wasm", answering("Hello from a layout"));
    place
        .run("pack packed.wasm --title p -o folder")
        .expect(0, "ok");
    place
        .run("pack packed.wasm --title p -o image.tar")
        .expect(0, "ok");
    for layout in ["../folder", "../image.tar"] {
        let serving = instead(&place, &format!("layout: {layout}"), &[]);
        let answer = serving.curl("http", "/serviceextensions", &[]);
        assert!(answer.ends_with("Hello from a layout"), "{answer}");
        assert!(
            serving.process.text.contains("the image in"),
            "{}",
            serving.process.text
        );
    }
    // A folder that is no layout is told with its path, and requests of the chain fail closed.
    let serving = instead(&place, "layout: ../m", &[]);
    assert!(
        serving.process.text.contains("not served"),
        "{}",
        serving.process.text
    );
    let answer = serving.curl("http", "/serviceextensions", &[]);
    assert!(answer.contains("\"status\":\"INTERNAL\""), "{answer}");
}

#[test]
fn a_plugin_of_the_workspace_is_built_for_an_image() {
    if !have_curl() {
        return;
    }
    let place = place(&PLUGIN);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    place.file(
        "m/gatewright.yaml",
        format!("images:\n  {IMAGE}: {{build: docs-first-plugin}}\n"),
    );
    let serving = Serving::start_in(&place, &root, &GATEWAY);
    let answer = serving.curl("http", "/serviceextensions", &[]);
    assert!(answer.contains("hello: service-extensions"), "{answer}");
    let said = "the plugin `docs-first-plugin`, built here";
    assert!(
        serving.process.text.contains(said),
        "{}",
        serving.process.text
    );
}

#[test]
fn a_file_stands_for_an_image_of_a_configuration() {
    if !have_curl() {
        return;
    }
    let place = place(&PLUGIN);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = String::from_utf8(documented("wasm-plugin.yaml")).expect("text");
    let with = "    pluginConfigURI: us-docker.pkg.dev/p/r/config:v1\n    weight: 1000000";
    place.file(
        "m/wasm-plugin.yaml",
        text.replace("    weight: 1000000", with),
    );
    place.file("secret", "of the file");
    place.file(
        "m/gatewright.yaml",
        format!(
            "images:\n  {IMAGE}: {{build: docs-plugin-config}}\n  \
             us-docker.pkg.dev/p/r/config:v1: {{config: ../secret}}\n"
        ),
    );
    let mut serving = Serving::start_in(&place, &root, &GATEWAY);
    let answer = serving.curl("http", "/serviceextensions", &[]);
    assert!(answer.contains("\"metadata\": \"store-v1\""), "{answer}");
    // A changed configuration is served as a changed module is.
    place.file("secret", "of another");
    serving.process.wait_for("reloaded in");
    serving.curl("http", "/serviceextensions", &[]);
    serving.terminate();
    serving.process.child.wait().expect("it ends");
    let log = std::fs::read_to_string(place.at(LOG)).expect("a log");
    let secrets: Vec<_> = log
        .lines()
        .filter_map(|line| line.split_once("secret: ")?.1.split('"').next())
        .collect();
    assert_eq!(secrets, ["of the file", "of another"], "{log}");
}

#[test]
fn an_image_is_pulled_from_a_registry_only_when_that_is_asked_for() {
    let Some(registry) = DockerRegistry::start(Setup::default()) else {
        return;
    };
    if !have_curl() {
        return;
    }
    let place = place(&PLUGIN);
    place.file("packed.wasm", answering("Hello from a registry"));
    place.run("pack packed.wasm --title p -o p").expect(0, "ok");
    let tag = format!("{}/team/p:v1", registry.address);
    place
        .run(&format!("push p {tag} --plain-http"))
        .expect(0, "sha256:");
    let at = format!("registry: '{tag}'");
    let serving = instead(&place, &at, &[]);
    assert!(
        serving
            .process
            .text
            .contains("let registries be asked with `--pull`"),
        "{}",
        serving.process.text
    );
    drop(serving);
    let serving = instead(&place, &at, &["--pull", "--plain-http"]);
    let answer = serving.curl("http", "/serviceextensions", &[]);
    assert!(answer.ends_with("Hello from a registry"), "{answer}");
    assert!(
        serving.process.text.contains("pulled, sha256:"),
        "{}",
        serving.process.text
    );
}

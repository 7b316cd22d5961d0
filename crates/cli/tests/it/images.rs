//! `pack`, `inspect` and `manifest` without a registry.

use std::path::Path;

use serde_json::Value;

use crate::support::{Place, plugin};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The digest in a line of `pack`.
fn digest(line: &str) -> &str {
    line.split_whitespace()
        .find(|word| word.starts_with("sha256:"))
        .expect("a digest")
}

#[test]
fn packing_twice_as_folder_and_as_tar_gives_one_digest() {
    let (one, other) = (Place::new(), Place::new());
    for place in [&one, &other] {
        place.file("p.wasm", plugin(1024));
    }
    let first = one.run("pack p.wasm --title p -o p").expect(0, "ok");
    let second = other.run("pack p.wasm --title p -o p.tar").expect(0, "ok");
    assert_eq!(digest(&first), digest(&second));
    assert!(one.at("p/oci-layout").is_file() && other.at("p.tar").is_file());
    one.run("inspect p").expect(0, digest(&first));
    other.run("inspect p.tar").expect(0, "plugin.wasm");
    let renamed = one.run("pack p.wasm --title q -o p").expect(0, "ok");
    assert_ne!(digest(&first), digest(&renamed));
}

#[test]
fn inspect_shows_annotations_and_exports_as_json() {
    let place = Place::new();
    place.file("p.wasm", plugin(1024));
    let packed = place
        .run("pack p.wasm -o p --version 1.2.0 --licenses MIT --variant compat")
        .expect(0, "ok");
    let run = place.run("inspect p --format json");
    run.expect(0, "");
    let found: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(found["digest"], digest(&packed));
    assert_eq!(
        found["annotations"]["org.opencontainers.image.version"],
        "1.2.0"
    );
    assert_eq!(
        found["annotations"]["org.opencontainers.image.created"],
        Value::Null
    );
    assert_eq!(found["annotations"]["module.wasm.image/variant"], "compat");
    assert_eq!(found["module"]["abi"], "0.2.1");
    assert_eq!(found["file"]["name"], "plugin.wasm");
    assert_eq!(found["passes"], true);
    assert_eq!(found["parts"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_module_that_is_no_plugin_is_not_packed() {
    let place = Place::new();
    let module = |text: &str| wat::parse_str(text).expect("valid text");
    place.file("text.wasm", "(module)");
    place.file("bare.wasm", module("(module)"));
    place.file(
        "deaf.wasm",
        module(
            r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))"#,
        ),
    );
    place.file("cut.wasm", &plugin(1)[..40]);
    for (name, sentence) in [
        ("text.wasm", "assemble it first"),
        ("bare.wasm", "it exports no `proxy_abi_version_*`"),
        ("deaf.wasm", "(NoAllocator)"),
        ("cut.wasm", "not a valid wasm module"),
    ] {
        place
            .run(&format!("pack {name} -o out"))
            .expect(1, sentence);
        assert!(!place.at("out").exists(), "{name}");
    }
}

#[test]
fn module_and_configuration_count_together() {
    let place = Place::new();
    let wasm = plugin(1024);
    let room = (5 << 20) - wasm.len();
    place.file("p.wasm", &wasm);
    place.file("fits", vec![b' '; room]);
    place.file("over", vec![b' '; room + 1]);
    place
        .run("pack p.wasm -o p --config fits")
        .expect(0, "100.0 % of the limit");
    place
        .run("pack p.wasm -o q --config over")
        .expect(1, "1 more than the limit");
    assert!(!place.at("q").exists());
    place.file("huge.wasm", vec![0; 6 << 20]);
    place.run("pack huge.wasm -o q").expect(1, "6291456 bytes");
}

#[test]
fn a_configuration_is_packed_alone() {
    let place = Place::new();
    place.file("c.yaml", "a: 1\n");
    let packed = place
        .run("pack --config c.yaml --config-image c.tar")
        .expect(0, "ok");
    let run = place.run("inspect c.tar --format json");
    run.expect(0, digest(&packed));
    let found: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(found["file"]["name"], "plugin.config");
    assert_eq!(found["file"]["size"], 5);
}

#[test]
fn wrong_uses_say_what_to_do_instead() {
    let place = Place::new();
    place.file("p.wasm", plugin(1024));
    std::fs::create_dir(place.at("full")).expect("a folder");
    place.file("full/mine", "precious");
    place.file("no.tar", "not a tar");
    for (line, sentence) in [
        ("pack", "<PLUGIN|FILE.wasm>"),
        ("pack missing.wasm -o x", "cannot read `missing.wasm`"),
        ("pack p.wasm", "`-o PATH`"),
        ("pack p.wasm -o x --config missing", "cannot read `missing`"),
        ("pack p.wasm -o x --created yesterday", "RFC 3339"),
        ("pack p.wasm -o x --variant oci", "image, compat, artifact"),
        ("pack p.wasm -o full", "is no image layout"),
        ("pack p.wasm -o none/x", "none/x"),
        ("pack local-reply", "no cargo workspace here"),
        ("inspect missing", "`missing` does not exist"),
        ("inspect full", "is no image layout"),
        ("inspect no.tar", "no.tar"),
        ("inspect a.example/Upper", "is not an image reference"),
        ("push missing a.example/b:1", "`missing` does not exist"),
        ("push p b:1", "names no registry"),
        ("pull b -o x", "names no registry"),
        (
            "pull a.example/b -o x --plain-http",
            "plain HTTP is for loopback only",
        ),
        ("pull a.example/b -o x --ca-file p.wasm", "is unusable"),
        ("verify a.example/b --key missing", "cannot read `missing`"),
        ("verify a.example/b --key no.tar", "`no.tar`"),
        ("manifest p --image b:1", "names no registry"),
    ] {
        place.run(line).expect(2, sentence);
    }
    assert!(!place.at("x").exists());
    let kept = std::fs::read_to_string(place.at("full/mine")).expect("still there");
    assert_eq!(kept, "precious");
}

#[test]
fn a_damaged_layout_is_not_used() {
    let place = Place::new();
    place.file("p.wasm", plugin(1024));
    place.run("pack p.wasm -o p").expect(0, "ok");
    let blobs = std::fs::read_dir(place.at("p/blobs/sha256")).expect("blobs");
    for blob in blobs {
        let path = blob.expect("a blob").path();
        let mut bytes = std::fs::read(&path).expect("reads");
        *bytes.last_mut().expect("not empty") ^= 1;
        std::fs::write(path, bytes).expect("writes");
    }
    for line in ["inspect p", "push p localhost:1/p --plain-http"] {
        place.run(line).expect(1, "the image in `p` is unusable");
    }
}

#[test]
fn a_registry_that_is_not_there_is_the_environments_failure() {
    let place = Place::new();
    // Port 1 of loopback is nobody's.
    place
        .run("pull localhost:1/p:1 --plain-http -o p")
        .expect(3, "cannot connect to `localhost:1`");
    assert!(!place.at("p").exists());
}

#[test]
fn a_manifest_for_a_digest_is_printed_without_a_registry() {
    let place = Place::new();
    let run = place.run(&format!(
        "manifest tag --image a.example/team/tag@{DIGEST} --gateway web --events RequestHeaders"
    ));
    run.expect(0, &format!("image: a.example/team/tag@{DIGEST}\n"));
    for line in [
        "kind: GCPWasmPlugin\n",
        "kind: GCPTrafficExtension\n",
        "      name: web\n",
    ] {
        assert!(run.out.contains(line), "{line} is not in {}", run.out);
    }
    for (line, sentence) in [
        (
            format!("tag --image a.example/my_tag@{DIGEST}"),
            "it takes no underscore",
        ),
        (
            format!("Tag --image a.example/tag@{DIGEST}"),
            "`Tag` is no plugin name",
        ),
        (
            format!("tag --image a.example/tag@{DIGEST} --events Trailers"),
            "not an event",
        ),
    ] {
        place.run(&format!("manifest {line}")).expect(2, sentence);
    }
}

#[test]
fn a_workspace_that_lacks_the_plugin_lists_those_it_has() {
    let place = Place::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    place
        .run_in(here, "pack nobody")
        .expect(2, "no plugin `nobody` here; there are: ");
}

#[test]
fn every_plugin_of_the_workspace_is_built_and_packed() {
    let place = Place::new();
    let images = place.at("images");
    let pack = format!("pack --all -o {}", images.display());
    let (first, second) = (place.run_in_checkout(&pack), place.run_in_checkout(&pack));
    first.expect(0, "local-reply");
    assert_eq!(first.out, second.out);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let plugins = std::fs::read_dir(&folder).expect("plugins");
    let names: Vec<_> = plugins
        .map(|plugin| plugin.expect("a plugin"))
        .filter(|plugin| plugin.path().is_dir())
        .map(|plugin| plugin.file_name().into_string().expect("text"))
        .collect();
    assert_eq!(first.out.lines().count(), names.len(), "{}", first.out);
    for name in names {
        let run = place.run(&format!("inspect images/{name} --format json"));
        run.expect(0, "");
        let found: Value = serde_json::from_str(&run.out).expect("JSON");
        let annotation = |key: &str| found["annotations"][key].as_str().unwrap_or_default();
        assert_eq!(annotation("org.opencontainers.image.title"), name);
        // The schema goes along as it is, but for white space.
        let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let file = folder.join(&name).join("config.schema.json");
        let file = std::fs::read_to_string(file).expect("every plugin has a schema");
        let carried = annotation("gatewright.config-schema");
        assert_eq!(json(carried), json(&file), "{name}");
        assert!(!carried.contains('\n'), "{name}");
    }
}

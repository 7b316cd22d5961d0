//! The same input has the same digest, here and everywhere: the digests are written down.

use std::collections::BTreeMap;

use gatewright_oci::{
    Annotations, Finding, Limits, PackError, SIZE_LIMIT, Severity, Variant, layout, pack_config,
    pack_plugin,
};

use crate::support::{image, plugin, wasm};

#[test]
fn each_variant_has_its_golden_digest() {
    let digest = |variant| {
        pack_plugin(&plugin(&wasm(), variant))
            .expect("packs")
            .digest()
            .to_string()
    };
    let config = pack_config(b"deny: [bad]\n", &Annotations::default()).expect("packs");
    let digests = [
        digest(Variant::Image),
        digest(Variant::Compat),
        digest(Variant::Artifact),
        config.digest().to_string(),
    ];
    assert_eq!(
        digests,
        [
            "sha256:4b3c6a59bd634a48bd12e9a2a9c88140ec3692f700ea987f94e631847eaf1fe9",
            "sha256:861cf60b74a30242f6987b59852eadf77abd79b91e6b5070e082809ed8eb0875",
            "sha256:f8b06ae592d2fd4025597c79e177276be60f4f90c2d5f8cfae3f5d11775ff3e1",
            "sha256:a8c2be003a7781c3cd84ef6b896172a835add037e1ae1dfac11ebd622d97f6aa"
        ]
    );
}

#[test]
fn annotations_do_not_depend_on_the_order_of_a_hash_map() {
    let annotations = Annotations {
        title: Some("local-reply".into()),
        version: Some("1.0".into()),
        licenses: Some("Apache-2.0".into()),
        others: (0..20)
            .map(|i| (format!("com.example.k{i}"), i.to_string()))
            .collect(),
        ..Annotations::default()
    };
    let wasm = wasm();
    let digests: std::collections::BTreeSet<_> = (0..20)
        .map(|_| {
            let mut plugin = plugin(&wasm, Variant::Image);
            plugin.annotations = annotations.clone();
            pack_plugin(&plugin).expect("packs").digest()
        })
        .collect();
    assert_eq!(digests.len(), 1);
    assert_eq!(
        digests.first().expect("one").to_string(),
        "sha256:9a0cc664aec45f7712fab55c215f5f0b643ebdd3fb660a2bd3efa05bcddb697a"
    );
}

#[test]
fn the_manifest_and_configuration_read_as_written() {
    let image = image();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(
        text(&image.manifest().bytes),
        r#"{"annotations":{"gatewright.abi":"0.2.1"},"config":{"digest":"sha256:5c34448a80bdbb66b3c16a087dc9cf4a7288351200035a2d07e2d604eb317cd6","mediaType":"application/vnd.oci.image.config.v1+json","size":256},"layers":[{"digest":"sha256:a828775b623ef11e2150ff602cd50cfebb148f74965f130d3a393e8dbecb237c","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":138}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}"#
    );
    assert_eq!(
        text(&image.blobs()[0].bytes),
        r#"{"architecture":"amd64","config":{"Labels":{"gatewright.abi":"0.2.1"}},"history":[{"created_by":"COPY plugin.wasm plugin.wasm"}],"os":"linux","rootfs":{"diff_ids":["sha256:2e99e390d9a7961916d39d1f1700e0defcada4a513565093c05c918b6d80d597"],"type":"layers"}}"#
    );
}

#[test]
fn every_variant_gives_back_the_module_it_was_made_of() {
    for variant in [Variant::Image, Variant::Compat, Variant::Artifact] {
        let content = pack_plugin(&plugin(&wasm(), variant))
            .expect("packs")
            .content(&Limits::default());
        let content = content.expect("reads");
        assert_eq!(
            (content.variant, &content.bytes[..]),
            (variant, &wasm()[..])
        );
    }
}

#[test]
fn a_layout_is_the_same_image_as_a_folder_and_as_a_tar() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = image();
    for name in ["layout", "layout.tar"] {
        let path = folder.path().join(name);
        layout::write(&image, Some("v1"), &path).expect("writes");
        // Written again over itself, as every build does.
        layout::write(&image, Some("v1"), &path).expect("writes again");
        assert_eq!(
            layout::read(&path, &Limits::default()).expect("reads"),
            image
        );
    }
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("lists")
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(left.len(), 2, "temporary files are left: {left:?}");
}

#[test]
fn a_layout_tar_is_the_same_file_every_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str| {
        let path = folder.path().join(name);
        layout::write(&image(), None, &path).expect("writes");
        std::fs::read(path).expect("reads")
    };
    assert_eq!(write("a.tar"), write("b.tar"));
}

#[test]
fn what_is_no_layout_is_never_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let mine = folder.path().join("mine");
    std::fs::create_dir(&mine).expect("creates");
    std::fs::write(mine.join("thesis.txt"), "years of work").expect("writes");
    let error = layout::write(&image(), None, &mine).expect_err("occupied");
    assert!(
        matches!(error, layout::LayoutError::Occupied { .. }),
        "{error}"
    );
    assert!(mine.join("thesis.txt").is_file());
}

#[test]
fn what_production_would_refuse_is_not_packed() {
    let wasm = wasm();
    let mut refused = plugin(&wasm, Variant::Image);
    let findings = [
        Finding::new(Severity::Warning, "NoLog", "never logs"),
        Finding::new(Severity::Error, "MissingAbi", "exports no ABI marker"),
    ];
    refused.findings = &findings;
    let error = pack_plugin(&refused).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "the plugin would be refused: exports no ABI marker (MissingAbi)"
    );

    let mut large = plugin(&wasm, Variant::Image);
    large.config_size = SIZE_LIMIT - wasm.len() as u64;
    pack_plugin(&large).expect("exactly at the limit");
    large.config_size += 1;
    let error = pack_plugin(&large).expect_err("above");
    assert!(
        matches!(error, PackError::TooLarge { size } if size == SIZE_LIMIT + 1),
        "{error}"
    );
}

#[test]
fn what_is_no_module_is_not_packed() {
    let check = |bytes: &[u8]| {
        pack_plugin(&plugin(bytes, Variant::Image))
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(
        check(b""),
        "`plugin.wasm` is not a WebAssembly module: it begins with nothing: the file is empty"
    );
    assert_eq!(
        check(b"#!/bin/sh"),
        "`plugin.wasm` is not a WebAssembly module: it begins with `#!/bin/s`"
    );
    assert!(check(b"\0asm\x0d\0\x01\0").contains("is a WebAssembly component"));
    let annotations = Annotations {
        others: BTreeMap::from([("gatewright.abi".into(), "9".into())]),
        ..Annotations::default()
    };
    assert!(pack_config(b"", &annotations).is_err());
}

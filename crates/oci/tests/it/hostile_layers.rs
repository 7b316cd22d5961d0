//! Layers that try something: each is refused with its own error.

use gatewright_oci::layer::read::LayerError;
use gatewright_oci::{ImageError, Limits};

use crate::support::{Entry, Parts, file, gzip, tar, wasm};

/// What reading the only file of an image with this tar says.
fn refusal(entries: &[Entry<'_>]) -> LayerError {
    let image = Parts::of(tar(entries)).image().expect("a consistent image");
    match image.content(&Limits::default()) {
        Err(ImageError::Layer(error)) => error,
        other => unreachable!("expected a layer error, got {other:?}"),
    }
}

fn special(name: &'static str, kind: u8, link: &'static str) -> Entry<'static> {
    Entry {
        name,
        kind,
        link,
        content: b"",
    }
}

#[test]
fn a_name_that_climbs_out_is_refused() {
    let expected = LayerError::Traversal {
        name: "../plugin.wasm".into(),
    };
    assert_eq!(refusal(&[file("../plugin.wasm", &wasm())]), expected);
    let inside = refusal(&[file("a/../../plugin.wasm", &wasm())]);
    assert!(matches!(inside, LayerError::Traversal { .. }), "{inside}");
}

#[test]
fn an_absolute_name_is_refused() {
    let expected = LayerError::Absolute {
        name: "/plugin.wasm".into(),
    };
    assert_eq!(refusal(&[file("/plugin.wasm", &wasm())]), expected);
}

#[test]
fn a_symbolic_link_is_refused_with_its_target() {
    let expected = LayerError::SymbolicLink {
        name: "plugin.wasm".into(),
        target: "/etc/shadow".into(),
    };
    assert_eq!(
        refusal(&[special("plugin.wasm", b'2', "/etc/shadow")]),
        expected
    );
}

#[test]
fn a_hard_link_is_refused_with_its_target() {
    let expected = LayerError::HardLink {
        name: "plugin.wasm".into(),
        target: "other".into(),
    };
    assert_eq!(refusal(&[special("plugin.wasm", b'1', "other")]), expected);
}

#[test]
fn devices_and_pipes_are_refused_by_kind() {
    for (kind, word) in [
        (b'3', "character device"),
        (b'4', "block device"),
        (b'6', "pipe"),
    ] {
        let expected = LayerError::Device {
            name: "plugin.wasm".into(),
            kind: word,
        };
        assert_eq!(refusal(&[special("plugin.wasm", kind, "")]), expected);
    }
}

#[test]
fn a_kind_nobody_knows_is_refused() {
    let expected = LayerError::Kind {
        name: "plugin.wasm".into(),
        kind: "Q".into(),
    };
    assert_eq!(refusal(&[special("plugin.wasm", b'Q', "")]), expected);
}

#[test]
fn several_files_are_refused_by_name() {
    let expected = LayerError::Several {
        names: vec!["plugin.wasm".into(), "README.md".into()],
    };
    assert_eq!(
        refusal(&[file("plugin.wasm", &wasm()), file("README.md", b"")]),
        expected
    );
}

#[test]
fn one_name_twice_is_refused() {
    let expected = LayerError::Twice {
        name: "plugin.wasm".into(),
    };
    assert_eq!(
        refusal(&[file("plugin.wasm", &wasm()), file("./plugin.wasm", b"")]),
        expected
    );
}

#[test]
fn a_plugin_in_a_folder_is_refused() {
    let expected = LayerError::InFolder {
        name: "app/plugin.wasm".into(),
        file: "plugin.wasm".into(),
    };
    assert_eq!(refusal(&[file("app/plugin.wasm", &wasm())]), expected);
}

#[test]
fn a_folder_beside_the_plugin_is_refused_and_the_root_itself_is_not() {
    let expected = LayerError::Folder { name: "etc".into() };
    assert_eq!(
        refusal(&[file("plugin.wasm", &wasm()), special("etc/", b'5', "")]),
        expected
    );
    let rooted = Parts::of(tar(&[
        special("./", b'5', ""),
        file("./plugin.wasm", &wasm()),
    ]));
    let content = rooted
        .image()
        .expect("consistent")
        .content(&Limits::default())
        .expect("reads");
    assert_eq!(content.name, "plugin.wasm");
}

#[test]
fn a_whiteout_is_refused() {
    let expected = LayerError::Whiteout {
        name: ".wh.plugin.wasm".into(),
    };
    assert_eq!(refusal(&[file(".wh.plugin.wasm", b"")]), expected);
}

#[test]
fn another_name_is_refused_and_no_file_too() {
    let expected = "`plugin.wasm` or `plugin.config`".to_owned();
    let other = LayerError::WrongName {
        name: "main.wasm".into(),
        expected: expected.clone(),
    };
    assert_eq!(refusal(&[file("main.wasm", &wasm())]), other);
    assert_eq!(refusal(&[]), LayerError::Empty { expected });
}

#[test]
fn a_gzip_bomb_is_stopped_at_the_limit() {
    let limits = Limits::default();
    let zeros = vec![0; limits.unpacked as usize + 1];
    let mut parts = Parts::good();
    parts.layers = vec![gzip(&zeros)];
    assert!(parts.layers[0].len() < 1 << 20, "the bomb itself is small");
    let error = parts
        .image()
        .expect("consistent")
        .content(&limits)
        .expect_err("a bomb");
    assert!(
        matches!(&error, ImageError::Layer(LayerError::Bomb { limit }) if *limit == limits.unpacked),
        "{error}"
    );
}

#[test]
fn a_layer_cut_off_is_told_from_one_that_is_no_gzip() {
    let check = |layer: Vec<u8>| {
        let mut parts = Parts::good();
        parts.layers = vec![layer];
        match parts
            .image()
            .expect("consistent")
            .content(&Limits::default())
        {
            Err(ImageError::Layer(error)) => error,
            other => unreachable!("{other:?}"),
        }
    };
    let good = Parts::good().layers.remove(0);
    assert_eq!(
        check(good[..good.len() - 12].to_vec()),
        LayerError::Truncated
    );
    let not_gzip = check(b"PK\x03\x04 this is a zip archive".to_vec());
    assert!(matches!(not_gzip, LayerError::Gzip { .. }), "{not_gzip}");
    let trailing = check([good, b"and more, which is no gzip".to_vec()].concat());
    assert!(matches!(trailing, LayerError::Gzip { .. }), "{trailing}");
    let not_tar = check(gzip(&[b'x'; 2000]));
    assert!(matches!(not_tar, LayerError::Tar { .. }), "{not_tar}");
}

#[test]
fn a_file_longer_than_its_archive_is_refused() {
    let whole = tar(&[file("plugin.wasm", &[7; 4000])]);
    let mut parts = Parts::good();
    parts.layers = vec![gzip(&whole[..1024])];
    let error = parts
        .image()
        .expect("consistent")
        .content(&Limits::default())
        .expect_err("cut off");
    assert!(
        matches!(error, ImageError::Layer(LayerError::Tar { .. })),
        "{error}"
    );
}

#[test]
fn a_script_named_plugin_wasm_and_a_component_are_refused() {
    let check = |bytes: &[u8]| {
        let image = Parts::of(tar(&[file("plugin.wasm", bytes)]))
            .image()
            .expect("consistent");
        image.content(&Limits::default()).expect_err("refused")
    };
    assert!(matches!(check(b"#!/bin/sh\n"), ImageError::NotWasm { .. }));
    assert!(matches!(check(b"\0asm\x0d\0\x01\0"), ImageError::Component));
}

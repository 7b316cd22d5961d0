//! Images and layers to test with, made by hand where the packer would refuse to.

use std::io::Write as _;

use gatewright_oci::{Annotations, Blob, Digest, Image, Plugin, Variant, media, pack_plugin};
use serde_json::{Value, json};

/// The smallest module with the marker of the ABI.
pub(crate) fn wasm() -> Vec<u8> {
    wat::parse_str(r#"(module (func (export "proxy_abi_version_0_2_1")))"#).expect("valid text")
}

pub(crate) fn plugin(wasm: &[u8], variant: Variant) -> Plugin<'_> {
    Plugin {
        wasm,
        variant,
        annotations: Annotations::default(),
        config_size: 0,
        findings: &[],
    }
}

pub(crate) fn image() -> Image {
    pack_plugin(&plugin(&wasm(), Variant::Image)).expect("packs")
}

/// One entry of a tar, with nothing refused.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: u8,
    pub(crate) link: &'a str,
    pub(crate) content: &'a [u8],
}

pub(crate) fn file<'a>(name: &'a str, content: &'a [u8]) -> Entry<'a> {
    Entry {
        name,
        kind: b'0',
        link: "",
        content,
    }
}

/// A tar written field by field, since libraries refuse hostile names.
pub(crate) fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let mut header = [0_u8; 512];
        header[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        header[124..135].copy_from_slice(format!("{:011o}", entry.content.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = entry.kind;
        header[157..157 + entry.link.len()].copy_from_slice(entry.link.as_bytes());
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend(header);
        out.extend(entry.content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.extend([0; 1024]);
    out
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("in memory");
    encoder.finish().expect("in memory")
}

/// An image whose parts are chosen freely, consistent in its digests.
pub(crate) struct Parts {
    pub(crate) manifest_type: &'static str,
    pub(crate) config_type: &'static str,
    pub(crate) layer_type: &'static str,
    pub(crate) architecture: &'static str,
    pub(crate) diff_id: Option<Digest>,
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) tar: Vec<u8>,
}

impl Parts {
    /// The image of one tar.
    pub(crate) fn of(tar: Vec<u8>) -> Self {
        Self {
            manifest_type: media::OCI_MANIFEST,
            config_type: media::OCI_CONFIG,
            layer_type: media::OCI_LAYER_GZIP,
            architecture: "amd64",
            diff_id: None,
            layers: vec![gzip(&tar)],
            tar,
        }
    }

    pub(crate) fn good() -> Self {
        Self::of(tar(&[file("plugin.wasm", &wasm())]))
    }

    /// The manifest and its blobs, configuration first.
    pub(crate) fn blobs(&self) -> (Blob, Vec<Blob>) {
        let diff_id = self.diff_id.unwrap_or_else(|| Digest::of(&self.tar));
        let config = json!({
            "architecture": self.architecture, "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id.to_string()]},
        });
        let mut blobs = vec![Blob::new(self.config_type, config.to_string())];
        blobs.extend(
            self.layers
                .iter()
                .map(|layer| Blob::new(self.layer_type, layer.clone())),
        );
        let manifest = json!({
            "schemaVersion": 2, "mediaType": self.manifest_type,
            "config": descriptor(&blobs[0]),
            "layers": blobs[1..].iter().map(descriptor).collect::<Vec<_>>(),
        });
        (Blob::new(self.manifest_type, manifest.to_string()), blobs)
    }

    pub(crate) fn image(&self) -> Result<Image, gatewright_oci::ImageError> {
        let (manifest, blobs) = self.blobs();
        Image::new(manifest, blobs)
    }
}

pub(crate) fn descriptor(blob: &Blob) -> Value {
    json!({"mediaType": blob.media_type, "digest": blob.digest().to_string(), "size": blob.size()})
}

//! What an image is, as data, and the same as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::image::{Blob, Image, ImageError, Limits, Variant};
use crate::{Digest, Finding, Module, PLUGIN_FILE, SIZE_LIMIT, Severity};

/// One blob of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its bytes as stored.
    pub size: u64,
}

/// What an image is and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The digest that names the image.
    pub digest: Digest,
    /// The index it was found through.
    pub index: Option<Digest>,
    /// The manifest, the configuration and the layers.
    pub parts: Vec<Part>,
    /// How the file is stored, if it can be read.
    pub variant: Option<Variant>,
    /// Name and bytes of the file, if it can be read.
    pub file: Option<(String, u64)>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// The module's outside, for a plugin that is one.
    pub module: Option<Module>,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
}

/// Looks at an image. A problem is a finding, never a failure.
///
/// `others` are the findings of the module checks, which this crate does not make.
#[must_use]
pub fn inspect(image: &Image, limits: &Limits, others: &[Finding]) -> Inspection {
    let part = |blob: &Blob| Part {
        media_type: blob.media_type.clone(),
        digest: blob.digest(),
        size: blob.size(),
    };
    let mut findings = others.to_vec();
    let mut module = None;
    let (mut variant, mut file) = (None, None);
    match image.content(limits) {
        Err(error) => findings.push(Finding::new(
            Severity::Error,
            code(&error),
            error.to_string(),
        )),
        Ok(content) => {
            let size = content.bytes.len() as u64;
            if size > SIZE_LIMIT {
                let text = format!(
                    "`{}` has {size} bytes, more than the limit of {SIZE_LIMIT} (5 MiB)",
                    content.name
                );
                findings.push(Finding::new(Severity::Error, "TooLarge", text));
            }
            if matches!(content.variant, Variant::Artifact | Variant::IstioOci) {
                let text = "this is a Wasm artifact, not an image; the load balancer is documented to take images: pack the variant `image`";
                findings.push(Finding::new(Severity::Warning, "NotAnImage", text));
            }
            if content.name == PLUGIN_FILE {
                match Module::read(&content.bytes) {
                    Ok(read) => module = Some(read),
                    Err(error) => {
                        findings.push(Finding::new(Severity::Error, "NotWasm", error.to_string()))
                    }
                }
            }
            variant = Some(content.variant);
            file = Some((content.name, size));
        }
    }
    if image.index().is_some() {
        let text = "the image is reached through an index; whether the load balancer follows one is not documented: push without provenance";
        findings.push(Finding::new(Severity::Warning, "Index", text));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let annotations = image.parsed().annotations().clone().unwrap_or_default();
    Inspection {
        digest: image.digest(),
        index: image.index(),
        parts: std::iter::once(image.manifest())
            .chain(image.blobs())
            .map(part)
            .collect(),
        variant,
        file,
        annotations: annotations.into_iter().collect(),
        module,
        findings,
    }
}

impl Inspection {
    /// Whether nothing found is an error.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity < Severity::Error)
    }

    /// The inspection as text, one line a fact, ending in a line feed.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "digest       {}", self.digest)?;
        if let Some(index) = self.index {
            writeln!(out, "in index     {index}")?;
        }
        if let Some(variant) = self.variant {
            writeln!(out, "variant      {}", variant.describe())?;
        }
        if let Some((name, size)) = &self.file {
            let percent = size.saturating_mul(1000) / SIZE_LIMIT;
            writeln!(
                out,
                "file         {name}, {size} bytes, {}.{} % of 5 MiB",
                percent / 10,
                percent % 10
            )?;
        }
        let names = ["manifest", "config"];
        for (at, part) in self.parts.iter().enumerate() {
            let name = names.get(at).copied().unwrap_or("layer");
            writeln!(
                out,
                "{name:<12} {} {:>8} {}",
                part.digest,
                part.size,
                clean(&part.media_type)
            )?;
        }
        for (key, value) in &self.annotations {
            writeln!(out, "annotation   {}={}", clean(key), clean(value))?;
        }
        if let Some(module) = &self.module {
            writeln!(
                out,
                "abi          {}",
                module
                    .abi
                    .as_deref()
                    .unwrap_or("none: the module exports no marker")
            )?;
            writeln!(out, "exports      {}", clean(&module.exports.join(" ")))?;
            writeln!(out, "imports      {}", clean(&module.imports.join(" ")))?;
        }
        for finding in &self.findings {
            writeln!(out, "{}", clean(&finding.to_string()))?;
        }
        Ok(())
    }
}

impl Variant {
    /// The variant in a few words.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Compat => "image, with Istio's compat annotation",
            Self::Artifact => "CNCF Wasm artifact",
            Self::IstioOci => "Istio's oci layout",
        }
    }
}

/// Text of strangers without what could steer a terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn code(error: &ImageError) -> &'static str {
    match error {
        ImageError::Layer(_) => "Layer",
        ImageError::NotWasm { .. } => "NotWasm",
        ImageError::Component => "Component",
        ImageError::Platform { .. } | ImageError::SeveralPlatforms { .. } => "Platform",
        ImageError::NoLayer | ImageError::SeveralLayers { .. } => "Layers",
        ImageError::ManifestType { .. }
        | ImageError::ConfigType { .. }
        | ImageError::LayerType { .. } => "MediaType",
        ImageError::Digest { .. }
        | ImageError::Size { .. }
        | ImageError::DiffId { .. }
        | ImageError::Algorithm { .. }
        | ImageError::MissingBlob { .. } => "Digest",
        ImageError::TooLarge { .. } => "TooLarge",
        ImageError::Json { .. } | ImageError::EmptyIndex | ImageError::NestedIndex => "Manifest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Annotations, Plugin, pack_plugin};

    fn packed(variant: Variant) -> Image {
        let wasm = wat::parse_str(r#"(module (func (export "proxy_abi_version_0_2_1")) (func (export "proxy_on_vm_start")))"#).expect("valid");
        let annotations = Annotations {
            title: Some("a\u{1b}[31mred".into()),
            ..Annotations::default()
        };
        let plugin = Plugin {
            wasm: &wasm,
            variant,
            annotations,
            config_size: 0,
            findings: &[],
        };
        pack_plugin(&plugin).expect("packs")
    }

    #[test]
    fn the_text_shows_size_exports_and_no_terminal_codes() {
        let found = inspect(&packed(Variant::Image), &Limits::default(), &[]);
        let text = found.render();
        assert!(found.passes(), "{text}");
        for line in [
            "variant      image\n",
            "annotation   org.opencontainers.image.title=a\u{fffd}[31mred\n",
            "abi          0.2.1\n",
            "exports      proxy_abi_version_0_2_1 proxy_on_vm_start\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("% of 5 MiB\n"), "{text}");
    }

    #[test]
    fn findings_of_others_are_shown_worst_first() {
        let others = [
            Finding::new(Severity::Note, "N", "a note"),
            Finding::new(Severity::Error, "E", "an error"),
        ];
        let found = inspect(&packed(Variant::Artifact), &Limits::default(), &others);
        let codes: Vec<_> = found
            .findings
            .iter()
            .map(|finding| finding.code.as_str())
            .collect();
        assert_eq!(codes, ["E", "NotAnImage", "N"]);
        assert!(!found.passes());
        assert!(found.render().contains("error[E]: an error\n"));
    }
}

//! `gatewright inspect`: what an image is, and what is wrong with it.

use gatewright_oci::{Inspection, Severity};
use serde_json::{Value, json};

use crate::exit::Outcome;
use crate::images::{self, Access, Place};
use crate::progress::Bar;

/// Show an image: layers, digests, size, annotations, exports, findings.
///
/// Fails when production would refuse the image, as far as can be seen without running it.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright inspect target/images/local-reply\n  \
    gatewright inspect us-docker.pkg.dev/my-project/plugins/local-reply:v1 --format json")]
pub(crate) struct Arguments {
    /// An image in a registry, or an image layout: a folder or a tar
    #[arg(value_name = "REF|PATH")]
    image: String,
    /// For whom to write
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    #[command(flatten)]
    access: Access,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// One line a fact
    Human,
    /// One object
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let image = match Place::parse(&arguments.image)? {
        Place::Path(path) => images::read_layout(&path)?,
        Place::Registry(reference) => {
            let bar = Bar::new();
            let pulled = images::block_on(async {
                let registry = arguments
                    .access
                    .connect(&reference, bar.clone(), None)
                    .await?;
                registry
                    .pull(&reference)
                    .await
                    .map_err(images::registry_error)
            });
            bar.clear();
            pulled?
        }
    };
    let found = images::look(&image);
    match arguments.format {
        Format::Human => anstream::print!("{}", found.render()),
        Format::Json => anstream::println!("{:#}", as_json(&found)),
    }
    Ok(if found.passes() {
        Outcome::Fine
    } else {
        Outcome::Failed
    })
}

fn as_json(found: &Inspection) -> Value {
    let parts = found.parts.iter().map(|part| {
        json!({
            "mediaType": part.media_type,
            "digest": part.digest.to_string(),
            "size": part.size,
        })
    });
    let findings = found.findings.iter().map(|finding| {
        let severity = match finding.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        json!({ "severity": severity, "code": finding.code, "text": finding.text })
    });
    let module = found.module.as_ref().map(|module| {
        json!({
            "abi": module.abi,
            "exports": module.exports,
            "imports": module.imports,
            "producers": module.producers,
        })
    });
    json!({
        "digest": found.digest.to_string(),
        "index": found.index.map(|digest| digest.to_string()),
        "variant": found.variant.map(gatewright_oci::Variant::describe),
        "file": found.file.as_ref().map(|(name, size)| json!({ "name": name, "size": size })),
        "limit": gatewright_oci::SIZE_LIMIT,
        "parts": parts.collect::<Vec<_>>(),
        "annotations": found.annotations,
        "module": module,
        "findings": findings.collect::<Vec<_>>(),
        "passes": found.passes(),
    })
}

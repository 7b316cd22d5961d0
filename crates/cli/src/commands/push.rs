//! `gatewright push`: an image to a registry, signed if asked.

use std::path::{Path, PathBuf};

use gatewright_oci::sign::PrivateKey;
use gatewright_oci::{Image, Reference, Registry, sbom};

use super::{DIM, GREEN, RED, RESET};
use crate::exit::{Outcome, Usage};
use crate::images::{self, Access};
use crate::progress::Bar;

/// Push an image to a registry.
///
/// What production would refuse is not pushed. Blobs that the registry has are not sent again. The
/// first line printed is the reference pinned by digest: what belongs into a manifest.
///
/// Logins are those of docker and podman: their files, and helpers such as the one that `gcloud
/// auth configure-docker` sets up. The password of an encrypted key is read from COSIGN_PASSWORD.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright push target/images/local-reply us-docker.pkg.dev/my-project/plugins/local-reply:v1\n  \
    gatewright push plugin.tar localhost:5000/plugin:test --plain-http\n  \
    gatewright push plugin.tar REF --sign-key cosign.key --sbom Cargo.lock")]
pub(crate) struct Arguments {
    /// An image layout: a folder or a tar
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Where to: HOST/NAME:TAG
    #[arg(value_name = "REF")]
    reference: String,
    /// Sign the image with this key (ECDSA on P-256, PEM), in cosign's format
    #[arg(long, value_name = "KEY")]
    sign_key: Option<PathBuf>,
    /// Attach a bill of materials made of this Cargo.lock
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
    /// The package that the bill is for; the image's title if left out
    #[arg(long, value_name = "PACKAGE", requires = "sbom")]
    sbom_package: Option<String>,
    /// Another repository of the same registry that may have the blobs
    #[arg(long, value_name = "REPO")]
    mount_from: Vec<String>,
    /// Upload blobs in pieces of this many bytes, which Artifact Registry does not support
    #[arg(long, value_name = "BYTES", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    chunk_size: Option<usize>,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    // All that can be wrong here is found before anything is sent.
    let reference = images::reference(&arguments.reference)?;
    let image = images::read_layout(&arguments.path)?;
    images::expect_usable(&image, &arguments.path.display().to_string())?;
    let key = arguments.sign_key.as_deref().map(private_key).transpose()?;
    let bill = bill(arguments, &image)?;
    let bar = Bar::new();
    let pushed = images::block_on(async {
        let registry = arguments
            .access
            .connect(&reference, bar.clone(), arguments.chunk_size)
            .await?;
        let pushed = registry
            .push(&image, &reference, &arguments.mount_from)
            .await
            .map_err(images::registry_error)?;
        if let Some(key) = &key {
            registry
                .sign(pushed.digest, &reference, key)
                .await
                .map_err(images::sign_error)?;
        }
        if let Some(bill) = &bill {
            attach(&registry, bill, &reference).await?;
        }
        Ok(pushed)
    });
    bar.clear();
    let pushed = pushed?;
    anstream::println!("{}", pushed.pinned);
    anstream::println!(
        "{DIM}{} bytes of blobs uploaded, {} blobs already there, {} mounted{}{}{RESET}",
        pushed.uploaded,
        pushed.skipped,
        pushed.mounted,
        if key.is_some() { ", signed" } else { "" },
        if bill.is_some() {
            ", bill of materials attached"
        } else {
            ""
        },
    );
    match &pushed.gke {
        Ok(()) => anstream::println!("{GREEN}ok{RESET}  GKE's field accepts this reference"),
        Err(error) => anstream::println!("{RED}no{RESET}  {error}"),
    }
    Ok(Outcome::Fine)
}

fn private_key(path: &Path) -> anyhow::Result<PrivateKey> {
    let password = std::env::var_os("COSIGN_PASSWORD").map(std::ffi::OsString::into_encoded_bytes);
    PrivateKey::from_pem(&images::read_text(path)?, password.as_deref()).map_err(|error| {
        let error = images::sign_error(error);
        error.context(format!("`{}`", path.display()))
    })
}

fn bill(arguments: &Arguments, image: &Image) -> anyhow::Result<Option<Image>> {
    let Some(path) = &arguments.sbom else {
        return Ok(None);
    };
    let title = || {
        let annotations = image.parsed().annotations().as_ref()?;
        annotations.get("org.opencontainers.image.title").cloned()
    };
    let package = arguments.sbom_package.clone().or_else(title);
    let package = package.ok_or_else(|| {
        Usage("the image has no title; name the bill's package with `--sbom-package`".to_owned())
    })?;
    let lock = images::read_text(path)?;
    let bill = sbom::cyclonedx(&lock, &package)
        .map_err(|error| Usage(format!("`{}`: {error}", path.display())))?;
    Ok(Some(sbom::attach(bill, image)?))
}

async fn attach(registry: &Registry, bill: &Image, image: &Reference) -> anyhow::Result<()> {
    let place = Reference::with_digest(
        image.registry().to_owned(),
        image.repository().to_owned(),
        bill.digest().to_string(),
    );
    let pushed = registry.push(bill, &place, &[]).await;
    pushed.map(drop).map_err(images::registry_error)
}

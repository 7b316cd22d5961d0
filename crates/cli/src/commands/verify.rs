//! `gatewright verify`: whether an image is signed.

use std::path::PathBuf;

use gatewright_oci::Digest;
use gatewright_oci::sign::PublicKey;

use super::{GREEN, RESET};
use crate::exit::{Outcome, Usage};
use crate::images::{self, Access};

/// Verify that an image is signed with a key.
///
/// The signature is in cosign's format and must name the registry and repository of the reference.
/// No transparency log is asked.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright verify us-docker.pkg.dev/my-project/plugins/local-reply:v1 --key cosign.pub")]
pub(crate) struct Arguments {
    /// The image: HOST/NAME:TAG or HOST/NAME@sha256:DIGEST
    #[arg(value_name = "REF")]
    reference: String,
    /// The public key (ECDSA on P-256, PEM)
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let reference = images::reference(&arguments.reference)?;
    let key = PublicKey::from_pem(&images::read_text(&arguments.key)?).map_err(|error| {
        images::sign_error(error).context(format!("`{}`", arguments.key.display()))
    })?;
    let digest = images::block_on(async {
        let registry = arguments
            .access
            .connect(&reference, std::sync::Arc::new(()), None)
            .await?;
        let digest: Digest = match reference.digest() {
            Some(text) => text.parse().map_err(|error| Usage(format!("{error}")))?,
            None => {
                let image = registry
                    .pull(&reference)
                    .await
                    .map_err(images::registry_error)?;
                // What the tag names is what is signed.
                image.index().unwrap_or(image.digest())
            }
        };
        let verified = registry.verify(digest, &reference, &key).await;
        verified.map_err(images::sign_error)?;
        Ok(digest)
    })?;
    anstream::println!(
        "{GREEN}ok{RESET}  {}/{}@{digest} is signed by this key",
        reference.registry(),
        reference.repository(),
    );
    Ok(Outcome::Fine)
}

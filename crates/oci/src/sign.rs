//! Signatures in cosign's format: an image under the tag `sha256-….sig` whose layers are
//! "simple signing" payloads, each with its signature as an annotation.
//!
//! There is no transparency log and no certificate: a key is a key. The payload says which
//! digest is meant and under which name; both are compared.

mod key;

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_spec::distribution::Reference;
use serde_json::{Value, json};

pub use key::{PrivateKey, PublicKey};

use crate::image::{self, Blob, Image, ImageError};
use crate::{Digest, PackError, Registry, RegistryError, canonical, media, pack};

/// Annotation of a layer that holds its signature, in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Signatures that are looked at in one signature image.
const MAX_SIGNATURES: usize = 100;

/// Why something is not signed or not verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A key that cannot be used.
    #[error("the key is unusable: {reason}")]
    Key {
        /// What is wrong, without the key.
        reason: String,
    },
    /// An encrypted key without a password.
    #[error("the key is encrypted; its password is needed")]
    PasswordNeeded,
    /// A password that does not open the key.
    #[error("the password does not open the key")]
    Password,
    /// No signature at all.
    #[error("`{digest}` is not signed: there is no signature image `{tag}`")]
    Unsigned {
        /// The image.
        digest: Digest,
        /// Where a signature would be.
        tag: String,
    },
    /// Signatures, and none of them good.
    #[error("none of the {} signatures of `{digest}` is good: {}", reasons.len(), reasons.join("; "))]
    Bad {
        /// The image.
        digest: Digest,
        /// What is wrong with each.
        reasons: Vec<String>,
    },
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The signature image cannot be read or built.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The signature image cannot be built.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// The tag under which cosign keeps the signatures of an image.
#[must_use]
pub fn signature_tag(digest: Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

/// Signs `digest` under the name of `reference` and gives the signature image, with the
/// signatures of `existing` kept.
///
/// # Errors
///
/// [`SignError`] when `existing` is no signature image.
pub fn sign(
    digest: Digest,
    reference: &Reference,
    key: &PrivateKey,
    existing: Option<&Image>,
) -> Result<Image, SignError> {
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": name(reference) },
            "image": { "docker-manifest-digest": digest.to_string() },
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let payload = canonical::to_vec(&payload).map_err(image::json("signature payload"))?;
    let signature = STANDARD.encode(key.sign(&payload));
    let mut layers: Vec<(Blob, String)> = match existing {
        Some(existing) => signatures(existing)
            .map(|(blob, signature)| (blob.clone(), signature.to_owned()))
            .collect(),
        None => Vec::new(),
    };
    let ours = (Blob::new(media::SIMPLE_SIGNING, payload), signature);
    if !layers.contains(&ours) {
        layers.push(ours);
    }
    let diff_ids: Vec<_> = layers
        .iter()
        .map(|(blob, _)| blob.digest().to_string())
        .collect();
    let config = json!({
        "architecture": "", "os": "", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = canonical::to_vec(&config).map_err(image::json("signature configuration"))?;
    let mut blobs = vec![Blob::new(media::OCI_CONFIG, config)];
    let mut notes = vec![HashMap::new()];
    for (blob, signature) in layers {
        blobs.push(blob);
        notes.push(HashMap::from([(SIGNATURE.to_owned(), signature)]));
    }
    Ok(pack::assemble_noted(blobs, notes)?)
}

/// Verifies that a signature image holds a good signature of `digest` by `key`. The payload's
/// name must be that of `reference`, so that a signature for one image cannot vouch for
/// another place.
///
/// # Errors
///
/// [`SignError::Bad`] with what is wrong with each signature.
pub fn verify(
    digest: Digest,
    reference: &Reference,
    key: &PublicKey,
    found: &Image,
) -> Result<(), SignError> {
    let mut reasons = Vec::new();
    for (payload, signature) in signatures(found).take(MAX_SIGNATURES) {
        match check(digest, reference, key, payload, signature) {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(SignError::Bad { digest, reasons })
}

fn check(
    digest: Digest,
    reference: &Reference,
    key: &PublicKey,
    payload: &Blob,
    signature: &str,
) -> Result<(), String> {
    let signature = STANDARD
        .decode(signature)
        .map_err(|_| "the signature is not base64".to_owned())?;
    // The bytes first: nothing of an unsigned payload is believed.
    if !key.verifies(&payload.bytes, &signature) {
        return Err("the signature is not by this key, or the payload was changed".to_owned());
    }
    let value: Value =
        serde_json::from_slice(&payload.bytes).map_err(|_| "the payload is not JSON".to_owned())?;
    let critical = &value["critical"];
    if critical["type"] != "cosign container image signature" {
        return Err("the payload is of another type".to_owned());
    }
    if critical["image"]["docker-manifest-digest"] != digest.to_string() {
        return Err("the payload is for another digest".to_owned());
    }
    let signed = critical["identity"]["docker-reference"]
        .as_str()
        .unwrap_or_default();
    if signed != name(reference) {
        return Err(format!(
            "the payload is for the name `{}`, not `{}`",
            crate::inspect::clean(signed),
            name(reference)
        ));
    }
    Ok(())
}

/// The payloads of a signature image with their signatures.
fn signatures(image: &Image) -> impl Iterator<Item = (&Blob, &str)> {
    image
        .layers()
        .iter()
        .zip(image.parsed().layers())
        .filter_map(|(blob, descriptor)| {
            let signature = descriptor.annotations().as_ref()?.get(SIGNATURE)?;
            (blob.media_type == media::SIMPLE_SIGNING).then_some((blob, signature.as_str()))
        })
}

/// A reference's name as it is signed: registry and repository, without tag and digest.
fn name(reference: &Reference) -> String {
    format!("{}/{}", reference.registry(), reference.repository())
}

impl Registry {
    /// Signs an image that is in this registry's repository and pushes the signature beside it.
    ///
    /// # Errors
    ///
    /// [`SignError`] when the registry refuses.
    pub async fn sign(
        &self,
        digest: Digest,
        reference: &Reference,
        key: &PrivateKey,
    ) -> Result<(), SignError> {
        let place = beside(reference, digest);
        let existing = match self.pull(&place).await {
            Ok(image) => Some(image),
            Err(RegistryError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let signed = sign(digest, reference, key, existing.as_ref())?;
        self.push(&signed, &place, &[]).await?;
        Ok(())
    }

    /// Verifies that an image of this registry's repository is signed by `key`.
    ///
    /// # Errors
    ///
    /// [`SignError::Unsigned`] or [`SignError::Bad`] when it is not.
    pub async fn verify(
        &self,
        digest: Digest,
        reference: &Reference,
        key: &PublicKey,
    ) -> Result<(), SignError> {
        let found = match self.pull(&beside(reference, digest)).await {
            Ok(image) => image,
            Err(RegistryError::NotFound { .. }) => {
                return Err(SignError::Unsigned {
                    digest,
                    tag: signature_tag(digest),
                });
            }
            Err(error) => return Err(error.into()),
        };
        verify(digest, reference, key, &found)
    }
}

fn beside(reference: &Reference, digest: Digest) -> Reference {
    Reference::with_tag(
        reference.registry().to_owned(),
        reference.repository().to_owned(),
        signature_tag(digest),
    )
}

//! Pulling: nothing is believed that its digest does not prove.

use bytes::Bytes;
use oci_spec::distribution::Reference;
use oci_spec::image::Descriptor;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};

use super::transport::Call;
use super::{Event, Registry, RegistryError};
use crate::image::{self, Blob, Image, ImageError};
use crate::{Digest, media};

impl Registry {
    /// Pulls the image of `reference`, from this registry's repository.
    ///
    /// # Errors
    ///
    /// [`RegistryError`], with nothing half done: the image is whole or it is not there.
    pub async fn pull(&self, reference: &Reference) -> Result<Image, RegistryError> {
        let pinned = match reference.digest() {
            Some(digest) => Some(
                digest
                    .parse::<Digest>()
                    .map_err(|_| ImageError::Algorithm {
                        what: "the image".to_owned(),
                        digest: digest.to_owned(),
                    })?,
            ),
            None => None,
        };
        let name = match pinned {
            Some(digest) => digest.to_string(),
            None => reference.tag().unwrap_or("latest").to_owned(),
        };
        let mut manifest = self.manifest(&name, pinned).await?;
        let mut through = None;
        if media::is_index(&manifest.media_type) {
            let chosen = image::choose(&manifest)?;
            image::check_limit(&chosen, "the manifest", self.options.limits.manifest)?;
            let digest = image::digest_of(&chosen, "the manifest")?;
            through = Some(manifest.digest());
            manifest = self.manifest(&digest.to_string(), Some(digest)).await?;
        }
        let parsed = image::parse_manifest(&manifest)?;
        let mut blobs = Vec::new();
        for (descriptor, what) in image::descriptors(&parsed) {
            let bytes = self.blob(descriptor, what).await?;
            blobs.push(Blob::new(descriptor.media_type().to_string(), bytes));
        }
        let image = Image::new(manifest, blobs)?;
        Ok(match through {
            Some(index) => image.through_index(index),
            None => image,
        })
    }

    /// The manifest or index of a tag or digest, checked against the digest if one is known.
    pub(super) async fn manifest(
        &self,
        name: &str,
        pinned: Option<Digest>,
    ) -> Result<Blob, RegistryError> {
        let what = format!("the manifest `{name}` of `{}`", self.repository);
        let mut headers = HeaderMap::new();
        for accept in media::ACCEPT {
            headers.append(ACCEPT, HeaderValue::from_static(accept));
        }
        let call = Call {
            method: Method::GET,
            url: self.url(&format!("manifests/{name}"))?,
            headers,
            body: None,
            what: &what,
            scope: &self.scope("pull"),
        };
        self.retrying(async || {
            let response = self.send(&call).await?;
            let text = |name: &str| {
                response
                    .headers()
                    .get(name)
                    .and_then(|value| value.to_str().ok())
                    .map(str::to_owned)
            };
            let content_type = text(CONTENT_TYPE.as_str()).unwrap_or_default();
            let media_type = content_type
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            // A digest in the reference is what counts. For a tag there is only the
            // registry's own word, which at least shows damage on the way.
            let claimed = text("docker-content-digest").and_then(|digest| digest.parse().ok());
            let expected = pinned.or(claimed);
            let bytes = self
                .read(
                    response,
                    &what,
                    None,
                    self.options.limits.manifest,
                    &mut |_| {},
                )
                .await?;
            let blob = Blob::new(media_type, bytes);
            match expected {
                Some(expected) if expected != blob.digest() => Err(ImageError::Digest {
                    what: what.clone(),
                    expected,
                    actual: blob.digest(),
                }
                .into()),
                _ if media::is_manifest(&blob.media_type) || media::is_index(&blob.media_type) => {
                    Ok(blob)
                }
                _ => Err(ImageError::ManifestType {
                    found: blob.media_type,
                }
                .into()),
            }
        })
        .await
    }

    async fn blob(&self, descriptor: &Descriptor, what: &str) -> Result<Bytes, RegistryError> {
        image::check_limit(descriptor, what, self.options.limits.blob)?;
        let (digest, size) = (image::digest_of(descriptor, what)?, descriptor.size());
        let call = Call {
            method: Method::GET,
            url: self.url(&format!("blobs/{digest}"))?,
            headers: HeaderMap::new(),
            body: None,
            what: &format!("{what} `{digest}`"),
            scope: &self.scope("pull"),
        };
        self.retrying(async || {
            let response = self.send(&call).await?;
            let progress = &self.options.progress;
            let mut note = |got| progress.event(&Event::Downloading { digest, got, size });
            let bytes = self
                .read(response, call.what, Some(size), size, &mut note)
                .await?;
            image::check(descriptor, &bytes, call.what)?;
            Ok(bytes)
        })
        .await
    }

    pub(super) fn scope(&self, actions: &str) -> String {
        format!("repository:{}:{actions}", self.repository)
    }
}

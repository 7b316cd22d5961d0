//! Pushing: what the registry has is skipped, what a neighbour has is mounted, the rest is
//! uploaded, and the manifest comes last, so that nobody ever sees half an image.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use oci_spec::distribution::Reference;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::transport::{self, Call};
use super::{Event, Registry, RegistryError};
use crate::image::{self, Blob, Image};
use crate::{Digest, PatternError, canonical, gke_accepts, media};

/// Bytes handed to the connection at a time, which is how often progress is told.
const PIECE: usize = 64 << 10;

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The image's digest.
    pub digest: Digest,
    /// The reference pinned by digest: what belongs into a manifest.
    pub pinned: String,
    /// Whether GKE's fields take that reference.
    pub gke: Result<(), PatternError>,
    /// Bytes of blobs that were uploaded.
    pub uploaded: u64,
    /// Blobs that the registry had.
    pub skipped: usize,
    /// Blobs taken over from another repository.
    pub mounted: usize,
}

enum Start {
    Mounted,
    At(Url),
}

impl Registry {
    /// Pushes an image to `reference`, in this registry's repository.
    ///
    /// `mount_from` are other repositories of the same registry that may have its blobs.
    ///
    /// # Errors
    ///
    /// [`RegistryError`]; the tag is moved only when everything else is there.
    pub async fn push(
        &self,
        image: &Image,
        reference: &Reference,
        mount_from: &[String],
    ) -> Result<Pushed, RegistryError> {
        if let Some(pinned) = reference.digest()
            && pinned != image.digest().to_string()
        {
            return Err(RegistryError::Pinned {
                pinned: pinned.to_owned(),
                actual: image.digest(),
            });
        }
        let pinned = format!(
            "{}/{}@{}",
            reference.registry(),
            self.repository,
            image.digest()
        );
        let gke = gke_accepts(&pinned);
        let mut pushed = Pushed {
            digest: image.digest(),
            pinned,
            gke,
            uploaded: 0,
            skipped: 0,
            mounted: 0,
        };
        let mut done: Vec<Digest> = Vec::new();
        for blob in image.blobs() {
            let (digest, size) = (blob.digest(), blob.size());
            if done.contains(&digest) {
                continue;
            }
            done.push(digest);
            if self.has(blob).await? {
                pushed.skipped += 1;
                self.options
                    .progress
                    .event(&Event::Skipped { digest, size });
            } else if self
                .retrying(async || self.upload(blob, mount_from).await)
                .await?
            {
                pushed.uploaded += size;
            } else {
                pushed.mounted += 1;
                self.options
                    .progress
                    .event(&Event::Mounted { digest, size });
            }
        }
        let name = match (reference.digest(), reference.tag()) {
            (None, Some(tag)) => tag.to_owned(),
            _ => image.digest().to_string(),
        };
        let answer = self.put_manifest(&name, image.manifest()).await?;
        if let Some(subject) = image.parsed().subject()
            && !answer.contains_key("oci-subject")
        {
            self.list_referrer(image, &subject.digest().to_string().replace(':', "-"))
                .await?;
        }
        Ok(pushed)
    }

    async fn has(&self, blob: &Blob) -> Result<bool, RegistryError> {
        let scope = self.scope("pull,push");
        let what = format!("looking for the blob `{}`", blob.digest());
        let call = Call {
            method: Method::HEAD,
            what: &what,
            ..self.write_call(self.url(&format!("blobs/{}", blob.digest()))?, &scope)
        };
        match self.retrying(async || self.send(&call).await).await {
            Ok(_) => Ok(true),
            Err(RegistryError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Uploads a blob from its beginning; false when it was mounted instead.
    async fn upload(&self, blob: &Blob, mount_from: &[String]) -> Result<bool, RegistryError> {
        let what = format!("uploading the blob `{}`", blob.digest());
        let scope = self.scope("pull,push");
        let mut at = None;
        for from in mount_from {
            let both = format!("{scope} repository:{from}:pull");
            match self.start(blob, Some(from), &what, &both).await {
                Ok(Start::Mounted) => return Ok(false),
                // This neighbour does not have it, and the registry began an upload, which is
                // kept in case no other has it either.
                Ok(Start::At(url)) => at = Some(url),
                // No such neighbour, or none that we may read: that is no reason to fail.
                Err(
                    RegistryError::Denied { .. }
                    | RegistryError::Unauthorized { .. }
                    | RegistryError::NotFound { .. }
                    | RegistryError::Status { .. },
                ) => {}
                Err(error) => return Err(error),
            }
        }
        let mut url = match at {
            Some(url) => url,
            None => match self.start(blob, None, &what, &scope).await? {
                Start::At(url) => url,
                Start::Mounted => return Ok(false),
            },
        };
        let mut rest = blob.bytes.clone();
        if let Some(chunk) = self
            .options
            .chunk
            .filter(|chunk| (1..rest.len()).contains(chunk))
        {
            let mut sent = 0;
            while !rest.is_empty() {
                let piece = rest.split_to(chunk.min(rest.len()));
                let end = sent + piece.len() as u64;
                let mut headers = length(piece.len());
                headers.insert(CONTENT_RANGE, ascii(&format!("{sent}-{}", end - 1)));
                let body = || self.body(&piece, blob, sent);
                let call = Call {
                    method: Method::PATCH,
                    headers,
                    body: Some(&body),
                    what: &what,
                    ..self.write_call(url, &scope)
                };
                let response = self.send(&call).await?;
                url = self.next(&call.url, &response, &what)?;
                sent = end;
            }
        }
        url.query_pairs_mut()
            .append_pair("digest", &blob.digest().to_string());
        let sent = blob.size() - rest.len() as u64;
        let body = || self.body(&rest, blob, sent);
        let call = Call {
            method: Method::PUT,
            headers: length(rest.len()),
            body: Some(&body),
            what: &what,
            ..self.write_call(url, &scope)
        };
        self.send(&call).await?;
        Ok(true)
    }

    async fn start(
        &self,
        blob: &Blob,
        from: Option<&str>,
        what: &str,
        scope: &str,
    ) -> Result<Start, RegistryError> {
        let mut url = self.url("blobs/uploads/")?;
        if let Some(from) = from {
            url.query_pairs_mut()
                .append_pair("mount", &blob.digest().to_string())
                .append_pair("from", from);
        }
        let call = Call {
            method: Method::POST,
            headers: length(0),
            what,
            ..self.write_call(url, scope)
        };
        let response = self.send(&call).await?;
        if response.status() == StatusCode::CREATED {
            return Ok(Start::Mounted);
        }
        Ok(Start::At(self.next(&call.url, &response, what)?))
    }

    /// Where the upload goes on: on this host or nowhere.
    fn next(&self, from: &Url, response: &Response, what: &str) -> Result<Url, RegistryError> {
        let url = transport::location(from, response).ok_or_else(|| RegistryError::Redirect {
            host: self.host.clone(),
            what: what.to_owned(),
            problem: "an upload needs a Location",
        })?;
        if !transport::same_origin(&url, &self.base) {
            return Err(RegistryError::UploadElsewhere {
                host: self.host.clone(),
                other: transport::authority(&url),
            });
        }
        Ok(url)
    }

    pub(super) async fn put_manifest(
        &self,
        name: &str,
        manifest: &Blob,
    ) -> Result<HeaderMap, RegistryError> {
        let what = format!("storing the manifest `{name}` of `{}`", self.repository);
        let scope = self.scope("pull,push");
        let mut headers = length(manifest.bytes.len());
        headers.insert(CONTENT_TYPE, ascii(&manifest.media_type));
        let body = || reqwest::Body::from(manifest.bytes.clone());
        let call = Call {
            method: Method::PUT,
            headers,
            body: Some(&body),
            what: &what,
            ..self.write_call(self.url(&format!("manifests/{name}"))?, &scope)
        };
        let response = self.retrying(async || self.send(&call).await).await?;
        match response
            .headers()
            .get("docker-content-digest")
            .and_then(|value| value.to_str().ok())
        {
            Some(stored) if stored != manifest.digest().to_string() => Err(RegistryError::Stored {
                host: self.host.clone(),
                stored: crate::inspect::clean(stored),
                sent: manifest.digest(),
            }),
            _ => Ok(response.headers().clone()),
        }
    }

    /// Adds an artifact to the list that a registry without the referrers API is given: an
    /// index under a tag made of the subject's digest.
    async fn list_referrer(&self, image: &Image, tag: &str) -> Result<(), RegistryError> {
        let mut manifests = match self.manifest(tag, None).await {
            Ok(list) => {
                let parsed: Value =
                    serde_json::from_slice(&list.bytes).map_err(image::json("referrers list"))?;
                parsed["manifests"].as_array().cloned().unwrap_or_default()
            }
            Err(RegistryError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let digest = image.digest().to_string();
        if manifests.iter().any(|entry| entry["digest"] == digest) {
            return Ok(());
        }
        let mut entry = json!({"mediaType": image.manifest().media_type, "digest": digest, "size": image.manifest().size()});
        if let Some(artifact_type) = image.parsed().artifact_type() {
            entry["artifactType"] = json!(artifact_type.to_string());
        }
        manifests.push(entry);
        let list =
            json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": manifests});
        let bytes = canonical::to_vec(&list).map_err(image::json("referrers list"))?;
        self.put_manifest(tag, &Blob::new(media::OCI_INDEX, bytes))
            .await?;
        Ok(())
    }

    fn body(&self, piece: &Bytes, blob: &Blob, before: u64) -> reqwest::Body {
        let (digest, size) = (blob.digest(), blob.size());
        let progress = Arc::clone(&self.options.progress);
        let state = (piece.clone(), before);
        reqwest::Body::wrap_stream(stream::iter(
            std::iter::successors(step(state), |(_, rest)| step(rest.clone())).map(
                move |(bytes, (_, sent))| {
                    progress.event(&Event::Uploading { digest, sent, size });
                    Ok::<_, std::convert::Infallible>(bytes)
                },
            ),
        ))
    }

    fn write_call<'a>(&self, url: Url, scope: &'a str) -> Call<'a> {
        Call {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: None,
            what: "",
            scope,
        }
    }
}

/// The next piece, what is left after it, and how much has been sent with it.
fn step((mut rest, sent): (Bytes, u64)) -> Option<(Bytes, (Bytes, u64))> {
    (!rest.is_empty()).then(|| {
        let piece = rest.split_to(PIECE.min(rest.len()));
        let sent = sent + piece.len() as u64;
        (piece, (rest, sent))
    })
}

fn length(bytes: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

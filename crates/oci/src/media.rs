//! Media types and annotation keys, each spelled once.

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// OCI layer, a gzipped tar.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// OCI layer, a plain tar.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The configuration `{}` of an artifact that has none.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker layer, a gzipped tar.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Configuration of the CNCF Wasm artifact.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The only layer of the CNCF Wasm artifact.
pub const WASM_LAYER: &str = "application/wasm";
/// Configuration of Istio's "oci" layout, which is read but not written.
pub const ISTIO_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
/// Module layer of Istio's "oci" layout.
pub const ISTIO_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

/// CycloneDX in JSON.
pub const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
/// The payload that cosign signs.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// Annotation by which Istio recognises an image as its "compat" variant.
pub const ISTIO_VARIANT_KEY: &str = "module.wasm.image/variant";
/// Annotation of a layout's index that carries the tag.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation by which BuildKit marks provenance entries of an index.
pub const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// What a client accepts when it asks for a manifest.
pub const ACCEPT: [&str; 4] = [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST];

/// Whether `media_type` is an image manifest of either family.
#[must_use]
pub fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
}

/// Whether `media_type` is a list of manifests of either family.
#[must_use]
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

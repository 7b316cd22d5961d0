//! Packing: from a module or a configuration to an image, a function of its input.

use std::collections::{BTreeMap, HashMap};

use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, HistoryBuilder, ImageConfigurationBuilder,
    ImageManifestBuilder, Os, RootFsBuilder,
};
use serde_json::json;

use crate::annotations::{self, AnnotationError};
use crate::image::{self, Blob, Image, ImageError, Variant};
use crate::module::ModuleError;
use crate::{
    Annotations, CONFIG_FILE, Digest, Finding, Module, PLUGIN_FILE, SIZE_LIMIT, Severity,
    canonical, layer, media,
};

/// A plugin to pack.
#[derive(Debug, Clone)]
pub struct Plugin<'a> {
    /// The module.
    pub wasm: &'a [u8],
    /// How it is stored.
    pub variant: Variant,
    /// What is written about it.
    pub annotations: Annotations,
    /// Bytes of the configuration that it will run with; both count against the limit.
    pub config_size: u64,
    /// What the module checks found. An error among them stops the packing.
    pub findings: &'a [Finding],
}

/// Why something is not packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The checks found what production would refuse.
    #[error("the plugin would be refused: {}", refusals.join("; "))]
    Refused {
        /// Each error found.
        refusals: Vec<String>,
    },
    /// Above the limit of plugin and configuration.
    #[error("plugin and configuration take {size} bytes together, {} more than the limit of {SIZE_LIMIT} (5 MiB)", size - SIZE_LIMIT)]
    TooLarge {
        /// Bytes of both.
        size: u64,
    },
    /// Not a module.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A broken module.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// An annotation that cannot be written.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// A layout that can be read but not written.
    #[error("Istio's `oci` layout is read but not written; pack the `compat` variant for Istio")]
    ReadOnlyVariant,
    /// The archive could not be written to memory.
    #[error("the layer cannot be written")]
    Layer(#[source] std::io::Error),
}

/// Packs a plugin.
///
/// # Errors
///
/// [`PackError`] when the module is none, too large or refused by the findings given.
///
/// ```
/// use gatewright_oci::{Annotations, Plugin, Variant, pack_plugin};
/// let plugin = Plugin {
///     wasm: b"\0asm\x01\0\0\0",
///     variant: Variant::Image,
///     annotations: Annotations::default(),
///     config_size: 0,
///     findings: &[],
/// };
/// let image = pack_plugin(&plugin)?;
/// assert_eq!(image.digest(), pack_plugin(&plugin)?.digest());
/// # Ok::<(), gatewright_oci::PackError>(())
/// ```
pub fn pack_plugin(plugin: &Plugin<'_>) -> Result<Image, PackError> {
    let refusals: Vec<_> = plugin
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| format!("{} ({})", finding.text, finding.code))
        .collect();
    if !refusals.is_empty() {
        return Err(PackError::Refused { refusals });
    }
    image::expect_module(plugin.wasm)?;
    let size = plugin.wasm.len() as u64 + plugin.config_size;
    if size > SIZE_LIMIT {
        return Err(PackError::TooLarge { size });
    }
    let module = Module::read(plugin.wasm)?;
    let mut notes = plugin.annotations.to_map()?;
    notes.extend(
        module
            .built_with()
            .map(|tools| (annotations::BUILT_WITH.to_owned(), tools)),
    );
    notes.extend(
        module
            .abi
            .clone()
            .map(|abi| (annotations::ABI.to_owned(), abi)),
    );
    match plugin.variant {
        Variant::Image => image_of(PLUGIN_FILE, plugin.wasm, notes),
        Variant::Compat => {
            notes.insert(media::ISTIO_VARIANT_KEY.to_owned(), "compat".to_owned());
            image_of(PLUGIN_FILE, plugin.wasm, notes)
        }
        Variant::Artifact => artifact_of(plugin.wasm, notes),
        Variant::IstioOci => Err(PackError::ReadOnlyVariant),
    }
}

/// Packs a configuration into an image of its own, for `pluginConfigURI`.
///
/// # Errors
///
/// [`PackError`] when it alone is above the limit.
pub fn pack_config(config: &[u8], annotations: &Annotations) -> Result<Image, PackError> {
    let size = config.len() as u64;
    if size > SIZE_LIMIT {
        return Err(PackError::TooLarge { size });
    }
    image_of(CONFIG_FILE, config, annotations.to_map()?)
}

fn image_of(
    name: &str,
    content: &[u8],
    notes: BTreeMap<String, String>,
) -> Result<Image, PackError> {
    let packed = layer::pack(name, content).map_err(PackError::Layer)?;
    let notes: HashMap<_, _> = notes.into_iter().collect();
    let rootfs = RootFsBuilder::default()
        .typ("layers")
        .diff_ids([Digest::of(&packed.tar).to_string()])
        .build();
    // Annotations are repeated as labels, which survive a conversion to Docker's manifest.
    let labels = ConfigBuilder::default().labels(notes.clone()).build();
    // One entry for one layer: converters to older formats count them.
    let history = HistoryBuilder::default()
        .created_by(format!("COPY {name} {name}"))
        .build();
    let config = ImageConfigurationBuilder::default()
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(labels.map_err(spec("image configuration"))?)
        .rootfs(rootfs.map_err(spec("image configuration"))?)
        .history([history.map_err(spec("image configuration"))?])
        .build()
        .map_err(spec("image configuration"))?;
    let config = canonical::to_vec(&config).map_err(image::json("image configuration"))?;
    let blobs = vec![
        Blob::new(media::OCI_CONFIG, config),
        Blob::new(media::OCI_LAYER_GZIP, packed.gzip),
    ];
    assemble(blobs, None, notes)
}

fn artifact_of(wasm: &[u8], notes: BTreeMap<String, String>) -> Result<Image, PackError> {
    let layer = Blob::new(media::WASM_LAYER, wasm.to_vec());
    // No author and no time: the configuration is a function of the module.
    let config = json!({
        "architecture": "wasm",
        "os": "wasip1",
        "layerDigests": [layer.digest().to_string()],
    });
    let config = canonical::to_vec(&config).map_err(image::json("configuration"))?;
    let blobs = vec![Blob::new(media::WASM_CONFIG, config), layer];
    assemble(blobs, None, notes.into_iter().collect())
}

/// An artifact with no configuration that is attached to `subject`.
pub(crate) fn attachment(
    artifact_type: &str,
    layer: Blob,
    subject: Descriptor,
    notes: HashMap<String, String>,
) -> Result<Image, PackError> {
    let blobs = vec![Blob::new(media::OCI_EMPTY, &b"{}"[..]), layer];
    assemble(blobs, Some((artifact_type, subject)), notes)
}

pub(crate) fn assemble(
    blobs: Vec<Blob>,
    attached: Option<(&str, Descriptor)>,
    notes: HashMap<String, String>,
) -> Result<Image, PackError> {
    let mut descriptors = blobs.iter().map(Blob::descriptor);
    let config = descriptors.next().ok_or(ImageError::NoLayer)?;
    let mut manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(media::OCI_MANIFEST)
        .config(config)
        .layers(descriptors.collect::<Vec<_>>());
    if let Some((artifact_type, subject)) = attached {
        manifest = manifest.artifact_type(artifact_type).subject(subject);
    }
    if !notes.is_empty() {
        manifest = manifest.annotations(notes);
    }
    Ok(Image::build(
        manifest.build().map_err(spec("manifest"))?,
        blobs,
    )?)
}

/// An image whose blobs have annotations of their own, configuration first.
pub(crate) fn assemble_noted(
    blobs: Vec<Blob>,
    notes: Vec<HashMap<String, String>>,
) -> Result<Image, PackError> {
    let mut descriptors = blobs.iter().zip(notes).map(|(blob, notes)| {
        let mut descriptor = blob.descriptor();
        descriptor.set_annotations((!notes.is_empty()).then_some(notes));
        descriptor
    });
    let config = descriptors.next().ok_or(ImageError::NoLayer)?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(media::OCI_MANIFEST)
        .config(config)
        .layers(descriptors.collect::<Vec<_>>())
        .build()
        .map_err(spec("manifest"))?;
    Ok(Image::build(manifest, blobs)?)
}

fn spec(what: &'static str) -> impl Fn(oci_spec::OciSpecError) -> ImageError {
    move |error| ImageError::Json {
        what,
        reason: error.to_string(),
    }
}

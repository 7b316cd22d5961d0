//! `gatewright manifest`: the resources that put an image in front of a Gateway.

use gatewright_oci::manifest::{Deployment, manifest};
use gatewright_oci::{Digest, Reference};

use crate::exit::{Outcome, Usage};
use crate::images::{self, Access};

/// Print the GCPWasmPlugin and GCPTrafficExtension for an image, pinned by digest.
///
/// A tag is looked up in its registry, and the image behind it must be one that production takes. A
/// reference with a digest is taken as it is, without asking anybody.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright manifest local-reply --image us-docker.pkg.dev/my-project/plugins/local-reply:v1\n  \
    gatewright manifest local-reply --image REF --gateway web --host www.example.com")]
pub(crate) struct Arguments {
    /// Name of the plugin, from which the resources' names are made
    #[arg(value_name = "PLUGIN")]
    plugin: String,
    /// The plugin's image
    #[arg(long, value_name = "REF")]
    image: String,
    /// The image of its configuration
    #[arg(long, value_name = "REF")]
    config_image: Option<String>,
    /// Name of the Gateway
    #[arg(long, value_name = "NAME", default_value = "gateway")]
    gateway: String,
    /// The resources' namespace; that of the context they are applied in if left out
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Name of the plugin's version
    #[arg(long, value_name = "NAME", default_value = "v1")]
    version_name: String,
    /// Only requests to this host; all if left out
    #[arg(long)]
    host: Option<String>,
    /// What the plugin is called for: also RequestBody and ResponseBody
    #[arg(
        long,
        value_name = "EVENT",
        value_delimiter = ',',
        default_value = "RequestHeaders,ResponseHeaders"
    )]
    events: Vec<String>,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let image = images::reference(&arguments.image)?;
    let config = arguments.config_image.as_deref();
    let config = config.map(images::reference).transpose()?;
    let (digest, config) = images::block_on(async {
        let digest = pin(&image, &arguments.access).await?;
        Ok(match config {
            Some(config) => {
                let pinned = pin(&config, &arguments.access).await?;
                (digest, Some((repository(&config), pinned)))
            }
            None => (digest, None),
        })
    })?;
    let text = manifest(&Deployment {
        name: arguments.plugin.clone(),
        namespace: arguments.namespace.clone(),
        gateway: arguments.gateway.clone(),
        repository: repository(&image),
        digest,
        config,
        version: arguments.version_name.clone(),
        host: arguments.host.clone(),
        events: arguments.events.clone(),
    })
    .map_err(|error| Usage(error.to_string()))?;
    anstream::print!("{text}");
    Ok(Outcome::Fine)
}

fn repository(reference: &Reference) -> String {
    format!("{}/{}", reference.registry(), reference.repository())
}

async fn pin(reference: &Reference, access: &Access) -> anyhow::Result<Digest> {
    if let Some(digest) = reference.digest() {
        return digest
            .parse()
            .map_err(|error| Usage(format!("`{reference}`: {error}")).into());
    }
    let registry = access
        .connect(reference, std::sync::Arc::new(()), None)
        .await?;
    let image = registry
        .pull(reference)
        .await
        .map_err(images::registry_error)?;
    images::expect_usable(&image, &reference.to_string())?;
    Ok(image.digest())
}

//! `gatewright pull`: an image from a registry.

use std::path::PathBuf;

use super::{DIM, RESET};
use crate::exit::Outcome;
use crate::images::{self, Access};
use crate::progress::Bar;

/// Pull an image from a registry.
///
/// Every digest is checked, and the image is written whole or not at all. It may be any image: look
/// at it with `gatewright inspect`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright pull us-docker.pkg.dev/my-project/plugins/local-reply:v1 -o local-reply.tar")]
pub(crate) struct Arguments {
    /// The image: HOST/NAME:TAG or HOST/NAME@sha256:DIGEST
    #[arg(value_name = "REF")]
    reference: String,
    /// Where to write the image layout: a tar if it ends in `.tar`, else a folder
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let reference = images::reference(&arguments.reference)?;
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
    let image = pulled?;
    images::write_layout(&image, &arguments.output)?;
    anstream::println!("{}", image.digest());
    anstream::println!(
        "{DIM}{} bytes, written to {}{RESET}",
        image.stored_size(),
        arguments.output.display(),
    );
    Ok(Outcome::Fine)
}

//! `gatewright export`: the same extensions for people who do not use GKE.

use clap::Subcommand;
use gatewright_gke::{Export, ExportOptions, check, export};

use crate::exit::Outcome;
use crate::manifests::Manifests;

/// Translate manifests to what creates the same without GKE.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright export rest manifests/ --project my-project\n  \
    gatewright export terraform manifests/ --project my-project > extensions.tf")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    to: To,
}

#[derive(Subcommand)]
enum To {
    /// Bodies that the Network Services REST API takes, as JSON
    Rest(Where),
    /// Terraform resources
    Terraform(Where),
}

#[derive(clap::Args)]
struct Where {
    #[command(flatten)]
    manifests: Manifests,
    /// The project
    #[arg(long, value_name = "ID", default_value = "my-project")]
    project: String,
    /// The region of regional Gateways
    #[arg(long, value_name = "NAME", default_value = "us-central1")]
    region: String,
    /// The forwarding rule to attach to [default: one named like the Gateway]
    #[arg(long, value_name = "NAME")]
    forwarding_rule: Option<String>,
}

impl Where {
    fn export(&self) -> anyhow::Result<Export> {
        let files = self.manifests.read()?;
        let report = check(&files.inputs(), &self.manifests.options());
        Ok(export(
            &report,
            &ExportOptions {
                project: &self.project,
                region: &self.region,
                forwarding_rule: self.forwarding_rule.as_deref(),
            },
        ))
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (export, text) = match &arguments.to {
        To::Rest(place) => {
            let export = place.export()?;
            let text = export.rest();
            (export, text)
        }
        To::Terraform(place) => {
            let export = place.export()?;
            let text = export.terraform();
            (export, text)
        }
    };
    anstream::println!("{}", text.trim_end());
    // Notes go to people; programs read the translation.
    for note in &export.notes {
        anstream::eprintln!("{}note{}: {note}", super::DIM, super::RESET);
    }
    if export.resources.is_empty() {
        anstream::eprintln!("nothing is programmed on a Gateway; `gatewright validate` says why");
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Fine)
}

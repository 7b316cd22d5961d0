//! `gatewright export`: the same extensions for people who do not use GKE.

mod engine;
mod files;

use clap::Subcommand;
use gatewright_envoy::export::Mesh;
use gatewright_gke::{Export, ExportOptions, check, export};

use crate::exit::Outcome;
use crate::manifests::Manifests;

/// Translate manifests to what does the same without GKE.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright export rest manifests/ --project my-project\n  \
    gatewright export terraform manifests/ --project my-project > extensions.tf\n  \
    gatewright export envoy manifests/ -o envoy/ --validate\n  \
    gatewright export istio manifests/ | kubectl apply -f -\n\n\
What cannot be carried over is a note on standard error, and the rest is exported all the same.")]
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
    /// A folder that a stock Envoy runs from: bootstrap and plugins
    Envoy(Box<engine::Arguments>),
    /// Objects of Istio, as a JSON list that kubectl applies
    Istio(Box<engine::MeshArguments>),
    /// Objects of Envoy Gateway, as a JSON list that kubectl applies
    EnvoyGateway(Box<engine::MeshArguments>),
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
        To::Envoy(arguments) => return engine::envoy(arguments),
        To::Istio(arguments) => return engine::mesh(arguments, Mesh::Istio),
        To::EnvoyGateway(arguments) => return engine::mesh(arguments, Mesh::EnvoyGateway),
    };
    anstream::println!("{}", text.trim_end());
    tell(&export.notes);
    Ok(programmed(!export.resources.is_empty()))
}

/// Notes go to people; programs read the translation.
fn tell(notes: &[String]) {
    for note in notes {
        anstream::eprintln!("{}note{}: {note}", super::DIM, super::RESET);
    }
}

/// An export of nothing is a failure.
fn programmed(something: bool) -> Outcome {
    if something {
        return Outcome::Fine;
    }
    anstream::eprintln!("nothing is programmed on a Gateway; `gatewright validate` says why");
    Outcome::Failed
}

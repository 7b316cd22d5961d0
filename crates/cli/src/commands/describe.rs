//! `gatewright describe` and `gatewright get`: objects as `kubectl` would show them.

use clap::ValueEnum;
use gatewright_gke::{Cloud, DescribeOptions, Era, check};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::exit::{Outcome, Usage};
use crate::manifests::Manifests;

/// How the object is shown.
#[derive(clap::Args)]
struct Shown {
    /// The namespace of the object
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// The time of creation and of the conditions [default: now]
    #[arg(long, value_name = "RFC3339")]
    time: Option<String>,
    /// The Gateway's address where its manifest asks for none
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    address: String,
}

impl Shown {
    fn time(&self) -> anyhow::Result<String> {
        let time = match &self.time {
            None => OffsetDateTime::now_utc().replace_nanosecond(0)?,
            Some(text) => OffsetDateTime::parse(text, &Rfc3339)
                .map_err(|error| Usage(format!("`{text}` is no time: {error}")))?,
        };
        Ok(time.format(&Rfc3339)?)
    }

    fn cloud(&self) -> Cloud<'_> {
        Cloud {
            address: &self.address,
            ..Cloud::default()
        }
    }
}

/// Show an object with the status that the controller would write, as `kubectl describe` does.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright describe gcptrafficextension/my-traffic-extension manifests/\n  \
    gatewright describe gateway/external-http manifests/ --era march")]
pub(crate) struct Describe {
    /// The object, as `gcpwasmplugin/gcp-wasm-plugin`
    #[arg(value_name = "KIND/NAME", value_parser = object)]
    object: (String, String),
    #[command(flatten)]
    manifests: Manifests,
    #[command(flatten)]
    shown: Shown,
    /// Whose output: the documentation shows two
    #[arg(long, value_enum, default_value_t = EraName::August)]
    era: EraName,
    /// As it is right after `kubectl apply`, before the controller has been at it
    #[arg(long)]
    just_applied: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EraName {
    /// March 2025
    March,
    /// August 2025
    August,
}

fn object(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => {
            Ok((kind.to_owned(), name.to_owned()))
        }
        _ => Err("it takes a kind and a name, as `gateway/external-http`".to_owned()),
    }
}

pub(crate) fn describe(arguments: &Describe) -> anyhow::Result<Outcome> {
    let files = arguments.manifests.read()?;
    let report = check(&files.inputs(), &arguments.manifests.options());
    let time = arguments.shown.time()?;
    let options = DescribeOptions {
        era: match arguments.era {
            EraName::March => Era::March2025,
            EraName::August => Era::August2025,
        },
        time: &time,
        reconciled: !arguments.just_applied,
        cloud: arguments.shown.cloud(),
    };
    let (kind, name) = &arguments.object;
    finish(gatewright_gke::describe(
        &report,
        kind,
        &arguments.shown.namespace,
        name,
        &options,
    ))
}

/// Read a field of an object, as `kubectl get -o jsonpath=…` does.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    gatewright get gateway external-http manifests/ -o jsonpath='{.status.addresses[0].value}'")]
pub(crate) struct Get {
    /// The kind of the object
    #[arg(value_name = "KIND")]
    kind: String,
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    manifests: Manifests,
    #[command(flatten)]
    shown: Shown,
    /// What to read
    #[arg(short, long, value_name = "jsonpath=TEMPLATE", value_parser = template)]
    output: String,
}

fn template(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some(("jsonpath", template)) => Ok(template.to_owned()),
        _ => Err("it takes `jsonpath=TEMPLATE`".to_owned()),
    }
}

pub(crate) fn get(arguments: &Get) -> anyhow::Result<Outcome> {
    let files = arguments.manifests.read()?;
    let report = check(&files.inputs(), &arguments.manifests.options());
    let time = arguments.shown.time()?;
    let options = DescribeOptions {
        era: Era::default(),
        time: &time,
        reconciled: true,
        cloud: arguments.shown.cloud(),
    };
    let namespace = &arguments.shown.namespace;
    let (kind, name) = (&arguments.kind, &arguments.name);
    let found = gatewright_gke::get(&report, kind, namespace, name, &arguments.output, &options);
    finish(found.map(|text| text + "\n"))
}

/// An object that is not there is an answer, in `kubectl`'s words, and a failed check.
fn finish(answer: Result<String, String>) -> anyhow::Result<Outcome> {
    match answer {
        Ok(text) => {
            anstream::print!("{text}");
            Ok(Outcome::Fine)
        }
        Err(text) => {
            anstream::eprintln!("{text}");
            Ok(Outcome::Failed)
        }
    }
}

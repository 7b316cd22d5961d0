//! `gatewright export envoy`, `istio` and `envoy-gateway`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use gatewright_envoy::export::{self, Bindings, Endpoint, Mesh};
use gatewright_gke::check;
use gatewright_host::{Engine, EngineOptions};

use super::files::{self, Modules};
use crate::engines;
use crate::exit::{Outcome, Usage};
use crate::images::Access;
use crate::manifests::Manifests;
use crate::serve::images::Images;
use crate::serve::services::full;
use crate::serve::settings::{FILE, ServiceAt, Settings};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// The folder to write: `envoy.json`, and the plugins beside it
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Where Envoy will see that folder [default: where it is]
    #[arg(long, value_name = "DIR")]
    at: Option<PathBuf>,
    /// The address that Envoy listens at
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    bind: IpAddr,
    /// Another port for a listener's port, as `80=8080`
    #[arg(long = "port", value_name = "PORT=PORT", value_parser = port)]
    ports: Vec<(u16, u16)>,
    /// Where a Service is, as `store-v1=127.0.0.1:8080` [default: what gatewright.yaml says, or its
    /// name in the cluster]
    #[arg(long = "service", value_name = "NAME=HOST:PORT", value_parser = service)]
    services: Vec<(String, (String, u16))>,
    /// The certificate of HTTPS listeners whose Secret is not among the manifests
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Where Envoy's admin interface is [default: nowhere]
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
    /// Let Envoy check what was written
    #[arg(long)]
    validate: bool,
    /// The Envoy that checks [default: GATEWRIGHT_ENVOY, or `envoy` of the path]
    #[arg(long, value_name = "PATH", requires = "validate")]
    envoy: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct MeshArguments {
    #[command(flatten)]
    common: Common,
}

/// What every one of these exports reads.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    manifests: Manifests,
    /// What a cluster would know [default: gatewright.yaml beside the manifests]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Ask registries for images that nothing stands for
    #[arg(long)]
    pull: bool,
    #[command(flatten)]
    access: Access,
}

fn port(text: &str) -> Result<(u16, u16), String> {
    let pair = text.split_once('=').and_then(|(from, to)| {
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        Some((from, to))
    });
    pair.ok_or_else(|| "it takes two ports, as `80=8080`".to_owned())
}

fn service(text: &str) -> Result<(String, (String, u16)), String> {
    let pair = text.split_once('=').and_then(|(name, at)| {
        let at = host_port(at)?;
        (!name.is_empty()).then(|| (full(name), at))
    });
    pair.ok_or_else(|| {
        "it takes a Service and where it is, as `store-v1=127.0.0.1:8080`".to_owned()
    })
}

fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then_some(())?;
    Some((host.to_owned(), port.parse().ok()?))
}

/// Where Services are: what the settings say, and what the command line says before that. And notes
/// on Services that are nowhere but here.
fn services(
    settings: &Settings,
    named: &[(String, (String, u16))],
) -> Result<(BTreeMap<String, Endpoint>, Vec<String>), Usage> {
    let endpoint = |(host, port), plaintext| Endpoint {
        host,
        port,
        plaintext,
    };
    let mut services: BTreeMap<String, Endpoint> = BTreeMap::new();
    let mut notes = Vec::new();
    let is_named = |name: &str| named.iter().any(|(known, _)| known == name);
    for (name, at) in &settings.services {
        let name = full(name);
        let (text, plaintext) = match at {
            ServiceAt::Address(text) => (text, false),
            ServiceAt::Plaintext(text) => (text, true),
            ServiceAt::Command(_) | ServiceAt::Callout(_) | ServiceAt::Store => {
                if !is_named(&name) {
                    notes.push(format!(
                        "Service {name} is at its name in the cluster: what `{FILE}` has in its \
                         place runs only in `gatewright serve`; say where it is with `--service`"
                    ));
                }
                continue;
            }
        };
        let at = host_port(text)
            .ok_or_else(|| Usage(format!("`{text}` is no address such as `127.0.0.1:8080`")))?;
        services.insert(name, endpoint(at, plaintext));
    }
    for (name, at) in named {
        // That it speaks without TLS is not taken back by another address for it.
        let plaintext = services.get(name).is_some_and(|known| known.plaintext);
        services.insert(name.clone(), endpoint(at.clone(), plaintext));
    }
    Ok((services, notes))
}

impl Common {
    fn report(&self, settings: &Settings) -> anyhow::Result<gatewright_gke::Report> {
        let files = self.manifests.read()?;
        let options = self
            .manifests
            .options_with(&settings.gateways, &settings.substitute);
        Ok(check(&files.inputs(), &options))
    }

    fn settings(&self) -> Result<Settings, Usage> {
        Settings::find(self.settings.as_deref(), &self.manifests.paths)
    }

    fn images(&self, settings: Settings) -> anyhow::Result<Images> {
        let pull = self.pull.then(|| self.access.clone());
        let engine = Engine::new(&EngineOptions::default())?;
        Ok(Images::new(engine, settings, pull))
    }
}

pub(super) fn envoy(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let settings = arguments.common.settings()?;
    let report = arguments.common.report(&settings)?;
    let folder = &arguments.output;
    let at = match &arguments.at {
        Some(at) => at.clone(),
        None => std::path::absolute(folder)
            .with_context(|| format!("cannot resolve `{}`", folder.display()))?,
    };
    let (services, local) = services(&settings, &arguments.services)?;
    let mut ports: BTreeMap<u16, u16> = BTreeMap::new();
    for (key, local) in &settings.ports {
        if let Ok(from) = key.parse() {
            ports.insert(from, *local);
        }
    }
    // A port of 0 is for whoever reads the address from the output, and here nobody does.
    ports.retain(|_, local| *local != 0);
    ports.extend(arguments.ports.iter().copied());
    let modules = Modules::new(arguments.common.images(settings)?, at.clone());
    let exported = export::envoy(
        &report,
        &Bindings {
            bind: arguments.bind,
            ports,
            services,
            certificate: arguments
                .tls_certificate
                .clone()
                .zip(arguments.tls_key.clone()),
            admin: arguments.admin,
            plugins: &modules,
        },
    );
    super::tell(&local);
    super::tell(&exported.notes);
    if exported.is_empty() {
        return Ok(super::programmed(false));
    }
    modules.write(folder)?;
    let bootstrap = folder.join("envoy.json");
    files::write(&bootstrap, format!("{:#}\n", exported.bootstrap).as_bytes())?;
    anstream::println!("{}", bootstrap.display());
    anstream::eprintln!("run it with: envoy -c {}", at.join("envoy.json").display());
    if arguments.validate {
        return validate(arguments.envoy.as_ref(), &bootstrap);
    }
    Ok(Outcome::Fine)
}

/// Asks Envoy whether it takes the bootstrap.
fn validate(program: Option<&PathBuf>, bootstrap: &Path) -> anyhow::Result<Outcome> {
    let program = engines::named(program).unwrap_or_else(|| PathBuf::from("envoy"));
    let output = Command::new(&program)
        .args([
            "--mode",
            "validate",
            "--log-level",
            "error",
            "--disable-hot-restart",
        ])
        .arg("--config-path")
        .arg(bootstrap)
        .output()
        .with_context(|| {
            format!(
                "cannot run `{}`; say which Envoy with `--envoy PATH` or `GATEWRIGHT_ENVOY`",
                program.display()
            )
        })?;
    if output.status.success() {
        anstream::eprintln!("Envoy takes it");
        return Ok(Outcome::Fine);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    anstream::eprintln!("Envoy does not take it:\n{}", said.trim_end());
    Ok(Outcome::Failed)
}

pub(super) fn mesh(arguments: &MeshArguments, to: Mesh) -> anyhow::Result<Outcome> {
    let settings = arguments.common.settings()?;
    let report = arguments.common.report(&settings)?;
    let modules = Modules::new(arguments.common.images(settings)?, PathBuf::new());
    let (objects, notes) = export::mesh(&report, to, &modules);
    let programmed = report
        .plan
        .gateways
        .iter()
        .any(|plan| plan.traffic.is_some());
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
    anstream::println!("{list:#}");
    super::tell(&notes);
    Ok(super::programmed(programmed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_the_settings_are_where_serve_has_them() {
        let at = |text: &str| text.to_owned();
        let settings = Settings {
            services: BTreeMap::from([
                (at("a"), ServiceAt::Address(at("127.0.0.1:1"))),
                (at("shop/b"), ServiceAt::Plaintext(at("[::1]:2"))),
                (at("c"), ServiceAt::Store),
                (at("d"), ServiceAt::Command(vec![at("d")])),
            ]),
            ..Settings::default()
        };
        let named = [(at("default/d"), (at("d.test"), 4))];
        let (services, notes) = services(&settings, &named).expect("they are read");
        let told: Vec<_> = services
            .iter()
            .map(|(name, at)| (name.as_str(), at.host.as_str(), at.port, at.plaintext))
            .collect();
        let expected = [
            ("default/a", "127.0.0.1", 1, false),
            ("default/d", "d.test", 4, false),
            ("shop/b", "::1", 2, true),
        ];
        assert_eq!(told, expected);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("default/c"), "{notes:?}");
    }

    #[test]
    fn services_are_read() {
        let check = |text: &str, expected: Option<(&str, &str, u16)>| {
            let expected =
                expected.map(|(name, host, port)| (name.to_owned(), (host.to_owned(), port)));
            assert_eq!(service(text).ok(), expected, "{text}");
        };
        check("a=127.0.0.1:80", Some(("default/a", "127.0.0.1", 80)));
        check(
            "shop/a=store.test:8080",
            Some(("shop/a", "store.test", 8080)),
        );
        check("a=[::1]:80", Some(("default/a", "::1", 80)));
        check("a=127.0.0.1", None);
        check("a=:80", None);
        check("=b:80", None);
        check("a=b:70000", None);
    }
}

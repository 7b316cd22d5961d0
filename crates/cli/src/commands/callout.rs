//! `gatewright callout`: our callouts as servers of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use gatewright_callout::samples::{AddHeader, Basic, JwtAuth, PublicKey, Redirect};
use gatewright_callout::{Callout, Server, tls_config};
use gatewright_gateway::Authority;

use crate::exit::{Outcome, Usage};
use crate::foreground::{given_port, listen, local, stopping};

/// Serve one of our callouts: the Service that a GCPTrafficExtension or GCPRoutingExtension names.
///
/// Each does what Google's sample of the same name does. It speaks Envoy's ext_proc over gRPC, and
/// answers gRPC's health checks too. To write one of your own, see the crate `gatewright-callout`.
/// SIGTERM lets streams come to their end.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright callout basic\n  \
    gatewright callout basic --plaintext 127.0.0.1:8080 --tls 127.0.0.1:8443 --health 127.0.0.1:8081\n  \
    gatewright callout basic --tls 0.0.0.0:443 --cert tls.crt --key tls.key\n  \
    gatewright callout jwt-auth --public-key key.pem --plaintext 127.0.0.1:8080\n\n\
A gatewright.yaml that sends the gateway here:\n  \
    services:\n    extension-service: {plaintext: '127.0.0.1:8080'}\n\n\
One that starts it: a `command` is told its port in PORT, and this serves it there with TLS:\n  \
    services:\n    extension-service: {command: [gatewright, callout, basic]}")]
pub(crate) struct Arguments {
    /// Which
    #[arg(value_enum)]
    sample: Sample,
    /// Serve gRPC without TLS here [default: 127.0.0.1:8080, if nothing else is said]
    #[arg(long, value_name = "IP:PORT")]
    plaintext: Vec<SocketAddr>,
    /// Serve gRPC with TLS here
    #[arg(long, value_name = "IP:PORT")]
    tls: Vec<SocketAddr>,
    /// The certificate chain for TLS, as PEM [default: one made on the spot, since load balancers
    /// do not verify it]
    #[arg(long, value_name = "FILE", requires = "key", requires = "tls")]
    cert: Option<PathBuf>,
    /// The certificate's key, as PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Answer health checks over HTTP here, with 200
    #[arg(long, value_name = "IP:PORT")]
    health: Vec<SocketAddr>,
    /// The key that tokens are checked with, as PEM; for `jwt-auth`
    #[arg(long, value_name = "FILE", required_if_eq("sample", "jwt-auth"))]
    public_key: Option<PathBuf>,
    /// How long streams may take to come to their end when it is stopped
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = super::serve::duration)]
    drain: Duration,
}

/// Our callouts.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Sample {
    /// Sends requests to the root of service-extensions.com, greets in responses, replaces bodies
    Basic,
    /// Adds `header-request` and `header-response`
    AddHeader,
    /// Answers every request with 301
    Redirect,
    /// Lets only requests with a valid token through, and shows the upstream its claims
    JwtAuth,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    match arguments.sample {
        Sample::Basic => serve(arguments, || Basic),
        Sample::AddHeader => serve(arguments, || AddHeader),
        Sample::Redirect => serve(arguments, || Redirect),
        Sample::JwtAuth => {
            let path = arguments
                .public_key
                .as_deref()
                .ok_or_else(|| Usage("`jwt-auth` needs `--public-key`".to_owned()))?;
            let key = PublicKey::from_pem(&read(path)?)
                .map_err(|error| Usage(format!("`{}`: {error}", path.display())))?;
            let key = Arc::new(key);
            serve(arguments, move || JwtAuth::new(Arc::clone(&key)))
        }
    }
}

fn serve<C, F>(arguments: &Arguments, make: F) -> anyhow::Result<Outcome>
where
    C: Callout,
    F: Fn() -> C + Clone + Send + Sync + 'static,
{
    let mut server = Server::new(make).grace(arguments.drain);
    let (mut plaintext, mut tls) = (arguments.plaintext.clone(), arguments.tls.clone());
    if plaintext.is_empty() && tls.is_empty() {
        match given_port()? {
            Some(port) => tls.push(local(port)),
            None => plaintext.push(local(8080)),
        }
    }
    for address in plaintext {
        server = server.plaintext(listen(address, "gRPC without TLS")?);
    }
    if !tls.is_empty() {
        let config = match (&arguments.cert, &arguments.key) {
            (Some(cert), Some(key)) => tls_config(&read(cert)?, &read(key)?).map_err(Usage)?,
            _ => {
                let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
                let authority = Authority::generate().map_err(anyhow::Error::msg)?;
                authority.server(&hosts, "h2").map_err(anyhow::Error::msg)?
            }
        };
        for address in tls {
            server = server.tls(listen(address, "gRPC with TLS")?, Arc::clone(&config));
        }
    }
    for address in &arguments.health {
        server = server.health(listen(*address, "health checks")?);
    }
    let stopping = stopping()?;
    anstream::eprintln!("serving");
    server.run_blocking(stopping).context("cannot serve")?;
    anstream::eprintln!("stopped");
    Ok(Outcome::Fine)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

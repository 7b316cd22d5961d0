//! `gatewright store`: the built-in store as a server of its own.

use std::net::SocketAddr;

use anyhow::Context as _;
use gatewright_gateway::serve_store;

use crate::exit::Outcome;
use crate::foreground::{given_port, listen, local, stopping};

/// Serve the store of the documentation: the backend that its HTTPRoutes name.
///
/// `gatewright serve` has it built in. This is for those who run the load balancer elsewhere, such as
/// an Envoy on what `gatewright export envoy` wrote. It speaks HTTP/1.1 and answers every request.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright store store-v1\n  \
    gatewright store store-german --listen 127.0.0.1:8082\n\n\
A gatewright.yaml that sends an export here:\n  \
    services:\n    store-v1: {address: '127.0.0.1:8080'}")]
pub(crate) struct Arguments {
    /// The name of its Service, which its answers say
    name: String,
    /// Serve here [default: 127.0.0.1:8080, or the port in PORT]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let address = match arguments.listen {
        Some(address) => address,
        None => local(given_port()?.unwrap_or(8080)),
    };
    let socket = listen(address, "HTTP")?;
    let stopping = stopping()?;
    anstream::eprintln!("serving");
    serve_store(&arguments.name, socket, stopping).context("cannot serve")?;
    anstream::eprintln!("stopped");
    Ok(Outcome::Fine)
}

//! `gatewright store`: the built-in store as a server of its own.

use std::net::SocketAddr;

use anyhow::Context as _;
use gatewright_gateway::serve_store;
use tokio::sync::oneshot;

use super::callout::listen;
use crate::exit::{Outcome, Usage};

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
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let address = match (arguments.listen, std::env::var("PORT")) {
        (Some(address), _) => address,
        (None, Ok(port)) => local(
            port.parse()
                .map_err(|_| Usage("`PORT` is no port".to_owned()))?,
        ),
        (None, Err(_)) => local(8080),
    };
    let socket = listen(address, "HTTP")?;
    let (stop, stopped) = oneshot::channel();
    let stopping = async {
        // Without signals it is stopped like any program.
        let _ = stopped.await;
    };
    crate::serve::watch::on_stop(move || {
        let _ = stop.send(());
    })?;
    anstream::eprintln!("serving");
    serve_store(&arguments.name, socket, stopping).context("cannot serve")?;
    anstream::eprintln!("stopped");
    Ok(Outcome::Fine)
}

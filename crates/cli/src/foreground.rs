//! What the small servers have in common, each of which is all that its process does: a callout and
//! the store.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use tokio::sync::oneshot;

use crate::commands::{GREEN, RESET};
use crate::exit::Usage;

/// A port of this machine, for no other to reach.
pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The port that `PORT` names, as for a program that `gatewright.yaml` starts.
pub(crate) fn given_port() -> anyhow::Result<Option<u16>> {
    let Ok(port) = std::env::var("PORT") else {
        return Ok(None);
    };
    let port = port.parse();
    Ok(Some(
        port.map_err(|_| Usage("`PORT` is no port".to_owned()))?,
    ))
}

/// Binds a port, and says where.
pub(crate) fn listen(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    let socket = TcpListener::bind(address)
        .with_context(|| format!("cannot listen at {address} for {what}"))?;
    let address = socket.local_addr()?;
    anstream::eprintln!("{what}: {GREEN}{address}{RESET}");
    Ok(socket)
}

/// Over when the program is told to stop. Without signals it is stopped like any program.
pub(crate) fn stopping() -> anyhow::Result<impl Future<Output = ()>> {
    let (stop, stopped) = oneshot::channel();
    crate::serve::watch::on_stop(move || {
        let _ = stop.send(());
    })?;
    Ok(async {
        let _ = stopped.await;
    })
}

//! Callouts behind the gateway: the sample of the documentation, and servers that misbehave.

mod basic;
mod modes;
mod scripted;
mod wrong;

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use gatewright_callout::{Callout, Server};
use gatewright_gateway::{Authority, ServiceAt};
use tokio::sync::oneshot;

use crate::support::{Setup, TO_UP, Upstream, route};

/// An extension that calls the Service `co`, with more fields of the extension.
pub(crate) fn extension(kind: &str, more: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{name: co}}
spec: {{selector: {{app: co}}, ports: [{{port: 443, appProtocol: HTTP2}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: co, labels: {{app: co}}}}
spec: {{containers: [{{name: co, image: r.test/co}}]}}
---
apiVersion: networking.gke.io/v1
kind: {kind}
metadata: {{name: x}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]
  extensionChains:
  - name: c
    extensions:
    - name: e
      authority: myext.com
      backendRef: {{group: \"\", kind: Service, name: co, port: 443}}
{more}
"
    )
}

/// A traffic extension for these events.
pub(crate) fn traffic(events: &str, more: &str) -> String {
    extension(
        "GCPTrafficExtension",
        &format!("      supportedEvents: [{events}]\n{more}"),
    )
}

/// A gateway with an upstream and a callout that is reached without TLS.
pub(crate) fn setup(upstream: &Upstream, callout: SocketAddr, extension: &str) -> Setup {
    let mut setup = Setup::new(format!("{}{extension}", route(TO_UP)));
    setup.class = "gke-l7-rilb";
    setup.up(upstream.at);
    let at = ServiceAt::Plaintext(callout);
    setup.services.at.insert("default/co".to_owned(), at);
    setup
}

/// A callout that runs until this is dropped.
pub(crate) struct Called {
    pub(crate) plaintext: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) health: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Called {
    pub(crate) fn start<C, F>(make: F) -> Self
    where
        C: Callout,
        F: Fn() -> C + Clone + Send + Sync + 'static,
    {
        let sockets: [TcpListener; 3] =
            std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let at = |socket: &TcpListener| socket.local_addr().expect("an address");
        let [plaintext, tls, health] = [&sockets[0], &sockets[1], &sockets[2]].map(at);
        let authority = Authority::generate().expect("an authority");
        let config = authority
            .server(&["localhost".to_owned()], "h2")
            .expect("a certificate");
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let [plain, encrypted, health] = sockets;
            let server = Server::new(make)
                .plaintext(plain)
                .tls(encrypted, config)
                .health(health);
            let stopped = async {
                let _ = stopped.await;
            };
            server.run_blocking(stopped).expect("it serves");
        });
        Self {
            plaintext,
            tls,
            health,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

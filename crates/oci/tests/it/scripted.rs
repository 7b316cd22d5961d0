//! A registry on loopback that answers as a test tells it to, and remembers what it was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gatewright_oci::registry::{CredentialSource, Credentials, Options, Retry, Secret};
use gatewright_oci::{Image, Reference, Registry, media};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Bytes,
}

pub(crate) type Answer = Response<Full<Bytes>>;

/// A running registry.
pub(crate) struct Scripted {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    /// Serves `script`, which is given its own address, until the test ends.
    pub(crate) async fn serve(
        script: impl Fn(&str, &Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, log, own) = (Arc::new(script), Arc::clone(&asked), address.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, log, own) = (Arc::clone(&script), Arc::clone(&log), own.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (script, log, own) = (Arc::clone(&script), Arc::clone(&log), own.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let header = head.headers.get("authorization");
                        let asked = Asked {
                            method: head.method.to_string(),
                            target: head.uri.to_string(),
                            authorization: header.map(|value| {
                                String::from_utf8_lossy(value.as_bytes()).into_owned()
                            }),
                            body: body
                                .collect()
                                .await
                                .map(|body| body.to_bytes())
                                .unwrap_or_default(),
                        };
                        log.lock()
                            .expect("no panic while locked")
                            .push(asked.clone());
                        Ok::<_, Infallible>(script(&own, &asked))
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, asked }
    }

    /// Reads a request and then sends `bytes` as they are, and closes or, with `hang`, waits.
    pub(crate) async fn raw(bytes: Vec<u8>, hang: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(&bytes).await;
                if hang {
                    open.push(stream);
                }
            }
        });
        Self {
            address,
            asked: Arc::default(),
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic while locked").clone()
    }

    pub(crate) fn reference(&self) -> Reference {
        format!("{}/team/app:v1", self.address)
            .parse()
            .expect("a reference")
    }

    /// A client with two quick tries and these credentials.
    pub(crate) async fn client(&self, credentials: CredentialSource) -> Registry {
        self.client_with(|options| options.credentials = credentials)
            .await
    }

    pub(crate) async fn client_with(&self, change: impl FnOnce(&mut Options)) -> Registry {
        let mut options = quick();
        change(&mut options);
        Registry::new(&self.reference(), options)
            .await
            .expect("a client")
    }
}

/// Options for loopback: no credentials, two quick tries.
pub(crate) fn quick() -> Options {
    Options {
        plain_http: true,
        credentials: CredentialSource::Anonymous,
        retry: Retry {
            attempts: 2,
            base: Duration::from_millis(1),
            cap: Duration::from_millis(5),
        },
        ..Options::default()
    }
}

pub(crate) const PASSWORD: &str = "hunter2-hunter2";

pub(crate) fn login() -> CredentialSource {
    CredentialSource::Given(Credentials::Basic {
        user: "me".into(),
        password: Secret::new(PASSWORD),
    })
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into())).expect("a response")
}

/// What an honest registry that holds `image` answers to a read.
pub(crate) fn honest(image: &Image, asked: &Asked) -> Answer {
    if asked.target.contains("/manifests/") {
        return answer(
            200,
            &[("content-type", media::OCI_MANIFEST)],
            image.manifest().bytes.clone(),
        );
    }
    match image
        .blobs()
        .iter()
        .find(|blob| asked.target.contains(&blob.digest().hex()))
    {
        Some(blob) => answer(200, &[], blob.bytes.clone()),
        None => answer(404, &[], ""),
    }
}

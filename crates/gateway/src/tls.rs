//! Certificates: a Secret's, or one made on the spot and signed by an authority that clients can
//! be told to trust.

pub(crate) mod client;

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use gatewright_gke::{Node, Report};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Signs certificates for hosts that have none. Its own is for `curl --cacert`.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one, with a key that nobody else has and that is never written.
    ///
    /// # Errors
    /// A sentence, when no key can be made.
    pub fn generate() -> Result<Self, String> {
        let make = || {
            let mut params = CertificateParams::new(Vec::new())?;
            params
                .distinguished_name
                .push(DnType::CommonName, "gatewright, for this machine only");
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            CertifiedIssuer::self_signed(params, KeyPair::generate()?)
        };
        make()
            .map(|issuer| Self { issuer })
            .map_err(|error: rcgen::Error| format!("no certificate authority can be made: {error}"))
    }

    /// The authority's own certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// TLS with a certificate for these hosts and addresses, for a server that speaks this protocol.
    ///
    /// # Errors
    /// A sentence, when no certificate can be made.
    pub fn server(&self, hosts: &[String], protocol: &str) -> Result<Arc<ServerConfig>, String> {
        let pair = self.sign(hosts)?;
        let mut config = server(pair).map_err(|error| error.to_string())?;
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Ok(Arc::new(config))
    }

    /// A certificate for these hosts and addresses.
    fn sign(&self, hosts: &[String]) -> Result<Pair, String> {
        let make = || {
            let mut params = CertificateParams::new(hosts)?;
            params
                .distinguished_name
                .push(DnType::CommonName, "gatewright serve");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.issuer)?;
            Ok((certificate.der().clone(), key.serialize_der()))
        };
        let (certificate, key) =
            make().map_err(|error: rcgen::Error| format!("no certificate can be made: {error}"))?;
        Ok(Pair {
            chain: vec![certificate],
            key: PrivateKeyDer::try_from(key).map_err(str::to_owned)?,
        })
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A certificate chain and its key.
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Where a listener's certificate is from, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This Secret.
    Secret(String),
    /// The authority.
    Authority,
}

/// The TLS configuration of a listener, and where its certificate is from.
pub(crate) fn configure(
    report: &Report,
    gateway: &gatewright_gke::Gateway,
    listeners: &[&str],
    hosts: &[String],
    bind: IpAddr,
    authority: Option<&Authority>,
) -> Result<(Arc<ServerConfig>, Origin), String> {
    let (pair, origin) = match report.certificate(&gateway.id, listeners) {
        Some(secret) => {
            let name = format!("{}/{}", secret.id.namespace, secret.id.name);
            (read(&secret.node)?, Origin::Secret(name))
        }
        None => {
            let authority = authority
                .ok_or("there is no Secret with a certificate, and nobody to sign a new one")?;
            let mut names = hosts.to_vec();
            names.push("localhost".to_owned());
            names.push(if bind.is_unspecified() {
                "127.0.0.1".to_owned()
            } else {
                bind.to_string()
            });
            names.sort();
            names.dedup();
            (authority.sign(&names)?, Origin::Authority)
        }
    };
    let mut config = server(pair).map_err(|error| match &origin {
        Origin::Secret(name) => format!("the certificate of Secret `{name}`: {error}"),
        Origin::Authority => error.to_string(),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Arc::new(config), origin))
}

fn server(pair: Pair) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(pair.chain, pair.key)
        })
}

fn read(secret: &Node) -> Result<Pair, String> {
    let field = |name: &str| -> Result<Vec<u8>, String> {
        if let Some(text) = secret.at(&["stringData", name]).and_then(Node::as_str) {
            return Ok(text.as_bytes().to_vec());
        }
        let encoded = secret.at(&["data", name]).and_then(Node::as_str);
        let encoded = encoded.ok_or_else(|| format!("the Secret has no `{name}`"))?;
        base64::engine::general_purpose::STANDARD
            .decode(encoded.trim())
            .map_err(|error| format!("`{name}` of the Secret is not base64: {error}"))
    };
    let chain = CertificateDer::pem_slice_iter(&field("tls.crt")?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("`tls.crt` of the Secret is not PEM: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&field("tls.key")?)
        .map_err(|error| format!("`tls.key` of the Secret holds no key: {error}"))?;
    Ok(Pair { chain, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_certificate_is_for_the_hosts_and_signed_by_the_authority() {
        let authority = Authority::generate().expect("an authority");
        let pair = authority
            .sign(&["store.example.com".to_owned(), "127.0.0.1".to_owned()])
            .expect("a certificate");
        assert_eq!(pair.chain.len(), 1);
        assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(authority.sign(&["not a host\u{7f}é".to_owned()]).is_err());
    }
}

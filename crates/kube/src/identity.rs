//! Who the server is and who may ask: a certificate of its own authority, and a token.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// An authority with a key that is never written, and a token.
pub struct Identity {
    issuer: CertifiedIssuer<'static, KeyPair>,
    token: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// A sentence, when no key can be made.
    pub fn generate() -> Result<Self, String> {
        let make = || {
            let mut params = CertificateParams::new(Vec::new())?;
            params.distinguished_name.push(
                DnType::CommonName,
                "gatewright serve --kube, for this machine only",
            );
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
            // A key is as random as a token has to be.
            let random = KeyPair::generate()?.serialize_der();
            Ok((issuer, random))
        };
        let (issuer, random) = make().map_err(|error: rcgen::Error| error.to_string())?;
        Ok(Self {
            issuer,
            token: token(&random),
        })
    }

    /// The token that clients show.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn tls(&self, ip: IpAddr) -> Result<Arc<ServerConfig>, String> {
        let make = || {
            let names = vec!["localhost".to_owned(), ip.to_string()];
            let mut params = CertificateParams::new(names)?;
            params
                .distinguished_name
                .push(DnType::CommonName, "gatewright serve --kube");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.issuer)?;
            Ok((certificate.der().clone(), key.serialize_der()))
        };
        let (certificate, key) = make().map_err(|error: rcgen::Error| error.to_string())?;
        let key = PrivateKeyDer::try_from(key).map_err(str::to_owned)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate], key)
            });
        let mut config = config.map_err(|error| error.to_string())?;
        // A watch is a connection of its own, so that HTTP/1.1 does.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    pub(crate) fn kubeconfig(&self, address: SocketAddr) -> String {
        let authority = STANDARD.encode(self.issuer.pem());
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - name: gatewright\n  \
               cluster:\n    \
                 server: https://{address}\n    \
                 certificate-authority-data: {authority}\n\
             users:\n\
             - name: gatewright\n  \
               user:\n    \
                 token: {}\n\
             contexts:\n\
             - name: gatewright\n  \
               context:\n    \
                 cluster: gatewright\n    \
                 user: gatewright\n    \
                 namespace: default\n\
             current-context: gatewright\n",
            self.token
        )
    }
}

/// The random part of a key in PKCS #8, which begins with what every key has.
fn token(key: &[u8]) -> String {
    const FRONT: usize = 36;
    let random = key.get(FRONT..FRONT + 32).unwrap_or(key);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_differ_throughout() {
        let one = Identity::generate().unwrap();
        let other = Identity::generate().unwrap();
        assert_eq!(one.token().len(), 64);
        let same = one
            .token()
            .bytes()
            .zip(other.token().bytes())
            .filter(|(a, b)| a == b);
        // One in sixteen by chance.
        assert!(same.count() < 32, "{} {}", one.token(), other.token());
    }

    #[test]
    fn a_kubeconfig_names_server_authority_and_token() {
        let identity = Identity::generate().unwrap();
        let text = identity.kubeconfig(SocketAddr::from(([127, 0, 0, 1], 6443)));
        assert!(text.contains("    server: https://127.0.0.1:6443\n"));
        assert!(text.contains(identity.token()));
        assert!(text.ends_with("current-context: gatewright\n"));
    }
}

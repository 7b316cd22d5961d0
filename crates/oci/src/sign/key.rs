//! Keys: ECDSA on P-256 as PEM, plain or encrypted the way cosign does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _, LineEnding};
use serde_json::Value;

use super::SignError;

/// Most memory that a key's scrypt parameters may ask for: what cosign writes needs 64 MiB.
const MAX_SCRYPT_MEMORY: u64 = 256 << 20;

/// A key to sign with. Never printed.
pub struct PrivateKey(SigningKey);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(hidden)")
    }
}

/// A key to verify with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PrivateKey {
    /// Reads a key: PKCS #8 as `openssl genpkey` and `cosign` before encryption write it, or
    /// cosign's encrypted form, for which `password` is needed.
    ///
    /// # Errors
    ///
    /// [`SignError`] for another kind of key, or a password that does not open it.
    pub fn from_pem(pem: &str, password: Option<&[u8]>) -> Result<Self, SignError> {
        let label = label(pem)?;
        match label.as_str() {
            "PRIVATE KEY" => {
                let key = SigningKey::from_pkcs8_pem(pem.trim()).map_err(|error| SignError::Key { reason: error.to_string() })?;
                Ok(Self(key))
            }
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
                let der = decrypt(&body(pem)?, password.ok_or(SignError::PasswordNeeded)?)?;
                let key = SigningKey::from_pkcs8_der(&der).map_err(|error| SignError::Key { reason: error.to_string() })?;
                Ok(Self(key))
            }
            "EC PRIVATE KEY" => Err(SignError::Key {
                reason: "it is in the older SEC 1 form; `openssl pkcs8 -topk8 -nocrypt -in KEY` converts it".to_owned(),
            }),
            other => Err(SignError::Key { reason: format!("a PEM of `{}` is not a private key we know", crate::inspect::clean(other)) }),
        }
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// Signs `message`: ASN.1, over its SHA-256, the same each time.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.0.sign(message);
        signature.as_bytes().to_vec()
    }
}

impl PublicKey {
    /// Reads a key as `openssl pkey -pubout` and `cosign public-key` write it.
    ///
    /// # Errors
    ///
    /// [`SignError::Key`] for another kind of key.
    pub fn from_pem(pem: &str) -> Result<Self, SignError> {
        let key = VerifyingKey::from_public_key_pem(pem.trim());
        key.map(Self).map_err(|error| SignError::Key {
            reason: format!("{error}; expected a public key on P-256 as PEM"),
        })
    }

    /// The key as PEM.
    ///
    /// # Errors
    ///
    /// [`SignError::Key`] when it cannot be encoded.
    pub fn to_pem(&self) -> Result<String, SignError> {
        self.0
            .to_public_key_pem(LineEnding::LF)
            .map_err(|error| SignError::Key {
                reason: error.to_string(),
            })
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        DerSignature::from_bytes(signature)
            .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

fn label(pem: &str) -> Result<String, SignError> {
    let begin = pem.lines().find_map(|line| {
        line.trim()
            .strip_prefix("-----BEGIN ")?
            .strip_suffix("-----")
    });
    begin.map(str::to_owned).ok_or_else(|| SignError::Key {
        reason: "it is no PEM: no `-----BEGIN …-----` line".to_owned(),
    })
}

fn body(pem: &str) -> Result<Vec<u8>, SignError> {
    let lines: String = pem
        .lines()
        .map(str::trim)
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    STANDARD.decode(lines).map_err(|_| SignError::Key {
        reason: "the PEM's body is not base64".to_owned(),
    })
}

/// Opens cosign's form: JSON with scrypt's parameters and a NaCl secret box.
fn decrypt(json: &[u8], password: &[u8]) -> Result<Vec<u8>, SignError> {
    let bad = |reason: &str| SignError::Key {
        reason: format!("the encrypted key {reason}"),
    };
    let key: Value = serde_json::from_slice(json).map_err(|_| bad("is not JSON"))?;
    if key["kdf"]["name"] != "scrypt" || key["cipher"]["name"] != "nacl/secretbox" {
        return Err(bad("is not of scrypt and nacl/secretbox"));
    }
    let number = |name: &str| {
        key["kdf"]["params"][name]
            .as_u64()
            .ok_or_else(|| bad("lacks a parameter of scrypt"))
    };
    let (n, r, p) = (number("N")?, number("r")?, number("p")?);
    let bytes = |value: &Value| {
        value
            .as_str()
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or_else(|| bad("lacks its salt, nonce or text"))
    };
    let (salt, nonce, text) = (
        bytes(&key["kdf"]["salt"])?,
        bytes(&key["cipher"]["nonce"])?,
        bytes(&key["ciphertext"])?,
    );
    let memory = n
        .checked_mul(r)
        .and_then(|product| product.checked_mul(128));
    if !n.is_power_of_two() || p > 16 || memory.is_none_or(|memory| memory > MAX_SCRYPT_MEMORY) {
        return Err(bad("asks for too much work or memory"));
    }
    let small = |value: u64| u32::try_from(value).map_err(|_| bad("has odd parameters of scrypt"));
    let params = scrypt::Params::new(n.trailing_zeros() as u8, small(r)?, small(p)?)
        .map_err(|_| bad("has odd parameters of scrypt"))?;
    let mut secret = [0; 32];
    scrypt::scrypt(password, &salt, &params, &mut secret)
        .map_err(|_| bad("has odd parameters of scrypt"))?;
    let nonce: [u8; 24] = nonce
        .try_into()
        .map_err(|_| bad("has a nonce of another length"))?;
    let cipher = XSalsa20Poly1305::new(&secret.into());
    cipher
        .decrypt(&Nonce::from(nonce), text.as_slice())
        .map_err(|_| SignError::Password)
}

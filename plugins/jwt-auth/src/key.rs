//! Keys, and the one algorithm that each of them is for.

mod rsa_key;

use ed25519_dalek::VerifyingKey as Ed25519Key;
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::VerifyingKey as P256Key;
use p256::ecdsa::signature::Verifier;
use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa_key::RsaKey;
use sha2::Sha256;

/// The length of the hash, below which RFC 7518, section 3.2, forbids a secret.
pub(crate) const MIN_SECRET_BYTES: usize = 32;

/// How a token is signed. There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
    Hs256,
}

impl Algorithm {
    /// By its name in a token or a configuration.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "ES256" => Self::Es256,
            // RFC 9864 gives the second name to what the first is with this curve.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            "HS256" => Self::Hs256,
            _ => return None,
        })
    }
}

/// Fuel that stands for the millisecond that production gives a plugin for a request, as
/// `gatewright` counts it.
pub(crate) const BUDGET: u64 = 4_000_000;

/// A key that verifies. Its kind is its algorithm, so a token cannot choose another.
#[derive(Debug)]
pub(crate) enum Key {
    Rs256(Box<RsaKey>),
    Es256(Box<P256Key>),
    EdDsa(Box<Ed25519Key>),
    Hs256(Box<Hmac<Sha256>>),
}

impl Key {
    /// A public key in PEM, `PUBLIC KEY` or `RSA PUBLIC KEY`.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, &'static str> {
        let pem = pem.trim();
        if pem.contains("PRIVATE KEY") {
            return Err("is a private key, which does not belong in a load balancer");
        }
        if pem.contains("BEGIN RSA PUBLIC KEY") {
            return rsa::pkcs1::DecodeRsaPublicKey::from_pkcs1_pem(pem)
                .map_err(|_| "must be a public key in PEM")
                .and_then(Self::rsa);
        }
        if let Ok(key) = PublicKey::from_public_key_pem(pem) {
            return Self::rsa(key);
        }
        if let Ok(key) = P256Key::from_public_key_pem(pem) {
            return Ok(Self::Es256(Box::new(key)));
        }
        match Ed25519Key::from_public_key_pem(pem) {
            Ok(key) => Self::ed25519(key),
            Err(_) => Err("must be a public key in PEM: RSA, P-256 or Ed25519"),
        }
    }

    /// From the modulus and the exponent, big-endian.
    pub(crate) fn from_rsa_parts(modulus: &[u8], exponent: &[u8]) -> Result<Self, &'static str> {
        RsaKey::from_parts(modulus, exponent).map(|key| Self::Rs256(Box::new(key)))
    }

    fn rsa(key: PublicKey) -> Result<Self, &'static str> {
        RsaKey::new(key).map(|key| Self::Rs256(Box::new(key)))
    }

    /// From both coordinates, big-endian and 32 bytes each.
    pub(crate) fn from_p256_point(x: &[u8], y: &[u8]) -> Result<Self, &'static str> {
        P256Key::from_sec1_bytes(&[&[4], x, y].concat())
            .map(|key| Self::Es256(Box::new(key)))
            .map_err(|_| "is no point of the curve P-256")
    }

    /// From the 32 bytes of the key.
    pub(crate) fn from_ed25519_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        Ed25519Key::try_from(bytes)
            .map_err(|_| "is no Ed25519 key")
            .and_then(Self::ed25519)
    }

    fn ed25519(key: Ed25519Key) -> Result<Self, &'static str> {
        if key.is_weak() {
            return Err("is a weak Ed25519 key");
        }
        Ok(Self::EdDsa(Box::new(key)))
    }

    /// A secret that signs and verifies.
    pub(crate) fn from_secret(secret: &[u8]) -> Result<Self, &'static str> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err("must have at least 32 bytes");
        }
        Hmac::new_from_slice(secret)
            .map(|hmac| Self::Hs256(Box::new(hmac)))
            .map_err(|_| "is no secret")
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rs256(_) => Algorithm::Rs256,
            Self::Es256(_) => Algorithm::Es256,
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Hs256(_) => Algorithm::Hs256,
        }
    }

    /// Fuel that one verification takes, rounded up: measured by the budgets in `cases/`.
    pub(crate) const fn cost(&self) -> u64 {
        match self {
            Self::Rs256(key) => key.cost(),
            Self::Es256(_) => 13_500_000,
            Self::EdDsa(_) => 2_500_000,
            Self::Hs256(_) => 150_000,
        }
    }

    /// Whether this is the signature of the message. The secret is compared in constant time; what
    /// the others look at is public.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rs256(key) => key.verify(message, signature),
            Self::Es256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::EdDsa(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Self::Hs256(hmac) => {
                let mut hmac = (**hmac).clone();
                hmac.update(message);
                hmac.verify_slice(signature).is_ok()
            }
        }
    }
}

//! Lets only requests with a valid token through, and shows the upstream what it says.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use serde_json::Value;

use crate::{Abort, Answer, Callout, Head, HeadChange, HeaderChange, Status};

/// Takes requests whose `authorization` holds a token that was signed with RS256 and is valid now,
/// and adds a field `decoded-NAME` for each of its claims. As Google's sample does, it ends the
/// stream of any other request with `PERMISSION_DENIED`: without `failOpen` the client gets 500.
#[derive(Clone, Debug)]
pub struct JwtAuth {
    key: Arc<PublicKey>,
}

impl JwtAuth {
    /// Tokens are checked with this key.
    pub const fn new(key: Arc<PublicKey>) -> Self {
        Self { key }
    }
}

impl Callout for JwtAuth {
    async fn request_headers(&mut self, head: &Head) -> Answer<HeadChange> {
        let now = SystemTime::now();
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let Some(claims) = token(head).and_then(|token| self.key.claims(token, now)) else {
            return Abort::new(Status::PERMISSION_DENIED, "Authorization token is invalid").into();
        };
        let headers = claims
            .iter()
            .fold(HeaderChange::new(), |change, (name, value)| {
                change.append(format!("decoded-{name}"), text(value))
            });
        let change = HeadChange {
            headers,
            clear_route: true,
            ..HeadChange::default()
        };
        change.into()
    }
}

/// The token: what comes after the first word, or the whole if there is one word.
fn token(head: &Head) -> Option<&str> {
    let value = head.headers.text("authorization")?;
    value.split(' ').nth(1).or(Some(value))
}

/// A value as Python writes it, which the sample is in.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

/// A public RSA key.
#[derive(Debug)]
pub struct PublicKey {
    /// As PKCS#1 has it.
    key: Vec<u8>,
    algorithm: &'static dyn SignatureVerificationAlgorithm,
}

impl PublicKey {
    /// Reads a key of the kind `BEGIN PUBLIC KEY`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem)
            .map_err(|error| format!("no `BEGIN PUBLIC KEY` can be read: {error}"))?;
        let key = subject_public_key(&info).ok_or("the public key is no RSA key")?;
        let mapping = rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .mapping;
        let algorithm = mapping
            .iter()
            .find(|(scheme, _)| *scheme == SignatureScheme::RSA_PKCS1_SHA256)
            .and_then(|(_, algorithms)| algorithms.first())
            .ok_or("this build cannot check RSA signatures")?;
        Ok(Self {
            key: key.to_vec(),
            algorithm: *algorithm,
        })
    }

    /// What a token claims, if it is valid at this time since 1970.
    fn claims(&self, token: &str, now: Duration) -> Option<serde_json::Map<String, Value>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
        if header.get("alg")?.as_str()? != "RS256" {
            return None;
        }
        self.algorithm
            .verify_signature(&self.key, signed.as_bytes(), &decode(signature)?)
            .ok()?;
        let Ok(Value::Object(claims)) = serde_json::from_slice(&decode(payload)?) else {
            return None;
        };
        let now = now.as_secs_f64();
        let holds = |name: &str, holds: fn(f64, f64) -> bool| match claims.get(name) {
            None => true,
            Some(time) => time.as_f64().is_some_and(|time| holds(time, now)),
        };
        let is_valid = holds("exp", |time, now| time > now)
            && holds("nbf", |time, now| time <= now)
            && holds("iat", |time, now| time <= now);
        is_valid.then_some(claims)
    }
}

/// `rsaEncryption`, 1.2.840.113549.1.1.1.
const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The key of a `SubjectPublicKeyInfo` whose algorithm is RSA.
fn subject_public_key(info: &[u8]) -> Option<&[u8]> {
    let (info, _) = element(info, 0x30)?;
    let (algorithm, rest) = element(info, 0x30)?;
    let (oid, _) = element(algorithm, 0x06)?;
    let (bits, _) = element(rest, 0x03)?;
    match bits {
        [0, key @ ..] if oid == RSA => Some(key),
        _ => None,
    }
}

/// The content of a DER element of this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = bytes else {
        return None;
    };
    if *found != tag {
        return None;
    }
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        // A key is no longer than two bytes of length can say.
        let count = usize::from(length & 0x7f);
        if !(1..=2).contains(&count) {
            return None;
        }
        let (length, rest) = rest.split_at_checked(count)?;
        let length = length
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        (length, rest)
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests;

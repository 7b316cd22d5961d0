//! RSASSA-PKCS1-v1_5 with SHA-256, verified in as few multiplications as the exponent has bits.
//!
//! The `rsa` crate raises to a power as it must for secret exponents, by windows, which takes twice
//! the millisecond that production gives a plugin. All that a verifier handles is public, so it can
//! square and multiply. The arithmetic is that of `crypto-bigint` all the same, and the encoding is
//! compared as a whole, as RFC 8017, section 8.2.2, has it: nothing of it is parsed.

use crypto_bigint::BoxedUint;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use rsa::PublicKey;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256};

/// Shorter moduli are no longer safe.
const MIN_BITS: u32 = 2048;
/// Longer ones are rare, and take sixteen times as long.
const MAX_BITS: u32 = 4096;
/// `DigestInfo` of SHA-256 up to the hash: RFC 8017, section 9.2, note 1.
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// A public key, ready to compute with.
#[derive(Debug)]
pub(crate) struct RsaKey {
    params: BoxedMontyParams,
    modulus: BoxedUint,
    bits: u32,
    /// Odd and above one.
    exponent: u32,
}

impl RsaKey {
    pub(crate) fn new(key: PublicKey) -> Result<Self, &'static str> {
        let bits = key.n().bit_width_vartime();
        if !(MIN_BITS..=MAX_BITS).contains(&bits) {
            return Err("must have a modulus of 2048 to 4096 bits");
        }
        // A larger exponent only makes every request slower. Its bits are 17 at most.
        let mut exponent = 0_u32;
        for byte in key.e().to_be_bytes().iter() {
            if exponent > 0xff_ffff {
                return Err("must have an exponent of at most 65537");
            }
            exponent = exponent << 8 | u32::from(*byte);
        }
        if !(3..=65537).contains(&exponent) || exponent.is_multiple_of(2) {
            return Err("must have an odd exponent from 3 to 65537");
        }
        Ok(Self {
            params: key.n_params().clone(),
            modulus: key.n().as_ref().clone(),
            bits,
            exponent,
        })
    }

    /// From the modulus and the exponent, big-endian.
    pub(crate) fn from_parts(modulus: &[u8], exponent: &[u8]) -> Result<Self, &'static str> {
        // More bytes than the longest modulus are refused before any work.
        let number = |bytes: &[u8]| {
            (bytes.len() <= MAX_BITS as usize / 8 + 1)
                .then(|| BoxedUint::from_be_slice_vartime(bytes))
                .ok_or("must have a modulus of 2048 to 4096 bits")
        };
        PublicKey::new(number(modulus)?, number(exponent)?)
            .map_err(|_| "is no RSA key")
            .and_then(Self::new)
    }

    /// Fuel that one verification takes, rounded up: it grows with the square of the modulus, and a
    /// little faster above 2048 bits.
    pub(crate) const fn cost(&self) -> u64 {
        match self.bits as u64 {
            ..=2048 => 3_700_000,
            bits => 4_500_000 * bits * bits / (2048 * 2048),
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let length = self.bits.div_ceil(8) as usize;
        if signature.len() != length {
            return false;
        }
        let precision = self.modulus.bits_precision();
        let Ok(signature) = BoxedUint::from_be_slice(signature, precision) else {
            return false;
        };
        if signature >= self.modulus {
            return false;
        }
        let base = BoxedMontyForm::new(signature, &self.params);
        let mut power = base.clone();
        for bit in (0..self.exponent.ilog2()).rev() {
            power = power.square();
            if self.exponent >> bit & 1 == 1 {
                power = power.mul(&base);
            }
        }
        let encoded = power.retrieve().to_be_bytes();
        encoded.len().checked_sub(length).is_some_and(|leading| {
            let (zeros, encoded) = encoded.split_at(leading);
            zeros.iter().all(|byte| *byte == 0) && *encoded == encode(message, length)
        })
    }
}

/// EMSA-PKCS1-v1_5: what the signature must have been made of.
fn encode(message: &[u8], length: usize) -> Vec<u8> {
    let hash = Sha256::digest(message);
    let mut encoded = Vec::with_capacity(length);
    encoded.extend([0, 1]);
    encoded.resize(
        length.saturating_sub(1 + DIGEST_INFO.len() + hash.len()),
        0xff,
    );
    encoded.push(0);
    encoded.extend(DIGEST_INFO);
    encoded.extend(hash);
    encoded
}

//! Whether a token is good: a pure function of the token, the keys and the time.

use crate::key::{Algorithm, Key};
use crate::token::{Claims, Date, Token};

/// A key, and the name by which tokens may ask for it.
#[derive(Debug)]
pub(crate) struct NamedKey {
    pub(crate) kid: Option<String>,
    pub(crate) key: Key,
}

/// What a token must be.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    pub(crate) keys: Vec<NamedKey>,
    /// One of them must be the `iss`; any may be if this is empty.
    pub(crate) issuers: Vec<String>,
    /// One of them must be in the `aud`; any may be if this is empty.
    pub(crate) audiences: Vec<String>,
    /// How far the clocks may be apart, in seconds.
    pub(crate) leeway: u32,
    /// Whether a token without an end is refused.
    pub(crate) must_expire: bool,
    /// A longer token is refused before it is looked at.
    pub(crate) max_bytes: usize,
    /// Fuel that may go into the verifications of one token.
    pub(crate) budget: u64,
}

/// How many keys a token is tried against that does not name one: enough for a change of keys,
/// and little enough that a forged token cannot make the plugin work for long.
const MAX_TRIES: usize = 2;

/// Why a token is refused. The first is about its form, the others about its right to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Malformed,
    TooLong,
    Algorithm,
    Critical,
    UnknownKey,
    Signature,
    Claims,
    NoExpiry,
    Expired,
    NotYetValid,
    Issuer,
    Audience,
}

impl Refusal {
    /// For the log, never for the client.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "not a token",
            Self::TooLong => "token too long",
            Self::Algorithm => "algorithm not allowed",
            Self::Critical => "`crit` not understood",
            Self::UnknownKey => "no such key",
            Self::Signature => "wrong signature",
            Self::Claims => "claims are malformed",
            Self::NoExpiry => "no `exp`",
            Self::Expired => "expired",
            Self::NotYetValid => "not valid yet",
            Self::Issuer => "wrong `iss`",
            Self::Audience => "wrong `aud`",
        }
    }

    /// Whether this is about the form of the token.
    pub(crate) const fn is_of_form(self) -> bool {
        matches!(self, Self::Malformed | Self::TooLong)
    }
}

impl Policy {
    /// Whether the token is good at this time, in seconds since the epoch; its claims as JSON if it
    /// is.
    ///
    /// The signature comes before the claims: nothing is learnt of a token that is not ours.
    pub(crate) fn check(&self, token: &[u8], now: u64) -> Result<Vec<u8>, Refusal> {
        if token.len() > self.max_bytes {
            return Err(Refusal::TooLong);
        }
        let token = Token::parse(token).ok_or(Refusal::Malformed)?;
        if token.header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        let algorithm = Algorithm::named(&token.header.alg)
            .filter(|algorithm| {
                self.keys
                    .iter()
                    .any(|key| key.key.algorithm() == *algorithm)
            })
            .ok_or(Refusal::Algorithm)?;
        let mut keys = self.candidates(algorithm, token.header.kid.as_deref())?;
        let signature = token.signature.as_deref().ok_or(Refusal::Signature)?;
        if !keys.any(|key| key.verify(token.message, signature)) {
            return Err(Refusal::Signature);
        }
        let claims = token.claims().ok_or(Refusal::Claims)?;
        self.check_claims(&claims, now as f64)?;
        Ok(token.payload)
    }

    /// The keys of this algorithm that a token may be signed with: those of the name that it gives,
    /// and otherwise all, if they are few and there is time to try them.
    fn candidates(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<impl Iterator<Item = &Key>, Refusal> {
        let fits = move |key: &&NamedKey| {
            key.key.algorithm() == algorithm
                && (kid.is_none() || key.kid.is_none() || key.kid.as_deref() == kid)
        };
        let count = self.keys.iter().filter(fits).count();
        let cost: u64 = self
            .keys
            .iter()
            .filter(fits)
            .map(|key| key.key.cost())
            .sum();
        if !(1..=MAX_TRIES).contains(&count) || cost > self.budget {
            return Err(Refusal::UnknownKey);
        }
        Ok(self.keys.iter().filter(fits).map(|key| &key.key))
    }

    fn check_claims(&self, claims: &Claims, now: f64) -> Result<(), Refusal> {
        let leeway = f64::from(self.leeway);
        match claims.exp {
            // The moment of `exp` itself is too late: RFC 7519, section 4.1.4.
            Some(Date(end)) if now >= end + leeway => return Err(Refusal::Expired),
            None if self.must_expire => return Err(Refusal::NoExpiry),
            _ => {}
        }
        if claims.nbf.is_some_and(|Date(start)| now + leeway < start) {
            return Err(Refusal::NotYetValid);
        }
        let issuer = |iss: &String| self.issuers.contains(iss);
        if !self.issuers.is_empty() && !claims.iss.as_ref().is_some_and(issuer) {
            return Err(Refusal::Issuer);
        }
        let audience = |name: &String| claims.aud.as_ref().is_some_and(|aud| aud.contains(name));
        if !self.audiences.is_empty() && !self.audiences.iter().any(audience) {
            return Err(Refusal::Audience);
        }
        Ok(())
    }
}

//! The configuration as users write it: JSON, or nothing but a public key in PEM.

use crate::check::{NamedKey, Policy};
use crate::key::{Algorithm, BUDGET, Key};
use crate::source::{Forward, Source};
use crate::token::decode;
use gatewright::{ConfigError, Configuration};
use serde::Deserialize;

/// Where Google's sample looks for a token.
const SAMPLE_PARAMETER: &str = "jwt";

/// Why a key is refused that would fail requests rather than check them.
const OVER_BUDGET: &str = "takes longer to verify with than the millisecond that Google's load balancers give a plugin; set `allow_over_budget` for a platform without that limit";

/// A configuration in either form.
#[derive(Debug)]
pub(crate) enum Config {
    Json(Box<Fields>),
    Pem(String),
}

impl Configuration for Config {
    fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        let text = core::str::from_utf8(bytes).unwrap_or_default();
        if text.trim_start().starts_with("-----BEGIN") {
            return Ok(Self::Pem(text.to_owned()));
        }
        Fields::from_bytes(bytes).map(|fields| Self::Json(Box::new(fields)))
    }
}

/// Which tokens are good. Nothing but a public key in PEM is read as well.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fields {
    /// Keys, each for one algorithm.
    keys: Vec<KeyField>,
    /// A key set of RFC 7517, as an identity provider publishes it.
    jwks: Jwks,
    /// `iss` must be one of them; anything goes if there are none.
    issuers: Vec<String>,
    /// One of them must be in `aud`; anything goes if there are none.
    audiences: Vec<String>,
    /// How far clocks may be apart.
    #[cfg_attr(test, schemars(range(max = 600)))]
    leeway_seconds: u32,
    /// Whether a token without `exp` is refused.
    must_expire: bool,
    /// A longer token is refused unread.
    #[cfg_attr(test, schemars(range(min = 64, max = 16384)))]
    max_token_bytes: usize,
    /// Where a token may be; the first place with one decides.
    #[cfg_attr(test, schemars(length(min = 1)))]
    tokens_in: Vec<Source>,
    /// Whether a good token goes on to backends, or is taken out.
    keep_token: bool,
    /// Claims that go on as headers, which no client can forge.
    claim_headers: Vec<Forward>,
    /// Of a refusal.
    #[cfg_attr(test, schemars(extend("enum" = [401, 403])))]
    status: u16,
    /// Takes keys that are too dear for the millisecond of production.
    allow_over_budget: bool,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            jwks: Jwks::default(),
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway_seconds: 60,
            must_expire: true,
            max_token_bytes: 4096,
            tokens_in: vec![Source::bearer()],
            keep_token: false,
            claim_headers: Vec::new(),
            status: 401,
            allow_over_budget: false,
        }
    }
}

/// A key: one of `pem`, `secret` and `secret_base64url`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct KeyField {
    /// By which tokens name it.
    kid: Option<String>,
    /// Must be that of the key: `RS256`, `ES256`, `EdDSA` or `HS256`.
    algorithm: Option<String>,
    /// A public key: RSA of 2048 to 4096 bits, P-256 or Ed25519.
    pem: Option<String>,
    /// At least 32 bytes of text.
    secret: Option<String>,
    /// At least 32 bytes in base64url without padding.
    secret_base64url: Option<String>,
}

/// A key set of RFC 7517, as an identity provider publishes it. What it says of no concern here is
/// ignored.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
struct Jwks {
    /// The keys.
    keys: Vec<Jwk>,
}

/// A key of RFC 7517. Kinds that are not verified with are ignored.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(default)]
struct Jwk {
    /// `RSA`, `EC`, `OKP` or `oct`.
    kty: String,
    /// By which tokens name it.
    kid: Option<String>,
    /// The algorithm.
    alg: Option<String>,
    /// What it is for; `sig` here.
    #[serde(rename = "use")]
    usage: Option<String>,
    /// The curve.
    crv: String,
    /// The modulus of an RSA key.
    n: String,
    /// The exponent of an RSA key.
    e: String,
    /// A coordinate, or an Ed25519 key.
    x: String,
    /// The other coordinate.
    y: String,
    /// A secret.
    k: String,
    /// Of a private key, which is refused.
    d: Option<String>,
}

/// A configuration that is good.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) sources: Vec<Source>,
    pub(crate) keep_token: bool,
    pub(crate) forwards: Vec<Forward>,
    pub(crate) status: u16,
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        let (mut fields, key) = match self {
            Self::Json(fields) => (*fields, None),
            Self::Pem(pem) => {
                let key = Key::from_pem(&pem).map_err(ConfigError::new)?;
                (Fields::sample(), Some(key))
            }
        };
        let mut keys = Vec::new();
        keys.extend(key.map(|key| NamedKey { kid: None, key }));
        let affordable = |key: NamedKey, place: &str| {
            if key.key.cost() <= BUDGET || fields.allow_over_budget {
                return Ok(key);
            }
            Err(wrong(place, OVER_BUDGET))
        };
        for (index, field) in core::mem::take(&mut fields.keys).into_iter().enumerate() {
            let place = ["keys[", &index.to_string(), "]"].concat();
            keys.push(affordable(field.key(&place)?, &place)?);
        }
        for (index, jwk) in core::mem::take(&mut fields.jwks.keys).iter().enumerate() {
            let place = ["jwks.keys[", &index.to_string(), "]"].concat();
            if let Some(key) = jwk.key(&place)? {
                keys.push(affordable(key, &place)?);
            }
        }
        if keys.is_empty() {
            return Err(wrong("keys", "must have a key; `jwks` has none either"));
        }
        fields.check()?;
        Ok(Settings {
            policy: Policy {
                keys,
                issuers: fields.issuers,
                audiences: fields.audiences,
                leeway: fields.leeway_seconds,
                must_expire: fields.must_expire,
                max_bytes: fields.max_token_bytes,
                budget: if fields.allow_over_budget {
                    u64::MAX
                } else {
                    BUDGET
                },
            },
            sources: fields.tokens_in,
            keep_token: fields.keep_token,
            forwards: fields.claim_headers,
            status: fields.status,
        })
    }
}

impl Fields {
    /// As Google's sample is: from the query, whatever its age.
    fn sample() -> Self {
        Self {
            must_expire: false,
            tokens_in: vec![Source::Query {
                query: SAMPLE_PARAMETER.to_owned(),
            }],
            status: 403,
            ..Self::default()
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !matches!(self.status, 401 | 403) {
            return Err(wrong("status", "must be 401 or 403"));
        }
        if !(64..=16_384).contains(&self.max_token_bytes) {
            return Err(wrong("max_token_bytes", "must be from 64 to 16384"));
        }
        if self.leeway_seconds > 600 {
            return Err(wrong("leeway_seconds", "must be at most 600"));
        }
        if self.tokens_in.is_empty() {
            return Err(wrong("tokens_in", "must name a place"));
        }
        for (index, source) in self.tokens_in.iter().enumerate() {
            let place = ["tokens_in[", &index.to_string(), "]"].concat();
            source.check().map_err(|message| wrong(&place, message))?;
        }
        for (index, forward) in self.claim_headers.iter().enumerate() {
            let place = ["claim_headers[", &index.to_string(), "].header"].concat();
            forward.check().map_err(|message| wrong(&place, message))?;
        }
        Ok(())
    }
}

impl KeyField {
    fn key(self, place: &str) -> Result<NamedKey, ConfigError> {
        let at = |field: &str| [place, ".", field].concat();
        let key = match (self.pem, self.secret, self.secret_base64url) {
            (Some(pem), None, None) => {
                Key::from_pem(&pem).map_err(|message| wrong(&at("pem"), message))?
            }
            (None, Some(secret), None) => Key::from_secret(secret.as_bytes())
                .map_err(|message| wrong(&at("secret"), message))?,
            (None, None, Some(secret)) => decode(secret.as_bytes())
                .ok_or("must be base64url without padding")
                .and_then(|secret| Key::from_secret(&secret))
                .map_err(|message| wrong(&at("secret_base64url"), message))?,
            _ => {
                let message = "must have one of `pem`, `secret` and `secret_base64url`";
                return Err(wrong(place, message));
            }
        };
        if let Some(name) = self.algorithm {
            let algorithm = Algorithm::named(&name).ok_or_else(|| {
                let message = "must be `RS256`, `ES256`, `EdDSA` or `HS256`";
                wrong(&at("algorithm"), message)
            })?;
            if algorithm != key.algorithm() {
                let message = "is not the algorithm of this key";
                return Err(wrong(&at("algorithm"), message));
            }
        }
        Ok(NamedKey { kid: self.kid, key })
    }
}

impl Jwk {
    /// The key; none where it is of a kind that we do not verify with, which RFC 7517, section 5,
    /// says to ignore.
    fn key(&self, place: &str) -> Result<Option<NamedKey>, ConfigError> {
        let alg = self.alg.as_deref();
        let is_for = |names: &[&str]| alg.is_none_or(|alg| names.contains(&alg));
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        let part = |field: &str, text: &str| {
            decode(text.as_bytes()).ok_or_else(|| {
                let place = [place, ".", field].concat();
                wrong(&place, "must be base64url without padding")
            })
        };
        let key = match (self.kty.as_str(), self.crv.as_str()) {
            ("RSA", _) if is_for(&["RS256"]) => {
                Key::from_rsa_parts(&part("n", &self.n)?, &part("e", &self.e)?)
            }
            ("EC", "P-256") if is_for(&["ES256"]) => {
                Key::from_p256_point(&part("x", &self.x)?, &part("y", &self.y)?)
            }
            ("OKP", "Ed25519") if is_for(&["EdDSA", "Ed25519"]) => {
                Key::from_ed25519_bytes(&part("x", &self.x)?)
            }
            ("oct", _) if is_for(&["HS256"]) => Key::from_secret(&part("k", &self.k)?),
            _ => return Ok(None),
        };
        if self.d.is_some() {
            let message = "is a private key, which does not belong in a load balancer";
            return Err(wrong(place, message));
        }
        key.map(|key| {
            let kid = self.kid.clone();
            Some(NamedKey { kid, key })
        })
        .map_err(|message| wrong(place, message))
    }
}

fn wrong(field: &str, message: &str) -> ConfigError {
    ConfigError::new(message).field(field)
}

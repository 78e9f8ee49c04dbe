//! Reads one JWK (RFC 7517 §4) into a checked key, and writes a public key as one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    config_error::ConfigError,
    json::{Member, read_members},
    keys::{
        algorithm::{Algorithm, KeyFamily},
        format::PublicKey,
        verifying_key::{MAX_KEY_ID_BYTES, VerifyingKey},
    },
};

/// The rule that a [rejected key](crate::keys::RejectedKey) breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyRule {
    /// A key is one JSON object with each member once and well-formed (RFC 7517 §4).
    Form,
    /// `kty` and `crv` name a supported kind: RSA, EC on P-256 or P-384, OKP on Ed25519.
    KeyType,
    /// `use` and `key_ops` allow verifying signatures (RFC 7517 §4.2, §4.3).
    Use,
    /// `alg` is known and fits the kind of the key. An RSA key has one (RFC 7517 §4.4).
    Algorithm,
    /// A published key has no private members.
    PrivateMember,
    /// Secrets and public keys are not in one document.
    Secret,
    /// The key is strong enough: its size, its exponent, its point on the curve.
    Strength,
    /// `kid` is a string of 1 to 256 bytes, and no other key of the document has the same. Each of
    /// several keys has one.
    KeyId,
}

/// The reason that a JWK is rejected.
#[derive(Debug)]
pub(crate) struct JwkError {
    pub(crate) rule: KeyRule,
    pub(crate) error: ConfigError,
}

impl JwkError {
    pub(crate) fn new(rule: KeyRule, message: &'static str) -> Self {
        let error = match rule {
            KeyRule::Form | KeyRule::PrivateMember | KeyRule::Strength => ConfigError::malformed_key(message),
            KeyRule::KeyType | KeyRule::Use | KeyRule::Algorithm | KeyRule::Secret => {
                ConfigError::key_mismatch(message)
            }
            KeyRule::KeyId => ConfigError::key_id(message),
        };
        Self { rule, error }
    }

    /// An error of the checks that hold for keys of every form.
    fn strength(error: ConfigError) -> Self {
        Self { rule: KeyRule::Strength, error }
    }
}

/// A JSON object that claims to be a key.
pub(crate) struct Jwk<'t> {
    kty: Option<Member<'t>>,
    kid: Option<Member<'t>>,
    purpose: Option<Member<'t>>,
    operations: Option<Member<'t>>,
    alg: Option<Member<'t>>,
    crv: Option<Member<'t>>,
    /// The numbers of a public key (RFC 7518 §6).
    n: Option<Member<'t>>,
    e: Option<Member<'t>>,
    x: Option<Member<'t>>,
    y: Option<Member<'t>>,
    /// The bytes of a secret.
    k: Option<Member<'t>>,
    has_private: bool,
}

impl<'t> Jwk<'t> {
    pub(crate) fn parse(text: &'t [u8]) -> Result<Self, JwkError> {
        let read = std::str::from_utf8(text).ok().and_then(|text| {
            read_members!(text => {
                kty: "kty", kid: "kid", purpose: "use", operations: "key_ops", alg: "alg", crv: "crv",
                n: "n", e: "e", x: "x", y: "y", k: "k",
                d: "d", p: "p", q: "q", dp: "dp", dq: "dq", qi: "qi", oth: "oth",
            })
            .ok()
        });
        let Some(read) = read else {
            return Err(JwkError::new(KeyRule::Form, "this JWK is not one JSON object with each member once"));
        };
        let private = [read.d, read.p, read.q, read.dp, read.dq, read.qi, read.oth];
        Ok(Self {
            kty: read.kty,
            kid: read.kid,
            purpose: read.purpose,
            operations: read.operations,
            alg: read.alg,
            crv: read.crv,
            n: read.n,
            e: read.e,
            x: read.x,
            y: read.y,
            k: read.k,
            has_private: private.iter().any(Option::is_some),
        })
    }

    /// Its `kid`, if that is a string.
    pub(crate) fn claimed_id(&self) -> Option<&str> {
        self.kid.as_ref().and_then(Member::as_text)
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.kty.as_ref().and_then(Member::as_text) == Some("oct")
    }

    /// `assumed` is the algorithm of an RSA key without `alg`.
    pub(crate) fn public_key(&self, assumed: Option<Algorithm>) -> Result<VerifyingKey, JwkError> {
        if self.is_secret() {
            return Err(JwkError::new(
                KeyRule::Secret,
                "this JWK is a secret among public keys: load it with `from_secret_jwk` into a set of its own, and replace it \
                 if it was published",
            ));
        }
        if self.has_private || self.k.is_some() {
            return Err(JwkError::new(
                KeyRule::PrivateMember,
                "this JWK has private members: publish only the public ones, and replace this key, which is known now",
            ));
        }
        self.check_purpose()?;
        let family = self.family()?;
        let algorithm = self.algorithm(family, assumed)?;
        let public = match family {
            KeyFamily::Rsa => PublicKey::rsa(&number(self.n.as_ref())?, &number(self.e.as_ref())?),
            KeyFamily::P256 => self.point(32)?,
            KeyFamily::P384 => self.point(48)?,
            KeyFamily::Ed25519 | KeyFamily::Hmac { .. } => PublicKey::ed25519(&number(self.x.as_ref())?),
        };
        self.named(public.and_then(|public| VerifyingKey::from_public(algorithm, public)).map_err(JwkError::strength)?)
    }

    pub(crate) fn secret(&self) -> Result<VerifyingKey, JwkError> {
        if !self.is_secret() {
            return Err(JwkError::new(KeyRule::Secret, "this JWK is not a secret: its `kty` must be `oct`"));
        }
        self.check_purpose()?;
        let alg = self.alg.as_ref().and_then(Member::as_text).and_then(Algorithm::from_name);
        let Some(algorithm) = alg.filter(|algorithm| algorithm.is_symmetric()) else {
            return Err(JwkError::new(
                KeyRule::Algorithm,
                "the `alg` of this secret is missing or not HMAC: it must be HS256, HS384 or HS512",
            ));
        };
        let secret = number(self.k.as_ref())?;
        self.named(VerifyingKey::from_secret(algorithm, secret).map_err(JwkError::strength)?)
    }

    fn family(&self) -> Result<KeyFamily, JwkError> {
        let text = |member: &Option<Member<'_>>| member.as_ref().and_then(Member::as_text).map(str::to_owned);
        match (text(&self.kty).as_deref(), text(&self.crv).as_deref()) {
            (Some("RSA"), _) => Ok(KeyFamily::Rsa),
            (Some("EC"), Some("P-256")) => Ok(KeyFamily::P256),
            (Some("EC"), Some("P-384")) => Ok(KeyFamily::P384),
            (Some("OKP"), Some("Ed25519")) => Ok(KeyFamily::Ed25519),
            _ => Err(JwkError::new(
                KeyRule::KeyType,
                "`kty` and `crv` of this JWK are not supported: use RSA, EC on P-256 or P-384, or OKP on Ed25519",
            )),
        }
    }

    /// Each coordinate has its full length (RFC 7518 §6.2.1.2).
    fn point(&self, coordinate_bytes: usize) -> Result<Result<PublicKey, ConfigError>, JwkError> {
        let (x, y) = (number(self.x.as_ref())?, number(self.y.as_ref())?);
        if [&x, &y].iter().any(|coordinate| coordinate.len() != coordinate_bytes) {
            return Err(JwkError::new(
                KeyRule::Strength,
                "a coordinate of this EC key does not have the length of its curve",
            ));
        }
        Ok(PublicKey::ec(&[&[0x04], x.as_slice(), &y].concat(), coordinate_bytes))
    }

    fn algorithm(&self, family: KeyFamily, assumed: Option<Algorithm>) -> Result<Algorithm, JwkError> {
        let named = match &self.alg {
            Some(alg) => alg.as_text().and_then(Algorithm::from_name),
            None => match family {
                KeyFamily::P256 => Some(Algorithm::ES256),
                KeyFamily::P384 => Some(Algorithm::ES384),
                KeyFamily::Ed25519 => Some(Algorithm::EdDSA),
                KeyFamily::Rsa | KeyFamily::Hmac { .. } => assumed,
            },
        };
        match named {
            Some(algorithm) if algorithm.family() == family => Ok(algorithm),
            Some(_) => Err(JwkError::new(KeyRule::Algorithm, "`alg` of this JWK does not fit its `kty` and `crv`")),
            None if self.alg.is_none() => Err(JwkError::new(
                KeyRule::Algorithm,
                "this RSA key has no `alg` and could be for six algorithms: name one (`from_jwk_as`, `parse_assuming`)",
            )),
            None => Err(JwkError::new(KeyRule::Algorithm, "`alg` of this JWK is not a known signature algorithm")),
        }
    }

    fn check_purpose(&self) -> Result<(), JwkError> {
        let signs = self.purpose.as_ref().is_none_or(|purpose| purpose.as_text() == Some("sig"));
        let verifies = match &self.operations {
            None => true,
            Some(Member::Texts(list)) => list.iter().any(|operation| operation == "verify"),
            Some(_) => false,
        };
        if signs && verifies {
            Ok(())
        } else {
            Err(JwkError::new(
                KeyRule::Use,
                "this JWK is not for verifying signatures: `use` must be `sig`, and `key_ops` must have `verify`",
            ))
        }
    }

    fn named(&self, key: VerifyingKey) -> Result<VerifyingKey, JwkError> {
        match &self.kid {
            None => Ok(key),
            Some(Member::Text(id)) if !id.is_empty() && id.len() <= MAX_KEY_ID_BYTES => Ok(key.with_id(id.as_str())),
            Some(_) => Err(JwkError::new(KeyRule::KeyId, "`kid` of this JWK is not a string of 1 to 256 bytes")),
        }
    }
}

impl VerifyingKey {
    /// Loads a public JWK (RFC 7517) from its text. Its `kid` becomes the key's id.
    ///
    /// `alg` names the algorithm. Without it, a key on a curve is for the one algorithm of that
    /// curve, and an RSA key is rejected: see [`from_jwk_as`](Self::from_jwk_as).
    ///
    /// # Errors
    ///
    /// If a [`KeyRule`] is broken: the text is not one JSON object without duplicate members; `use`
    /// is not `sig`, or `key_ops` lacks `verify`; `alg` is unknown, missing where it is needed, or
    /// does not fit `kty` and `crv`; there are private members; `kid` is not a string of 1 to 256
    /// bytes. Also if the key is a secret (see [`from_secret_jwk`](Self::from_secret_jwk)), or if
    /// [`from_pem`](Self::from_pem) would reject it.
    pub fn from_jwk(jwk: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Jwk::parse(jwk.as_ref()).and_then(|jwk| jwk.public_key(None)).map_err(|error| error.error)
    }

    /// Loads a public JWK that need not have `alg`. If it has one, it must be this.
    ///
    /// # Errors
    ///
    /// As for [`from_jwk`](Self::from_jwk).
    pub fn from_jwk_as(algorithm: Algorithm, jwk: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let key = Jwk::parse(jwk.as_ref()).and_then(|jwk| jwk.public_key(Some(algorithm)));
        match key {
            Ok(key) if key.algorithm() == algorithm => Ok(key),
            Ok(key) => {
                Err(ConfigError::key_mismatch(format!("this JWK is for {}, not for {algorithm}", key.algorithm())))
            }
            Err(error) => Err(error.error),
        }
    }

    /// Loads a shared secret from a JWK: `kty` is `oct`, and `alg` is `HS256`, `HS384` or `HS512`.
    ///
    /// # Errors
    ///
    /// As for [`from_jwk`](Self::from_jwk) and [`from_secret`](Self::from_secret).
    pub fn from_secret_jwk(jwk: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Jwk::parse(jwk.as_ref()).and_then(|jwk| jwk.secret()).map_err(|error| error.error)
    }
}

/// A required member in base64url (RFC 7518 §2).
fn number(member: Option<&Member<'_>>) -> Result<Vec<u8>, JwkError> {
    member
        .and_then(Member::as_text)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .ok_or_else(|| JwkError::new(KeyRule::Form, "a number of this JWK is missing or not base64url without padding"))
}

/// The JWK of a public key; `None` for a secret.
pub(crate) fn public_jwk(key: &VerifyingKey) -> Option<Value> {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut jwk = match key.public()? {
        PublicKey::Rsa { modulus, exponent } => json!({ "kty": "RSA", "n": encode(modulus), "e": encode(exponent) }),
        PublicKey::Ec { point } => {
            let (x, y) = point[1..].split_at(point.len() / 2);
            let curve = if x.len() == 32 { "P-256" } else { "P-384" };
            json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
        }
        PublicKey::Ed25519 { point } => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(point) }),
    };
    jwk["use"] = json!("sig");
    jwk["alg"] = json!(key.algorithm().name());
    if let Some(id) = key.id() {
        jwk["kid"] = json!(id);
    }
    Some(jwk)
}

//! One JWK (RFC 7517 §4) in, a checked key out; and the other way round.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    config_error::ConfigError,
    json::{self, Member},
    keys::{
        algorithm::{Algorithm, KeyFamily},
        format::PublicKey,
        key::{MAX_KEY_ID_BYTES, VerifyingKey},
    },
};

/// The rule that a key of a set breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyRule {
    /// It is one JSON object, each member once and well-formed (RFC 7517 §4).
    Form,
    /// `kty` and `crv` are of a kind that can be used here.
    KeyType,
    /// `use` and `key_ops` allow it to verify signatures (RFC 7517 §4.2, §4.3).
    Use,
    /// `alg` is known and one of the key's kind; an RSA key has one (RFC 7517 §4.4).
    Algorithm,
    /// No private half is in it.
    PrivateMember,
    /// Secrets and public keys are not in one set.
    Secret,
    /// It is strong enough, and a key at all: sizes, exponents, points of the curve.
    Strength,
    /// `kid` is a string of 1 to 256 bytes, and no other key of the set has the same; of several keys each has one.
    KeyId,
}

/// Why a JWK is not taken.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) rule: KeyRule,
    pub(crate) error: ConfigError,
}

impl Refusal {
    pub(crate) fn new(rule: KeyRule, message: &'static str) -> Self {
        Self { rule, error: ConfigError::key(message) }
    }

    /// What the checks of all key forms say.
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
    n: Option<Member<'t>>,
    e: Option<Member<'t>>,
    x: Option<Member<'t>>,
    y: Option<Member<'t>>,
    k: Option<Member<'t>>,
    has_private: bool,
}

impl<'t> Jwk<'t> {
    pub(crate) fn parse(text: &'t [u8]) -> Result<Self, Refusal> {
        let wanted = [
            "kty", "kid", "use", "key_ops", "alg", "crv", "n", "e", "x", "y", "k", "d", "p", "q", "dp", "dq", "qi",
            "oth",
        ];
        let members = std::str::from_utf8(text).ok().and_then(|text| json::members(text, wanted).ok());
        let Some([kty, kid, purpose, operations, alg, crv, n, e, x, y, k, private @ ..]) = members else {
            return Err(Refusal::new(KeyRule::Form, "this JWK is not one JSON object with each member once"));
        };
        let has_private = private.iter().any(Option::is_some);
        Ok(Self { kty, kid, purpose, operations, alg, crv, n, e, x, y, k, has_private })
    }

    /// Its `kid`, if that is a string at all.
    pub(crate) fn claimed_id(&self) -> Option<&str> {
        self.kid.as_ref().and_then(Member::as_text)
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.kty.as_ref().and_then(Member::as_text) == Some("oct")
    }

    /// `assumed` is what an RSA key without `alg` is for.
    pub(crate) fn public_key(&self, assumed: Option<Algorithm>) -> Result<VerifyingKey, Refusal> {
        if self.is_secret() {
            return Err(Refusal::new(
                KeyRule::Secret,
                "this JWK is a secret among public keys: load it with `from_secret_jwk`, for an issuer of its own; and if it was \
                 published, change it",
            ));
        }
        if self.has_private || self.k.is_some() {
            return Err(Refusal::new(
                KeyRule::PrivateMember,
                "this JWK has private members: publish only the public ones, and change the key, for it is known now",
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
        self.named(public.and_then(|public| VerifyingKey::from_public(algorithm, public)).map_err(Refusal::strength)?)
    }

    pub(crate) fn secret(&self) -> Result<VerifyingKey, Refusal> {
        if !self.is_secret() {
            return Err(Refusal::new(KeyRule::Secret, "this JWK is no secret: `kty` has to be `oct`"));
        }
        self.check_purpose()?;
        let alg = self.alg.as_ref().and_then(Member::as_text).and_then(Algorithm::from_name);
        let Some(algorithm) = alg.filter(|algorithm| algorithm.is_symmetric()) else {
            return Err(Refusal::new(
                KeyRule::Algorithm,
                "the `alg` of this secret is missing or no HMAC: it has to say HS256, HS384 or HS512",
            ));
        };
        let secret = number(self.k.as_ref())?;
        self.named(VerifyingKey::from_secret(algorithm, secret).map_err(Refusal::strength)?)
    }

    fn family(&self) -> Result<KeyFamily, Refusal> {
        let text = |member: &Option<Member<'_>>| member.as_ref().and_then(Member::as_text).map(str::to_owned);
        match (text(&self.kty).as_deref(), text(&self.crv).as_deref()) {
            (Some("RSA"), _) => Ok(KeyFamily::Rsa),
            (Some("EC"), Some("P-256")) => Ok(KeyFamily::P256),
            (Some("EC"), Some("P-384")) => Ok(KeyFamily::P384),
            (Some("OKP"), Some("Ed25519")) => Ok(KeyFamily::Ed25519),
            _ => Err(Refusal::new(
                KeyRule::KeyType,
                "`kty` and `crv` of this JWK are none that can be used: RSA, EC on P-256 or P-384, OKP on Ed25519",
            )),
        }
    }

    /// Each coordinate has its full length (RFC 7518 §6.2.1.2).
    fn point(&self, coordinate_bytes: usize) -> Result<Result<PublicKey, ConfigError>, Refusal> {
        let (x, y) = (number(self.x.as_ref())?, number(self.y.as_ref())?);
        if [&x, &y].iter().any(|coordinate| coordinate.len() != coordinate_bytes) {
            return Err(Refusal::new(KeyRule::Strength, "a coordinate of this EC key has not the length of its curve"));
        }
        Ok(PublicKey::ec(&[&[0x04], x.as_slice(), &y].concat(), coordinate_bytes))
    }

    fn algorithm(&self, family: KeyFamily, assumed: Option<Algorithm>) -> Result<Algorithm, Refusal> {
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
            Some(_) => Err(Refusal::new(KeyRule::Algorithm, "`alg` of this JWK does not fit its `kty` and `crv`")),
            None if self.alg.is_none() => Err(Refusal::new(
                KeyRule::Algorithm,
                "this RSA key has no `alg`, and could be for six algorithms: say which (`from_jwk_as`, `parse_assuming`)",
            )),
            None => {
                Err(Refusal::new(KeyRule::Algorithm, "`alg` of this JWK is no signature algorithm that is known here"))
            }
        }
    }

    fn check_purpose(&self) -> Result<(), Refusal> {
        let signs = self.purpose.as_ref().is_none_or(|purpose| purpose.as_text() == Some("sig"));
        let verifies = match &self.operations {
            None => true,
            Some(Member::Texts(list)) => list.iter().any(|operation| operation == "verify"),
            Some(_) => false,
        };
        if signs && verifies {
            Ok(())
        } else {
            Err(Refusal::new(
                KeyRule::Use,
                "this JWK is not for verifying signatures: `use` is `sig`, `key_ops` has `verify`",
            ))
        }
    }

    fn named(&self, key: VerifyingKey) -> Result<VerifyingKey, Refusal> {
        match &self.kid {
            None => Ok(key),
            Some(Member::Text(id)) if !id.is_empty() && id.len() <= MAX_KEY_ID_BYTES => Ok(key.with_id(id.as_str())),
            Some(_) => Err(Refusal::new(KeyRule::KeyId, "`kid` of this JWK is not a string of 1 to 256 bytes")),
        }
    }
}

/// A member that is needed, in base64url (RFC 7518 §2).
fn number(member: Option<&Member<'_>>) -> Result<Vec<u8>, Refusal> {
    member.and_then(Member::as_text).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or_else(|| {
        Refusal::new(KeyRule::Form, "a number of this JWK is missing, or not in base64url without padding")
    })
}

/// The JWK of a public key; of a secret there is none.
pub(crate) fn public_jwk(key: &VerifyingKey) -> Option<Value> {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut jwk = match &**key.public.as_ref()? {
        PublicKey::Rsa { modulus, exponent } => json!({ "kty": "RSA", "n": encode(modulus), "e": encode(exponent) }),
        PublicKey::Ec { point } => {
            let (x, y) = point[1..].split_at(point.len() / 2);
            let curve = if x.len() == 32 { "P-256" } else { "P-384" };
            json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
        }
        PublicKey::Ed25519 { point } => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(point) }),
    };
    jwk["use"] = json!("sig");
    jwk["alg"] = json!(key.algorithm.name());
    if let Some(id) = key.id() {
        jwk["kid"] = json!(id);
    }
    Some(jwk)
}

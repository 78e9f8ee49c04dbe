//! A JWKS document (RFC 7517 §5) in, its usable keys out, and what is wrong with the others.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    config_error::ConfigError,
    keys::{
        algorithm::{Algorithm, KeyFamily},
        jwk::{Jwk, KeyRule, Refusal},
        key::VerifyingKey,
        set::KeySet,
    },
};

/// The longest document that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// The most keys that are looked at.
const MAX_KEYS: usize = 100;

/// So much of a `kid` is shown.
const SHOWN_OF_KEY_ID: usize = 64;

/// The keys of a JWKS document: those that can be used, and why the others cannot. One bad key does not drop the others.
///
/// ```
/// use tower_jwt_blocklist::{Jwks, KeyRule};
///
/// # fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// let jwks = Jwks::parse(
///     r#"{ "keys": [
///         { "kid": "1", "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
///         { "kid": "2", "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "use": "enc" }
///     ] }"#,
/// )?;
/// assert_eq!(jwks.keys()[0].id(), Some("1"));
/// assert_eq!(jwks.rejected()[0].rule(), KeyRule::Use);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Jwks {
    keys: Vec<VerifyingKey>,
    rejected: Vec<RejectedKey>,
}

/// A key of a document that is not used.
#[derive(Debug, Clone)]
pub struct RejectedKey {
    index: usize,
    id: Option<Box<str>>,
    rule: KeyRule,
    error: ConfigError,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl Jwks {
    /// The public keys of a document. What [`VerifyingKey::from_jwk`] refuses is [`rejected`](Self::rejected), and so are secrets,
    /// keys with one `kid`, all of them, and keys without one beside others.
    ///
    /// # Errors
    ///
    /// When the text is not a JSON object with a list `keys`, is longer than 256 KiB or has more than 100 keys. That no key is
    /// good is none.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::read(text.as_ref(), |jwk| jwk.public_key(None))
    }

    /// The same, and `rsa` is what RSA keys without `alg` are for: some login services leave it out.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), and when the algorithm is not one of RSA.
    pub fn parse_assuming(rsa: Algorithm, text: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        check_assumed(rsa)?;
        Self::read(text.as_ref(), |jwk| jwk.public_key(Some(rsa)))
    }

    /// The secrets of a document that has nothing else: a file of one's own, never one from the network.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), and when there is a key in it that is no secret.
    pub fn parse_secrets(text: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let jwks = Self::read(text.as_ref(), |jwk| jwk.secret())?;
        match jwks.rejected.iter().find(|key| key.rule == KeyRule::Secret) {
            Some(mixed) => Err(ConfigError::key(format!("secrets and public keys are in one document: {mixed}"))),
            None => Ok(jwks),
        }
    }

    /// The usable keys, in the order of the document.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The others, in the order of the document.
    pub fn rejected(&self) -> &[RejectedKey] {
        &self.rejected
    }

    /// The usable keys as a set.
    ///
    /// # Errors
    ///
    /// When there is none; then it says what is wrong with the first.
    pub fn into_key_set(self) -> Result<KeySet, ConfigError> {
        match (self.keys.is_empty(), self.rejected.first()) {
            (true, Some(first)) => Err(ConfigError::key(format!("no key of this JWKS document can be used: {first}"))),
            _ => KeySet::new(self.keys),
        }
    }

    fn read(text: &[u8], load: impl Fn(&Jwk<'_>) -> Result<VerifyingKey, Refusal>) -> Result<Self, ConfigError> {
        if text.len() > MAX_BYTES {
            return Err(ConfigError::key("this JWKS document is longer than 256 KiB"));
        }
        let Ok(document) = serde_json::from_slice::<Document<'_>>(text) else {
            return Err(ConfigError::key("this is not a JWKS document: expected a JSON object with a list `keys`"));
        };
        if document.keys.len() > MAX_KEYS {
            return Err(ConfigError::key("this JWKS document has more than 100 keys"));
        }
        let read: Vec<_> = document.keys.iter().map(|key| Candidate::read(key.get().as_bytes(), &load)).collect();
        let (mut keys, mut rejected) = (Vec::new(), Vec::new());
        for (index, Candidate { id, key }) in read.iter().enumerate() {
            let same_id = |other: &&Candidate| other.id == *id && !other.is_for_something_else();
            let twice = id.is_some() && read.iter().filter(same_id).count() > 1;
            match key {
                Ok(_) if twice => rejected.push(RejectedKey::new(index, id.as_deref(), &Refusal::same_id())),
                Ok(key) => keys.push((index, key.clone())),
                Err(refusal) => rejected.push(RejectedKey::new(index, id.as_deref(), refusal)),
            }
        }
        // A lone key needs no name, for there is nothing to choose.
        if keys.len() > 1 {
            let (named, nameless): (Vec<_>, _) = keys.into_iter().partition(|(_, key)| key.id().is_some());
            keys = named;
            rejected.extend(nameless.into_iter().map(|(index, _)| RejectedKey::new(index, None, &Refusal::no_id())));
            rejected.sort_by_key(|key| key.index);
        }
        Ok(Self { keys: keys.into_iter().map(|(_, key)| key).collect(), rejected })
    }
}

/// The algorithm can be that of an RSA key.
pub(crate) fn check_assumed(rsa: Algorithm) -> Result<(), ConfigError> {
    if rsa.family() == KeyFamily::Rsa {
        Ok(())
    } else {
        Err(ConfigError::key(format!("{rsa} is no algorithm of RSA keys: only theirs has to be assumed")))
    }
}

/// What has become of one key of a document.
struct Candidate {
    id: Option<Box<str>>,
    key: Result<VerifyingKey, Refusal>,
}

impl Candidate {
    fn read(text: &[u8], load: impl Fn(&Jwk<'_>) -> Result<VerifyingKey, Refusal>) -> Self {
        match Jwk::parse(text) {
            Ok(jwk) => Self { id: jwk.claimed_id().map(Into::into), key: load(&jwk) },
            Err(refusal) => Self { id: None, key: Err(refusal) },
        }
    }

    /// No token of ours means this one, whatever its name.
    fn is_for_something_else(&self) -> bool {
        self.key.as_ref().is_err_and(|refusal| refusal.rule == KeyRule::Use)
    }
}

impl Refusal {
    fn same_id() -> Self {
        Self::new(KeyRule::KeyId, "two keys have one `kid`: a token could not say which it means, and neither is used")
    }

    fn no_id() -> Self {
        Self::new(KeyRule::KeyId, "of several keys each needs a `kid`: no token could ask for this one")
    }
}

impl RejectedKey {
    fn new(index: usize, id: Option<&str>, refusal: &Refusal) -> Self {
        Self { index, id: id.map(shown), rule: refusal.rule, error: refusal.error.clone() }
    }

    /// Which key of the document, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its `kid`, where it has one: at most 64 characters of it, and only printable ASCII, the rest escaped.
    pub fn key_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The rule that it breaks.
    pub fn rule(&self) -> KeyRule {
        self.rule
    }
}

impl fmt::Display for RejectedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_deref().unwrap_or_default();
        write!(f, "key {} (kid \"{id}\"): {}", self.index, self.error)
    }
}

impl std::error::Error for RejectedKey {}

fn shown(id: &str) -> Box<str> {
    id.chars().take(SHOWN_OF_KEY_ID).flat_map(char::escape_default).collect::<String>().into()
}

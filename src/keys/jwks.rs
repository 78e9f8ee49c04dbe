//! Reads a JWKS document (RFC 7517 §5): its usable keys, and why the others are rejected.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    config_error::ConfigError,
    keys::{
        algorithm::{Algorithm, KeyFamily},
        jwk::{Jwk, JwkError, KeyRule},
        set::KeySet,
        verifying_key::VerifyingKey,
    },
};

/// The longest document that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// The most keys of a document.
const MAX_KEYS: usize = 100;

/// The number of characters of a `kid` that messages show.
const SHOWN_OF_KEY_ID: usize = 64;

/// The keys of a JWKS document: the usable ones, and why the others are rejected.
///
/// One bad key does not affect the others.
///
/// ```
/// use tower_jwt_blocklist::keys::{Jwks, KeyRule};
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

/// A key of a document that is not used, and the rule that it breaks.
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
    /// Parses the public keys of a document.
    ///
    /// [Rejected](Self::rejected) are keys that [`VerifyingKey::from_jwk`] rejects, secrets, all
    /// keys that share a `kid`, and keys without `kid` if there are several.
    ///
    /// # Errors
    ///
    /// If the text is not a JSON object with a list `keys`, is longer than 256 KiB or has more than
    /// 100 keys. A document without usable keys is not an error.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::read(text.as_ref(), |jwk| jwk.public_key(None))
    }

    /// Parses a document in which RSA keys may lack `alg`, as those of some login services do.
    /// `rsa` is the algorithm of these keys.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), and if the algorithm is not one of RSA.
    pub fn parse_assuming(rsa: Algorithm, text: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        check_assumed(rsa)?;
        Self::read(text.as_ref(), |jwk| jwk.public_key(Some(rsa)))
    }

    /// Parses a document that has only secrets: a local file, never one from the network.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), and if there is a key in it that is not a secret.
    pub fn parse_secrets(text: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let jwks = Self::read(text.as_ref(), |jwk| jwk.secret())?;
        match jwks.rejected.iter().find(|key| key.rule == KeyRule::Secret) {
            Some(mixed) => Err(ConfigError::conflict(format!("secrets and public keys are in one document: {mixed}"))),
            None => Ok(jwks),
        }
    }

    /// Returns the usable keys, in the order of the document.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Returns the other keys, in the order of the document.
    pub fn rejected(&self) -> &[RejectedKey] {
        &self.rejected
    }

    /// Makes a set of the usable keys.
    ///
    /// # Errors
    ///
    /// If there is none. The message then says why the first key is rejected.
    pub fn into_key_set(self) -> Result<KeySet, ConfigError> {
        match (self.keys.is_empty(), self.rejected.first()) {
            (true, Some(first)) => {
                Err(first.error.with_message(format!("no key of this JWKS document can be used: {first}")))
            }
            _ => KeySet::new(self.keys),
        }
    }

    fn read(text: &[u8], load: impl Fn(&Jwk<'_>) -> Result<VerifyingKey, JwkError>) -> Result<Self, ConfigError> {
        if text.len() > MAX_BYTES {
            return Err(ConfigError::malformed_key("this JWKS document is longer than 256 KiB"));
        }
        let Ok(document) = serde_json::from_slice::<Document<'_>>(text) else {
            return Err(ConfigError::malformed_key(
                "this is not a JWKS document: expected a JSON object with a list `keys`",
            ));
        };
        if document.keys.len() > MAX_KEYS {
            return Err(ConfigError::malformed_key("this JWKS document has more than 100 keys"));
        }
        let read: Vec<_> = document.keys.iter().map(|key| Candidate::read(key.get().as_bytes(), &load)).collect();
        let (mut keys, mut rejected) = (Vec::new(), Vec::new());
        for (index, Candidate { id, key }) in read.iter().enumerate() {
            let same_id = |other: &&Candidate| other.id == *id && !other.is_for_something_else();
            let twice = id.is_some() && read.iter().filter(same_id).count() > 1;
            match key {
                Ok(_) if twice => rejected.push(RejectedKey::new(index, id.as_deref(), &JwkError::same_id())),
                Ok(key) => keys.push((index, key.clone())),
                Err(error) => rejected.push(RejectedKey::new(index, id.as_deref(), error)),
            }
        }
        // A single key needs no id, because there is nothing to choose.
        if keys.len() > 1 {
            let (named, nameless): (Vec<_>, _) = keys.into_iter().partition(|(_, key)| key.id().is_some());
            keys = named;
            rejected.extend(nameless.into_iter().map(|(index, _)| RejectedKey::new(index, None, &JwkError::no_id())));
            rejected.sort_by_key(|key| key.index);
        }
        Ok(Self { keys: keys.into_iter().map(|(_, key)| key).collect(), rejected })
    }
}

/// Checks that the algorithm can be that of an RSA key.
pub(crate) fn check_assumed(rsa: Algorithm) -> Result<(), ConfigError> {
    if rsa.family() == KeyFamily::Rsa {
        Ok(())
    } else {
        Err(ConfigError::key_mismatch(format!("{rsa} is not an algorithm of RSA keys: only theirs may be assumed")))
    }
}

/// One key of a document, loaded or rejected.
struct Candidate {
    id: Option<Box<str>>,
    key: Result<VerifyingKey, JwkError>,
}

impl Candidate {
    fn read(text: &[u8], load: impl Fn(&Jwk<'_>) -> Result<VerifyingKey, JwkError>) -> Self {
        match Jwk::parse(text) {
            Ok(jwk) => Self { id: jwk.claimed_id().map(Into::into), key: load(&jwk) },
            Err(error) => Self { id: None, key: Err(error) },
        }
    }

    /// A key for another use does not count as one of the same id: no token means it.
    fn is_for_something_else(&self) -> bool {
        self.key.as_ref().is_err_and(|error| error.rule == KeyRule::Use)
    }
}

impl JwkError {
    fn same_id() -> Self {
        Self::new(
            KeyRule::KeyId,
            "two keys have the same `kid`: a token could not say which it means, so neither is used",
        )
    }

    fn no_id() -> Self {
        Self::new(KeyRule::KeyId, "each of several keys needs a `kid`: no token could name this one")
    }
}

impl RejectedKey {
    fn new(index: usize, id: Option<&str>, error: &JwkError) -> Self {
        Self { index, id: id.map(shown), rule: error.rule, error: error.error.clone() }
    }

    /// Returns the position of the key in the document, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the key's `kid`, if it has one: at most 64 characters of it, and all but printable
    /// ASCII escaped.
    pub fn key_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the rule that the key breaks.
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

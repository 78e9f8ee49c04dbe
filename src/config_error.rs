//! Errors of a configuration, found before the first request.
//!
//! Everything that is built from settings or keys fails with a [`ConfigError`]: `build` of the
//! builders, the constructors of keys, and connecting to a store. The message names the setting,
//! the rule and the way out. The [kind](ConfigError::kind) is for a program that reacts to it.
//!
//! A secret that is too short is rejected, and the message says how to make a better one:
//!
//! ```
//! use tower_jwt_blocklist::{Algorithm, VerifyingKey, config_error::ConfigErrorKind};
//!
//! let error = VerifyingKey::from_secret(Algorithm::HS256, "too short").unwrap_err();
//! assert_eq!(error.kind(), ConfigErrorKind::WeakKey);
//! assert!(error.to_string().contains("openssl rand -hex 32"));
//! ```
//!
//! Match with a wildcard arm: kinds may be added in any release. The text of a message may change
//! too.

#![cfg_attr(not(all(feature = "redis", feature = "jwks")), allow(dead_code, reason = "some kinds are of one feature"))]

use std::{borrow::Cow, fmt};

/// A key or a setting that cannot work.
///
/// The message names the setting, the rule and the way out. It never holds a secret.
#[derive(Debug, Clone)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    message: Cow<'static, str>,
}

/// The kind of a [`ConfigError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// A key is too easy to break: a short or published secret, a small RSA key, a point of small
    /// order.
    WeakKey,
    /// A key or a document of keys cannot be read, or is not a key of the expected form.
    MalformedKey,
    /// A key does not fit its algorithm or its use.
    KeyMismatch,
    /// A key has no id where it needs one, an id that another key has, or one of the wrong length.
    KeyId,
    /// No cryptography is compiled in, or it failed its self-test.
    CryptoProvider,
    /// A required setting is missing.
    MissingSetting,
    /// A setting is not of the form that it must have, for example an empty issuer or a bad URL.
    InvalidSetting,
    /// A duration, a number or a list is outside of its bounds.
    OutOfRange,
    /// Two settings contradict each other.
    Conflict,
    /// This build or this place cannot do it: a feature is off, or there is no tokio runtime.
    Unsupported,
    /// Published keys could not be fetched, or are not usable.
    Unreachable,
    /// The revocation store cannot be reached or used.
    Store,
}

/// The constructors, one for each kind.
macro_rules! constructors {
    ($($name:ident: $kind:ident,)*) => {
        impl ConfigError {
            $(
                pub(crate) fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                    Self { kind: ConfigErrorKind::$kind, message: message.into() }
                }
            )*
        }
    };
}

constructors! {
    weak_key: WeakKey,
    malformed_key: MalformedKey,
    key_mismatch: KeyMismatch,
    key_id: KeyId,
    provider: CryptoProvider,
    missing: MissingSetting,
    setting: InvalidSetting,
    out_of_range: OutOfRange,
    conflict: Conflict,
    unsupported: Unsupported,
    unreachable: Unreachable,
    store: Store,
}

impl ConfigError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }

    /// The same kind, with a message that says more.
    pub(crate) fn with_message(&self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: self.kind, message: message.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

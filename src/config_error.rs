//! What can be wrong with a configuration, found before the first request.

use std::{borrow::Cow, fmt};

/// A setting that cannot work: a key, a verifier, an issuer or a store was built from values that contradict a rule.
///
/// The message names the setting, the rule and the way out. It never holds a secret.
#[derive(Debug, Clone)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    message: Cow<'static, str>,
}

/// What a [`ConfigError`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// A key is unusable: too short, not what its algorithm needs, not readable.
    Key,
    /// No cryptography is compiled in, or it failed its self-test.
    CryptoProvider,
    /// A setting is missing, contradicts another or is out of its range.
    Setting,
    /// The revocation store cannot be reached, or not be used.
    Store,
}

impl ConfigError {
    pub(crate) fn key(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ConfigErrorKind::Key, message: message.into() }
    }

    pub(crate) fn provider(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ConfigErrorKind::CryptoProvider, message: message.into() }
    }

    pub(crate) fn setting(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ConfigErrorKind::Setting, message: message.into() }
    }

    #[cfg(feature = "redis")]
    pub(crate) fn store(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ConfigErrorKind::Store, message: message.into() }
    }

    /// What the error is about.
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

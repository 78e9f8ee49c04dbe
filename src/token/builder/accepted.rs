//! The names that a verifier accepts in `iss` or `aud`, as they are set.

use crate::{config_error::ConfigError, keys::KeySet, token::claims::Issuers};

pub(crate) enum Accepted {
    Unset,
    Any,
    OneOf(Vec<Box<str>>),
}

impl Accepted {
    pub(crate) fn add(&mut self, name: Box<str>) {
        match self {
            Self::OneOf(names) => names.push(name),
            Self::Unset | Self::Any => *self = Self::OneOf(vec![name]),
        }
    }

    /// The issuers that the verifier's own keys speak for, if it has any.
    pub(crate) fn into_issuers(self, has_keys: bool, trusted: &[(Box<str>, KeySet)]) -> Result<Issuers, ConfigError> {
        if !has_keys {
            return match self {
                Self::Unset => Ok(Issuers::OneOf(Vec::new())),
                _ => Err(ConfigError::missing(
                    "an issuer is set, but no key of it: call `key(…)`, or name it in `trust(…)` only",
                )),
            };
        }
        if matches!(self, Self::Any) && !trusted.is_empty() {
            return Err(ConfigError::conflict(
                "`any_issuer` would let these keys speak for the trusted issuers too: call `issuer(…)` with their own `iss`",
            ));
        }
        let names =
            self.into_names("no issuer is set: call `issuer(…)` with the `iss` of the tokens, or `any_issuer()`")?;
        if names.iter().any(|name| trusted.iter().any(|(other, _)| other == name)) {
            return Err(ConfigError::conflict("one issuer is trusted with two sets of keys: use one set"));
        }
        if names.is_empty() {
            return Ok(Issuers::Any);
        }
        Ok(Issuers::OneOf(names.into_iter().map(Some).collect()))
    }

    /// The names; none for any name.
    pub(crate) fn into_names(self, unset: &'static str) -> Result<Vec<Box<str>>, ConfigError> {
        match self {
            Self::Unset => Err(ConfigError::missing(unset)),
            Self::Any => Ok(Vec::new()),
            Self::OneOf(names) if names.iter().any(|name| name.is_empty()) => {
                Err(ConfigError::setting("an issuer or audience is empty: it would match a token without a name"))
            }
            Self::OneOf(names) => Ok(names),
        }
    }
}

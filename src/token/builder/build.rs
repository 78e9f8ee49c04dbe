//! Building a verifier: checks its settings against each other, before the first token.

use std::time::Duration;

use crate::{
    config_error::ConfigError,
    keys::{CryptoProvider, KeySet},
    revocation::MAX_LEEWAY,
    token::{
        builder::VerifierBuilder,
        claims::{RESERVED_CLAIMS, Rules},
        trusted_issuers::TrustedIssuers,
        verifier::Verifier,
    },
};

/// Ten years.
const LONGEST_LIFETIME: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

impl VerifierBuilder {
    /// Checks the settings against each other, and every key against the cryptography.
    ///
    /// # Errors
    ///
    /// Each of these is a [kind](crate::config_error::ConfigErrorKind) of error:
    ///
    /// - There is no key, no issuer or no audience.
    /// - Two keys have the same id, one of several keys has none, or there are both secrets and
    ///   public keys.
    /// - A trusted issuer has no name, is named twice, or is combined with
    ///   [`any_issuer`](Self::any_issuer); or there are more than 16.
    /// - An RSA key is smaller than [`rsa_minimum`](Self::rsa_minimum).
    /// - The leeway is over 300 seconds, or the maximum lifetime is zero or over 10 years.
    /// - The kind of a token cannot be read from the claim of the kind source.
    /// - No cryptography is compiled in, or it rejects a key.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let own = match (self.key_set, self.keys.is_empty()) {
            (Some(_), false) => {
                return Err(ConfigError::conflict("both `key` and `keys` are set: put all keys into the set"));
            }
            (Some(keys), true) => Some(keys),
            (None, true) if !self.trusted.is_empty() => None,
            (None, _) => Some(KeySet::new(self.keys)?),
        };
        let issuers = self.issuers.into_issuers(own.is_some(), &self.trusted)?;
        let audiences = self
            .audiences
            .into_names("no audience is set: call `audience(…)` with the `aud` of the tokens, or `any_audience()`")?;
        if self.rules.leeway > MAX_LEEWAY {
            return Err(ConfigError::out_of_range(
                "the leeway is over 300 seconds: synchronize the clocks (NTP) instead",
            ));
        }
        if self.rules.max_lifetime.is_zero() || self.rules.max_lifetime > LONGEST_LIFETIME {
            return Err(ConfigError::out_of_range("the maximum lifetime must be more than zero and at most 10 years"));
        }
        if self.rules.kind.claim().is_some_and(|claim| RESERVED_CLAIMS.contains(&claim)) {
            return Err(ConfigError::conflict("the kind of a token cannot be read from a registered claim"));
        }
        if self.rules.kind.is_ambiguous() {
            return Err(ConfigError::conflict(
                "access and refresh tokens must differ in the claim that names the kind",
            ));
        }
        let mut rules = Rules { issuers, audiences, ..self.rules };
        let rules_without_typ = match self.rules_without_typ {
            Some(_) if !self.trusted.is_empty() => {
                return Err(ConfigError::conflict(
                    "tokens without `typ` name no issuer, so keys of trusted issuers could speak for them: use a \
                     verifier for each",
                ));
            }
            Some(derive) => Some(derive(&mut rules)?),
            None => None,
        };
        let verifier = Verifier {
            trusted: TrustedIssuers::new(own, self.trusted, self.rsa_minimum)?,
            rules_without_typ,
            rules,
            max_token_bytes: self.max_token_bytes,
            provider: self.provider.map_or_else(CryptoProvider::compiled_in, Ok)?,
            clock: self.clock,
        };
        verifier.self_test()?;
        Ok(verifier)
    }
}

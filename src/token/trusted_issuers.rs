//! The issuers whose tokens are accepted, with their keys.

use crate::{
    config_error::ConfigError,
    keys::{KeySet, RsaMinimum, VerifyingKey},
    token::{
        claims::{ClaimError, Header, Issuers},
        verify_error::VerifyError,
    },
};

/// The most trusted issuers of one verifier. A token can cost as many signature checks, if all of
/// them have a key of its `kid` and `alg`.
const MAX_TRUSTED_ISSUERS: usize = 16;

/// One issuer, perhaps with several names, and its keys.
#[derive(Debug)]
pub(crate) struct TrustedIssuer {
    pub(crate) keys: KeySet,
    /// The issuers that these keys speak for. `None` for the verifier's own keys: the rules name
    /// those.
    pub(crate) issuers: Option<Issuers>,
}

/// All trusted issuers, the verifier's own first.
#[derive(Debug)]
pub(crate) struct TrustedIssuers {
    all: Vec<TrustedIssuer>,
    rsa_minimum: RsaMinimum,
}

impl TrustedIssuers {
    pub(crate) fn new(
        own: Option<KeySet>,
        others: Vec<(Box<str>, KeySet)>,
        rsa_minimum: RsaMinimum,
    ) -> Result<Self, ConfigError> {
        let mut all: Vec<_> = own.into_iter().map(|keys| TrustedIssuer { keys, issuers: None }).collect();
        for (index, (name, keys)) in others.iter().enumerate() {
            if name.is_empty() {
                return Err(ConfigError::setting(
                    "a trusted issuer has no name: it would match a token without a name",
                ));
            }
            if others[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(ConfigError::conflict("one issuer is trusted with two sets of keys: use one set"));
            }
            // Names with the same set, such as the tenants of one login service, are one issuer. So
            // a signature is checked once.
            let same = all.iter_mut().find_map(|trusted| match &mut trusted.issuers {
                Some(Issuers::OneOf(names)) if trusted.keys.is_same(keys) => Some(names),
                _ => None,
            });
            match same {
                Some(names) => names.push(Some(name.clone())),
                None => {
                    let issuers = Some(Issuers::OneOf(vec![Some(name.clone())]));
                    all.push(TrustedIssuer { keys: keys.clone(), issuers });
                }
            }
        }
        let trusted = Self { all, rsa_minimum };
        trusted.check_keys()?;
        Ok(trusted)
    }

    fn check_keys(&self) -> Result<(), ConfigError> {
        if self.all.is_empty() {
            return Err(ConfigError::missing("no key is set: call `key(…)`"));
        }
        if self.all.len() > MAX_TRUSTED_ISSUERS {
            return Err(ConfigError::out_of_range(
                "more than 16 issuers are trusted: a token could cost as many signature checks",
            ));
        }
        let has_nameless_key = |trusted: &TrustedIssuer| trusted.keys.load().iter().any(|key| key.id().is_none());
        if self.all.len() > 1 && self.all.iter().any(has_nameless_key) {
            return Err(ConfigError::key_id(
                "each of several keys needs an id: call `with_id(…)` with the `kid` of its tokens",
            ));
        }
        // A key that another issuer publishes is not a mistake of this program. It is skipped, and
        // the others are used.
        for trusted in self.all.iter().filter(|trusted| !trusted.keys.is_remote()) {
            if let Some(small) = trusted.keys.load().iter().find(|key| !self.rsa_minimum.allows(key)) {
                let id = small.id().unwrap_or_default();
                return Err(ConfigError::weak_key(format!(
                    "an RSA key (kid {id:?}) has fewer than the 3072 bits of `rsa_minimum`: make one with \
                     `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072`"
                )));
            }
        }
        Ok(())
    }

    /// Verifies a token with the first key that has signed it for its issuer.
    ///
    /// Of each issuer only the key that the header names is tried, with its own algorithm. `verify`
    /// checks the token with one key.
    pub(crate) fn verify_with_key_of<T>(
        &self,
        header: &Header,
        mut verify: impl FnMut(&TrustedIssuer, &VerifyingKey) -> Result<T, VerifyError>,
    ) -> Result<T, VerifyError> {
        let mut rejection = VerifyError::UnknownKey;
        for trusted in &self.all {
            let keys = trusted.keys.load();
            let named = self.find_key(&keys, header).filter(|key| self.rsa_minimum.allows(key));
            let Some(key) = named else { continue };
            let verified =
                if key.algorithm() == header.algorithm { verify(trusted, key) } else { Err(VerifyError::Algorithm) };
            match verified {
                Err(error) if may_be_of_another_issuer(error) => rejection = more_telling(rejection, error),
                verified => return verified,
            }
        }
        self.ask_for_missing_keys(header);
        Err(rejection)
    }

    /// Asks for a fetch of all published keys among which the named one is missing.
    ///
    /// Nothing waits for it: this token is rejected, and the next one of that key may find it.
    /// Another issuer may have a key of the same id, and the token may still be meant for the
    /// newest key of this one.
    fn ask_for_missing_keys(&self, header: &Header) {
        for trusted in &self.all {
            if self.find_key(&trusted.keys.load(), header).is_none() {
                trusted.keys.key_missed();
            }
        }
    }

    /// The key that the header names. `kid` only selects among configured keys, and may be absent
    /// if there is just one.
    fn find_key<'k>(&self, keys: &'k [VerifyingKey], header: &Header) -> Option<&'k VerifyingKey> {
        let is_only_issuer = self.all.len() == 1;
        match (keys, header.key_id.as_deref()) {
            ([only], None) if is_only_issuer => Some(only),
            ([only], Some(_)) if is_only_issuer && only.id().is_none() => Some(only),
            (keys, Some(id)) => keys.iter().find(|key| key.id() == Some(id)),
            (_, None) => None,
        }
    }

    /// Another number after each change of a key.
    pub(crate) fn key_version(&self) -> u64 {
        // Each version only grows, so no two states have the same sum.
        self.all.iter().map(|trusted| trusted.keys.version()).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.all.iter()
    }

    /// The verifier's own keys.
    pub(crate) fn own(&self) -> Option<&KeySet> {
        self.all.first().filter(|trusted| trusted.issuers.is_none()).map(|trusted| &trusted.keys)
    }
}

/// Whether the key of another issuer, with the same id, may still prove the token. Any other error
/// is about a token that is proven to come from this issuer.
fn may_be_of_another_issuer(error: VerifyError) -> bool {
    matches!(error, VerifyError::Algorithm | VerifyError::Signature | VerifyError::Claim(ClaimError::Issuer))
}

/// A right signature of the wrong issuer says more than a wrong signature.
fn more_telling(earlier: VerifyError, later: VerifyError) -> VerifyError {
    if earlier == VerifyError::Claim(ClaimError::Issuer) { earlier } else { later }
}

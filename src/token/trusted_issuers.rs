//! Whose keys are trusted, and for whose tokens.

use crate::{
    config_error::ConfigError,
    keys::{KeySet, RsaMinimum, VerifyingKey},
    token::{
        VerifyError,
        claims::{header::Header, rules::Issuers},
    },
};

/// The most trusted of one verifier: as many signature checks can a token cost, if all of them have a key of its `kid` and `alg`.
const MAX_PARTIES: usize = 16;

/// Somebody whose tokens are accepted.
#[derive(Debug)]
pub(crate) struct TrustedIssuer {
    pub(crate) keys: KeySet,
    /// Whose tokens these keys speak for; `None`: as the rules say, for this is the party of the verifier itself.
    pub(crate) issuers: Option<Issuers>,
}

/// All of them, the verifier's own first.
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
        let mut trusted: Vec<_> = own.into_iter().map(|keys| TrustedIssuer { keys, issuers: None }).collect();
        for (index, (name, keys)) in others.iter().enumerate() {
            if name.is_empty() {
                return Err(ConfigError::setting(
                    "a trusted issuer has no name: a token that names nobody would match it",
                ));
            }
            if others[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(ConfigError::setting("one issuer is trusted with two sets of keys: put its keys into one"));
            }
            // One set for several names, as of the tenants of one login service: one party, so that a signature is checked once.
            let known = trusted.iter_mut().find_map(|party| match &mut party.issuers {
                Some(Issuers::OneOf(names)) if party.keys.is_same(keys) => Some(names),
                _ => None,
            });
            match known {
                Some(names) => names.push(name.clone()),
                None => {
                    let issuers = Some(Issuers::OneOf(vec![name.clone()]));
                    trusted.push(TrustedIssuer { keys: keys.clone(), issuers });
                }
            }
        }
        if trusted.is_empty() {
            return Err(ConfigError::setting("no key is set: call `key(…)`"));
        }
        if trusted.len() > MAX_PARTIES {
            return Err(ConfigError::setting(
                "more than 16 trusted are trusted: a token could cost as many signature checks",
            ));
        }
        let nameless = |party: &TrustedIssuer| party.keys.load().iter().any(|key| key.id.is_none());
        if trusted.len() > 1 && trusted.iter().any(nameless) {
            return Err(ConfigError::setting(
                "of several keys each needs an id: call `with_id(…)` with the `kid` of its tokens",
            ));
        }
        // What somebody else publishes is no fault of this program's: such a key is left alone, and the others are used.
        for key in trusted.iter().filter(|party| !party.keys.is_remote()).flat_map(|party| party.keys.load().to_vec()) {
            if !rsa_minimum.allows(&key) {
                let id = key.id().unwrap_or_default();
                return Err(ConfigError::key(format!(
                    "an RSA key (kid {id:?}) has fewer than the 3072 bits of `rsa_minimum`: make one with \
                     `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072`"
                )));
            }
        }
        Ok(Self { all: trusted, rsa_minimum })
    }

    /// The answer of `judge` about the first party whose key it is convinced by. Only keys that the header names are tried, with
    /// their own algorithm: one of each party at most.
    pub(crate) fn decide<T>(
        &self,
        header: &Header,
        mut judge: impl FnMut(&TrustedIssuer, &VerifyingKey) -> Result<T, VerifyError>,
    ) -> Result<T, VerifyError> {
        let mut refusal = VerifyError::UnknownKey;
        for party in &self.all {
            let keys = party.keys.load();
            let chosen = choose(&keys, header.key_id.as_deref(), self.all.len() == 1);
            let Some(key) = chosen.filter(|key| self.rsa_minimum.allows(key)) else { continue };
            let judged =
                if key.algorithm == header.algorithm { judge(party, key) } else { Err(VerifyError::Algorithm) };
            match judged {
                // Another party may have a key of this name too. That it was signed, but by the wrong one, says most.
                Err(VerifyError::Algorithm | VerifyError::Signature) if refusal == VerifyError::Issuer => {}
                Err(error @ (VerifyError::Algorithm | VerifyError::Signature | VerifyError::Issuer)) => refusal = error,
                judged => return judged,
            }
        }
        // Not waited for: this token is refused, and the next of that key may find it. Also where another party has one of this
        // name, for it may have been meant for this party's newest.
        for party in &self.all {
            if choose(&party.keys.load(), header.key_id.as_deref(), self.all.len() == 1).is_none() {
                party.keys.missed();
            }
        }
        Err(refusal)
    }

    /// Another number once any key is another.
    pub(crate) fn version(&self) -> u64 {
        // Each only grows, so no two states have one sum.
        self.all.iter().map(|party| party.keys.version()).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.all.iter()
    }

    /// The verifier's own keys.
    pub(crate) fn own(&self) -> Option<&KeySet> {
        self.all.first().filter(|party| party.issuers.is_none()).map(|party| &party.keys)
    }
}

/// The key is chosen by configuration: the header can only name one. Where there is nothing to choose it need not.
fn choose<'k>(keys: &'k [VerifyingKey], id: Option<&str>, no_other_party: bool) -> Option<&'k VerifyingKey> {
    match (keys, id) {
        ([only], None) if no_other_party => Some(only),
        ([only], Some(_)) if no_other_party && only.id.is_none() => Some(only),
        (keys, Some(id)) => keys.iter().find(|key| key.id() == Some(id)),
        (_, None) => None,
    }
}

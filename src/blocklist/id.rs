//! How a token and a session are named in a store: by a hash, so that no text of a token is ever part of a key.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};

use crate::{blocklist::RevocationScope, clock::Timestamp, compat::RawJti};

/// The name of something in a store: the first 128 bits of a SHA-256 over the scope, the issuer and the id. Equal ids of
/// different issuers, or in different scopes, have different names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RevocationId([u8; 16]);

impl RevocationId {
    /// Names what this issuer (`iss`) calls `id`: a token's `jti`, a session's `sid`, a subject's `sub`. All that the issuer
    /// has issued is [`RevocationId::issuer`].
    pub fn new(issuer: Option<&str>, scope: RevocationScope, id: &str) -> Self {
        Self::issuer(issuer).within(scope, id)
    }

    /// Names an issuer (`iss`), or with `None` whoever issues tokens without `iss`.
    pub fn issuer(issuer: Option<&str>) -> Self {
        // The marker keeps "no issuer" and "an empty one" apart.
        let marker = [RevocationScope::Issuer.tag(), u8::from(issuer.is_some())];
        Self::first_half(Sha256::new().chain_update(marker).chain_update(issuer.unwrap_or_default()))
    }

    /// Names something of the issuer that this is the name of. All parts but the last have one length: no two triples hash the
    /// same text.
    fn within(self, scope: RevocationScope, id: &str) -> Self {
        Self::first_half(Sha256::new().chain_update([scope.tag()]).chain_update(self.0).chain_update(id))
    }

    fn first_half(hash: Sha256) -> Self {
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(bytes)
    }

    /// From what `Display` writes, and nothing else: what the scripts compare as text must not be equal here.
    #[cfg(feature = "redis")]
    pub(crate) fn from_hex(digits: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if digits.len() != 32 || !digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// A name that nothing else has.
    #[cfg(feature = "redis")]
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map(|()| Self(bytes))
    }

    #[cfg(feature = "redis")]
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// What `Display` writes.
    pub(crate) fn hex(self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 32];
        for (byte, pair) in self.0.iter().zip(hex.chunks_exact_mut(2)) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        hex
    }

    /// Its place among `len`, by its first bits: as even as the hash is, and ascending with the names.
    #[cfg(feature = "redis")]
    pub(crate) fn scaled_to(self, len: usize) -> usize {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        let scaled = u128::from(u64::from_be_bytes([a, b, c, d, e, f, g, h])) * len as u128;
        // Less than `len`.
        (scaled >> 64) as usize
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl RevocationScope {
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Token => b't',
            Self::Session => b's',
            Self::Subject => b'u',
            Self::Issuer => b'i',
        }
    }
}

/// 32 lower-case hexadecimal digits. They tell nothing about the id that was hashed, if that is hard to guess.
impl fmt::Display for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hex().iter().try_for_each(|digit| f.write_char(char::from(*digit)))
    }
}

impl fmt::Debug for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationId({self})")
    }
}

/// Every name by which one token can have been revoked, and when it was issued: what a check asks about, at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenIds {
    token: RevocationId,
    session: Option<RevocationId>,
    subject: Option<RevocationId>,
    issuer: RevocationId,
    issued_at: Option<Timestamp>,
    bare: Option<RawJti>,
}

impl TokenIds {
    /// From a token's `iss`, `jti` and `sid`; without subject and time of issue.
    pub fn new(issuer: Option<&str>, token_id: &str, session_id: Option<&str>) -> Self {
        let issuer = RevocationId::issuer(issuer);
        Self {
            token: issuer.within(RevocationScope::Token, token_id),
            session: session_id.map(|session_id| issuer.within(RevocationScope::Session, session_id)),
            subject: None,
            issuer,
            issued_at: None,
            bare: RawJti::parse(token_id),
        }
    }

    /// With the token's `sub`.
    #[must_use]
    pub fn with_subject(mut self, subject: &str) -> Self {
        self.subject = Some(self.issuer.within(RevocationScope::Subject, subject));
        self
    }

    /// With the time that a cut-off is compared with: when the login was, or the token's `iat`. A token without it is refused
    /// wherever a cut-off applies.
    #[must_use]
    pub fn with_issued_at(mut self, issued_at: Timestamp) -> Self {
        self.issued_at = Some(issued_at);
        self
    }

    /// The token's own name.
    pub fn token(&self) -> RevocationId {
        self.token
    }

    /// Its session's name; `None` where the token has no `sid`.
    pub fn session(&self) -> Option<RevocationId> {
        self.session
    }

    /// Its subject's name; `None` where the token has no `sub`.
    pub fn subject(&self) -> Option<RevocationId> {
        self.subject
    }

    /// Its issuer's name.
    pub fn issuer(&self) -> RevocationId {
        self.issuer
    }

    /// When the token was issued.
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// Its `jti` itself, if it can be a key.
    pub(crate) fn bare(&self) -> Option<RawJti> {
        self.bare
    }

    /// All its names with their scopes, the widest first: what a check has to look up.
    pub fn each(&self) -> impl Iterator<Item = (RevocationScope, RevocationId)> {
        let names = [
            (RevocationScope::Issuer, Some(self.issuer)),
            (RevocationScope::Subject, self.subject),
            (RevocationScope::Session, self.session),
            (RevocationScope::Token, Some(self.token)),
        ];
        names.into_iter().filter_map(|(scope, id)| Some((scope, id?)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn r51_ids_are_scoped_by_issuer_and_kind_of_id() {
        let ids = [
            RevocationId::new(Some("a"), RevocationScope::Token, "1"),
            RevocationId::new(Some("a"), RevocationScope::Session, "1"),
            RevocationId::new(Some("b"), RevocationScope::Token, "1"),
            RevocationId::new(Some("a"), RevocationScope::Token, "2"),
            RevocationId::new(Some("a1"), RevocationScope::Token, ""),
            RevocationId::new(Some(""), RevocationScope::Token, "a1"),
            RevocationId::new(None, RevocationScope::Token, "a1"),
            RevocationId::new(Some("a"), RevocationScope::Subject, "1"),
            RevocationId::issuer(Some("a")),
            RevocationId::issuer(Some("")),
            RevocationId::issuer(None),
        ];
        assert_eq!(HashSet::from(ids).len(), ids.len());
    }

    #[test]
    fn r66_a_name_is_32_hex_digits_whatever_the_id() {
        for id in ["", "{x}", "a\nb", "\0", "*", &"j".repeat(10_000)] {
            let name = RevocationId::new(None, RevocationScope::Token, id).to_string();
            assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        }
    }

    #[test]
    fn names_do_not_change_between_versions() {
        let name = RevocationId::new(Some("https://login.example.org"), RevocationScope::Session, "s-1").to_string();
        assert_eq!(name, "67edf5fa9773b975112a7184d70e3c90");
    }
}

//! The ids of a store: hashes, so that no text of a token is ever part of a key.

use std::{
    fmt::{self, Write},
    time::SystemTime,
};

use sha2::{Digest, Sha256};

use crate::{blocklist::raw_jti::RawJti, clock::Timestamp};

/// The breadth of a revocation, the smallest first.
// A wider or narrower scope, such as a device, must not be a breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevocationScope {
    /// One token, by its `jti`.
    Token,
    /// One login, by its `sid`: an access token, its refresh token and all their successors.
    Session,
    /// All tokens of one subject, by its `sub`.
    Subject,
    /// All tokens of one issuer, by its `iss`.
    Issuer,
}

impl RevocationScope {
    /// Returns the name for log events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::Subject => "subject",
            Self::Issuer => "issuer",
        }
    }

    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Token => b't',
            Self::Session => b's',
            Self::Subject => b'u',
            Self::Issuer => b'i',
        }
    }
}

/// The id of a token, session, subject or issuer in a store: the first 128 bits of a SHA-256 over
/// the scope, the issuer and the id.
///
/// Equal ids of different issuers, or in different scopes, have different `RevocationId`s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RevocationId([u8; 16]);

impl RevocationId {
    /// Hashes an issuer's id of a token (`jti`), a session (`sid`) or a subject (`sub`).
    ///
    /// The id of the issuer itself is [`RevocationId::issuer`].
    pub fn new(issuer: Option<&str>, scope: RevocationScope, id: &str) -> Self {
        Self::issuer(issuer).within(scope, id)
    }

    /// Hashes the name of an issuer (`iss`). `None` stands for the issuer of tokens without `iss`.
    pub fn issuer(issuer: Option<&str>) -> Self {
        // The marker keeps "no issuer" and "an empty one" apart.
        let marker = [RevocationScope::Issuer.tag(), u8::from(issuer.is_some())];
        Self::first_half(Sha256::new().chain_update(marker).chain_update(issuer.unwrap_or_default()))
    }

    /// Hashes an id of this issuer. All parts but the last have a fixed length, so no two triples
    /// hash the same text.
    fn within(self, scope: RevocationScope, id: &str) -> Self {
        Self::first_half(Sha256::new().chain_update([scope.tag()]).chain_update(self.0).chain_update(id))
    }

    fn first_half(hash: Sha256) -> Self {
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(bytes)
    }

    /// Rebuilds an id from its [bytes](Self::as_bytes).
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The text that `Display` writes.
    pub(crate) fn hex(self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 32];
        for (byte, pair) in self.0.iter().zip(hex.chunks_exact_mut(2)) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        hex
    }

    /// Returns the 16 bytes: the key of an entry.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

#[cfg(feature = "redis")]
impl RevocationId {
    /// Parses what `Display` writes, and nothing else: the scripts in Redis compare ids as text.
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

    /// A random id.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map(|()| Self(bytes))
    }

    /// The id's place in a table of `len` places, by its first bits. Places ascend with the ids.
    pub(crate) fn scaled_to(self, len: usize) -> usize {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        let scaled = u128::from(u64::from_be_bytes([a, b, c, d, e, f, g, h])) * len as u128;
        // Less than `len`, so it fits.
        (scaled >> 64) as usize
    }
}

/// Writes 32 lower-case hexadecimal digits. They reveal nothing about the hashed id, if that is
/// hard to guess.
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

/// All ids by which one token can be revoked, and when it was issued. A check looks all of them up
/// at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenIds {
    token: RevocationId,
    session: Option<RevocationId>,
    subject: Option<RevocationId>,
    issuer: RevocationId,
    issued_at: Option<Timestamp>,
    raw_jti: Option<RawJti>,
}

impl TokenIds {
    /// Hashes a token's `iss`, `jti` and `sid`. The subject and the time of issue are missing.
    pub fn new(issuer: Option<&str>, token_id: &str, session_id: Option<&str>) -> Self {
        let issuer = RevocationId::issuer(issuer);
        Self {
            token: issuer.within(RevocationScope::Token, token_id),
            session: session_id.map(|session_id| issuer.within(RevocationScope::Session, session_id)),
            subject: None,
            issuer,
            issued_at: None,
            raw_jti: RawJti::parse(token_id),
        }
    }

    /// Sets the token's `sub`.
    #[must_use]
    pub fn with_subject(mut self, subject: &str) -> Self {
        self.subject = Some(self.issuer.within(RevocationScope::Subject, subject));
        self
    }

    /// Sets the time that a cut-off is compared with: the time of the login, or the token's `iat`.
    ///
    /// A token without it is rejected by every cut-off of its ids.
    #[must_use]
    pub fn with_issued_at(self, issued_at: SystemTime) -> Self {
        self.with_issue_time(issued_at.into())
    }

    pub(crate) fn with_issue_time(mut self, issued_at: Timestamp) -> Self {
        self.issued_at = Some(issued_at);
        self
    }

    /// Returns the token's own id.
    pub fn token(&self) -> RevocationId {
        self.token
    }

    /// Returns the session's id; `None` for a token without `sid`.
    pub fn session(&self) -> Option<RevocationId> {
        self.session
    }

    /// Returns the subject's id; `None` for a token without `sub`.
    pub fn subject(&self) -> Option<RevocationId> {
        self.subject
    }

    /// Returns the issuer's id.
    pub fn issuer(&self) -> RevocationId {
        self.issuer
    }

    /// Returns when the token was issued.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.issued_at.map(SystemTime::from)
    }

    /// The same as [`issued_at`](Self::issued_at).
    pub(crate) fn issue_time(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// The `jti` itself, if it can be a key.
    pub(crate) fn raw_jti(&self) -> Option<RawJti> {
        self.raw_jti
    }

    /// Iterates over all ids with their scopes, the widest scope first: the entries that a check
    /// has to look up.
    pub fn each(&self) -> impl Iterator<Item = (RevocationScope, RevocationId)> {
        let ids = [
            (RevocationScope::Issuer, Some(self.issuer)),
            (RevocationScope::Subject, self.subject),
            (RevocationScope::Session, self.session),
            (RevocationScope::Token, Some(self.token)),
        ];
        ids.into_iter().filter_map(|(scope, id)| Some((scope, id?)))
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

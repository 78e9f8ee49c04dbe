//! How a token and a session are named in a store: by a hash, so that no text of a token is ever part of a key.

use std::fmt;

use sha2::{Digest, Sha256};

use super::Scope;

/// The name of a token or a session in a store: the first 128 bits of a SHA-256 over the issuer, the scope and the id. Equal
/// ids of different issuers, or of a token and a session, have different names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RevocationId([u8; 16]);

impl RevocationId {
    /// Names the token (`jti`) or session (`sid`) called `id` by this issuer (`iss`).
    pub fn new(issuer: Option<&str>, scope: Scope, id: &str) -> Self {
        // Each part is preceded by its length, so that no two triples hash the same text.
        let issuer_len = issuer.map_or(u64::MAX, |issuer| issuer.len() as u64);
        let digest = Sha256::new()
            .chain_update([scope.tag()])
            .chain_update(issuer_len.to_be_bytes())
            .chain_update(issuer.unwrap_or_default())
            .chain_update(id)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Scope {
    pub(super) const fn tag(self) -> u8 {
        match self {
            Self::Token => b't',
            Self::Session => b's',
        }
    }
}

/// 32 lower-case hexadecimal digits. They tell nothing about the id that was hashed, if that is hard to guess.
impl fmt::Display for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationId({self})")
    }
}

/// Every name by which one token can have been revoked: what a check asks for, at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenIds {
    token: RevocationId,
    session: Option<RevocationId>,
}

impl TokenIds {
    /// From a token's `iss`, `jti` and `sid`.
    pub fn new(issuer: Option<&str>, token_id: &str, session_id: Option<&str>) -> Self {
        Self {
            token: RevocationId::new(issuer, Scope::Token, token_id),
            session: session_id.map(|session_id| RevocationId::new(issuer, Scope::Session, session_id)),
        }
    }

    /// The token's own name.
    pub fn token(&self) -> RevocationId {
        self.token
    }

    /// Its session's name; `None` where the token has no `sid`.
    pub fn session(&self) -> Option<RevocationId> {
        self.session
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn r51_ids_are_scoped_by_issuer_and_kind_of_id() {
        let ids = [
            RevocationId::new(Some("a"), Scope::Token, "1"),
            RevocationId::new(Some("a"), Scope::Session, "1"),
            RevocationId::new(Some("b"), Scope::Token, "1"),
            RevocationId::new(Some("a"), Scope::Token, "2"),
            RevocationId::new(Some("a1"), Scope::Token, ""),
            RevocationId::new(Some(""), Scope::Token, "a1"),
            RevocationId::new(None, Scope::Token, "a1"),
        ];
        assert_eq!(HashSet::from(ids).len(), ids.len());
    }

    #[test]
    fn r66_a_name_is_32_hex_digits_whatever_the_id() {
        for id in ["", "{x}", "a\nb", "\0", "*", &"j".repeat(10_000)] {
            let name = RevocationId::new(None, Scope::Token, id).to_string();
            assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        }
    }

    #[test]
    fn names_do_not_change_between_versions() {
        let name = RevocationId::new(Some("https://login.example.org"), Scope::Session, "s-1").to_string();
        assert_eq!(name, "82c97bf51ca93f69a3c9993e37ef8317");
    }
}

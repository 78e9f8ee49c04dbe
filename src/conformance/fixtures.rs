//! Tokens and revocations of the cases, and short ways to ask.

use std::time::{Duration, SystemTime};

use crate::{
    blocklist::{Blocklist, Revocation, RevocationId, RevocationScope, Revoke, Status, TokenIds},
    conformance::backend::Backend,
};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// Long enough to be read back before it has passed, on a slow machine too.
pub(crate) const MOMENT: Duration = Duration::from_millis(100);

/// The time of the backend, so much later.
pub(crate) fn after(backend: &impl Backend, duration: Duration) -> SystemTime {
    backend.now() + duration
}

pub(crate) fn token_id(name: &str) -> RevocationId {
    RevocationId::new(None, RevocationScope::Token, name)
}

pub(crate) fn session_id(name: &str) -> RevocationId {
    RevocationId::new(None, RevocationScope::Session, name)
}

pub(crate) fn subject_id(name: &str) -> RevocationId {
    RevocationId::new(None, RevocationScope::Subject, name)
}

/// A token without a session.
pub(crate) fn token(name: &str) -> TokenIds {
    TokenIds::new(None, name, None)
}

pub(crate) fn in_session(token: &str, session: &str) -> TokenIds {
    TokenIds::new(None, token, Some(session))
}

pub(crate) fn of_token(name: &str, until: SystemTime) -> Revocation {
    Revocation::new(RevocationScope::Token, token_id(name), until)
}

pub(crate) fn of_session(name: &str, until: SystemTime) -> Revocation {
    Revocation::new(RevocationScope::Session, session_id(name), until)
}

pub(crate) fn of_subject(name: &str, until: SystemTime) -> Revocation {
    Revocation::new(RevocationScope::Subject, subject_id(name), until)
}

/// Returns this node's answer; panics on an outage.
pub(crate) async fn check(backend: &impl Backend, node: &impl Blocklist, ids: &TokenIds) -> Status {
    node.check(ids, backend.now()).await.unwrap()
}

/// Returns the cut-off for tokens without `iss`, of this subject or of any.
pub(crate) async fn cut_off(node: &impl Revoke, subject: Option<&str>) -> Option<SystemTime> {
    node.cut_off(RevocationId::issuer(None), subject.map(subject_id)).await.unwrap()
}

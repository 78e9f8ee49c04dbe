//! Login: the first pair of a session.

use serde::Serialize;

use crate::issuer::{
    Issuer,
    error::IssueError,
    mint::{TokenPair, id_text, random_bits},
};

impl Issuer {
    /// Begins a session for `subject`: mints an access token and a refresh token. `claims` become
    /// members of both, next to the registered claims.
    ///
    /// Everybody who sees a token can read its claims: they are signed, not encrypted.
    ///
    /// The tokens are dated after every revocation of the subject's tokens so far. So a login works
    /// right after "log out everywhere", even within the same second or if the clock of the machine
    /// that revoked is ahead.
    ///
    /// # Errors
    ///
    /// If the claims or the subject cannot be put into a token, or the store cannot be read; see
    /// [`IssueError`].
    pub async fn login<X: Serialize>(&self, subject: &str, claims: &X) -> Result<TokenPair, IssueError> {
        // Read the clock first: the store's answer may miss a revocation that is stored while the
        // query is in flight.
        let now = self.now();
        let verifier = &self.mint().verifier;
        let session_id = id_text(random_bits()?);
        let first_valid = self.first_valid_issue(verifier.issuer(), Some(subject)).await.map_err(IssueError::Outage)?;
        let issued_at = first_valid.map_or(now, |first_valid| first_valid.max(now));
        if issued_at > verifier.latest_issue() {
            return Err(IssueError::Revoked);
        }
        self.mint().first_pair(subject, &session_id, issued_at, claims)
    }
}

#[cfg(feature = "testing")]
impl Issuer {
    /// Mints the tokens of a login at this time, in this session or in a new one. It reads no
    /// store, so the time may be long past.
    pub(crate) fn pair_of_session<X: Serialize>(
        &self,
        subject: &str,
        session_id: Option<&str>,
        issued_at: std::time::SystemTime,
        claims: &X,
    ) -> Result<TokenPair, IssueError> {
        let session_id = session_id.map_or_else(|| random_bits().map(id_text), |id| Ok(id.to_owned()))?;
        self.mint().first_pair(subject, &session_id, issued_at.into(), claims)
    }
}

//! Requests that go on for long: whether their token still holds.

use std::{future::Future, sync::Arc};

use crate::{
    guard::{
        Authenticated, Guard,
        rejection::{Reason, Rejection},
    },
    token::VerifyError,
};

impl Guard {
    /// Whether a token that was let through may still be used: it has not expired, and the blocklist is asked anew. For handlers
    /// that go on for long, such as a stream or a WebSocket. No signature is checked.
    ///
    /// # Errors
    ///
    /// When the token is over, was revoked, or the blocklist cannot tell.
    pub async fn recheck<X>(&self, authenticated: &Authenticated<X>) -> Result<(), Rejection> {
        let (token, now) = (authenticated.token(), self.verifier.now());
        if self.verifier.is_over(token.claims().expires_at, now) {
            return Err(self.reject(Reason::Unacceptable(VerifyError::Expired)));
        }
        let answer = self.blocklist.check(token.ids(), now.into()).await;
        let authenticated = self.decide(Arc::clone(token), answer)?;
        self.count_admitted(&authenticated);
        Ok(())
    }

    /// Resolves when a token that was let through may no longer be used, with the reason. It [rechecks](Self::recheck) after each
    /// `pause`, so that it notices at most one pause late. It ends on an outage of the blocklist too, unless the
    /// [`OutagePolicy`](crate::OutagePolicy) covers it: a loop of your own around `recheck` can do otherwise. The pauses are the
    /// caller's, so that it runs on any runtime.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_jwt_blocklist::{Authenticated, Guard};
    /// # async fn next_message() -> Option<String> { None }
    /// async fn chat(guard: Guard, user: Authenticated) {
    ///     let pause = || tokio::time::sleep(Duration::from_secs(5));
    ///     let mut ended = std::pin::pin!(guard.watch(&user, pause));
    ///     loop {
    ///         tokio::select! {
    ///             _rejection = &mut ended => break, // close the connection
    ///             message = next_message() => match message {
    ///                 Some(_text) => { /* pass it on */ }
    ///                 None => break,
    ///             },
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn watch<X, P: Future<Output = ()>>(
        &self,
        authenticated: &Authenticated<X>,
        mut pause: impl FnMut() -> P,
    ) -> Rejection {
        loop {
            pause().await;
            if let Err(rejection) = self.recheck(authenticated).await {
                return rejection;
            }
        }
    }
}

//! Long requests: whether their token is still good.

use std::{future::Future, sync::Arc};

use crate::{
    guard::{
        Authenticated, Guard, Requirements,
        rejection::{Reason, Rejection},
    },
    token::ClaimError,
};

impl Guard {
    /// Checks again whether an admitted token is good: that it has not expired, and that it was not
    /// revoked.
    ///
    /// It is for handlers that run for long, such as a stream or a WebSocket. No signature is
    /// checked.
    ///
    /// # Errors
    ///
    /// If the token has expired or was revoked, or the blocklist has no answer.
    pub async fn recheck<X>(&self, authenticated: &Authenticated<X>) -> Result<(), Rejection> {
        let (token, time) = (authenticated.token(), self.verifier.system_time());
        if self.verifier.is_over(token.claims().expires_at, time.into()) {
            return Err(self.reject(Reason::Unacceptable(ClaimError::Expired.into())));
        }
        let answer = self.blocklist.check(token.ids(), time).await;
        self.admit(Arc::clone(token), answer, &Requirements::none()).map(drop)
    }

    /// Resolves with the reason when an admitted token is no longer good.
    ///
    /// It [rechecks](Self::recheck) after each `pause`, so it resolves at most one pause late. An
    /// outage of the blocklist ends it too, unless the [`OutagePolicy`](crate::OutagePolicy) covers
    /// it; to continue then, write your own loop around `recheck`. The caller makes the pauses, so
    /// it runs on any runtime.
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

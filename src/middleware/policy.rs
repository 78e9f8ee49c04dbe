//! What a layer and all its services share, and what they make of a request before anybody has to be waited for.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{
    Extensions, HeaderName, Method, Request, Response,
    header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, COOKIE, ORIGIN},
};
use serde::de::DeserializeOwned;

use crate::{
    guard::{Authenticated, Check, Guard, Reason, Rejection, Requirements, VerifiedToken},
    metrics,
    middleware::{
        identity_headers::{self, IdentityHeaders},
        reject::{RenderRejection, refuse},
        sources::{TokenSource, TokenSources},
    },
    token::{TokenCache, VerifiedTokens},
};

pub(crate) struct Policy<X> {
    pub(crate) guard: Guard,
    pub(crate) demands: Requirements<X>,
    pub(crate) front: HttpSettings,
    pub(crate) token_cache: TokenCache,
    /// Shared by clones: guard and `X` are the same in all of them, and what a layer asks beyond is asked anew each time.
    pub(crate) seen: VerifiedTokens<VerifiedToken<X>>,
}

/// What has to do with HTTP alone.
#[derive(Clone)]
pub(crate) struct HttpSettings {
    pub(crate) renderer: Arc<dyn RenderRejection>,
    pub(crate) sources: TokenSources,
    pub(crate) absence: MissingToken,
    pub(crate) preflights: Preflights,
    pub(crate) identity_headers: IdentityHeaders,
    pub(crate) removed_headers: Vec<HeaderName>,
}

/// What it means that a request carries no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingToken {
    Refused,
    Anonymous,
}

/// Whether a CORS preflight needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preflights {
    Checked,
    Exempt,
}

/// What becomes of a request.
pub(crate) enum Verdict<X> {
    /// It goes on, with the proof of who sends it, or as nobody's.
    Admit(Option<Authenticated<X>>),
    Refuse(Rejection),
    /// The blocklist has to be waited for; then [`Requirements::decide`] takes its answer.
    Ask(Check<X>),
}

/// In the extensions of a request that was let through as nobody's: the layer was there. It holds the layer's words for a handler
/// that needs somebody all the same.
pub(crate) struct Anonymous<X>(Arc<Policy<X>>);

impl<X: DeserializeOwned> Policy<X> {
    /// The verdict, and what carried the token.
    pub(crate) fn judge<B>(&self, request: &Request<B>) -> (Verdict<X>, Option<TokenSource>) {
        match self.front.sources.find(request, self.guard.max_token_bytes()) {
            Err(Reason::NoToken) if self.front.absence == MissingToken::Anonymous => (self.nobody("anonymous"), None),
            Err(Reason::NoToken) if self.front.preflights == Preflights::Exempt && is_preflight(request) => {
                (self.nobody("preflight"), None)
            }
            Err(reason) => (Verdict::Refuse(self.guard.reject(reason)), None),
            Ok((token, source)) => (self.judge_token(token), Some(source)),
        }
    }

    fn judge_token(&self, token: &[u8]) -> Verdict<X> {
        let check = match self.guard.check(token, &self.seen) {
            Ok(check) => check,
            Err(rejection) => return Verdict::Refuse(rejection),
        };
        match check.lookup.answer() {
            None => Verdict::Ask(check),
            Some(answer) => match self.demands.decide(&self.guard, check.candidate, answer) {
                Ok(user) => Verdict::Admit(Some(user)),
                Err(rejection) => Verdict::Refuse(rejection),
            },
        }
    }

    fn nobody(&self, outcome: &'static str) -> Verdict<X> {
        metrics::checked(self.guard.expected().as_str(), outcome);
        Verdict::Admit(None)
    }
}

impl<X> Policy<X> {
    pub(crate) fn refuse(&self, rejection: &Rejection, method: &Method) -> Response<Bytes> {
        refuse(&*self.front.renderer, rejection, method)
    }

    /// Takes out of a request what the inner service must neither see nor believe.
    pub(crate) fn clean<B>(&self, request: &mut Request<B>, source: Option<TokenSource>) {
        if self.front.identity_headers == IdentityHeaders::Removed {
            identity_headers::remove(request.headers_mut());
        }
        for name in &self.front.removed_headers {
            request.headers_mut().remove(name);
        }
        self.front.sources.hide(request, source);
    }
}

/// A true preflight (Fetch §3.2.2): it never carries credentials, so one that does is none.
fn is_preflight<B>(request: &Request<B>) -> bool {
    let has = |name| request.headers().contains_key(name);
    request.method() == Method::OPTIONS
        && has(ORIGIN)
        && has(ACCESS_CONTROL_REQUEST_METHOD)
        && !has(AUTHORIZATION)
        && !has(COOKIE)
}

/// Puts who sends a request in place of any who was there before.
pub(crate) fn identify<X>(policy: &Arc<Policy<X>>, extensions: &mut Extensions, user: Option<Authenticated<X>>)
where
    X: Send + Sync + 'static,
{
    match user {
        Some(user) => {
            extensions.insert(user);
        }
        None => {
            extensions.remove::<Authenticated<X>>();
            extensions.insert(Anonymous(Arc::clone(policy)));
        }
    }
}

impl<X> Anonymous<X> {
    /// The layer's answer to a request without a token.
    #[cfg(feature = "axum")]
    pub(crate) fn refuse(&self, method: &Method) -> Response<Bytes> {
        self.0.refuse(&Rejection::new(self.0.guard.expected(), Reason::NoToken), method)
    }
}

impl<X> Clone for Anonymous<X> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<X> Clone for Policy<X> {
    fn clone(&self) -> Self {
        Self {
            guard: self.guard.clone(),
            demands: self.demands.clone(),
            front: self.front.clone(),
            token_cache: self.token_cache,
            seen: self.seen.clone(),
        }
    }
}

impl<X> fmt::Debug for Policy<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("guard", &self.guard)
            .field("demands", &self.demands)
            .field("sources", &self.front.sources)
            .field("absence", &self.front.absence)
            .field("preflights", &self.front.preflights)
            .field("identity_headers", &self.front.identity_headers)
            .field("removed_headers", &self.front.removed_headers)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

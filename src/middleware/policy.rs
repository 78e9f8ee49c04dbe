//! The state shared by a layer and its services, and the part of the decision that needs no
//! waiting.

use std::{fmt, sync::Arc};

use http::{
    Extensions, Method, Request,
    header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, COOKIE, ORIGIN},
};
use serde::de::DeserializeOwned;

use crate::{
    guard::{Authenticated, Check, Guard, Reason, Rejection, Requirements, VerifiedToken},
    metrics,
    middleware::{http_settings::HttpSettings, sources::FoundIn},
    token::{TokenCache, VerifiedTokens},
};

pub(crate) struct Policy<X> {
    pub(crate) guard: Guard,
    pub(crate) requirements: Requirements<X>,
    pub(crate) http: HttpSettings,
    pub(crate) missing_token: MissingToken,
    pub(crate) preflights: Preflights,
    pub(crate) token_cache: TokenCache,
    /// Shared by clones: they all have the same guard and the same `X`. Requirements are checked
    /// with every request.
    pub(crate) verified_tokens: VerifiedTokens<VerifiedToken<X>>,
}

/// The treatment of requests without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingToken {
    Rejected,
    Anonymous,
}

/// Whether a CORS preflight needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preflights {
    Checked,
    Exempt,
}

/// The outcome for a request.
pub(crate) enum Verdict<X> {
    /// The inner service is called, with the proof of who sends the request, or anonymously.
    Admit(Option<Authenticated<X>>),
    Reject(Rejection),
    /// The blocklist has not answered yet. [`Guard::admit`] takes its answer.
    Wait(Check<X>),
}

/// Marks a request that was admitted anonymously, in its extensions. So a handler that needs an
/// [`Authenticated`] can send the layer's own rejection.
pub(crate) struct Anonymous<X> {
    policy: Arc<Policy<X>>,
}

impl<X: DeserializeOwned> Policy<X> {
    /// Returns the verdict, and the token's source.
    pub(crate) fn judge<B>(&self, request: &Request<B>) -> (Verdict<X>, FoundIn<'_>) {
        let (token, found_in) = match self.http.find(request, self.guard.max_token_bytes()) {
            Ok(found) => found,
            Err(reason) => return (self.judge_tokenless(request, reason), FoundIn::default()),
        };
        (self.judge_token(token), found_in)
    }

    fn judge_tokenless<B>(&self, request: &Request<B>, reason: Reason) -> Verdict<X> {
        match reason {
            Reason::NoToken if self.missing_token == MissingToken::Anonymous => self.admit_anonymously("anonymous"),
            Reason::NoToken if self.preflights == Preflights::Exempt && is_preflight(request) => {
                self.admit_anonymously("preflight")
            }
            reason => Verdict::Reject(self.guard.reject(reason)),
        }
    }

    fn judge_token(&self, token: &[u8]) -> Verdict<X> {
        let check = match self.guard.check(token, &self.verified_tokens) {
            Ok(check) => check,
            Err(rejection) => return Verdict::Reject(rejection),
        };
        match check.lookup.answer() {
            None => Verdict::Wait(check),
            Some(answer) => match self.guard.admit(check.verified, answer, &self.requirements) {
                Ok(authenticated) => Verdict::Admit(Some(authenticated)),
                Err(rejection) => Verdict::Reject(rejection),
            },
        }
    }

    fn admit_anonymously(&self, outcome: &'static str) -> Verdict<X> {
        metrics::checked(self.guard.expected().as_str(), outcome);
        Verdict::Admit(None)
    }
}

/// A true preflight never carries credentials (Fetch §3.2.2), so a request with credentials is not
/// one.
fn is_preflight<B>(request: &Request<B>) -> bool {
    let has = |name| request.headers().contains_key(name);
    request.method() == Method::OPTIONS
        && has(ORIGIN)
        && has(ACCESS_CONTROL_REQUEST_METHOD)
        && !has(AUTHORIZATION)
        && !has(COOKIE)
}

/// Puts the proof into the request's extensions, and removes an earlier one.
pub(crate) fn insert_identity<X>(
    policy: &Arc<Policy<X>>,
    extensions: &mut Extensions,
    authenticated: Option<Authenticated<X>>,
) where
    X: Send + Sync + 'static,
{
    match authenticated {
        Some(authenticated) => {
            extensions.insert(authenticated);
        }
        None => {
            extensions.remove::<Authenticated<X>>();
            extensions.insert(Anonymous { policy: Arc::clone(policy) });
        }
    }
}

#[cfg(feature = "axum")]
impl<X> Anonymous<X> {
    /// Renders the layer's rejection of a request without a token.
    pub(crate) fn reject(&self, method: &Method) -> http::Response<bytes::Bytes> {
        let Policy { guard, http, .. } = &*self.policy;
        http.reject(&Rejection::new(guard.expected(), Reason::NoToken), method)
    }
}

impl<X> Clone for Anonymous<X> {
    fn clone(&self) -> Self {
        Self { policy: Arc::clone(&self.policy) }
    }
}

impl<X> Clone for Policy<X> {
    fn clone(&self) -> Self {
        Self {
            guard: self.guard.clone(),
            requirements: self.requirements.clone(),
            http: self.http.clone(),
            missing_token: self.missing_token,
            preflights: self.preflights,
            token_cache: self.token_cache,
            verified_tokens: self.verified_tokens.clone(),
        }
    }
}

impl<X> fmt::Debug for Policy<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("guard", &self.guard)
            .field("requirements", &self.requirements)
            .field("http", &self.http)
            .field("missing_token", &self.missing_token)
            .field("preflights", &self.preflights)
            .field("verified_tokens", &self.verified_tokens)
            .finish_non_exhaustive()
    }
}

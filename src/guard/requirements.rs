//! What a route asks of a token beyond its being genuine, of the right kind and not revoked.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    blocklist::{Outage, Status},
    config_error::ConfigError,
    guard::{
        Authenticated, Guard, VerifiedToken,
        rejection::{Reason, Rejection, Wanted},
    },
    json::Member,
    token::{Payload, VerifyError},
};

/// What a route asks of a token beyond its being genuine, of the right kind and not revoked. Nothing to begin with; what is added
/// must hold all together. Set it with [`JwtBlocklistLayer::add_requirement`](crate::JwtBlocklistLayer::add_requirement).
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use tower_jwt_blocklist::{Blocklist, ConfigError, JwtBlocklistLayer, Verifier};
/// use tower_jwt_blocklist::{ClaimList, Require};
///
/// # fn f(verifier: Arc<Verifier>, blocklist: impl Blocklist + Clone) -> Result<(), ConfigError> {
/// let layer = JwtBlocklistLayer::access(verifier, blocklist);
/// let orders = layer.clone().add_requirement(Require::new().scopes(["orders:read", "orders:write"])?);
/// let admin = layer.clone().add_requirement(Require::new().any_role(ClaimList::array("roles"), ["admin", "auditor"])?);
/// let password = layer.add_requirement(Require::new().max_login_age(Duration::from_secs(300)));
/// # Ok(())
/// # }
/// ```
///
/// They are looked at in this order, after the blocklist has answered, and the first that does not hold is the answer: the token's
/// age (401 `invalid_token`: a fresh one helps), scopes and roles (403 `insufficient_scope`), the login's age and kind (401
/// `insufficient_user_authentication`, RFC 9470: nobody is sent to log in again who would then hear 403). A claim that is asked about
/// and is missing, or of another form than is said here, refuses.
///
/// There is no idle timeout: when a session was last used is not in its tokens. Short access tokens, and refresh tokens that end when
/// they are not used, do what it is for.
#[derive(Debug, Clone, Default)]
pub struct Require {
    lists: Vec<List>,
    max_token_age: Option<Duration>,
    max_login_age: Option<Duration>,
    acr_values: Vec<Box<str>>,
    wanted: Arc<Wanted>,
}

/// A claim that holds a list of names, and the form of the list. It is never guessed: a claim of the other form refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimList {
    /// One string, with a space between the names: `scope` as in RFC 8693 §4.2 and RFC 9068 §2.2.3.
    Words {
        /// The claim's name.
        claim: Box<str>,
    },
    /// An array of strings, as `scp` and `roles` often are.
    Array {
        /// The claim's name.
        claim: Box<str>,
    },
}

#[derive(Debug, Clone)]
struct List {
    claim: ClaimList,
    names: Vec<Box<str>>,
    needed: Needed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needed {
    All,
    One,
}

impl Require {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// All of these scopes, in the claim `scope` with a space between them (RFC 9068 §2.2.3).
    ///
    /// # Errors
    ///
    /// When there is none, or one is empty or has other characters than RFC 6749 §3.3 allows: printable ASCII without space,
    /// quote and backslash.
    pub fn scopes(self, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Result<Self, ConfigError> {
        self.scopes_in(ClaimList::words("scope"), names)
    }

    /// All of these scopes, in a claim of your choice.
    ///
    /// # Errors
    ///
    /// As for [`scopes`](Self::scopes).
    pub fn scopes_in(
        mut self,
        claim: ClaimList,
        names: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> Result<Self, ConfigError> {
        let names = checked(names)?;
        let wanted = Arc::make_mut(&mut self.wanted);
        wanted.scope = Some(joined(wanted.scope.iter().chain(&names)));
        self.lists.push(List { claim, names, needed: Needed::All });
        Ok(self)
    }

    /// At least one of these roles (or groups, entitlements: RFC 9068 §2.2.3.1). The client is not told which.
    ///
    /// # Errors
    ///
    /// As for [`scopes`](Self::scopes).
    pub fn any_role(
        mut self,
        claim: ClaimList,
        names: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> Result<Self, ConfigError> {
        self.lists.push(List { claim, names: checked(names)?, needed: Needed::One });
        Ok(self)
    }

    /// A token that was issued (`iat`) no longer ago than this. To the client it is as if it had expired.
    #[must_use]
    pub fn max_token_age(mut self, age: Duration) -> Self {
        self.max_token_age = Some(self.max_token_age.map_or(age, |other| other.min(age)));
        self
    }

    /// A login no longer ago than this: `auth_time` (OpenID Connect), else when tokens of the [`Issuer`](crate::Issuer) say that
    /// their session began. For what a stolen session must not do: changing a password, paying.
    #[must_use]
    pub fn max_login_age(mut self, age: Duration) -> Self {
        self.max_login_age = Some(self.max_login_age.map_or(age, |other| other.min(age)));
        Arc::make_mut(&mut self.wanted).max_age = self.max_login_age;
        self
    }

    /// A login by one of these means: the claim `acr` (RFC 9470). Called again, it replaces them.
    ///
    /// # Errors
    ///
    /// As for [`scopes`](Self::scopes).
    pub fn acr_values(mut self, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Result<Self, ConfigError> {
        self.acr_values = checked(names)?;
        Arc::make_mut(&mut self.wanted).acr_values = Some(joined(&self.acr_values));
        Ok(self)
    }

    fn check<X>(&self, guard: &Guard, user: &Authenticated<X>) -> Result<(), Reason> {
        let (now, latest) = (guard.now(), guard.latest_past());
        let within = |moment, age| moment <= latest && now.since(moment) <= age;
        if let Some(age) = self.max_token_age {
            let issued_at = user.issued_at().ok_or(Reason::Unacceptable(VerifyError::IssuedAt))?;
            met(within(issued_at.into(), age), Reason::TokenAge)?;
        }
        for list in &self.lists {
            met(list.is_met_by(user.payload()), list.reason())?;
        }
        if let Some(age) = self.max_login_age {
            met(user.logged_in_at().is_some_and(|moment| within(moment, age)), Reason::LoginAge)?;
        }
        if !self.acr_values.is_empty() {
            let acr = user.payload().claim("acr");
            met(
                self.acr_values.iter().any(|value| acr.as_ref().and_then(Member::as_text) == Some(value)),
                Reason::Acr,
            )?;
        }
        Ok(())
    }
}

fn met(holds: bool, reason: Reason) -> Result<(), Reason> {
    if holds { Ok(()) } else { Err(reason) }
}

impl ClaimList {
    /// [`ClaimList::Words`]: `ClaimList::words("scope")` reads `{"scope": "read write"}`.
    pub fn words(claim: impl Into<Box<str>>) -> Self {
        Self::Words { claim: claim.into() }
    }

    /// [`ClaimList::Array`]: `ClaimList::array("roles")` reads `{"roles": ["admin"]}`.
    pub fn array(claim: impl Into<Box<str>>) -> Self {
        Self::Array { claim: claim.into() }
    }

    /// The claim's value if it has the form.
    fn read<'p>(&self, payload: &'p Payload) -> Option<Member<'p>> {
        match self {
            Self::Words { claim } => payload.claim(claim).filter(|value| matches!(value, Member::Text(_))),
            Self::Array { claim } => payload.claim(claim).filter(|value| matches!(value, Member::Texts(_))),
        }
    }
}

impl List {
    fn is_met_by(&self, payload: &Payload) -> bool {
        let Some(value) = self.claim.read(payload) else { return false };
        let has = |name: &str| match &value {
            Member::Text(words) => words.split(' ').any(|word| word == name),
            Member::Texts(list) => list.iter().any(|item| item == name),
            _ => false,
        };
        match self.needed {
            Needed::All => self.names.iter().all(|name| has(name)),
            Needed::One => self.names.iter().any(|name| has(name)),
        }
    }

    fn reason(&self) -> Reason {
        match self.needed {
            Needed::All => Reason::InsufficientScope,
            Needed::One => Reason::Role,
        }
    }
}

/// Names that can stand in a list with spaces between, and in a quoted string of a header.
fn checked(names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Result<Vec<Box<str>>, ConfigError> {
    let names: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
    let good =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'));
    if names.is_empty() || !names.iter().all(|name| good(name)) {
        return Err(ConfigError::setting(
            "scopes, roles and `acr` values are at least one, each printable ASCII without spaces, quotes and backslashes",
        ));
    }
    Ok(names)
}

fn joined<'a>(names: impl IntoIterator<Item = &'a Box<str>>) -> Box<str> {
    let names: Vec<&str> = names.into_iter().map(|name| &**name).collect();
    names.join(" ").into()
}

/// All that a layer asks for: requirements and conditions only ever add up.
pub(crate) struct Requirements<X> {
    pub(crate) require: Vec<Require>,
    pub(crate) conditions: Vec<Condition<X>>,
}

type Condition<X> = Arc<dyn Fn(&Authenticated<X>) -> bool + Send + Sync>;

impl<X> Requirements<X> {
    /// The guard's decision once the blocklist has answered, and then the layer's own.
    pub(crate) fn decide(
        &self,
        guard: &Guard,
        candidate: Arc<VerifiedToken<X>>,
        answer: Result<Status, Outage>,
    ) -> Result<Authenticated<X>, Rejection> {
        let user = guard.decide(candidate, answer)?;
        for require in &self.require {
            let check = require.check(guard, &user);
            check.map_err(|reason| guard.reject(reason).wanting(Arc::clone(&require.wanted)))?;
        }
        if !self.conditions.iter().all(|holds| holds(&user)) {
            return Err(guard.reject(Reason::Condition));
        }
        guard.count_admitted(&user);
        Ok(user)
    }

    /// The same for other application claims. A condition about the former ones can be asked no more: then nothing passes.
    pub(crate) fn for_claims<Y>(self) -> Requirements<Y> {
        let never = || Arc::new(|_: &Authenticated<Y>| false) as Condition<Y>;
        Requirements { require: self.require, conditions: self.conditions.iter().map(|_| never()).collect() }
    }
}

impl<X> Default for Requirements<X> {
    fn default() -> Self {
        Self { require: Vec::new(), conditions: Vec::new() }
    }
}

impl<X> Clone for Requirements<X> {
    fn clone(&self) -> Self {
        Self { require: self.require.clone(), conditions: self.conditions.clone() }
    }
}

impl<X> fmt::Debug for Requirements<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirements")
            .field("require", &self.require)
            .field("conditions", &self.conditions.len())
            .finish_non_exhaustive()
    }
}

//! The requirements of a route, in addition to a valid token that is not revoked.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    config_error::ConfigError,
    guard::{
        Authenticated,
        rejection::{Reason, Wanted},
    },
    json::Member,
    token::{ClaimError, Payload},
};

/// Requirements of a route, in addition to a valid token that is not revoked.
///
/// Set it with [`JwtBlocklistLayer::add_requirement`](crate::JwtBlocklistLayer::add_requirement).
#[doc = include_str!("../../docs/requiring.md")]
#[derive(Debug, Clone)]
pub struct Require {
    lists: Vec<ListRule>,
    max_token_age: Option<Duration>,
    max_login_age: Option<Duration>,
    acr_values: Vec<Box<str>>,
    wanted: Arc<Wanted>,
}

/// Builds a [`Require`]. Every requirement that is added must hold.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct RequireBuilder {
    lists: Vec<ListRule>,
    max_token_age: Option<Duration>,
    max_login_age: Option<Duration>,
    acr_values: Option<Vec<Box<str>>>,
}

/// A claim that holds a list of names, and the list's form. The form is never guessed: another form
/// is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimList {
    claim: Box<str>,
    form: ListForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListForm {
    Words,
    Array,
}

#[derive(Debug, Clone)]
struct ListRule {
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
    /// Starts with no requirements; every one that is added must hold.
    pub fn builder() -> RequireBuilder {
        RequireBuilder::default()
    }

    fn check<X>(&self, authenticated: &Authenticated<X>, clock: impl Fn() -> Times) -> Result<(), Reason> {
        if let Some(age) = self.max_token_age {
            let issued_at = authenticated.issued_at().ok_or(Reason::Unacceptable(ClaimError::IssuedAt.into()))?;
            require(clock().is_within(age, issued_at.into()), Reason::TokenAge)?;
        }
        for list in &self.lists {
            require(list.is_met_by(authenticated.payload()), list.reason())?;
        }
        if let Some(age) = self.max_login_age {
            let logged_in_at = authenticated.logged_in_at();
            require(logged_in_at.is_some_and(|moment| clock().is_within(age, moment)), Reason::LoginAge)?;
        }
        if !self.acr_values.is_empty() {
            let acr = authenticated.payload().claim("acr");
            let acr = acr.as_ref().and_then(Member::as_text);
            require(self.acr_values.iter().any(|value| acr == Some(value)), Reason::Acr)?;
        }
        Ok(())
    }
}

impl Times {
    fn is_within(self, age: Duration, moment: Timestamp) -> bool {
        moment <= self.latest_past && self.now.since(moment) <= age
    }
}

fn require(holds: bool, reason: Reason) -> Result<(), Reason> {
    if holds { Ok(()) } else { Err(reason) }
}

impl RequireBuilder {
    /// Requires all of these scopes, in the claim `scope`, separated by spaces (RFC 9068 §2.2.3). A
    /// second call requires its scopes too.
    pub fn scopes(self, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.scopes_in(ClaimList::words("scope"), names)
    }

    /// Requires all of these scopes, in a claim of your choice. A second call requires its scopes
    /// too.
    pub fn scopes_in(self, claim: ClaimList, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.list(claim, names, Needed::All)
    }

    /// Requires at least one of these roles, groups or entitlements (RFC 9068 §2.2.3.1). The client
    /// does not learn which. A second call requires one of its roles too.
    pub fn any_role(self, claim: ClaimList, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.list(claim, names, Needed::One)
    }

    fn list(mut self, claim: ClaimList, names: impl IntoIterator<Item = impl Into<Box<str>>>, needed: Needed) -> Self {
        self.lists.push(ListRule { claim, names: names.into_iter().map(Into::into).collect(), needed });
        self
    }

    /// Requires a token whose `iat` is at most this old. To the client the token looks expired. Of
    /// several calls, the shortest age counts.
    pub fn max_token_age(mut self, age: Duration) -> Self {
        self.max_token_age = Some(self.max_token_age.map_or(age, |other| other.min(age)));
        self
    }

    /// Requires a login at most this long ago: `auth_time` (OpenID Connect), or the session's
    /// beginning in tokens of the [`Issuer`](crate::Issuer). Use it for what a stolen session must
    /// not do: changing a password, paying. Of several calls, the shortest age counts.
    pub fn max_login_age(mut self, age: Duration) -> Self {
        self.max_login_age = Some(self.max_login_age.map_or(age, |other| other.min(age)));
        self
    }

    /// Requires a login by one of these methods: the claim `acr` (RFC 9470). Replaces earlier
    /// values.
    pub fn acr_values(mut self, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.acr_values = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Checks the names.
    ///
    /// # Errors
    ///
    /// If a list of names is empty, or a name has other characters than RFC 6749 §3.3 allows:
    /// printable ASCII without space, quote and backslash.
    pub fn build(self) -> Result<Require, ConfigError> {
        let Self { lists, max_token_age, max_login_age, acr_values } = self;
        for names in lists.iter().map(|list| &list.names).chain(&acr_values) {
            check_names(names)?;
        }
        let scopes: Vec<_> =
            lists.iter().filter(|list| list.needed == Needed::All).flat_map(|list| &list.names).collect();
        let wanted = Wanted {
            scope: (!scopes.is_empty()).then(|| joined(scopes)),
            acr_values: acr_values.as_ref().map(joined),
            max_age: max_login_age,
        };
        let (acr_values, wanted) = (acr_values.unwrap_or_default(), Arc::new(wanted));
        Ok(Require { lists, max_token_age, max_login_age, acr_values, wanted })
    }
}

impl ClaimList {
    /// Reads one string with spaces between the names: `ClaimList::words("scope")` reads `{"scope":
    /// "read write"}`.
    pub fn words(claim: impl Into<Box<str>>) -> Self {
        Self { claim: claim.into(), form: ListForm::Words }
    }

    /// Reads an array of strings, as `scp` and `roles` often are: `ClaimList::array("roles")` reads
    /// `{"roles": ["admin"]}`.
    pub fn array(claim: impl Into<Box<str>>) -> Self {
        Self { claim: claim.into(), form: ListForm::Array }
    }

    /// The claim's value if it has the form.
    fn value<'p>(&self, payload: &'p Payload) -> Option<Member<'p>> {
        payload.claim(&self.claim).filter(|value| match self.form {
            ListForm::Words => matches!(value, Member::Text(_)),
            ListForm::Array => matches!(value, Member::Texts(_)),
        })
    }
}

impl ListRule {
    fn is_met_by(&self, payload: &Payload) -> bool {
        let Some(value) = self.claim.value(payload) else { return false };
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

/// Checks that the names can stand in a list with spaces between them, and in a quoted string of a
/// header.
fn check_names(names: &[Box<str>]) -> Result<(), ConfigError> {
    let is_good =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'));
    if names.is_empty() || !names.iter().all(|name| is_good(name)) {
        return Err(ConfigError::setting(
            "a list of scopes, roles or `acr` values needs at least one name, and a name is printable ASCII without \
             spaces, quotes and backslashes",
        ));
    }
    Ok(())
}

fn joined<'a>(names: impl IntoIterator<Item = &'a Box<str>>) -> Box<str> {
    let names: Vec<&str> = names.into_iter().map(|name| &**name).collect();
    names.join(" ").into()
}

/// The requirements and conditions of one layer. All of them must hold.
pub(crate) struct Requirements<X> {
    pub(crate) require: Vec<Require>,
    pub(crate) conditions: Vec<Condition<X>>,
}

/// The first unmet requirement, and the hint for the client.
pub(crate) struct Unmet {
    pub(crate) reason: Reason,
    pub(crate) wanted: Option<Arc<Wanted>>,
}

/// The time by the verifier's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) now: Timestamp,
    /// The latest moment that a token may name as past: the leeway later than `now`.
    pub(crate) latest_past: Timestamp,
}

type Condition<X> = Arc<dyn Fn(&Authenticated<X>) -> bool + Send + Sync>;

impl<X> Requirements<X> {
    /// No requirements. It does not allocate.
    pub(crate) const fn none() -> Self {
        Self { require: Vec::new(), conditions: Vec::new() }
    }

    /// Checks a token that is genuine, of the right kind and not revoked, in the order of the table
    /// in `docs/requiring.md`. The clock is read only for an age.
    pub(crate) fn check(&self, authenticated: &Authenticated<X>, clock: impl Fn() -> Times) -> Result<(), Unmet> {
        for require in &self.require {
            let wanted = || Some(Arc::clone(&require.wanted));
            require.check(authenticated, &clock).map_err(|reason| Unmet { reason, wanted: wanted() })?;
        }
        if !self.conditions.iter().all(|holds| holds(authenticated)) {
            return Err(Unmet { reason: Reason::Condition, wanted: None });
        }
        Ok(())
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

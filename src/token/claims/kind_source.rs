//! The place where a token says whether it is access or refresh (RFC 8725 §3.12).

use serde_json::Value;

use crate::{
    json::Member,
    token::claims::kind::{TokenKind, Typ},
};

/// The place where a token says whether it is an access or a refresh token.
///
/// A token that does not say it, or contradicts itself, is rejected. Set it with
/// [`VerifierBuilder::kind_source`](crate::token::VerifierBuilder::kind_source); the default is
/// [`typ_header`](Self::typ_header).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KindSource {
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Place {
    #[default]
    TypHeader,
    Flag {
        claim: Box<str>,
    },
    TypHeaderOrFlag {
        claim: Box<str>,
    },
    Value {
        claim: Box<str>,
        access: Box<str>,
        refresh: Box<str>,
    },
}

impl KindSource {
    /// The `typ` header: `at+jwt` (RFC 9068 §2.1) is access, `rt+jwt` is refresh. The default.
    ///
    /// An [`Issuer`](crate::Issuer) of such a verifier writes this header.
    pub const fn typ_header() -> Self {
        Self { place: Place::TypHeader }
    }

    /// A boolean claim that is `true` in refresh tokens and `false` in access tokens.
    ///
    /// `KindSource::flag("refresh")` reads `{"refresh": true}` as a refresh token.
    pub fn flag(claim: impl Into<Box<str>>) -> Self {
        Self { place: Place::Flag { claim: claim.into() } }
    }

    /// The `typ` header if it names a kind, otherwise a boolean claim as in [`flag`](Self::flag).
    /// If both are there, they must agree.
    ///
    /// For the time in which tokens of two forms are in use. An [`Issuer`](crate::Issuer) writes
    /// the `typ`.
    pub fn typ_header_or_flag(claim: impl Into<Box<str>>) -> Self {
        Self { place: Place::TypHeaderOrFlag { claim: claim.into() } }
    }

    /// A string claim with one value for each kind: `KindSource::value("token_use", "access",
    /// "refresh")`.
    pub fn value(claim: impl Into<Box<str>>, access: impl Into<Box<str>>, refresh: impl Into<Box<str>>) -> Self {
        Self { place: Place::Value { claim: claim.into(), access: access.into(), refresh: refresh.into() } }
    }

    /// Whether one value stands for both kinds.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(&self.place, Place::Value { access, refresh, .. } if access == refresh)
    }

    /// The claim that is read, if there is one.
    pub(crate) fn claim(&self) -> Option<&str> {
        match &self.place {
            Place::TypHeader => None,
            Place::Flag { claim } | Place::TypHeaderOrFlag { claim } | Place::Value { claim, .. } => Some(claim),
        }
    }

    /// Whether a token with this `typ` can be of a kind at all, whatever its claims say.
    pub(crate) fn can_name_kind(&self, typ: Typ) -> bool {
        !(self.place == Place::TypHeader && typ == Typ::Unspecified)
    }

    /// The kind that a token names, by its `typ` and by the value of [`claim`](Self::claim); `None` if it
    /// names none, or two.
    pub(crate) fn read(&self, typ: Typ, value: Option<&Member<'_>>) -> Option<TokenKind> {
        let declared = match &self.place {
            Place::TypHeader => typ.kind(),
            Place::TypHeaderOrFlag { .. } if value.is_none() => typ.kind(),
            Place::TypHeaderOrFlag { .. } | Place::Flag { .. } => match value {
                Some(Member::Flag(true)) => Some(TokenKind::Refresh),
                Some(Member::Flag(false)) => Some(TokenKind::Access),
                _ => None,
            },
            Place::Value { access, refresh, .. } => match value.and_then(Member::as_text) {
                Some(value) if value == &**access => Some(TokenKind::Access),
                Some(value) if value == &**refresh => Some(TokenKind::Refresh),
                _ => None,
            },
        };
        declared.filter(|kind| typ == Typ::Unspecified || typ == Typ::Of(*kind))
    }

    /// The `typ` of a new token, and a claim, from which [`read`](Self::read) finds this kind.
    pub(crate) fn write(&self, kind: TokenKind) -> (&'static str, Option<(&str, Value)>) {
        match &self.place {
            Place::TypHeader | Place::TypHeaderOrFlag { .. } => (Typ::Of(kind).name(), None),
            Place::Flag { claim } => (Typ::Unspecified.name(), Some((claim, Value::Bool(kind == TokenKind::Refresh)))),
            Place::Value { claim, access, refresh } => {
                let value = if kind == TokenKind::Access { access } else { refresh };
                (Typ::Unspecified.name(), Some((claim, Value::from(&**value))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r13_a_kind_must_be_told_once_and_known() {
        use TokenKind::{Access, Refresh};
        let (typ, flag, value) =
            (KindSource::typ_header(), KindSource::flag("refresh"), KindSource::value("use", "a", "r"));
        let rows = [
            ("typ access", &typ, Typ::Of(Access), None, Some(Access)),
            ("typ refresh", &typ, Typ::Of(Refresh), None, Some(Refresh)),
            ("typ untold", &typ, Typ::Unspecified, None, None),
            ("flag false", &flag, Typ::Unspecified, Some(Member::Flag(false)), Some(Access)),
            ("flag true", &flag, Typ::Unspecified, Some(Member::Flag(true)), Some(Refresh)),
            ("flag absent", &flag, Typ::Unspecified, None, None),
            ("flag no boolean", &flag, Typ::Unspecified, Some(Member::Number("0")), None),
            ("flag as text", &flag, Typ::Unspecified, Some(Member::Text("false".into())), None),
            ("flag agrees with typ", &flag, Typ::Of(Access), Some(Member::Flag(false)), Some(Access)),
            ("flag against typ", &flag, Typ::Of(Access), Some(Member::Flag(true)), None),
            ("value access", &value, Typ::Unspecified, Some(Member::Text("a".into())), Some(Access)),
            ("value refresh", &value, Typ::Unspecified, Some(Member::Text("r".into())), Some(Refresh)),
            ("value unknown", &value, Typ::Unspecified, Some(Member::Text("id".into())), None),
            ("value of both", &value, Typ::Unspecified, Some(Member::Texts(vec!["a".into(), "r".into()])), None),
            ("value against typ", &value, Typ::Of(Refresh), Some(Member::Text("a".into())), None),
        ];
        let either = &KindSource::typ_header_or_flag("refresh");
        let rows = rows.into_iter().chain([
            ("either: typ alone", either, Typ::Of(Refresh), None, Some(Refresh)),
            ("either: flag alone", either, Typ::Unspecified, Some(Member::Flag(true)), Some(Refresh)),
            ("either: both", either, Typ::Of(Access), Some(Member::Flag(false)), Some(Access)),
            ("either: none", either, Typ::Unspecified, None, None),
            ("either: flag against typ", either, Typ::Of(Access), Some(Member::Flag(true)), None),
            ("either: typ against flag", either, Typ::Of(Refresh), Some(Member::Flag(false)), None),
            ("either: typ, and no boolean", either, Typ::Of(Access), Some(Member::Text("false".into())), None),
            ("either: null is no absence", either, Typ::Of(Access), Some(Member::Other), None),
        ]);
        for (name, source, typ, value, expected) in rows {
            assert_eq!(source.read(typ, value.as_ref()), expected, "{name}");
        }
    }
}

//! Access or refresh: where a token says which it is (RFC 8725 §3.12).

use serde_json::Value;

use crate::{
    json::Member,
    token::{
        VerifyError,
        claims::{TokenKind, header::Typ},
    },
};

/// Where a token says whether it is an access or a refresh token. A token that does not say, or says both, is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum KindSource {
    /// The `typ` header: `at+jwt` (RFC 9068) is access, `rt+jwt` is refresh. The default, and what the
    /// [`Issuer`](crate::Issuer) then writes.
    #[default]
    TypHeader,
    /// A boolean claim that is `true` in refresh tokens and `false` in access tokens, such as `refresh`.
    Flag {
        /// The claim's name.
        claim: Box<str>,
    },
    /// The `typ` header where it tells, else a boolean claim as in [`Flag`](Self::Flag); where both tell, they must agree. For the
    /// time in which tokens of two forms are about; the [`Issuer`](crate::Issuer) writes the `typ`.
    TypHeaderOrFlag {
        /// The claim's name.
        claim: Box<str>,
    },
    /// A string claim with one value for each kind, such as `type` or `token_use`.
    Value {
        /// The claim's name.
        claim: Box<str>,
        /// Its value in access tokens.
        access: Box<str>,
        /// Its value in refresh tokens.
        refresh: Box<str>,
    },
}

impl KindSource {
    /// [`KindSource::Flag`]: `KindSource::flag("refresh")` reads `{"refresh": true}` as a refresh token.
    pub fn flag(claim: impl Into<Box<str>>) -> Self {
        Self::Flag { claim: claim.into() }
    }

    /// [`KindSource::TypHeaderOrFlag`]: `KindSource::typ_header_or_flag("refresh")`.
    pub fn typ_header_or_flag(claim: impl Into<Box<str>>) -> Self {
        Self::TypHeaderOrFlag { claim: claim.into() }
    }

    /// [`KindSource::Value`]: `KindSource::value("token_use", "access", "refresh")`.
    pub fn value(claim: impl Into<Box<str>>, access: impl Into<Box<str>>, refresh: impl Into<Box<str>>) -> Self {
        Self::Value { claim: claim.into(), access: access.into(), refresh: refresh.into() }
    }

    /// The claim that is read, if one is.
    pub(crate) fn claim(&self) -> Option<&str> {
        match self {
            Self::TypHeader => None,
            Self::Flag { claim } | Self::TypHeaderOrFlag { claim } | Self::Value { claim, .. } => Some(claim),
        }
    }

    /// Whether a token with this `typ` can be of a kind at all, whatever its claims say.
    pub(crate) fn can_tell(&self, typ: Typ) -> bool {
        !(*self == Self::TypHeader && typ == Typ::Untold)
    }

    /// The kind that a token declares by its `typ` and by the value of [`claim`](Self::claim).
    pub(crate) fn read(&self, typ: Typ, value: Option<&Member<'_>>) -> Result<TokenKind, VerifyError> {
        let declared = match self {
            Self::TypHeader => typ.kind(),
            Self::TypHeaderOrFlag { .. } if value.is_none() => typ.kind(),
            Self::TypHeaderOrFlag { .. } | Self::Flag { .. } => match value {
                Some(Member::Flag(true)) => Some(TokenKind::Refresh),
                Some(Member::Flag(false)) => Some(TokenKind::Access),
                _ => None,
            },
            Self::Value { access, refresh, .. } => match value.and_then(Member::as_text) {
                Some(value) if value == &**access => Some(TokenKind::Access),
                Some(value) if value == &**refresh => Some(TokenKind::Refresh),
                _ => None,
            },
        };
        let kind = declared.ok_or(VerifyError::Kind)?;
        if typ == Typ::Untold || typ == Typ::Of(kind) { Ok(kind) } else { Err(VerifyError::Kind) }
    }

    /// What a token of this kind carries so that [`read`](Self::read) finds it: its `typ`, and a claim.
    pub(crate) fn write(&self, kind: TokenKind) -> (&'static str, Option<(&str, Value)>) {
        match self {
            Self::TypHeader | Self::TypHeaderOrFlag { .. } => (Typ::Of(kind).name(), None),
            Self::Flag { claim } => (Typ::Untold.name(), Some((claim, Value::Bool(kind == TokenKind::Refresh)))),
            Self::Value { claim, access, refresh } => {
                let value = if kind == TokenKind::Access { access } else { refresh };
                (Typ::Untold.name(), Some((claim, Value::from(&**value))))
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
            (KindSource::TypHeader, KindSource::flag("refresh"), KindSource::value("use", "a", "r"));
        let rows = [
            ("typ access", &typ, Typ::Of(Access), None, Some(Access)),
            ("typ refresh", &typ, Typ::Of(Refresh), None, Some(Refresh)),
            ("typ untold", &typ, Typ::Untold, None, None),
            ("flag false", &flag, Typ::Untold, Some(Member::Flag(false)), Some(Access)),
            ("flag true", &flag, Typ::Untold, Some(Member::Flag(true)), Some(Refresh)),
            ("flag absent", &flag, Typ::Untold, None, None),
            ("flag no boolean", &flag, Typ::Untold, Some(Member::Number("0")), None),
            ("flag as text", &flag, Typ::Untold, Some(Member::Text("false".into())), None),
            ("flag agrees with typ", &flag, Typ::Of(Access), Some(Member::Flag(false)), Some(Access)),
            ("flag against typ", &flag, Typ::Of(Access), Some(Member::Flag(true)), None),
            ("value access", &value, Typ::Untold, Some(Member::Text("a".into())), Some(Access)),
            ("value refresh", &value, Typ::Untold, Some(Member::Text("r".into())), Some(Refresh)),
            ("value unknown", &value, Typ::Untold, Some(Member::Text("id".into())), None),
            ("value of both", &value, Typ::Untold, Some(Member::Texts(vec!["a".into(), "r".into()])), None),
            ("value against typ", &value, Typ::Of(Refresh), Some(Member::Text("a".into())), None),
        ];
        let either = &KindSource::typ_header_or_flag("refresh");
        let rows = rows.into_iter().chain([
            ("either: typ alone", either, Typ::Of(Refresh), None, Some(Refresh)),
            ("either: flag alone", either, Typ::Untold, Some(Member::Flag(true)), Some(Refresh)),
            ("either: both", either, Typ::Of(Access), Some(Member::Flag(false)), Some(Access)),
            ("either: none", either, Typ::Untold, None, None),
            ("either: flag against typ", either, Typ::Of(Access), Some(Member::Flag(true)), None),
            ("either: typ against flag", either, Typ::Of(Refresh), Some(Member::Flag(false)), None),
            ("either: typ, and no boolean", either, Typ::Of(Access), Some(Member::Text("false".into())), None),
            ("either: null is no absence", either, Typ::Of(Access), Some(Member::Other), None),
        ]);
        for (name, source, typ, value, expected) in rows {
            assert_eq!(source.read(typ, value.as_ref()).ok(), expected, "{name}");
        }
    }
}

//! The protected header (RFC 7515 §4). It is read before anything is verified, so it may only
//! select among what is configured.

use crate::{
    json::{Member, read_members},
    keys::{Algorithm, MAX_KEY_ID_BYTES},
    token::{claims::kind::Typ, verify_error::VerifyError},
};

pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) typ: Typ,
}

impl Header {
    pub(crate) fn parse(text: &str) -> Result<Self, VerifyError> {
        let header = read_members!(text => {
            algorithm: "alg", key_id: "kid", typ: "typ", content_type: "cty",
            critical: "crit", unencoded: "b64", compression: "zip", encryption: "enc",
        });
        let header = header.map_err(|_| VerifyError::Header)?;

        // A critical extension must be understood, and none is (RFC 7515 §4.1.11). The others
        // change the form of the token (RFC 7797 §3, RFC 7516 §4.1).
        let extensions = [header.critical, header.unencoded, header.compression, header.encryption];
        if extensions.iter().any(Option::is_some) || !header.content_type.is_none_or(|cty| is_flat(&cty)) {
            return Err(VerifyError::Header);
        }
        let algorithm = header.algorithm.as_ref().and_then(Member::as_text).and_then(Algorithm::from_name);
        let algorithm = algorithm.ok_or(VerifyError::Algorithm)?;
        let key_id = match header.key_id {
            None => None,
            Some(Member::Text(id)) if id.len() <= MAX_KEY_ID_BYTES => Some(id),
            Some(_) => return Err(VerifyError::UnknownKey),
        };
        let typ = match &header.typ {
            None => Typ::Unspecified,
            Some(typ) => short_media_type(typ).and_then(Typ::from_name).ok_or(VerifyError::Typ)?,
        };
        Ok(Self { algorithm, key_id, typ })
    }
}

/// Whether a `cty` does not announce a token within the token (RFC 7519 §5.2).
fn is_flat(cty: &Member<'_>) -> bool {
    short_media_type(cty).is_some_and(|cty| !cty.eq_ignore_ascii_case("jwt"))
}

/// The media type without `application/`, which a sender may omit (RFC 7515 §4.1.9). Media types
/// are not case-sensitive.
fn short_media_type<'m>(value: &'m Member<'_>) -> Option<&'m str> {
    const PREFIX: &str = "application/";
    let name = value.as_text()?;
    match name.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => Some(rest),
        _ => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::claims::kind::TokenKind;

    fn parse(text: &str) -> Result<Header, VerifyError> {
        Header::parse(text)
    }

    #[test]
    fn r1_every_spelling_of_none_and_every_odd_alg_is_refused() {
        for alg in [
            r#""none""#,
            r#""None""#,
            r#""NONE""#,
            r#""nOnE""#,
            r#""""#,
            r#""hs256""#,
            r#""Hs256""#,
            r#""HS256 ""#,
            r#""HS1""#,
            r#""ES512""#,
            r#""RSA1_5""#,
            "null",
            "1",
            "true",
            "[]",
            r#"["HS256"]"#,
            r#"{"HS256":null}"#,
        ] {
            let header = format!(r#"{{"typ":"at+jwt","alg":{alg}}}"#);
            assert_eq!(parse(&header).err(), Some(VerifyError::Algorithm), "{alg}");
        }
        assert_eq!(parse(r#"{"typ":"at+jwt"}"#).err(), Some(VerifyError::Algorithm));
    }

    #[test]
    fn r3_r4_headers_that_change_the_rules_are_refused() {
        for member in [
            r#""crit":[]"#,
            r#""crit":null"#,
            r#""crit":["exp"]"#,
            r#""b64":true"#,
            r#""b64":false"#,
            r#""zip":"DEF""#,
            r#""enc":"A128GCM""#,
            r#""cty":"JWT""#,
            r#""cty":"jwt""#,
            r#""cty":"application/jwt""#,
            r#""cty":1"#,
        ] {
            let header = format!(r#"{{"alg":"HS256",{member}}}"#);
            assert_eq!(parse(&header).err(), Some(VerifyError::Header), "{member}");
        }
        assert!(parse(r#"{"alg":"HS256","cty":"json"}"#).is_ok());
    }

    #[test]
    fn r5_embedded_keys_are_not_even_read() {
        let header =
            parse(r#"{"alg":"RS256","jwk":{"kty":"RSA"},"jku":"https://x","x5u":1,"x5c":[],"x5t":{}}"#).unwrap();
        assert_eq!((header.algorithm, header.key_id), (Algorithm::RS256, None));
    }

    #[test]
    fn r6_a_kid_is_a_string_of_at_most_256_bytes() {
        let longest = "k".repeat(256);
        assert_eq!(parse(&format!(r#"{{"alg":"HS256","kid":"{longest}"}}"#)).unwrap().key_id, Some(longest));
        for kid in [format!(r#""{}""#, "k".repeat(257)), "1".into(), "null".into(), "[]".into()] {
            assert_eq!(
                parse(&format!(r#"{{"alg":"HS256","kid":{kid}}}"#)).err(),
                Some(VerifyError::UnknownKey),
                "{kid}"
            );
        }
    }

    #[test]
    fn r12_typ_is_compared_as_a_media_type() {
        let rows = [
            (r#""at+jwt""#, Ok(Typ::Of(TokenKind::Access))),
            (r#""AT+JWT""#, Ok(Typ::Of(TokenKind::Access))),
            (r#""application/at+jwt""#, Ok(Typ::Of(TokenKind::Access))),
            (r#""Application/AT+jwt""#, Ok(Typ::Of(TokenKind::Access))),
            (r#""rt+jwt""#, Ok(Typ::Of(TokenKind::Refresh))),
            (r#""JWT""#, Ok(Typ::Unspecified)),
            (r#""logout+jwt""#, Err(VerifyError::Typ)),
            (r#""dpop+jwt""#, Err(VerifyError::Typ)),
            (r#""""#, Err(VerifyError::Typ)),
            ("null", Err(VerifyError::Typ)),
            (r#"["at+jwt"]"#, Err(VerifyError::Typ)),
        ];
        for (typ, expected) in rows {
            let got = parse(&format!(r#"{{"alg":"HS256","typ":{typ}}}"#)).map(|header| header.typ);
            assert_eq!(got, expected, "{typ}");
        }
    }
}

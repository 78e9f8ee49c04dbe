//! A `jti` used as a key in Redis, as the FastAPI tutorial's application does for a blocked token.
//!
//! Without the feature `compat` there is none: nothing is parsed, and it takes no room in a token's
//! ids.

pub(crate) use form::RawJti;

#[cfg(feature = "compat")]
mod form {
    use std::fmt;

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    /// A `jti` of 128 bits in one of the two usual forms: a UUID in lower-case hexadecimal digits, as
    /// Python's `str(uuid4())`, or 22 characters of base64url, as an [`Issuer`](crate::Issuer) makes
    /// them.
    ///
    /// No other text of a token is ever a key.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct RawJti {
        bytes: [u8; 16],
        form: Form,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Form {
        Uuid,
        Base64Url,
    }

    /// The positions of a UUID's hyphens.
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];

    impl RawJti {
        pub(crate) fn parse(jti: &str) -> Option<Self> {
            match jti.len() {
                36 => uuid(jti.as_bytes()).map(|bytes| Self { bytes, form: Form::Uuid }),
                22 => {
                    let bytes = URL_SAFE_NO_PAD.decode(jti).ok()?.try_into().ok()?;
                    Some(Self { bytes, form: Form::Base64Url })
                }
                _ => None,
            }
        }
    }

    fn uuid(text: &[u8]) -> Option<[u8; 16]> {
        if HYPHENS.iter().any(|at| text[*at] != b'-') {
            return None;
        }
        let mut bytes = [0; 16];
        let mut digits =
            text.iter().enumerate().filter(|(at, _)| !HYPHENS.contains(at)).map(|(_, digit)| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            });
        for byte in &mut bytes {
            *byte = digits.next()?? << 4 | digits.next()??;
        }
        Some(bytes)
    }

    /// Writes the text that was parsed.
    impl fmt::Display for RawJti {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.form {
                Form::Base64Url => f.write_str(&URL_SAFE_NO_PAD.encode(self.bytes)),
                Form::Uuid => {
                    for (at, byte) in self.bytes.iter().enumerate() {
                        if [4, 6, 8, 10].contains(&at) {
                            f.write_str("-")?;
                        }
                        write!(f, "{byte:02x}")?;
                    }
                    Ok(())
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use proptest::prelude::*;

        use super::*;

        #[test]
        fn r66_only_ids_of_two_forms_can_be_keys() {
            let rows = [
                ("8f14e45f-ceea-467f-a1d0-7b3c5a529c11", true),
                ("AAECAwQFBgcICQoLDA0ODw", true),
                ("8F14E45F-CEEA-467F-A1D0-7B3C5A529C11", false),
                ("8f14e45fceea467fa1d07b3c5a529c11", false),
                ("8f14e45f-ceea-467f-a1d0-7b3c5a529c1g", false),
                ("8f14e45f-ceea-467f-a1d0+7b3c5a529c11", false),
                ("AAECAwQFBgcICQoLDA0ODx", false),
                ("AAECAwQFBgcICQoLDA0O=w", false),
                ("{jwt}:epoch", false),
                ("", false),
                ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", false),
                ("\u{e9}f14e45-ceea-467f-a1d0-7b3c5a529c1", false),
            ];
            for (jti, is_bare) in rows {
                assert_eq!(RawJti::parse(jti).map(|id| id.to_string()), is_bare.then(|| jti.to_owned()), "{jti}");
            }
        }

        proptest! {
            #[test]
            fn r66_what_is_parsed_is_written_again(jti in "[0-9a-f-]{36}|[A-Za-z0-9_-]{22}|\\PC{0,40}") {
                if let Some(id) = RawJti::parse(&jti) {
                    prop_assert_eq!(id.to_string(), jti);
                }
            }
        }
    }
}

#[cfg(not(feature = "compat"))]
mod form {
    use std::fmt;

    /// Never exists.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum RawJti {}

    impl RawJti {
        pub(crate) fn parse(_: &str) -> Option<Self> {
            None
        }
    }

    impl fmt::Display for RawJti {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            match *self {}
        }
    }
}

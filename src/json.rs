//! Reads one JSON object strictly.
//!
//! RFC 7519 §4 and RFC 7515 §4 allow a parser to take the last of two members with one name. Two
//! parsers can then read two different tokens out of one text. This one rejects such an object.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A member's value, as far as this crate distinguishes values.
///
/// Numbers stay as they are written, and objects are never looked into. How serde_json's `Value`
/// reads a number, or an object with a name of serde_json's own in it, depends on features that any
/// crate in the program can turn on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Member<'t> {
    Flag(bool),
    Number(&'t str),
    Text(String),
    Texts(Vec<String>),
    /// `null`, an object, or an array that does not have strings only.
    Other,
}

impl<'t> Member<'t> {
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn read(json: &'t str) -> Result<Self, serde_json::Error> {
        Ok(match json.as_bytes() {
            [b'"', ..] => Self::Text(serde_json::from_str(json)?),
            [b'-' | b'0'..=b'9', ..] => Self::Number(json),
            b"true" => Self::Flag(true),
            b"false" => Self::Flag(false),
            _ => {
                serde_json::from_str::<Skipped>(json)?;
                texts(json).map_or(Self::Other, Self::Texts)
            }
        })
    }
}

/// The strings of an array that has only strings.
fn texts(json: &str) -> Option<Vec<String>> {
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let text =
        |item: &&RawValue| if item.get().starts_with('"') { serde_json::from_str(item.get()).ok() } else { None };
    items.iter().map(text).collect()
}

/// The values of the `wanted` members of a JSON object, in that order; `None` where a member is
/// absent.
///
/// # Errors
///
/// If the text is not one JSON object without duplicate names at its top level.
pub(crate) fn members<'t, const N: usize>(
    text: &'t str,
    wanted: [&str; N],
) -> Result<[Option<Member<'t>>; N], serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let values = json.deserialize_map(Members { wanted })?;
    json.end()?;
    Ok(values)
}

/// Reads members of a JSON object into a struct with these fields, each an `Option<Member>`.
///
/// `read_members!(text => { issuer: "iss", key_id: "kid" })` is a `Result` like that of
/// [`members`], with named fields instead of positions.
macro_rules! read_members {
    ($text:expr => { $($field:ident: $name:expr),+ $(,)? }) => {{
        struct Read<'t> {
            $($field: Option<$crate::json::Member<'t>>),+
        }
        $crate::json::members($text, [$($name),+]).map(|[$($field),+]| Read { $($field),+ })
    }};
}
pub(crate) use read_members;

struct Members<'w, const N: usize> {
    wanted: [&'w str; N],
}

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<Member<'de>>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [const { None }; N];
        let mut others = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            match self.wanted.iter().position(|wanted| *wanted == name) {
                Some(index) if values[index].is_some() => return Err(A::Error::custom("duplicate member")),
                Some(index) => {
                    let raw: &RawValue = map.next_value()?;
                    values[index] = Some(Member::read(raw.get()).map_err(A::Error::custom)?);
                }
                None => {
                    map.next_value::<Skipped>()?;
                    others.push(name);
                }
            }
        }
        others.sort_unstable();
        if others.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(A::Error::custom("duplicate member"));
        }
        Ok(values)
    }
}

/// A value that is not wanted. Unlike serde's `IgnoredAny` it is read level by level, so that the
/// parser's bound on depth holds.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            // With its feature `arbitrary_precision`, serde_json presents a large number as an
            // object with this member.
            if name == "$serde_json::private::Number" {
                map.next_value::<Finite>()?;
            } else {
                map.next_value::<Self>()?;
            }
        }
        Ok(self)
    }
}

/// The text of a number that a double can hold. Without that feature, serde_json requires it
/// itself.
struct Finite;

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Self)
    }
}

impl Visitor<'_> for Finite {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number that a double can hold")
    }

    fn visit_str<E: Error>(self, number: &str) -> Result<Self, E> {
        match number.parse::<f64>() {
            Ok(double) if double.is_finite() => Ok(self),
            _ => Err(E::custom("number out of range")),
        }
    }
}

/// A member's name, unescaped; borrowed from the text where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r9_members_are_found_by_their_unescaped_names() {
        let [a, b, c] = members(r#" {"\u0061":1,"x":[{}],"b":null} "#, ["a", "b", "c"]).unwrap();
        assert_eq!((a, b, c), (Some(Member::Number("1")), Some(Member::Other), None));
    }

    #[test]
    fn r11_r25_a_value_is_what_its_text_says_and_not_what_serde_json_makes_of_it() {
        let texts = |texts: &[&str]| Member::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
        for (text, expected) in [
            ("true", Member::Flag(true)),
            ("false", Member::Flag(false)),
            ("-0.5e1", Member::Number("-0.5e1")),
            (r#""\u0061""#, Member::Text("a".into())),
            ("[]", texts(&[])),
            (r#"[ "a" ,"\u0062"]"#, texts(&["a", "b"])),
            ("null", Member::Other),
            ("{}", Member::Other),
            ("[1]", Member::Other),
            (r#"["a",["b"]]"#, Member::Other),
            (r#"{"$serde_json::private::Number":"1"}"#, Member::Other),
            (r#"{"$serde_json::private::RawValue":"1"}"#, Member::Other),
            (r#"{"$serde_json::private::RawValue":"\"a\""}"#, Member::Other),
            (r#"["a",{"$serde_json::private::RawValue":"\"b\""}]"#, Member::Other),
        ] {
            let json = format!(r#"{{"a" : {text} }}"#);
            let [member] = members(&json, ["a"]).unwrap();
            assert_eq!(member, Some(expected), "{text}");
        }
    }

    #[test]
    fn r9_r25_a_number_that_no_double_holds_is_refused_wherever_it_is() {
        for number in ["1e400", "-1e400", "[1e309]", r#"{"a":[1e400]}"#] {
            assert!(members(&format!(r#"{{"x":{number}}}"#), ["a"]).is_err(), "{number}");
        }
        for number in ["1e308", "18446744073709551616", "0.1000000000000000055511151231257827", "1e-400"] {
            assert!(members(&format!(r#"{{"x":[{number}]}}"#), ["a"]).is_ok(), "{number}");
        }
    }

    #[test]
    fn r9_anything_but_one_clean_object_is_refused() {
        let refused = [
            ("empty", ""),
            ("array", r#"["a"]"#),
            ("string", r#""a""#),
            ("null", "null"),
            ("byte order mark", "\u{FEFF}{}"),
            ("trailing bytes", "{}x"),
            ("two objects", "{}{}"),
            ("wanted twice", r#"{"a":1,"a":1}"#),
            ("unwanted twice", r#"{"z":1,"a":1,"z":2}"#),
            ("twice by an escape", r#"{"a":1,"\u0061":1}"#),
            ("lone surrogate", r#"{"\ud800":1}"#),
            ("trailing comma", r#"{"a":1,}"#),
            ("unquoted", "{a:1}"),
        ];
        for (name, text) in refused {
            assert!(members(text, ["a"]).is_err(), "{name}");
        }
    }

    #[test]
    fn r9_depth_is_bounded() {
        for wanted in ["a", "b"] {
            let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
            assert!(members(&deep, [wanted]).is_err(), "{wanted}");
        }
    }
}

//! One JSON object, read strictly: RFC 7519 §4 and RFC 7515 §4 allow a parser to take the last of two members with one name,
//! and then two parsers can read two different tokens. This one refuses them.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// The values of the `wanted` members of a JSON object, in that order; `None` where a member is absent.
///
/// # Errors
///
/// When the text is anything else than one JSON object without duplicate names at its top level.
pub(super) fn members<const N: usize>(text: &str, wanted: [&str; N]) -> Result<[Option<Value>; N], serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let values = json.deserialize_map(Members { wanted })?;
    json.end()?;
    Ok(values)
}

struct Members<'w, const N: usize> {
    wanted: [&'w str; N],
}

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<Value>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [const { None }; N];
        let mut others = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            match self.wanted.iter().position(|wanted| *wanted == name) {
                Some(index) if values[index].is_some() => return Err(A::Error::custom("duplicate member")),
                Some(index) => values[index] = Some(map.next_value()?),
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

/// A value nobody asked for. Unlike serde's `IgnoredAny` it is read level by level, so that the parser's bound on depth holds.
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
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
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
    use serde_json::json;

    use super::*;

    #[test]
    fn r9_members_are_found_by_their_unescaped_names() {
        let [a, b, c] = members(r#" {"\u0061":1,"x":[{}],"b":null} "#, ["a", "b", "c"]).unwrap();
        assert_eq!((a, b, c), (Some(json!(1)), Some(Value::Null), None));
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

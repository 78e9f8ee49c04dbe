//! Input of clients: the rules for each field. All broken rules are reported at once.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{password::Password, users::Profile};

/// The fields of a JSON object while they are parsed. Unknown ones are ignored.
#[derive(Debug)]
pub(crate) struct Fields {
    body: Map<String, Value>,
    pub(crate) problems: BTreeMap<&'static str, &'static str>,
}

impl Fields {
    pub(crate) fn new(body: Map<String, Value>) -> Self {
        Self { body, problems: BTreeMap::new() }
    }

    fn required<T>(&mut self, name: &'static str, rule: fn(String) -> Result<T, &'static str>) -> Option<T> {
        match self.optional(name, rule) {
            None if !self.problems.contains_key(name) => {
                self.problems.insert(name, "is required");
                None
            }
            value => value,
        }
    }

    fn optional<T>(&mut self, name: &'static str, rule: fn(String) -> Result<T, &'static str>) -> Option<T> {
        let checked = match self.body.remove(name) {
            None | Some(Value::Null) => return None,
            Some(Value::String(text)) => rule(text),
            Some(_) => Err("must be a string"),
        };
        checked.map_err(|problem| self.problems.insert(name, problem)).ok()
    }
}

/// A value parsed from [`Fields`]. `None` only if a problem was noted.
pub(crate) trait Input: Sized {
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// The body of `POST /signup`.
#[derive(Debug)]
pub(crate) struct Signup {
    pub(crate) profile: Profile,
    pub(crate) password: Password,
}

impl Input for Signup {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", email);
        let password = fields.required("password", new_password);
        let username = fields.optional("username", name);
        let first_name = fields.optional("first_name", name);
        let last_name = fields.optional("last_name", name);
        Some(Self { profile: Profile { email: email?, username, first_name, last_name }, password: password? })
    }
}

/// The body of `POST /login`.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) email: String,
    pub(crate) password: Password,
}

impl Input for Login {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", email);
        // No rule for its length: the rule at the time of sign-up is no longer known.
        let password = fields.required("password", |text| Ok(Password::new(text)));
        Some(Self { email: email?, password: password? })
    }
}

/// ASCII, as mail servers without SMTPUTF8 require; a domain in another script has its `xn--` form.
/// Lower case, so that the table's constraint finds the same address again.
fn email(text: String) -> Result<String, &'static str> {
    const PROBLEM: &str = "must be an e-mail address such as ann@example.com";
    let text = text.trim().to_ascii_lowercase();
    let (local, domain) = text.split_once('@').ok_or(PROBLEM)?;
    let local_is_sane = local.len() <= 64
        && local.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
        });
    let label_is_sane = |label: &str| {
        matches!(label.len(), 1..=63)
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let domain_is_sane = domain.contains('.') && domain.split('.').all(label_is_sane);
    if local_is_sane && domain_is_sane && text.len() <= 254 { Ok(text) } else { Err(PROBLEM) }
}

fn new_password(text: String) -> Result<Password, &'static str> {
    match text.chars().count() {
        8..=128 => Ok(Password::new(text)),
        _ => Err("must have 8 to 128 characters"),
    }
}

fn name(text: String) -> Result<String, &'static str> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        // PostgreSQL can't store NUL, and a terminal shouldn't receive the other control
        // characters.
        return Err("must have no control characters");
    }
    match text.chars().count() {
        1..=64 => Ok(text.to_owned()),
        _ => Err("must have 1 to 64 characters; leave the field out if there is none"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn signup(body: Value) -> Result<Signup, BTreeMap<&'static str, &'static str>> {
        let Value::Object(body) = body else { panic!("not an object") };
        let mut fields = Fields::new(body);
        let signup = Signup::read(&mut fields);
        if fields.problems.is_empty() { Ok(signup.unwrap()) } else { Err(fields.problems) }
    }

    #[test]
    fn every_broken_field_is_named() {
        let problems =
            signup(json!({ "email": 5, "username": "\u{0}", "first_name": " ", "last_name": "a".repeat(65) }))
                .unwrap_err();
        assert_eq!(
            problems.keys().copied().collect::<Vec<_>>(),
            ["email", "first_name", "last_name", "password", "username"]
        );
        assert_eq!(problems["email"], "must be a string");
        assert_eq!(problems["password"], "is required");
    }

    #[test]
    fn null_is_absent_and_unknown_fields_are_ignored() {
        let signup = signup(json!({
            "email": " Ann@Example.COM ", "password": "correct horse",
            "username": null, "first_name": "Ann", "is_admin": true
        }))
        .unwrap();
        assert_eq!(signup.profile.email, "ann@example.com");
        assert_eq!(signup.profile.username, None);
        assert_eq!(signup.profile.first_name.as_deref(), Some("Ann"));
    }

    #[test]
    fn addresses() {
        for good in ["a@b.c", "ann.o'neil+tag@mail.example.co.uk", "ann@xn--bcher-kva.example"] {
            assert_eq!(email(good.to_owned()).as_deref(), Ok(good));
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for bad in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@localhost",
            "a@b@c.d",
            "a..b@c.d",
            "a@-b.c",
            "a@b..c",
            "a b@c.d",
            "a\0@b.c",
            "ä@b.c",
            &long,
        ] {
            assert!(email(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_counted_in_characters() {
        for (text, accepted) in
            [("ä".repeat(7), false), ("ä".repeat(8), true), ("😀".repeat(128), true), ("a".repeat(129), false)]
        {
            assert_eq!(new_password(text).is_ok(), accepted);
        }
    }
}

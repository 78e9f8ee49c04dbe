//! The claims that only some routes need, parsed on demand.

use crate::{
    clock::Timestamp,
    json::{self, Member},
    token::claims::values,
};

/// The payload of a genuine token: one JSON object with each name once, as its verifier has
/// checked.
pub(crate) struct Payload {
    text: String,
}

impl Payload {
    pub(crate) fn new(text: String) -> Self {
        Self { text }
    }

    /// The value of a claim; `None` if it is absent.
    pub(crate) fn claim(&self, name: &str) -> Option<Member<'_>> {
        let [value] = json::members(&self.text, [name]).ok()?;
        value
    }

    /// The value of a claim that is a `NumericDate`; `None` if it is absent.
    ///
    /// # Errors
    ///
    /// If the claim is not a `NumericDate`.
    pub(crate) fn date(&self, name: &str) -> Result<Option<Timestamp>, ()> {
        values::date(self.claim(name))
    }
}

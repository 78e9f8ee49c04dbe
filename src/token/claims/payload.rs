//! The claims that only some routes ask about, read when they are asked for.

use crate::{
    clock::Timestamp,
    json::{self, Member},
    token::claims::rules,
};

/// The payload of a genuine token, as its verifier has read it: one JSON object that says each thing once.
pub(crate) struct Payload(String);

impl Payload {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The value of a claim; `None` where it is absent.
    pub(crate) fn claim(&self, name: &str) -> Option<Member<'_>> {
        let [value] = json::members(&self.0, [name]).ok()?;
        value
    }

    /// A `NumericDate`.
    ///
    /// # Errors
    ///
    /// When the claim is there and is none.
    pub(crate) fn date(&self, name: &str) -> Result<Option<Timestamp>, ()> {
        rules::date(self.claim(name))
    }
}

//! What a check asks Redis and reads from its answer: one `MGET`, for one token or for many.

use redis::{Cmd, Value};

use super::{Failure, entry, epoch::Epoch, keys::Keys};
use crate::{
    blocklist::{Outage, Scope, Status, TokenIds},
    clock::Timestamp,
};

/// Asks for the epoch and for every entry of every token.
pub(super) fn command(keys: &Keys, tokens: &[TokenIds]) -> Cmd {
    let mut command = redis::cmd("MGET");
    command.arg(keys.epoch());
    let mut key = Vec::new();
    for token in tokens {
        for (scope, id) in token.each() {
            keys.write_entry(scope, id, &mut key);
            command.arg(&key[..]);
        }
        if let Some(key) = keys.bare(token.bare()) {
            command.arg(key);
        }
    }
    command
}

/// A reply of the expected form, from the epoch that was expected.
pub(super) struct Reply<'a> {
    entries: &'a [Value],
    epoch: &'a Epoch,
    keys: &'a Keys,
}

impl<'a> Reply<'a> {
    /// Everything that is not the expected answer is an outage.
    pub(super) fn read(
        reply: &'a Value,
        tokens: &[TokenIds],
        epoch: &'a Epoch,
        keys: &'a Keys,
    ) -> Result<Self, Failure> {
        let Value::Array(values) = reply else { return Err(Outage::UnexpectedReply.into()) };
        let Some((found, entries)) = values.split_first() else { return Err(Outage::UnexpectedReply.into()) };
        if entries.len() != tokens.iter().map(|token| keys.count(token)).sum::<usize>() {
            return Err(Outage::UnexpectedReply.into());
        }
        match found {
            Value::BulkString(text) if epoch.is_written(text) => Ok(Self { entries, epoch, keys }),
            Value::BulkString(_) | Value::Nil => Err(Failure::Lost),
            _ => Err(Outage::UnexpectedReply.into()),
        }
    }

    /// The answer for the next of the tokens.
    pub(super) fn status(&mut self, token: &TokenIds) -> Result<Status, Outage> {
        let (own, bare) = self.take(token).split_at(token.each().count());
        let scopes = token.each().map(|(scope, _)| scope).chain([Scope::Token]);
        for (scope, value) in scopes.zip(own.iter().chain(bare)) {
            match value {
                Value::Nil => {}
                Value::BulkString(entry) if entry::parse(entry).refuses(token) => return Ok(Status::Revoked(scope)),
                Value::BulkString(_) => {}
                _ => return Err(Outage::UnexpectedReply),
            }
        }
        Ok(if self.epoch.refuses(token) { Status::BeforeLoss } else { Status::NotRevoked })
    }

    /// Up to when tokens with these names are refused.
    pub(super) fn cut_off(&mut self, token: &TokenIds) -> Result<Option<Timestamp>, Outage> {
        let floor = self.epoch.floor;
        let mut latest = Some(floor).filter(|floor| *floor > Timestamp::default());
        for value in self.take(token) {
            match value {
                Value::Nil => {}
                Value::BulkString(entry) => latest = latest.max(Some(entry::parse(entry).limit(token))),
                _ => return Err(Outage::UnexpectedReply),
            }
        }
        Ok(latest)
    }

    /// The entries of the next of the tokens.
    fn take(&mut self, token: &TokenIds) -> &'a [Value] {
        let (entries, rest) = self.entries.split_at(self.keys.count(token).min(self.entries.len()));
        self.entries = rest;
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocklist::redis::keys::TutorialEntries;

    #[test]
    fn r60_a_reply_of_another_form_is_an_outage() {
        let keys = Keys::new("jwt", TutorialEntries::Ignored);
        let epoch = Epoch::begin(Timestamp::from_millis(5), Timestamp::default()).unwrap();
        let (nil, entry) = (Value::Nil, Value::BulkString(b"7 0 ".to_vec()));
        let (epoch_text, other) = (Value::BulkString(epoch.to_text().into()), Value::BulkString(b"other".to_vec()));
        // Two names: of the issuer and of the token itself.
        let token = TokenIds::new(None, "t", None).with_issued_at(Timestamp::from_millis(7));
        let array = |values: &[&Value]| Value::Array(values.iter().map(|value| (*value).clone()).collect());
        let unexpected = Err(Failure::Outage(Outage::UnexpectedReply));
        let rows = [
            (array(&[&epoch_text, &nil, &nil]), Ok(Ok(Status::NotRevoked))),
            (array(&[&epoch_text, &entry, &nil]), Ok(Ok(Status::Revoked(Scope::Issuer)))),
            (array(&[&epoch_text, &nil, &entry]), Ok(Ok(Status::Revoked(Scope::Token)))),
            (array(&[&epoch_text, &nil, &Value::Int(0)]), Ok(Err(Outage::UnexpectedReply))),
            (array(&[&nil, &nil, &nil]), Err(Failure::Lost)),
            (array(&[&other, &nil, &nil]), Err(Failure::Lost)),
            (array(&[&Value::Int(1), &nil, &nil]), unexpected),
            (array(&[&epoch_text, &nil]), unexpected),
            (array(&[&epoch_text, &nil, &nil, &nil]), unexpected),
            (array(&[]), unexpected),
            (nil.clone(), unexpected),
            (Value::Okay, unexpected),
        ];
        for (reply, expected) in rows {
            let answer = Reply::read(&reply, &[token], &epoch, &keys).map(|mut reply| reply.status(&token));
            assert_eq!(answer, expected, "{reply:?}");
        }
    }
}

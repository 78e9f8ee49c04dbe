//! The query of a check: one `MGET` for one token or for many, and its reply.

use redis::{Cmd, Value};

use crate::{
    blocklist::{CutOff, Outage, RevocationId, RevocationScope, Status, TokenIds},
    clock::Timestamp,
    redis::{
        error::Failure,
        schema::{entry, epoch::Epoch, key_names::KeyNames},
    },
};

/// Asks about several tokens at once: the epoch, the entry of each issuer once, and then token by
/// token all other entries that can exist.
pub(crate) struct Question<'a> {
    keys: &'a KeyNames,
    tokens: &'a [TokenIds],
    issuers: Vec<RevocationId>,
}

/// A reply of the expected form, from the expected epoch.
pub(crate) struct Reply<'a> {
    epoch: Epoch,
    issuers: &'a [Value],
    others: &'a [Value],
}

impl<'a> Question<'a> {
    pub(crate) fn new(keys: &'a KeyNames, tokens: &'a [TokenIds]) -> Self {
        let mut issuers = Vec::new();
        for token in tokens {
            if !issuers.contains(&token.issuer()) {
                issuers.push(token.issuer());
            }
        }
        Self { keys, tokens, issuers }
    }

    /// The `MGET`.
    pub(crate) fn command(&self) -> Cmd {
        let mut command = redis::cmd("MGET");
        command.arg(self.keys.epoch());
        let mut key = Vec::new();
        for issuer in &self.issuers {
            self.keys.write_entry(RevocationScope::Issuer, *issuer, &mut key);
            command.arg(&key[..]);
        }
        for token in self.tokens {
            for (scope, id) in below_issuer(token) {
                self.keys.write_entry(scope, id, &mut key);
                command.arg(&key[..]);
            }
            if let Some(key) = self.keys.legacy(token.raw_jti()) {
                command.arg(key);
            }
        }
        command
    }

    /// Reads a reply. Any reply of another form is an outage.
    pub(crate) fn parse<'r>(&self, reply: &'r Value, epoch: Epoch) -> Result<Reply<'r>, Failure> {
        let unexpected = Failure::from(Outage::UnexpectedReply);
        let Value::Array(values) = reply else { return Err(unexpected) };
        let (found, entries) = values.split_first().ok_or(unexpected)?;
        let (issuers, others) = entries.split_at_checked(self.issuers.len()).ok_or(unexpected)?;
        if others.len() != self.tokens.iter().map(|token| self.count(token)).sum::<usize>() {
            return Err(unexpected);
        }
        expect_epoch(found, epoch)?;
        Ok(Reply { epoch, issuers, others })
    }

    /// Returns the status of each token, in order.
    pub(crate) fn statuses(&self, reply: &Reply<'_>) -> Vec<Result<Status, Outage>> {
        let mut others = reply.others;
        let mut next = |token| {
            let (its_own, rest) = others.split_at(self.count(token).min(others.len()));
            others = rest;
            self.status(token, reply, its_own)
        };
        self.tokens.iter().map(&mut next).collect()
    }

    fn status(&self, token: &TokenIds, reply: &Reply<'_>, its_own: &[Value]) -> Result<Status, Outage> {
        if read_entry(self.issuer(token, reply)?)?.is_some_and(|entry| entry.rejects(token)) {
            return Ok(Status::Revoked(RevocationScope::Issuer));
        }
        // The last entry is the one that the FastAPI tutorial's application shares.
        let scopes = below_issuer(token).map(|(scope, _)| scope).chain([RevocationScope::Token]);
        for (scope, value) in scopes.zip(its_own) {
            if read_entry(value)?.is_some_and(|entry| entry.rejects(token)) {
                return Ok(Status::Revoked(scope));
            }
        }
        Ok(if reply.epoch.rejects(token) { Status::BeforeLoss } else { Status::NotRevoked })
    }

    fn issuer<'r>(&self, token: &TokenIds, reply: &Reply<'r>) -> Result<&'r Value, Outage> {
        let place = self.issuers.iter().position(|issuer| *issuer == token.issuer());
        place.and_then(|place| reply.issuers.get(place)).ok_or(Outage::UnexpectedReply)
    }

    /// The number of entries of one token, without its issuer's.
    fn count(&self, token: &TokenIds) -> usize {
        below_issuer(token).count() + usize::from(self.keys.legacy(token.raw_jti()).is_some())
    }
}

/// Asks up to when the tokens of a subject, or of a whole issuer, are rejected.
pub(crate) struct CutOffQuestion {
    pub(crate) issuer: RevocationId,
    pub(crate) subject: Option<RevocationId>,
}

impl CutOffQuestion {
    pub(crate) fn command(&self, keys: &KeyNames) -> Cmd {
        let mut command = redis::cmd("MGET");
        command.arg(keys.epoch()).arg(keys.entry(RevocationScope::Issuer, self.issuer));
        if let Some(subject) = self.subject {
            command.arg(keys.entry(RevocationScope::Subject, subject));
        }
        command
    }

    /// Reads the reply. Any other form is an outage, and another epoch a loss.
    pub(crate) fn parse(&self, reply: &Value, epoch: Epoch) -> Result<Option<Timestamp>, Failure> {
        let unexpected = Failure::from(Outage::UnexpectedReply);
        let Value::Array(values) = reply else { return Err(unexpected) };
        let (found, entries) = values.split_first().ok_or(unexpected)?;
        if entries.len() != 1 + usize::from(self.subject.is_some()) {
            return Err(unexpected);
        }
        expect_epoch(found, epoch)?;
        let mut latest = Some(epoch.floor).filter(|floor| *floor > Timestamp::default());
        for value in entries {
            latest = latest.max(read_entry(value)?.map(|entry| entry.latest_time()));
        }
        Ok(latest)
    }
}

fn expect_epoch(found: &Value, epoch: Epoch) -> Result<(), Failure> {
    match found {
        Value::BulkString(text) if epoch.is_written(text) => Ok(()),
        Value::BulkString(_) | Value::Nil => Err(Failure::Lost),
        _ => Err(Outage::UnexpectedReply.into()),
    }
}

fn below_issuer(token: &TokenIds) -> impl Iterator<Item = (RevocationScope, RevocationId)> {
    token.each().filter(|(scope, _)| *scope != RevocationScope::Issuer)
}

fn read_entry(value: &Value) -> Result<Option<CutOff>, Outage> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(entry) => Ok(Some(entry::parse(entry))),
        _ => Err(Outage::UnexpectedReply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::schema::key_names::FastapiEntries;

    fn array(values: &[&Value]) -> Value {
        Value::Array(values.iter().map(|value| (*value).clone()).collect())
    }

    #[test]
    fn r60_a_reply_of_another_form_is_an_outage() {
        let keys = KeyNames::new("jwt", FastapiEntries::Ignored);
        let epoch = Epoch::begin(Timestamp::from_millis(5), Timestamp::default()).unwrap();
        let (nil, entry) = (Value::Nil, Value::BulkString(b"7 0 ".to_vec()));
        let (epoch_text, other) = (Value::BulkString(epoch.to_text().into()), Value::BulkString(b"other".to_vec()));
        // Two ids: the issuer's and the token's own.
        let token = TokenIds::new(None, "t", None).with_issue_time(Timestamp::from_millis(7));
        let unexpected = Err(Failure::Outage(Outage::UnexpectedReply));
        let rows = [
            (array(&[&epoch_text, &nil, &nil]), Ok(Ok(Status::NotRevoked))),
            (array(&[&epoch_text, &entry, &nil]), Ok(Ok(Status::Revoked(RevocationScope::Issuer)))),
            (array(&[&epoch_text, &nil, &entry]), Ok(Ok(Status::Revoked(RevocationScope::Token)))),
            (array(&[&epoch_text, &Value::Int(0), &nil]), Ok(Err(Outage::UnexpectedReply))),
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
            let tokens = [token];
            let question = Question::new(&keys, &tokens);
            let answer = question.parse(&reply, epoch).map(|reply| question.statuses(&reply)[0]);
            assert_eq!(answer, expected, "{reply:?}");
        }
    }

    /// Tokens of two issuers, with and without subject, session and legacy key, each revoked by
    /// each of its entries.
    #[test]
    fn r62_each_token_gets_the_answer_for_its_own_entries() {
        let keys = KeyNames::new("jwt", FastapiEntries::Shared);
        let epoch = Epoch::begin(Timestamp::from_millis(5), Timestamp::default()).unwrap();
        let token = |issuer, id, session| TokenIds::new(Some(issuer), id, session);
        let tokens = [
            token("a", "1", None),
            token("b", "AAECAwQFBgcICQoLDA0ODw", Some("s")).with_subject("ann"),
            token("a", "3", Some("t")),
            token("b", "4", None).with_subject("bob"),
        ];
        let question = Question::new(&keys, &tokens);
        let asked: Vec<Vec<u8>> = question
            .command()
            .args_iter()
            .skip(1)
            .map(|argument| match argument {
                redis::Arg::Simple(key) => key.to_vec(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(asked.len(), 1 + 2 + 1 + 4 + 2 + 2);
        for (place, key) in asked.iter().enumerate().skip(1) {
            let mut values = vec![Value::Nil; asked.len()];
            values[0] = Value::BulkString(epoch.to_text().into());
            values[place] = Value::BulkString(b"9 0 ".to_vec());
            let reply = Value::Array(values);
            let statuses = question.statuses(&question.parse(&reply, epoch).unwrap());
            for (token, status) in tokens.iter().zip(statuses) {
                let names = |name: &(RevocationScope, RevocationId)| keys.entry(name.0, name.1) == *key;
                let own = token.each().find(names).map(|(scope, _)| scope);
                let legacy =
                    keys.legacy(token.raw_jti()).filter(|legacy| legacy == key).map(|_| RevocationScope::Token);
                let expected = own.or(legacy).map_or(Status::NotRevoked, Status::Revoked);
                assert_eq!(status, Ok(expected), "{}", String::from_utf8_lossy(key));
            }
        }
    }
}

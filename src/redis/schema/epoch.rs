//! The epoch: how a check notices that Redis has lost revocations (guarantee G5).
//!
//! An *epoch* is a random id that is written next to the entries, once. Every check reads it in the
//! same `MGET`. If it is missing or different, this is not the Redis we wrote to: it was emptied,
//! restarted without its data, or is another database.
//!
//! An epoch has a floor. Tokens issued up to it are rejected, because it is no longer known which
//! of them were revoked.
//!
//! While a process restores the revocations, the epoch is closed (`… restoring`): no check and no
//! revocation works in it. `loss/detect.rs` judges what a store holds, `loss/recover.rs` writes
//! epochs.

use crate::{
    blocklist::{CutOff, RevocationId, TokenIds},
    clock::Timestamp,
    redis::{error::DialError, schema::entry::parse_time},
};

const RESTORING: &str = " restoring";

/// A period in which the store has lost nothing.
///
/// Its text is `<id> <began at> <floor>`: 32 hexadecimal digits, and two times in milliseconds
/// since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) id: RevocationId,
    pub(crate) began_at: Timestamp,
    /// Tokens issued up to here are rejected; zero rejects none.
    pub(crate) floor: Timestamp,
}

impl Epoch {
    /// Makes a new epoch.
    ///
    /// # Errors
    ///
    /// [`DialError::NoRandom`] if the operating system has no random numbers.
    pub(crate) fn begin(now: Timestamp, floor: Timestamp) -> Result<Self, DialError> {
        let id = RevocationId::random().map_err(|_| DialError::NoRandom)?;
        Ok(Self { id, began_at: now, floor })
    }

    pub(crate) fn with_floor(self, floor: Timestamp) -> Self {
        Self { floor, ..self }
    }

    pub(crate) fn to_text(self) -> String {
        format!("{} {} {}", self.id, self.began_at.as_millis(), self.floor.as_millis())
    }

    /// The text of the epoch while the store is being restored.
    pub(crate) fn to_closed_text(self) -> String {
        self.to_text() + RESTORING
    }

    /// Reads the text of a closed epoch.
    pub(crate) fn parse_closed(text: &[u8]) -> Option<Self> {
        Self::parse(text.strip_suffix(RESTORING.as_bytes())?)
    }

    /// The floor of the epoch with this text, open or closed; zero for any other text.
    pub(crate) fn floor_of(text: &[u8]) -> Timestamp {
        Self::parse(text).or_else(|| Self::parse_closed(text)).map_or(Timestamp::default(), |epoch| epoch.floor)
    }

    /// Whether this is the text of the open epoch.
    pub(crate) fn is_written(&self, text: &[u8]) -> bool {
        Self::parse(text) == Some(*self)
    }

    /// Reads the text of an open epoch.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.split(' ');
        let id = RevocationId::from_hex(parts.next()?)?;
        let mut time = || parse_time(parts.next()?);
        let (began_at, floor) = (time()?, time()?);
        if parts.next().is_some() { None } else { Some(Self { id, began_at, floor }) }
    }

    /// Whether the token was issued before the loss.
    pub(crate) fn rejects(&self, ids: &TokenIds) -> bool {
        self.floor > Timestamp::from_millis(0) && CutOff::up_to(self.floor).rejects(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(name: u8, began_at: u64) -> Epoch {
        let began_at = Timestamp::from_millis(began_at);
        Epoch { id: RevocationId::from_bytes([name; 16]), began_at, floor: Timestamp::from_millis(7) }
    }

    #[test]
    fn an_epoch_is_read_as_it_is_written_and_nothing_else_is() {
        let ours = epoch(1, 5000);
        assert_eq!(Epoch::parse(ours.to_text().as_bytes()), Some(ours));
        assert!(ours.is_written(ours.to_text().as_bytes()) && !epoch(2, 5000).is_written(ours.to_text().as_bytes()));
        let text = ours.to_text();
        let signs = ["-5", "+5", "05"].map(|time| text.replace("5000", time));
        let others = ["", "x", &text[1..], &format!("{text} "), &text[..34], &text.replace("01", "0A")];
        for other in others.into_iter().chain(signs.iter().map(String::as_str)) {
            assert_eq!(Epoch::parse(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn g5_a_floor_refuses_what_began_up_to_it_and_zero_refuses_nothing() {
        let token = |millis| TokenIds::new(None, "t", None).with_issue_time(Timestamp::from_millis(millis));
        let ours = epoch(1, 5000);
        assert!(ours.rejects(&token(7)) && !ours.rejects(&token(8)) && ours.rejects(&TokenIds::new(None, "t", None)));
        let open = Epoch { floor: Timestamp::default(), ..ours };
        assert!(!open.rejects(&token(0)) && !open.rejects(&TokenIds::new(None, "t", None)));
    }
}

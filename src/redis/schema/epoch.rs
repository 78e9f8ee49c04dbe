//! The epoch: how a check notices that Redis has lost revocations (guarantee G5).
//!
//! An *epoch* is a random id that is written next to the entries, once. Every check reads it in the
//! same `MGET`. If it is missing or different, this is not the Redis we wrote to: it was emptied,
//! restarted without its data, or is another database.
//!
//! An epoch has a floor. Tokens issued up to it are rejected, because it is no longer known which
//! of them were revoked.
//!
//! While the revocations are restored, the epoch is closed: no check and no revocation works in it.
//! `loss/detect.rs` judges what a store holds, `loss/recover.rs` writes epochs.

use crate::{
    blocklist::{CutOff, RevocationId, TokenIds},
    clock::Timestamp,
    redis::{
        error::DialError,
        schema::{entry::parse_time, position::Position},
    },
};

const RESTORING: &str = " restoring ";

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

/// An epoch into which revocations are being restored.
///
/// Its text is `<epoch> restoring <log> <position>`: whether the log was lost too (`kept` or
/// `lost`), and the position up to which the restorer is complete (`-` if there is no restorer
/// yet).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) epoch: Epoch,
    pub(crate) log: LogState,
    pub(crate) position: Option<Position>,
}

/// What is left of the log after a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogState {
    /// The log has everything that the entries have.
    Kept,
    /// The log lacks revocations whose entries may be there.
    Lost,
}

impl Closed {
    pub(crate) fn to_text(self) -> String {
        let log = match self.log {
            LogState::Kept => "kept",
            LogState::Lost => "lost",
        };
        let position = self.position.map_or_else(|| "-".to_owned(), |position| position.to_string());
        format!("{}{RESTORING}{log} {position}", self.epoch.to_text())
    }

    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (epoch, rest) = std::str::from_utf8(text).ok()?.split_once(RESTORING)?;
        let (log, position) = rest.split_once(' ')?;
        let log = match log {
            "kept" => LogState::Kept,
            "lost" => LogState::Lost,
            _ => return None,
        };
        let position = match position {
            "-" => None,
            position => Some(Position::parse(position)?),
        };
        Some(Self { epoch: Epoch::parse(epoch.as_bytes())?, log, position })
    }
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

    /// The floor of the epoch with this text, open or closed; zero for any other text.
    pub(crate) fn floor_of(text: &[u8]) -> Timestamp {
        let epoch = Self::parse(text).or_else(|| Closed::parse(text).map(|closed| closed.epoch));
        epoch.map_or(Timestamp::default(), |epoch| epoch.floor)
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
    use crate::redis::schema::position::StreamId;

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
    fn a_closed_epoch_is_read_as_it_is_written_and_is_not_an_open_one() {
        let position = Some(Position::of(StreamId(9, 1), b"d", b"x"));
        for (log, position) in [(LogState::Kept, None), (LogState::Lost, position), (LogState::Kept, position)] {
            let closed = Closed { epoch: epoch(1, 5000), log, position };
            let text = closed.to_text();
            assert_eq!(Closed::parse(text.as_bytes()), Some(closed));
            assert_eq!((Epoch::parse(text.as_bytes()), Epoch::floor_of(text.as_bytes())), (None, closed.epoch.floor));
            assert_eq!(Closed::parse(closed.epoch.to_text().as_bytes()), None);
            for other in [text.replace("kept", "gone").replace("lost", "gone"), format!("{text} "), format!("{text}x")]
            {
                assert_eq!(Closed::parse(other.as_bytes()), None, "{other:?}");
            }
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

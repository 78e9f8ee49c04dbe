//! The roster: the members whose recent revocations have to be restored after a loss.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use redis::{RedisError, RedisResult, Value, aio::MultiplexedConnection};

use crate::{
    blocklist::RevocationId,
    redis::{
        error::DialError,
        loss::timing::{self, ALIVE, ANNOUNCE, READ_ROSTER_PER_MEMBER},
        schema::{key_names::KeyNames, millis, scripts},
    },
};

/// The members that this process knows, as of the last reading.
#[derive(Debug, Default)]
pub(crate) struct Roster(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    members: HashMap<RevocationId, Known>,
    /// The number of joined members at the last reading, and its time.
    read: Option<(u64, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    kind: Kind,
    patience: Duration,
    seen: Instant,
}

/// What a member has to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All revocations.
    Mirror,
    /// Its own last revocations.
    Process,
}

/// A member that has to acknowledge a closed epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Awaited {
    pub(crate) id: RevocationId,
    pub(crate) patience: Duration,
}

impl Roster {
    /// Whether the roster has to be read again, given the present number of joined members.
    pub(crate) fn is_due(&self, joined: u64) -> bool {
        let state = self.lock();
        // Many members that start together must not make each other read everything all the time.
        let pause = READ_ROSTER_PER_MEMBER * u32::try_from(state.members.len()).unwrap_or(u32::MAX);
        match state.read {
            None => true,
            Some((known, at)) => at.elapsed() >= ANNOUNCE || known != joined && at.elapsed() >= pause,
        }
    }

    /// Adds a member of this process, which need not be read from Redis.
    fn add(&self, id: RevocationId, kind: Kind, patience: Duration) {
        self.lock().members.insert(id, Known { kind, patience, seen: Instant::now() });
    }

    /// All members but this one.
    pub(crate) fn others(&self, me: Option<RevocationId>) -> Vec<Awaited> {
        let state = self.lock();
        let others = state.members.iter().filter(|(id, _)| Some(**id) != me);
        others.map(|(id, known)| Awaited { id: *id, patience: known.patience }).collect()
    }

    /// The longest patience of the known mirrors; `None` if no mirror is known.
    pub(crate) fn patience_of_mirrors(&self) -> Option<Duration> {
        let state = self.lock();
        state.members.values().filter(|known| known.kind == Kind::Mirror).map(|known| known.patience).max()
    }

    /// Reads the roster. `joined` is the number of joined members that was read before it.
    ///
    /// # Errors
    ///
    /// If Redis does not answer or forbids it.
    pub(crate) async fn read(
        &self,
        connection: &mut MultiplexedConnection,
        keys: &KeyNames,
        joined: u64,
    ) -> Result<(), DialError> {
        let asked = Instant::now();
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME").cmd("HGETALL").arg(keys.processes());
        type Reply = ((u64, u64), HashMap<String, String>);
        let reply: RedisResult<Reply> = timed(pipeline.query_async(connection)).await?;
        let ((seconds, micros), members) = reply.map_err(|error| DialError::of(&error))?;
        self.update(seconds * 1000 + micros / 1000, &members, joined, asked);
        Ok(())
    }

    /// Members that were seen lately stay, even if Redis does not know them: it may have lost them.
    fn update(&self, now: u64, members: &HashMap<String, String>, joined: u64, asked: Instant) {
        let mut state = self.lock();
        for (id, text) in members {
            let Some((id, (kind, patience, seen))) = RevocationId::from_hex(id).zip(parse(text)) else { continue };
            let age = Duration::from_millis(now.saturating_sub(seen));
            if let Some(seen) = asked.checked_sub(age).filter(|_| age < ALIVE) {
                state.members.insert(id, Known { kind, patience, seen });
            }
        }
        state.members.retain(|_, known| known.seen.elapsed() < ALIVE);
        state.read = Some((joined, asked));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is complete in itself, so a poisoned lock holds a valid state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parses `<kind> <patience> <seen>`, both in milliseconds.
fn parse(text: &str) -> Option<(Kind, Duration, u64)> {
    let mut parts = text.split(' ');
    let kind = match parts.next()? {
        "m" => Kind::Mirror,
        "p" => Kind::Process,
        _ => return None,
    };
    let patience = Duration::from_millis(parts.next()?.parse().ok()?);
    Some((kind, patience, parts.next()?.parse().ok()?))
}

/// One member, as it announces itself.
#[derive(Debug)]
pub(crate) struct Membership {
    /// `None` if the operating system has no random numbers: the member then only reads.
    pub(crate) id: Option<RevocationId>,
    kind: Kind,
    /// For how long a mirror answers from memory without a new proof.
    max_staleness: Duration,
    announced: Option<Instant>,
    /// The slowest round trip of the last announcements.
    slowest: Duration,
}

impl Membership {
    pub(crate) fn of_mirror(max_staleness: Duration) -> Self {
        Self::new(Kind::Mirror, max_staleness)
    }

    pub(crate) fn of_process() -> Self {
        Self::new(Kind::Process, Duration::ZERO)
    }

    fn new(kind: Kind, max_staleness: Duration) -> Self {
        let id = RevocationId::random().ok();
        Self { id, kind, max_staleness, announced: None, slowest: Duration::ZERO }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.announced.is_none_or(|announced| announced.elapsed() >= ANNOUNCE)
    }

    /// Announces itself again at the next opportunity, because another epoch has begun.
    pub(crate) fn forget_announcement(&mut self) {
        self.announced = None;
    }

    fn patience(&self) -> Duration {
        match self.kind {
            Kind::Mirror => timing::patience_of_mirror(self.max_staleness, self.slowest),
            Kind::Process => timing::patience_of_process(self.slowest),
        }
    }

    /// Writes itself into the roster. A service that may only read restores nothing, so the others
    /// need not know about it.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub(crate) async fn announce(
        &mut self,
        connection: &mut MultiplexedConnection,
        keys: &KeyNames,
        roster: &Roster,
    ) -> Result<(), DialError> {
        let Some(id) = self.id else { return Ok(()) };
        if self.slowest.is_zero() {
            // The others keep the first patience that they read for seconds, so it has to be right.
            let asked = Instant::now();
            let answer: RedisResult<Value> = timed(redis::cmd("TIME").query_async(connection)).await?;
            answer.map(drop).or_else(tolerate_rejection)?;
            self.note_round_trip(asked);
        }
        let kind = if self.kind == Kind::Mirror { "m" } else { "p" };
        let mut call = scripts::ANNOUNCE.key(keys.processes());
        call.key(keys.joined()).arg(id.to_string()).arg(kind).arg(millis(self.patience())).arg(millis(ALIVE * 4));
        let asked = Instant::now();
        let answer: RedisResult<Value> = timed(call.invoke_async(connection)).await?;
        match answer {
            Ok(_) => roster.add(id, self.kind, self.patience()),
            Err(error) => tolerate_rejection(error)?,
        }
        self.note_round_trip(asked);
        self.announced = Some(asked);
        Ok(())
    }

    /// The slowest round trip counts, and is forgotten by and by.
    fn note_round_trip(&mut self, asked: Instant) {
        self.slowest = asked.elapsed().max(self.slowest * 9 / 10).max(Duration::from_millis(1));
    }
}

/// An error that Redis answers does not end the connection: a service that may only read goes on.
fn tolerate_rejection(error: RedisError) -> Result<(), DialError> {
    if error.code().is_none() {
        return Err(DialError::of(&error));
    }
    tracing::debug!(code = error.code(), "Redis rejects the announcement of this process");
    Ok(())
}

async fn timed<T>(answer: impl Future<Output = T>) -> Result<T, DialError> {
    tokio::time::timeout(timing::PAGE_DEADLINE, answer).await.map_err(|_| DialError::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u8) -> RevocationId {
        RevocationId::from_bytes([number; 16])
    }

    #[test]
    fn g5_members_that_redis_has_lost_are_remembered_and_silent_ones_are_not() {
        let roster = Roster::default();
        let read = |members: &[(u8, &str)], joined| {
            let members = members.iter().map(|(id, text)| (member(*id).to_string(), (*text).to_owned())).collect();
            roster.update(100_000, &members, joined, Instant::now());
        };
        let known = || {
            let mut known: Vec<_> = roster.others(Some(member(9))).iter().map(|awaited| awaited.id).collect();
            known.sort();
            known
        };
        assert!(roster.is_due(0) && roster.patience_of_mirrors().is_none());
        let silent = "m 900000 84000";
        read(&[(1, "m 2000 99000"), (2, "p 1500 100000"), (3, silent), (4, "x 1 100000"), (9, "m 7 100000")], 5);
        assert_eq!(known(), [member(1), member(2)]);
        assert_eq!(roster.patience_of_mirrors(), Some(Duration::from_secs(2)));
        assert!(!roster.is_due(5));
        read(&[(5, "p 1 100000")], 1);
        assert_eq!(known(), [member(1), member(2), member(5)]);
    }
}

//! What happened in a round, by one monotonic clock.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tower_jwt_blocklist::blocklist::Status;

use crate::{fleet::Node, random::Random};

/// A confirmed revocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confirmed {
    pub(crate) at: Instant,
    pub(crate) by: usize,
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Redis,
    Mirror,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    pub(crate) session: u32,
    pub(crate) node: usize,
    pub(crate) asked: Asked,
    pub(crate) began: Instant,
}

/// A session that was rejected and never revoked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FalseLogout {
    pub(crate) node: usize,
    pub(crate) asked: Asked,
    pub(crate) status: Status,
    pub(crate) at: Instant,
}

/// Whether Redis answered a check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) node: usize,
    pub(crate) at: Instant,
    pub(crate) is_outage: bool,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) confirmed: Mutex<HashMap<u32, Confirmed>>,
    /// Admissions of sessions that are revoked sooner or later.
    pub(crate) admitted: Mutex<Vec<Admission>>,
    pub(crate) false_logouts: Mutex<Vec<FalseLogout>>,
    pub(crate) answers: Mutex<Vec<Answer>>,
    /// Revocations whose last holder was killed.
    pub(crate) held_by_nobody: Mutex<HashSet<u32>>,
    /// The session that is revoked next.
    next: AtomicU32,
    writers_stop: AtomicBool,
}

impl History {
    pub(crate) fn take_next(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn confirm(&self, session: u32, by: usize) {
        self.confirmed.lock().unwrap().insert(session, Confirmed { at: Instant::now(), by });
    }

    pub(crate) fn stop_writers(&self, stop: bool) {
        self.writers_stop.store(stop, Ordering::Relaxed);
    }

    /// Revokes one session after the other. No more begin after [`Self::stop_writers`].
    pub(crate) async fn write(&self, number: usize, node: Node) {
        loop {
            if !self.writers_stop.load(Ordering::Relaxed) {
                let session = self.take_next();
                if node.revoke(session).await.is_ok() {
                    self.confirm(session, number);
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Checks sessions that are about to be revoked, that were revoked, and that never are.
    pub(crate) async fn read(&self, number: usize, node: Node, asked: Asked, mut random: Random) {
        loop {
            let session = if random.one_in(4) { None } else { Some(self.any_session(&mut random)) };
            let began = Instant::now();
            let answer = node.ask(asked, session).await;
            self.record(number, asked, session, began, answer.ok());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Mostly a late one.
    fn any_session(&self, random: &mut Random) -> u32 {
        let end = self.next.load(Ordering::Relaxed) + 2;
        let back = if random.one_in(4) { end } else { end.min(120) };
        end - 1 - u32::try_from(random.next() % u64::from(back)).expect("less than `back`")
    }

    pub(crate) fn record(
        &self,
        node: usize,
        asked: Asked,
        session: Option<u32>,
        began: Instant,
        answer: Option<Status>,
    ) {
        if asked == Asked::Redis {
            self.answers.lock().unwrap().push(Answer { node, at: Instant::now(), is_outage: answer.is_none() });
        }
        match (session, answer) {
            (Some(session), Some(Status::NotRevoked)) => {
                self.admitted.lock().unwrap().push(Admission { session, node, asked, began });
            }
            // A floor also rejects those that are not revoked yet.
            (_, Some(status @ Status::BeforeLoss)) | (None, Some(status @ Status::Revoked(_))) => {
                self.false_logouts.lock().unwrap().push(FalseLogout { node, asked, status, at: Instant::now() });
            }
            _ => {}
        }
    }

    /// Call right before a loss: finds the revocations that no process has that lives on. `nodes`
    /// are these.
    pub(crate) fn note_holders(&self, nodes: &[(usize, Node)]) {
        let confirmed = self.confirmed.lock().unwrap();
        let lost = confirmed.iter().filter(|(session, confirmed)| {
            !nodes.iter().any(|(number, node)| *number == confirmed.by || node.holds(**session))
        });
        self.held_by_nobody.lock().unwrap().extend(lost.map(|(session, _)| *session));
    }
}

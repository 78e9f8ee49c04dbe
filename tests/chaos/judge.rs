//! Judges the history of a round.

use std::time::{Duration, Instant};

use crate::{
    faults::Fault,
    history::{Asked, History},
    plan::Kind,
};

/// What a round has shown.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) revocations: usize,
    /// Admissions that began after the revocation was confirmed.
    pub(crate) judged: usize,
    /// Sentences, one for each admission that was too late.
    pub(crate) late: Vec<String>,
    /// Sentences, one for each rejection of a session that was not revoked.
    pub(crate) false_logouts: Vec<String>,
    /// Admissions while nobody can have noticed the loss yet.
    pub(crate) while_noticing: usize,
    /// Sessions whose last holder was killed, and which were admitted after the loss.
    pub(crate) lost_with_holder: usize,
    /// From the fault to the first direct answer after the last outage.
    pub(crate) closed: Duration,
}

impl Verdict {
    pub(crate) fn is_wrong(&self) -> bool {
        !self.late.is_empty() || !self.false_logouts.is_empty()
    }

    pub(crate) fn of(history: &History, kind: Kind, fault: Fault, bounds: &[Option<Duration>]) -> Self {
        let mut verdict = Self { closed: closed(history, fault), ..Self::default() };
        let confirmed = history.confirmed.lock().unwrap();
        let held_by_nobody = history.held_by_nobody.lock().unwrap();
        verdict.revocations = confirmed.len();
        let mut lost = std::collections::HashSet::new();
        for admission in history.admitted.lock().unwrap().iter() {
            let Some(revoked) = confirmed.get(&admission.session) else { continue };
            let Some(late) = admission.began.checked_duration_since(revoked.at).filter(|late| !late.is_zero()) else {
                continue;
            };
            verdict.judged += 1;
            let bound = match admission.asked {
                Asked::Mirror if admission.node != revoked.by => bounds[admission.node].unwrap_or_default(),
                _ => Duration::ZERO,
            };
            if late <= bound {
                continue;
            }
            let after = admission.began.saturating_duration_since(fault.began);
            if held_by_nobody.contains(&admission.session) && admission.began >= fault.began {
                lost.insert(admission.session);
            } else if admission.began >= fault.began && admission.began < fault.ended + kind.noticing_time() {
                verdict.while_noticing += 1;
            } else {
                verdict.late.push(format!(
                    "session {} was admitted by the {:?} of node {} {late:?} after its revocation by node {}, \
                     {after:?} after the fault (bound {bound:?})",
                    admission.session, admission.asked, admission.node, revoked.by as isize,
                ));
            }
        }
        verdict.lost_with_holder = lost.len();
        for found in history.false_logouts.lock().unwrap().iter() {
            verdict.false_logouts.push(format!(
                "the {:?} of node {} rejected a session that was not revoked, as {:?}, {:?} after the fault",
                found.asked,
                found.node,
                found.status,
                found.at.saturating_duration_since(fault.began),
            ));
        }
        verdict
    }
}

/// The time of the process that was the first to get an answer of Redis again.
fn closed(history: &History, fault: Fault) -> Duration {
    let answers = history.answers.lock().unwrap();
    let nodes: std::collections::BTreeSet<usize> = answers.iter().map(|answer| answer.node).collect();
    let again = |node: usize| -> Option<Instant> {
        let mut after = answers.iter().filter(|answer| answer.node == node && answer.at > fault.began);
        let mut again = None;
        let mut out = false;
        for answer in after.by_ref() {
            if answer.is_outage {
                (out, again) = (true, None);
            } else if out && again.is_none() {
                again = Some(answer.at);
            }
        }
        again
    };
    let first = nodes.into_iter().filter_map(again).min();
    first.map_or(Duration::ZERO, |at| at.saturating_duration_since(fault.began))
}

#[cfg(test)]
mod tests {
    use tower_jwt_blocklist::blocklist::{RevocationScope, Status};

    use super::*;
    use crate::history::Confirmed;

    const BOUND: Duration = Duration::from_millis(400);
    const MS: Duration = Duration::from_millis(1);

    /// Session 7 was revoked by node 0 at the first returned time; the loss is two seconds later.
    fn history() -> (History, Instant, Fault) {
        let (history, now) = (History::default(), Instant::now());
        history.confirmed.lock().unwrap().insert(7, Confirmed { at: now, by: 0 });
        let began = now + 2000 * MS;
        (history, now, Fault { began, ended: began + 10 * MS })
    }

    fn verdict(kind: Kind, asked: Asked, node: usize, after: Duration, held: bool) -> Verdict {
        let (history, now, fault) = history();
        history.record(node, asked, Some(7), now + after, Some(Status::NotRevoked));
        if !held {
            history.held_by_nobody.lock().unwrap().insert(7);
        }
        Verdict::of(&history, kind, fault, &[Some(BOUND), Some(BOUND)])
    }

    /// Otherwise no round would prove anything.
    #[test]
    fn a_late_admission_is_found() {
        for (asked, node, after, wrong) in [
            (Asked::Redis, 1, Duration::ZERO, 0),
            (Asked::Redis, 1, MS, 1),
            (Asked::Mirror, 1, BOUND, 0),
            (Asked::Mirror, 1, BOUND + MS, 1),
            (Asked::Mirror, 0, MS, 1),
            (Asked::Redis, 0, 2500 * MS, 1),
        ] {
            let verdict = verdict(Kind::DarkLink, asked, node, after, true);
            assert_eq!(verdict.late.len(), wrong, "{asked:?} of node {node} after {after:?}: {verdict:?}");
        }
    }

    #[test]
    fn a_session_that_is_never_revoked_is_not_late() {
        let (history, now, fault) = history();
        history.record(0, Asked::Redis, Some(8), now + 100 * MS, Some(Status::NotRevoked));
        let verdict = Verdict::of(&history, Kind::DarkLink, fault, &[Some(BOUND)]);
        assert_eq!((verdict.late.len(), verdict.judged), (0, 0));
    }

    #[test]
    fn only_after_a_failover_there_is_a_time_to_notice() {
        let late = |kind, after| verdict(kind, Asked::Redis, 1, after, true);
        let noticing = late(Kind::Failover, 2500 * MS);
        assert_eq!((noticing.late.len(), noticing.while_noticing), (0, 1));
        for (kind, after) in [(Kind::Failover, 1000 * MS), (Kind::Failover, 6000 * MS), (Kind::SlowHelper, 2500 * MS)] {
            assert_eq!(late(kind, after).late.len(), 1, "{kind} after {after:?}");
        }
    }

    #[test]
    fn a_revocation_is_lost_with_its_last_holder_only_after_the_loss() {
        let lost = verdict(Kind::KilledBefore, Asked::Redis, 1, 2500 * MS, false);
        assert_eq!((lost.late.len(), lost.lost_with_holder), (0, 1));
        assert_eq!(verdict(Kind::KilledBefore, Asked::Redis, 1, 1500 * MS, false).late.len(), 1);
    }

    #[test]
    fn a_false_logout_is_found() {
        let (history, now, fault) = history();
        history.record(1, Asked::Redis, None, now, Some(Status::BeforeLoss));
        history.record(1, Asked::Redis, Some(8), now, Some(Status::BeforeLoss));
        history.record(1, Asked::Mirror, None, now, Some(Status::Revoked(RevocationScope::Session)));
        // Somebody may have revoked this one, without a confirmation.
        history.record(1, Asked::Mirror, Some(8), now, Some(Status::Revoked(RevocationScope::Session)));
        let verdict = Verdict::of(&history, Kind::LateStart, fault, &[None, Some(BOUND)]);
        assert_eq!((verdict.false_logouts.len(), verdict.late.len()), (3, 0));
    }
}

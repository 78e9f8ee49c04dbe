//! The waits of the protocol in `docs/restoration.md`, which explains why each suffices.

use std::time::Duration;

/// The interval at which a supervised connection is checked.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);
/// The time that a feed waits for news.
pub(crate) const WAIT_FOR_NEWS: Duration = Duration::from_millis(250);
/// The longest cycle of a feed without news: an idle Redis looks at waiting clients every 100 ms.
const IDLE_CYCLE: Duration = Duration::from_millis(350);
/// The pause between two attempts of a feed to connect.
pub(crate) const REDIAL: Duration = Duration::from_millis(100);

/// The interval at which a member announces itself.
pub(crate) const ANNOUNCE: Duration = Duration::from_secs(5);
/// A member counts as alive for this long after an announcement.
pub(crate) const ALIVE: Duration = Duration::from_secs(15);
/// The shortest time between two readings of the roster, for each member: a second if there are a
/// thousand.
pub(crate) const READ_ROSTER_PER_MEMBER: Duration = Duration::from_millis(1);

/// The time limit of one page. It is long, because a throttled Redis is slow, and giving up helps
/// nobody.
pub(crate) const PAGE_DEADLINE: Duration = Duration::from_secs(5);
/// The validity of a claim that is not renewed. Longer than the slowest page.
pub(crate) const CLAIM: Duration = Duration::from_secs(6);
/// The pause before Redis is looked at again during a restoration.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// The time for which mirrors that were proven complete just before the loss may close the epoch
/// before the others, and the shortest time for which it stays closed: an idle cycle and a fast
/// round trip.
pub(crate) const HEAD_START: Duration = Duration::from_millis(500);
/// A mirror whose last proof of completeness is older than this at the loss does not restore.
pub(crate) const LONGEST_GAP: Duration = Duration::from_secs(60);
/// The period of the log that counts as recent. Longer than [`LONGEST_GAP`], because clocks differ.
pub(crate) const RECENT: Duration = Duration::from_secs(90);
/// The wait of a process that has just started and knows no roster: an idle cycle and a round trip
/// of half a second.
pub(crate) const WAIT_FOR_UNKNOWN_MIRRORS: Duration = Duration::from_secs(1);

/// Nobody waits longer for a silent member, because a closed store rejects every direct check.
const LONGEST_PATIENCE: Duration = Duration::from_secs(10);

/// The time that a mirror may need to acknowledge a closed epoch, or to close it itself.
pub(crate) fn patience_of_mirror(max_staleness: Duration, slowest_round_trip: Duration) -> Duration {
    max_staleness.max(IDLE_CYCLE + REDIAL + HEAD_START + slowest_round_trip * 10).min(LONGEST_PATIENCE)
}

/// The time that a process without a mirror may need.
pub(crate) fn patience_of_process(slowest_round_trip: Duration) -> Duration {
    (HEARTBEAT + REDIAL + slowest_round_trip * 8).min(LONGEST_PATIENCE)
}

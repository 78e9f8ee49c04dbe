//! What one round does: a fleet, and a fault.

use std::{fmt, time::Duration};

use crate::random::Random;

/// The kinds of faults. Each has a row in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The fastest mirror misses revocations while its link is dark. Only a slower mirror has them
    /// when Redis is emptied.
    DarkLink,
    /// One mirror has a round trip of half a second.
    SlowHelper,
    /// Redis takes and sends only some bytes per second.
    ThrottledRedis,
    /// A process starts right after the loss.
    LateStart,
    Failover,
    FailoverWithAcks,
    /// Two masters have issued the same log id for different entries.
    SplitBrain,
    ClockAhead,
    /// A process ends right before the loss.
    KilledBefore,
    /// The fastest mirror ends while it restores.
    KilledRestorer,
}

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Self::DarkLink,
        Self::SplitBrain,
        Self::LateStart,
        Self::SlowHelper,
        Self::Failover,
        Self::KilledRestorer,
        Self::ThrottledRedis,
        Self::ClockAhead,
        Self::FailoverWithAcks,
        Self::KilledBefore,
    ];

    pub(crate) fn is_failover(self) -> bool {
        matches!(self, Self::Failover | Self::FailoverWithAcks)
    }

    /// The time after the fault in which a process may not have noticed yet that this master lacks
    /// revocations: it has the epoch and a log, and only the log's end shows the loss. The check of
    /// the server is due within two seconds. An emptied Redis is noticed by each single check.
    pub(crate) fn noticing_time(self) -> Duration {
        match self {
            Self::Failover | Self::FailoverWithAcks | Self::SplitBrain => Duration::from_secs(3),
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::DarkLink => "dark link",
            Self::SlowHelper => "slow helper",
            Self::ThrottledRedis => "throttled Redis",
            Self::LateStart => "late start",
            Self::Failover => "failover",
            Self::FailoverWithAcks => "failover with acks",
            Self::SplitBrain => "split brain",
            Self::ClockAhead => "clock ahead",
            Self::KilledBefore => "killed before",
            Self::KilledRestorer => "killed restorer",
        })
    }
}

/// How a Redis loses everything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    Flushed,
    RestartedEmpty,
    LogDeleted,
}

#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    pub(crate) latency: Duration,
    /// Without a mirror: `None`.
    pub(crate) max_staleness: Option<Duration>,
    /// The number of tasks that revoke. At least one node has one.
    pub(crate) writers: u64,
    pub(crate) clock_ahead: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    /// The first node has the fastest mirror, the second another mirror.
    pub(crate) nodes: Vec<NodePlan>,
    pub(crate) loss: Loss,
    /// The number of revocations before the round.
    pub(crate) preloaded: u32,
    /// The time between the parts of the fault.
    pub(crate) pause: Duration,
    /// How long the link is dark.
    pub(crate) dark: Duration,
    /// Whether the process that revoked last ends before the loss, so that only mirrors can restore.
    pub(crate) writer_ends: bool,
    /// Bytes per second.
    pub(crate) rate: u32,
}

/// The longest way in one direction, in milliseconds: a round trip takes half a second.
const SLOWEST: u64 = 250;
const FAST: Duration = Duration::from_millis(2);

impl Plan {
    pub(crate) fn of(kind: Kind, random: &mut Random) -> Self {
        let count = random.within(2..=5);
        let mut nodes: Vec<_> = (0..count).map(|number| node(random, number)).collect();
        let mut plan = Self {
            kind,
            loss: match random.within(0..=4) {
                0 => Loss::RestartedEmpty,
                1 => Loss::LogDeleted,
                _ => Loss::Flushed,
            },
            preloaded: u32::try_from(random.within(0..=1500)).expect("a small number"),
            pause: random.millis(0..=300),
            dark: random.millis(300..=1200),
            writer_ends: random.one_in(2),
            rate: u32::try_from(random.within(100_000..=400_000)).expect("a small number"),
            nodes: Vec::new(),
        };
        match kind {
            Kind::DarkLink => {
                nodes[0].latency = random.millis(0..=20);
                nodes[0].max_staleness = Some(random.millis(2000..=4000));
                nodes[1].latency = random.millis(40..=SLOWEST);
                nodes[1].max_staleness = Some(random.millis(2000..=4000));
                // The third revokes, and no faster mirror than the second may read it.
                nodes.truncate(2);
                nodes.push(NodePlan { latency: FAST, max_staleness: None, writers: 1, clock_ahead: Duration::ZERO });
                (nodes[0].writers, nodes[1].writers) = (0, 0);
                plan.loss = if random.one_in(4) { Loss::RestartedEmpty } else { Loss::Flushed };
            }
            Kind::SlowHelper => {
                nodes[0].latency = FAST;
                nodes[1].latency = Duration::from_millis(SLOWEST);
                plan.preloaded = 15_000;
            }
            Kind::ThrottledRedis => plan.preloaded = 2000,
            Kind::LateStart => plan.preloaded *= 4,
            Kind::KilledRestorer => {
                // There must be a mirror that lives on, and the bulk must take some time.
                nodes[0].latency = FAST;
                plan.preloaded = 6000;
            }
            Kind::ClockAhead => {
                let ahead = usize::try_from(random.within(0..=count - 1)).expect("a small number");
                nodes[ahead].clock_ahead = Duration::from_secs(20);
            }
            Kind::SplitBrain | Kind::KilledBefore | Kind::Failover | Kind::FailoverWithAcks => {}
        }
        Self { nodes, ..plan }
    }
}

fn node(random: &mut Random, number: u64) -> NodePlan {
    let latency = if random.one_in(2) { random.millis(0..=20) } else { random.millis(20..=SLOWEST) };
    // A mirror that asks less often than its round trip takes could never be fresh.
    let shortest = 400 + 4 * u64::try_from(latency.as_millis()).expect("a short time");
    let staleness = random.millis(shortest..=4000);
    NodePlan {
        latency,
        max_staleness: (number < 2 || random.one_in(2)).then_some(staleness),
        writers: if number == 0 { 1 } else { random.within(0..=2) },
        clock_ahead: Duration::ZERO,
    }
}

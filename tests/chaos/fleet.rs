//! Some processes over one Redis, each behind its own link.

use std::{
    future::Future as _,
    net::SocketAddr,
    num::NonZeroU8,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use testkit::{FaultProxy, RedisServer, SentinelGroup, at_millis};
use tokio::task::JoinSet;
use tower_jwt_blocklist::{
    MirrorBlocklist, RedisBlocklist,
    blocklist::{
        Blocklist as _, Outage, Revocation, RevocationId, RevocationScope, Revoke as _, RevokeError, Status, TokenIds,
    },
    redis::{MirrorPhase, MirrorSettings, RedisSettings},
};

use crate::{
    history::{Asked, History},
    plan::{Kind, NodePlan, Plan},
    random::Random,
    support::wait::soon,
};

/// One process.
#[derive(Clone)]
pub(crate) struct Node {
    redis: RedisBlocklist,
    mirror: Option<MirrorBlocklist>,
    clock_ahead: Duration,
}

impl Node {
    fn start(settings: RedisSettings, plan: &NodePlan) -> Self {
        let ahead = plan.clock_ahead;
        let round_trip = 2 * plan.latency;
        let settings = settings
            .clock(move || SystemTime::now() + ahead)
            .check_deadline(Duration::from_millis(250) + 2 * round_trip)
            .revoke_deadline(Duration::from_secs(1) + 2 * round_trip);
        let redis = RedisBlocklist::connect_lazy(settings).unwrap();
        let mirror = plan
            .max_staleness
            .map(|bound| MirrorBlocklist::start(redis.clone(), MirrorSettings::new().max_staleness(bound)).unwrap());
        Self { redis, mirror, clock_ahead: ahead }
    }

    pub(crate) async fn revoke(&self, session: u32) -> Result<(), RevokeError> {
        let id = RevocationId::new(None, RevocationScope::Session, &session.to_string());
        let until = SystemTime::now() + Duration::from_secs(600);
        self.redis.revoke(&Revocation::new(RevocationScope::Session, id, until)).await
    }

    /// `None` is a session that is never revoked.
    pub(crate) async fn ask(&self, asked: Asked, session: Option<u32>) -> Result<Status, Outage> {
        let session = session.map_or_else(|| "never revoked".to_owned(), |session| session.to_string());
        let (ids, now) = (token(&session), SystemTime::now() + self.clock_ahead);
        match (asked, &self.mirror) {
            (Asked::Mirror, Some(mirror)) => mirror.check(&ids, now).await,
            _ => self.redis.check(&ids, now).await,
        }
    }

    /// Whether the mirror has this revocation in memory.
    pub(crate) fn holds(&self, session: u32) -> bool {
        let Some(mirror) = &self.mirror else { return false };
        let session = session.to_string();
        let check = pin!(mirror.check(&token(&session), SystemTime::now() + self.clock_ahead));
        matches!(check.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(Status::Revoked(_))))
    }

    /// Whether it answers by Redis, and by a mirror that is complete.
    pub(crate) async fn is_ready(&self) -> bool {
        let is_fresh = self.mirror.as_ref().is_none_or(|mirror| mirror.state().phase() == MirrorPhase::Fresh);
        is_fresh && self.ask(Asked::Redis, None).await.is_ok()
    }

    /// Its state, for a person.
    pub(crate) async fn describe(&self) -> String {
        let state = self.mirror.as_ref().map(MirrorBlocklist::state);
        format!("{state:?}, Redis answers {:?}", self.ask(Asked::Redis, None).await)
    }

    /// The age of the mirror's last proof.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.mirror.as_ref()?.state().age()
    }

    pub(crate) fn has_mirror(&self) -> bool {
        self.mirror.is_some()
    }
}

/// A token of a login from before the round.
fn token(session: &str) -> TokenIds {
    TokenIds::new(None, "token", Some(session)).with_subject("ann").with_issued_at(at_millis(1000))
}

pub(crate) enum Servers {
    One(RedisServer),
    Group(SentinelGroup),
}

struct Member {
    node: Node,
    /// None behind sentinels: these name the servers' own addresses.
    link: Option<FaultProxy>,
    readers: JoinSet<()>,
    writers: JoinSet<()>,
}

pub(crate) struct Fleet {
    pub(crate) servers: Servers,
    pub(crate) history: Arc<History>,
    kind: Kind,
    /// `None` has been killed.
    members: Vec<Option<Member>>,
    /// How old each mirror's proof may be.
    pub(crate) bounds: Vec<Option<Duration>>,
}

impl Fleet {
    /// Starts everything, and waits until every process is ready.
    pub(crate) async fn start(plan: &Plan, random: &mut Random) -> Self {
        let servers = if plan.kind.is_failover() {
            Servers::Group(SentinelGroup::start().await)
        } else {
            Servers::One(RedisServer::start().await)
        };
        let history = Arc::default();
        let (members, bounds) = (Vec::new(), Vec::new());
        let mut fleet = Self { servers, history, kind: plan.kind, members, bounds };
        let direct = fleet.direct_settings(None);
        RedisBlocklist::initialize(direct.clone(), SystemTime::UNIX_EPOCH).await.unwrap();
        fleet.preload(direct, plan.preloaded).await;
        for node in &plan.nodes {
            fleet.add(node, random).await;
        }
        fleet
    }

    fn direct_settings(&self, link: Option<SocketAddr>) -> RedisSettings {
        match (&self.servers, link) {
            (Servers::Group(group), _) => {
                let sentinels = group.sentinels().into_iter().map(|host| (host.ip().to_string(), host.port()));
                RedisSettings::sentinel(group.master_name(), sentinels.collect::<Vec<_>>())
            }
            (Servers::One(_), Some(link)) => RedisSettings::new("127.0.0.1", link.port()),
            (Servers::One(server), None) => RedisSettings::new("127.0.0.1", server.port()),
        }
    }

    /// Revokes as a process that has ended when this returns.
    async fn preload(&self, settings: RedisSettings, count: u32) {
        let loader = Self::plain(settings).await;
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let (loader, history) = (loader.clone(), Arc::clone(&self.history));
            tasks.spawn(async move {
                let session = history.take_next();
                loader.revoke(session).await.unwrap();
                history.confirm(session, usize::MAX);
            });
            if tasks.len() >= 64 {
                tasks.join_next().await;
            }
        }
        soon(tasks.join_all()).await;
    }

    async fn plain(settings: RedisSettings) -> Node {
        Node { redis: RedisBlocklist::connect(settings).await.unwrap(), mirror: None, clock_ahead: Duration::ZERO }
    }

    /// A process without a mirror or a link, for the last word.
    pub(crate) async fn witness(&self) -> Node {
        Self::plain(self.direct_settings(None)).await
    }

    /// Starts a process and its readers and writers.
    pub(crate) async fn add(&mut self, plan: &NodePlan, random: &mut Random) {
        let link = match &self.servers {
            Servers::One(server) => Some(FaultProxy::start(server.addr()).await),
            Servers::Group(_) => None,
        };
        if let Some(link) = &link {
            link.latency(plan.latency);
        }
        let mut settings = self.direct_settings(link.as_ref().map(FaultProxy::addr));
        if self.kind == Kind::FailoverWithAcks {
            settings = settings.replica_acks(NonZeroU8::MIN, Duration::from_millis(300));
        }
        let (number, node) = (self.members.len(), Node::start(settings, plan));
        let (mut readers, mut writers) = (JoinSet::new(), JoinSet::new());
        for asked in [Asked::Redis, Asked::Mirror] {
            if asked == Asked::Redis || node.has_mirror() {
                let (history, node, random) = (Arc::clone(&self.history), node.clone(), random.fork());
                readers.spawn(async move { history.read(number, node, asked, random).await });
            }
        }
        for _ in 0..plan.writers {
            let (history, node) = (Arc::clone(&self.history), node.clone());
            writers.spawn(async move { history.write(number, node).await });
        }
        self.members.push(Some(Member { node, link, readers, writers }));
        self.bounds.push(plan.max_staleness);
    }

    /// The processes that are alive, with their numbers.
    pub(crate) fn alive(&self) -> Vec<(usize, Node)> {
        let members = self.members.iter().enumerate();
        members.filter_map(|(number, member)| Some((number, member.as_ref()?.node.clone()))).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &FaultProxy> {
        self.members.iter().flatten().filter_map(|member| member.link.as_ref())
    }

    pub(crate) fn link(&self, number: usize) -> &FaultProxy {
        self.members[number].as_ref().and_then(|member| member.link.as_ref()).expect("a member with a link")
    }

    /// Ends the process's requests: it revokes no more, and its readers end.
    pub(crate) async fn silence(&mut self, number: usize) {
        if let Some(member) = &mut self.members[number] {
            member.writers.shutdown().await;
            member.readers.shutdown().await;
        }
    }

    /// Ends a process without a farewell: nothing more that it sends arrives.
    pub(crate) async fn kill(&mut self, number: usize) {
        self.silence(number).await;
        if let Some(link) = self.members[number].take().and_then(|member| member.link) {
            link.refuse(true);
            link.cut();
        }
    }

    /// Ends all readers and writers.
    pub(crate) async fn silence_all(&mut self) {
        for number in 0..self.members.len() {
            self.silence(number).await;
        }
    }
}

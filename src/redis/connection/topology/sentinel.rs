//! Redis Sentinel: finds the master that most answering sentinels name.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::RedisConnectionInfo;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    config_error::ConfigError,
    redis::{
        connection::{
            host::{Connector, Host, list, parse_list, require_one},
            topology::find_master::{Answer, FindMaster},
        },
        error::DialError,
    },
};

const USUAL_PORT: u16 = 26379;

/// How long one sentinel may take to answer. A slower one is left out.
const PATIENCE: Duration = Duration::from_millis(300);

/// The sentinels of one master.
#[derive(Clone)]
pub(crate) struct Sentinels {
    hosts: Vec<Host>,
    master: Box<str>,
    /// The login to the sentinels, which have their own users.
    pub(crate) login: RedisConnectionInfo,
    /// The sentinel to ask at the next heartbeat.
    next: Arc<AtomicUsize>,
}

impl Sentinels {
    pub(crate) fn new(hosts: Vec<Host>, master: impl Into<Box<str>>) -> Self {
        Self { hosts, master: master.into(), login: RedisConnectionInfo::default(), next: Arc::default() }
    }

    /// Reads `[user][:password@]host[:port],host…/master[/database]`.
    pub(super) fn from_url(rest: &str) -> Option<(Self, RedisConnectionInfo)> {
        let (authority, path) = rest.split_once('/')?;
        let (master, database) = path.split_once('/').unwrap_or((path, ""));
        let (hosts, login) = parse_list(authority, database, USUAL_PORT)?;
        (!master.is_empty()).then(|| (Self::new(hosts, master), login))
    }

    /// The master that most sentinels name.
    ///
    /// All are queried at once. So a sentinel that is down delays nothing, and one that was cut off
    /// together with the old master does not decide.
    async fn elect(&self, connector: &Connector) -> Result<Host, DialError> {
        let mut asked = JoinSet::new();
        for host in &self.hosts {
            let (host, name, connector) = (host.clone(), self.master.clone(), self.connector(connector));
            asked.spawn(async move { query_master(&host, &name, &connector).await });
        }
        let answers: Vec<Named> = asked.join_all().await;
        let named: Vec<&Host> = answers.iter().filter_map(|answer| answer.as_ref().ok()?.as_ref()).collect();
        let votes = |host: &Host| named.iter().filter(|named| **named == host).count();
        match named.iter().max_by_key(|host| votes(host)) {
            Some(host) => Ok((*host).clone()),
            None if answers.iter().all(Result::is_err) => Err(DialError::NoSentinel),
            None => Err(DialError::UnknownMaster),
        }
    }

    /// Asks one sentinel, and all of them if that one names another master.
    async fn still_name(&self, master: &Host, connector: &Connector) -> bool {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.hosts.len().max(1);
        let Some(host) = self.hosts.get(next) else { return true };
        match query_master(host, &self.master, &self.connector(connector)).await {
            Ok(Some(named)) if named != *master => self.elect(connector).await.is_ok_and(|named| named == *master),
            _ => true,
        }
    }

    fn connector(&self, connector: &Connector) -> Connector {
        Connector { login: self.login.clone(), ..connector.clone() }
    }
}

impl FindMaster for Sentinels {
    fn find<'a>(&'a self, connector: &'a Connector, _: &'a str) -> Answer<'a, Result<Host, DialError>> {
        Box::pin(self.elect(connector))
    }

    fn is_master<'a>(&'a self, host: &'a Host, connector: &'a Connector) -> Answer<'a, bool> {
        Box::pin(self.still_name(host, connector))
    }

    fn validate(&self, _: i64, _: bool) -> Result<(), ConfigError> {
        require_one(&self.hosts)
    }
}

/// The master that a sentinel names; `Ok(None)` if it knows no master of that name.
type Named = Result<Option<Host>, NoAnswer>;

struct NoAnswer;

async fn query_master(host: &Host, master: &str, connector: &Connector) -> Named {
    let asking = async {
        let mut connection = connector.connect(host).await?;
        redis::cmd("SENTINEL").arg("get-master-addr-by-name").arg(master).query_async(&mut connection).await
    };
    let answer: Option<(String, u16)> =
        timeout(PATIENCE, asking).await.map_err(|_| NoAnswer)?.map_err(|_: redis::RedisError| NoAnswer)?;
    Ok(answer.map(|(name, port)| Host::tcp(name, port)))
}

impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the master `{}` of the sentinels {}", self.master, list(&self.hosts))
    }
}

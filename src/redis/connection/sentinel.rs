//! Redis Sentinel: who the master is, in the eyes of most sentinels that answer.

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

use crate::redis::connection::{
    dial::DialError,
    host::{Connector, Host},
    topology::list,
};

/// How long one sentinel may take to answer. One that does not is left out.
const PATIENCE: Duration = Duration::from_millis(300);

/// The sentinels of one master.
#[derive(Clone)]
pub(crate) struct Sentinels {
    hosts: Vec<Host>,
    master: Box<str>,
    /// Sentinels have users of their own.
    pub(crate) login: RedisConnectionInfo,
    /// Which one is asked at the next heartbeat.
    next: Arc<AtomicUsize>,
}

impl Sentinels {
    pub(crate) fn new(hosts: Vec<Host>, master: impl Into<Box<str>>) -> Self {
        Self { hosts, master: master.into(), login: RedisConnectionInfo::default(), next: Arc::default() }
    }

    /// The one that most of them name. Asking all of them, and at once, neither waits for those that are down nor trusts one that was cut
    /// off with the old master.
    pub(crate) async fn master(&self, connector: &Connector) -> Result<Host, DialError> {
        let mut asked = JoinSet::new();
        for host in &self.hosts {
            let (host, name, connector) = (host.clone(), self.master.clone(), self.connector(connector));
            asked.spawn(async move { ask(&host, &name, &connector).await });
        }
        let answers: Vec<Answer> = asked.join_all().await;
        let named: Vec<&Host> = answers.iter().filter_map(|answer| answer.as_ref().ok()?.as_ref()).collect();
        let votes = |host: &Host| named.iter().filter(|named| **named == host).count();
        match named.iter().max_by_key(|host| votes(host)) {
            Some(host) => Ok((*host).clone()),
            None if answers.iter().all(Result::is_err) => Err(DialError::NoSentinel),
            None => Err(DialError::UnknownMaster),
        }
    }

    /// Asks one of them, and all if it names another.
    pub(crate) async fn still_name(&self, master: &Host, connector: &Connector) -> bool {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.hosts.len().max(1);
        let Some(host) = self.hosts.get(next) else { return true };
        match ask(host, &self.master, &self.connector(connector)).await {
            Ok(Some(named)) if named != *master => self.master(connector).await.is_ok_and(|named| named == *master),
            _ => true,
        }
    }

    fn connector(&self, connector: &Connector) -> Connector {
        Connector { login: self.login.clone(), ..connector.clone() }
    }
}

/// The master that a sentinel names; `Ok(None)` if it knows none of that name.
type Answer = Result<Option<Host>, NoAnswer>;

struct NoAnswer;

async fn ask(host: &Host, master: &str, connector: &Connector) -> Answer {
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

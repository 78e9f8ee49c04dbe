//! A master with replicas, watched by sentinels.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;

use super::{RedisOptions, RedisServer};
use crate::patience::RetryBudget;
use crate::{port, random};

const MASTER_NAME: &str = "testkit";
const SENTINELS: usize = 3;
const QUORUM: usize = 2;

/// The settings of a [`SentinelGroup`].
#[derive(Clone, Debug)]
pub struct SentinelOptions {
    replicas: usize,
    servers: RedisOptions,
    down_after: Duration,
    failover_timeout: Duration,
}

impl SentinelOptions {
    /// Sets the number of replicas; 1 by default.
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// Sets how the master and the replicas are started, with a password for example. The sentinels
    /// themselves have none.
    pub fn servers(mut self, options: RedisOptions) -> Self {
        self.servers = options;
        self
    }

    /// Sets how long a server may be silent before it counts as down, in whole milliseconds; 500 ms
    /// by default.
    pub fn down_after(mut self, silence: Duration) -> Self {
        self.down_after = silence;
        self
    }

    /// Limits the time of a failover, in whole milliseconds; 3 s by default. After a failed one,
    /// the sentinels wait twice as long before they try again.
    pub fn failover_timeout(mut self, limit: Duration) -> Self {
        self.failover_timeout = limit;
        self
    }

    /// Starts everything. When this returns, the replicas are online, and the sentinels know them
    /// and each other.
    pub async fn start(self) -> SentinelGroup {
        let master = self.servers.clone().start().await;
        let port = master.port().to_string();
        let replica = self.servers.clone().arg("replicaof", &["127.0.0.1", &port]);
        let replicas = join_all((0..self.replicas).map(|_| replica.clone().start())).await;
        let servers: Vec<RedisServer> = [master].into_iter().chain(replicas).collect();
        all_replicas_online(&servers, &servers[0]).await;

        let sentinels = self.start_sentinels(&servers).await;
        let group = SentinelGroup { servers, sentinels };
        group.settled().await;
        group
    }

    /// Their files list all of them, and the replicas too: discovery would take seconds.
    async fn start_sentinels(&self, servers: &[RedisServer]) -> Vec<RedisServer> {
        let mut logs = String::new();
        // Another process may take a port between the check and the start.
        for _ in 0..5 {
            let nodes: Vec<Node> = (0..SENTINELS).map(|_| Node::new()).collect();
            let starting = nodes.iter().map(|node| {
                let file = self.configuration(servers, node, &nodes);
                self.servers.sentinel(file).start_at(node.port)
            });
            match join_all(starting).await.into_iter().collect() {
                Ok(sentinels) => return sentinels,
                Err(log) => logs = log,
            }
        }
        panic!("a sentinel ends as soon as it's started:\n{logs}");
    }

    fn configuration(&self, servers: &[RedisServer], own: &Node, all: &[Node]) -> String {
        let mut lines = vec![
            format!("myid {}", own.id),
            format!("monitor {MASTER_NAME} 127.0.0.1 {} {QUORUM}", servers[0].port()),
            format!("down-after-milliseconds {MASTER_NAME} {}", self.down_after.as_millis()),
            format!("failover-timeout {MASTER_NAME} {}", self.failover_timeout.as_millis()),
        ];
        lines.extend(self.servers.its_password().map(|password| format!("auth-pass {MASTER_NAME} {password}")));
        let replicas = servers[1..].iter();
        lines.extend(replicas.map(|server| format!("known-replica {MASTER_NAME} 127.0.0.1 {}", server.port())));
        let others = all.iter().filter(|node| node.id != own.id);
        lines.extend(others.map(|Node { id, port }| format!("known-sentinel {MASTER_NAME} 127.0.0.1 {port} {id}")));
        lines.iter().map(|line| format!("sentinel {line}\n")).collect()
    }
}

/// A sentinel to be started.
struct Node {
    id: String,
    port: u16,
}

impl Node {
    fn new() -> Self {
        Self { id: random::node_id(), port: port::free() }
    }
}

/// A master, its replicas, and three sentinels of which two must agree. They end when this is
/// dropped, or when the test process is killed.
#[derive(Debug)]
pub struct SentinelGroup {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl SentinelGroup {
    /// Starts a group with one replica, no passwords, and the fastest failovers.
    pub async fn start() -> Self {
        Self::options().start().await
    }

    /// Settings of a group, to be changed.
    pub fn options() -> SentinelOptions {
        SentinelOptions {
            replicas: 1,
            servers: RedisServer::options(),
            down_after: Duration::from_millis(500),
            failover_timeout: Duration::from_secs(3),
        }
    }

    /// The master's name in the sentinels' configuration.
    pub fn master_name(&self) -> &'static str {
        MASTER_NAME
    }

    /// The sentinels' addresses.
    pub fn sentinels(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(RedisServer::addr).collect()
    }

    /// The master and the replicas, in no particular order.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The server or sentinel at this address.
    pub fn server(&self, addr: SocketAddr) -> &RedisServer {
        let mut all = self.servers.iter().chain(&self.sentinels);
        all.find(|server| server.addr() == addr).unwrap_or_else(|| panic!("{addr} is not of this group"))
    }

    /// The server or sentinel at this address, to kill or restart it. A restarted sentinel knows
    /// what it knew at first, and learns the rest from the others.
    pub fn server_mut(&mut self, addr: SocketAddr) -> &mut RedisServer {
        let mut all = self.servers.iter_mut().chain(&mut self.sentinels);
        all.find(|server| server.addr() == addr).unwrap_or_else(|| panic!("{addr} is not of this group"))
    }

    /// The master that the sentinels name. Waits until all that answer name the same.
    pub async fn master(&self) -> SocketAddr {
        let patience = RetryBudget::until("the sentinels agree on a master");
        loop {
            let mut named = self.named_masters().await;
            named.dedup();
            if let [master] = named[..] {
                return master;
            }
            patience.wait(&format!("{named:?}")).await;
        }
    }

    /// The servers other than the master that the sentinels name.
    pub async fn replicas(&self) -> Vec<&RedisServer> {
        let master = self.master().await;
        self.servers.iter().filter(|server| server.addr() != master).collect()
    }

    /// Makes the sentinels promote a replica. Returns its address as soon as they all name it and
    /// it reports the role itself. For some time after that, the old master also reports it: see
    /// [`Self::settled`].
    pub async fn failover(&self) -> SocketAddr {
        let old = self.master().await;
        let patience = RetryBudget::until("the sentinels agree to a failover");
        let sentinel = self.first_that_answers().await;
        while let Err(refusal) = sentinel.try_cli(&["SENTINEL", "FAILOVER", MASTER_NAME]).await {
            // It has not yet queried the replica's state, or its last failover is still running.
            let soon = ["NOGOODSLAVE", "INPROG"].iter().any(|word| refusal.starts_with(word));
            assert!(soon, "the sentinel refused a failover: {refusal}");
            patience.wait(&refusal).await;
        }
        self.new_master(old).await
    }

    /// The master after this one, which was killed or paused for example. Waits until the sentinels
    /// that answer name it, and it reports the role itself.
    pub async fn new_master(&self, old: SocketAddr) -> SocketAddr {
        let patience = RetryBudget::until("the sentinels name a new master");
        loop {
            let new = self.master().await;
            let role = self.server(new).try_cli(&["ROLE"]).await;
            if new != old && role.as_ref().is_ok_and(|role| role.starts_with("master")) {
                return new;
            }
            patience.wait(&format!("{new}: {role:?}")).await;
        }
    }

    /// Waits until every server but the master replicates it, and every sentinel sees them all and
    /// the other sentinels. All of them must be running.
    ///
    /// A sentinel tolerates a second master for 8 to 18 seconds after a failover. From Redis 7 on,
    /// this shortens the time.
    pub async fn settled(&self) {
        self.set_periods("100", "100").await;
        let master = self.server(self.master().await);
        all_replicas_online(&self.servers, master).await;
        let patience = RetryBudget::until("the sentinels see all servers and each other");
        for sentinel in &self.sentinels {
            while let Err(state) = self.is_complete(sentinel).await {
                patience.wait(&state).await;
            }
        }
        self.set_periods("10000", "2000").await;
    }

    /// Sets the time between two queries of a sentinel to a server, and between two messages to the
    /// other sentinels, in milliseconds.
    async fn set_periods(&self, info: &str, publish: &str) {
        let command = ["SENTINEL", "DEBUG", "INFO-PERIOD", info, "PUBLISH-PERIOD", publish];
        for refusal in self.ask_all(&command).await.into_iter().filter_map(Result::err) {
            assert!(refusal.contains("Unknown"), "a sentinel does not take its periods: {refusal}");
        }
    }

    /// The error says what is missing in this sentinel's view.
    async fn is_complete(&self, sentinel: &RedisServer) -> Result<(), String> {
        let quorum = sentinel.try_cli(&["SENTINEL", "CKQUORUM", MASTER_NAME]).await?;
        let replicas = sentinel.cli(&["SENTINEL", "REPLICAS", MASTER_NAME]).await;
        let expected = self.servers.len() - 1;
        let complete = quorum.starts_with(&format!("OK {SENTINELS} "))
            && fields(&replicas, "master-link-status").filter(|&status| status == "ok").count() == expected
            && fields(&replicas, "flags").filter(|&flags| flags == "slave").count() == expected;
        if complete { Ok(()) } else { Err(format!("{quorum}\n{replicas}")) }
    }

    /// Named by the sentinels that answer.
    async fn named_masters(&self) -> Vec<SocketAddr> {
        let answers = self.ask_all(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME]).await;
        let named = answers.iter().flatten().filter_map(|answer| answer.replace('\n', ":").parse().ok());
        named.collect()
    }

    async fn first_that_answers(&self) -> &RedisServer {
        for sentinel in &self.sentinels {
            if sentinel.try_cli(&["PING"]).await.is_ok() {
                return sentinel;
            }
        }
        panic!("no sentinel answers");
    }

    async fn ask_all(&self, command: &[&str]) -> Vec<Result<String, String>> {
        join_all(self.sentinels.iter().map(|sentinel| sentinel.try_cli(command))).await
    }
}

/// Every value of a field in a list of lists of names and values.
fn fields<'a>(reply: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let lines: Vec<&str> = reply.lines().collect();
    let values = lines.chunks_exact(2).filter(|pair| pair[0] == name).map(|pair| pair[1]).collect::<Vec<_>>();
    values.into_iter()
}

/// Waits until they report that their link to this master is up.
pub(super) async fn all_replicas_online(servers: &[RedisServer], master: &RedisServer) {
    let patience = RetryBudget::until("every replica is online");
    let port = master.port().to_string();
    for replica in servers.iter().filter(|server| server.port() != master.port()) {
        loop {
            // A server cuts its connections when it becomes a replica.
            let report = replica.try_cli(&["INFO", "replication"]).await.unwrap_or_else(|error| error);
            let says = |line: &str| report.lines().any(|said| said == line);
            if says(&format!("master_port:{port}")) && says("master_link_status:up") {
                break;
            }
            patience.wait(&report).await;
        }
    }
}

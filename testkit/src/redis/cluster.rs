//! A Redis cluster.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::future::join_all;

use super::{RedisOptions, RedisServer};
use crate::patience::RetryBudget;
use crate::{port, random};

/// The number of hash slots of every cluster.
const SLOTS: usize = 16_384;

/// A node's own file: its view of the cluster.
const NODES_FILE: &str = "nodes.conf";

/// The settings of a [`RedisCluster`].
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    masters: usize,
    replicas: usize,
    servers: RedisOptions,
    node_timeout: Duration,
}

impl ClusterOptions {
    /// Sets the number of masters, with equally many slots each; 3 by default.
    pub fn masters(mut self, count: usize) -> Self {
        self.masters = count;
        self
    }

    /// Sets the number of replicas of each master; 0 by default.
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// Sets how each node is started, with a password for example.
    pub fn servers(mut self, options: RedisOptions) -> Self {
        self.servers = options;
        self
    }

    /// Sets how long a node may be unreachable before it counts as down, in whole milliseconds; 2 s
    /// by default.
    pub fn node_timeout(mut self, silence: Duration) -> Self {
        self.node_timeout = silence;
        self
    }

    /// Starts all nodes. When this returns, the cluster has [settled](RedisCluster::settled), which
    /// takes two seconds.
    pub async fn start(self) -> RedisCluster {
        let mut logs = String::new();
        // Another process may take a port between the check and the start.
        for _ in 0..5 {
            let plan = self.plan();
            let timeout = self.node_timeout.as_millis().to_string();
            let options =
                self.servers.clone().arg("cluster-enabled", &["yes"]).arg("cluster-node-timeout", &[&timeout]);
            let starting = plan.iter().map(|node| {
                let file = known_nodes(&plan, node);
                options.clone().file(NODES_FILE, file).start_at(node.port)
            });
            match join_all(starting).await.into_iter().collect() {
                Ok(nodes) => {
                    let ids = plan.into_iter().map(|node| node.id).collect();
                    let cluster = RedisCluster { nodes, ids };
                    cluster.settled().await;
                    return cluster;
                }
                Err(log) => logs = log,
            }
        }
        panic!("a node ends as soon as it's started:\n{logs}");
    }

    /// Lists the masters, then the replicas of the first, those of the second, and so on.
    fn plan(&self) -> Vec<Node> {
        let node = |index: usize| {
            let role = match index.checked_sub(self.masters) {
                None => Role::Master(index * SLOTS / self.masters..=(index + 1) * SLOTS / self.masters - 1),
                Some(replica) => Role::ReplicaOf(replica / self.replicas),
            };
            Node { id: random::node_id(), port: port::free_with_bus(), role }
        };
        (0..self.masters * (1 + self.replicas)).map(node).collect()
    }
}

/// A node to be started.
struct Node {
    id: String,
    port: u16,
    role: Role,
}

enum Role {
    Master(RangeInclusive<usize>),
    /// A replica of the master with this index.
    ReplicaOf(usize),
}

/// The file that tells a node the whole cluster from the start, instead of `CLUSTER MEET`.
fn known_nodes(all: &[Node], own: &Node) -> String {
    let mut file = String::new();
    let masters = all.iter().filter(|node| matches!(node.role, Role::Master(_))).count();
    for (index, Node { id, port, role }) in all.iter().enumerate() {
        let myself = if *id == own.id { "myself," } else { "" };
        let bus = port + port::BUS_OFFSET;
        match role {
            Role::Master(slots) => {
                let (epoch, first, last) = (index + 1, slots.start(), slots.end());
                writeln!(file, "{id} 127.0.0.1:{port}@{bus} {myself}master - 0 0 {epoch} connected {first}-{last}")
            }
            Role::ReplicaOf(master) => {
                let (epoch, master) = (master + 1, &all[*master].id);
                writeln!(file, "{id} 127.0.0.1:{port}@{bus} {myself}slave {master} 0 0 {epoch} connected")
            }
        }
        .expect("a string takes everything");
    }
    writeln!(file, "vars currentEpoch {masters} lastVoteEpoch 0").expect("a string takes everything");
    file
}

/// Nodes that share the keys. They end when this is dropped, or when the test process is killed.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    /// The nodes' ids, in the same order.
    ids: Vec<String>,
}

impl RedisCluster {
    /// Starts three masters without replicas or passwords.
    pub async fn start() -> Self {
        Self::options().start().await
    }

    /// Settings of a cluster, to be changed.
    pub fn options() -> ClusterOptions {
        let node_timeout = Duration::from_secs(2);
        ClusterOptions { masters: 3, replicas: 0, servers: RedisServer::options(), node_timeout }
    }

    /// The masters at startup, then their replicas.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// One of [`Self::nodes`], to kill or restart it. It restarts empty, with the place in the
    /// cluster that it had at startup.
    pub fn node_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.nodes[index]
    }

    /// The slot of a key.
    pub async fn slot(&self, key: &str) -> u16 {
        self.nodes[0].cli(&["CLUSTER", "KEYSLOT", key]).await.parse().expect("a slot is a number")
    }

    /// The index of the node that owns a key. Waits until all nodes that answer agree.
    pub async fn owner(&self, key: &str) -> usize {
        self.owner_of_slot(self.slot(key).await).await
    }

    /// [`Self::owner`] of the keys in a slot.
    pub async fn owner_of_slot(&self, slot: u16) -> usize {
        let patience = RetryBudget::until("the nodes agree on the owner of a slot");
        loop {
            let views = join_all(self.nodes.iter().map(|node| node.try_cli(&["CLUSTER", "NODES"]))).await;
            let mut owners: Vec<_> = views.iter().flatten().map(|view| owner_in(view, slot)).collect();
            owners.dedup();
            if let [Some(owner)] = owners[..]
                && let Some(index) = self.ids.iter().position(|id| id == owner)
            {
                return index;
            }
            patience.wait(&format!("slot {slot}: {owners:?}")).await;
        }
    }

    /// The index of the node that owns a key after this one, which was killed for example.
    pub async fn new_owner(&self, key: &str, old: usize) -> usize {
        let patience = RetryBudget::until("a key belongs to another node");
        loop {
            let owner = self.owner(key).await;
            if owner != old {
                return owner;
            }
            patience.wait(&format!("{key} belongs to node {owner}")).await;
        }
    }

    /// Moves a slot and its keys to another master.
    pub async fn migrate(&self, slot: u16, to: usize) {
        let from = self.owner_of_slot(slot).await;
        self.begin_migration(slot, from, to).await;
        self.migrate_keys(slot).await;
        self.finish_migration(slot).await;
    }

    /// From here on, `from` redirects clients to `to` with `ASK` if it doesn't have (or no longer
    /// has) a key of this slot.
    pub async fn begin_migration(&self, slot: u16, from: usize, to: usize) {
        let number = slot.to_string();
        self.nodes[to].cli(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &self.ids[from]]).await;
        self.nodes[from].cli(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &self.ids[to]]).await;
    }

    /// Moves the keys of a slot whose migration has begun.
    pub async fn migrate_keys(&self, slot: u16) {
        let (from, to) = self.migration(slot).await;
        let (source, port) = (&self.nodes[from], self.nodes[to].port().to_string());
        loop {
            let keys = source.cli(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "100"]).await;
            if keys.is_empty() {
                return;
            }
            let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "10000"];
            command.extend(source.password().into_iter().flat_map(|password| ["AUTH", password]));
            command.push("KEYS");
            command.extend(keys.lines());
            source.cli(&command).await;
        }
    }

    /// Assigns the slot to the node that its keys were moved to. When this returns, every node
    /// knows.
    pub async fn finish_migration(&self, slot: u16) {
        let (from, to) = self.migration(slot).await;
        // The new owner first: if the old one forgot the slot first, it would have no owner for a
        // while.
        let number = slot.to_string();
        let command = ["CLUSTER", "SETSLOT", &number, "NODE", &self.ids[to]];
        self.nodes[to].cli(&command).await;
        self.nodes[from].cli(&command).await;
        // The other masters learn of it anyway. A replica rejects the command.
        join_all(self.nodes.iter().map(|node| node.try_cli(&command))).await;
        assert_eq!(self.owner_of_slot(slot).await, to, "the node that was given slot {slot}");
    }

    /// Waits until every node reports that the cluster is fine, and every replica that it is
    /// online. All nodes must be running.
    pub async fn settled(&self) {
        let patience = RetryBudget::until("the cluster is fine");
        for node in &self.nodes {
            while let Err(state) = self.is_fine(node).await {
                patience.wait(&state).await;
            }
        }
    }

    /// The error is the node's report if a problem exists.
    async fn is_fine(&self, node: &RedisServer) -> Result<(), String> {
        let cluster = node.try_cli(&["CLUSTER", "INFO"]).await?;
        let replication = node.try_cli(&["INFO", "replication"]).await?;
        let has = |report: &str, line: &str| report.lines().any(|said| said == line);
        let fine = has(&cluster, "cluster_state:ok")
            && has(&cluster, &format!("cluster_known_nodes:{}", self.nodes.len()))
            && (has(&replication, "role:master") || has(&replication, "master_link_status:up"));
        if fine { Ok(()) } else { Err(format!("{cluster}\n{replication}")) }
    }

    /// The nodes that a slot is moved from and to.
    async fn migration(&self, slot: u16) -> (usize, usize) {
        for (from, node) in self.nodes.iter().enumerate() {
            let view = node.cli(&["CLUSTER", "NODES"]).await;
            // A master lists its own migration as `[slot->-target]`. In Valkey its replicas do so
            // too.
            let myself = view.lines().find(|line| line.contains(" myself,master ")).unwrap_or_default();
            let mark = format!("[{slot}->-");
            let target = myself.split(' ').find_map(|word| word.strip_prefix(&mark)?.strip_suffix(']'));
            if let Some(to) = target.and_then(|target| self.ids.iter().position(|id| id == target)) {
                return (from, to);
            }
        }
        panic!("no migration of slot {slot} has begun");
    }
}

/// The id of the master that has this slot, in the reply to `CLUSTER NODES`.
fn owner_in(view: &str, slot: u16) -> Option<&str> {
    view.lines().find_map(|node| {
        let mut words = node.split(' ');
        let id = words.next()?;
        // Seven more fields, then the slots: `5`, `0-99`, and those being moved, `[5->-id]`.
        words.skip(7).any(|slots| has_slot(slots, slot)).then_some(id)
    })
}

fn has_slot(slots: &str, slot: u16) -> bool {
    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
    matches!((first.parse::<u16>(), last.parse()), (Ok(first), Ok(last)) if (first..=last).contains(&slot))
}

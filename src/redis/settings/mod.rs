//! The settings of a [`RedisBlocklist`](crate::RedisBlocklist).

mod url;
mod validate;

use std::{fmt, num::NonZeroU8, sync::Arc, time::Duration};

use crate::{
    clock::{Clock, SystemClock},
    config_error::ConfigError,
    redis::{
        connection::{
            dial::Dialer,
            host::{Connector, Host},
            tls::Tls,
            topology::{Cluster, Sentinels, Topology},
        },
        policy::{Eviction, OnLoss},
        schema::key_names::{FastapiEntries, KeyNames},
        settings::url::Security,
    },
};

/// The settings of a [`RedisBlocklist`](crate::RedisBlocklist): the address of Redis, deadlines and
/// policies.
///
/// Works with Redis and Valkey, 6.2 or later: one node, the master of some sentinels, or a cluster.
/// The `maxmemory-policy` should be `noeviction`: see [`Eviction`].
///
/// Setters do not fail. [`RedisBlocklist::connect`](crate::RedisBlocklist::connect) and
/// [`connect_lazy`](crate::RedisBlocklist::connect_lazy) report settings that cannot work.
///
/// ```
/// use std::time::Duration;
/// use tower_jwt_blocklist::redis::RedisSettings;
///
/// # fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// let by_url = RedisSettings::from_url("redis://:s3cret@redis.internal:6379/2")?;
/// let by_parts = RedisSettings::new("redis.internal", 6379).password("s3cret").database(2);
/// let patient = by_parts.check_deadline(Duration::from_millis(500));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisSettings {
    topology: Topology,
    connector: Connector,
    pub(crate) namespace: Box<str>,
    pub(crate) check_deadline: Duration,
    pub(crate) revoke_deadline: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_checks: usize,
    pub(crate) audit_every: Duration,
    pub(crate) replicas: Option<Replicas>,
    fastapi_entries: FastapiEntries,
    eviction: Eviction,
    on_loss: OnLoss,
    /// The error of the first setter that cannot work.
    mistake: Option<ConfigError>,
}

/// The number of replicas that must acknowledge a revocation, and the time limit for that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replicas {
    pub(crate) count: NonZeroU8,
    pub(crate) within: Duration,
}

impl RedisSettings {
    /// Uses one node. `host` is a name or an IP address; the usual port is 6379.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self::with_topology(Topology::Node(Host::tcp(host, port)))
    }

    /// Uses the master that these sentinels watch.
    ///
    /// The sentinels are queried at each connection and each second, so a failover is followed.
    /// `sentinels` are names or IP addresses with ports; the usual port is 26379. At least one is
    /// needed.
    pub fn sentinel<H: Into<String>>(
        master: impl Into<Box<str>>,
        sentinels: impl IntoIterator<Item = (H, u16)>,
    ) -> Self {
        Self::with_topology(Topology::Sentinel(Sentinels::new(hosts(sentinels), master)))
    }

    /// Uses a cluster, found through some of its nodes. At least one is needed.
    ///
    /// At each connection the nodes are asked for the owner of our slot. All keys are in one slot,
    /// which the [`namespace`](Self::namespace) decides. While the cluster moves that slot, checks
    /// are outages (503).
    pub fn cluster<H: Into<String>>(nodes: impl IntoIterator<Item = (H, u16)>) -> Self {
        Self::with_topology(Topology::Cluster(Cluster::new(hosts(nodes))))
    }

    /// Reads a URL. User and password are percent-encoded. `rediss` instead of `redis` means TLS
    /// (feature `tls`).
    ///
    /// | topology | URL |
    /// |---|---|
    /// | one node | `redis://[user][:password@]host[:port][/database]` |
    /// | a socket | `unix:///path/of/socket[?db=…&user=…&pass=…]` |
    /// | sentinels | `redis+sentinel://[user][:password@]host[:port],host…/master[/database]`; user and password are the master's |
    /// | a cluster | `redis+cluster://[user][:password@]host[:port],host…` |
    ///
    /// # Errors
    ///
    /// If the URL has none of these forms, or needs a feature that is not enabled. The message does
    /// not repeat the URL, because it may hold the password.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let parsed = url::parse(url)?;
        let mut settings = Self::with_topology(parsed.topology);
        settings.connector.login = parsed.login;
        if parsed.security == Security::Tls {
            settings.connector.tls = Some(Tls::new()?);
        }
        Ok(settings)
    }

    fn with_topology(topology: Topology) -> Self {
        Self {
            topology,
            connector: Connector { login: redis::RedisConnectionInfo::default(), tls: None },
            namespace: "jwt".into(),
            check_deadline: Duration::from_millis(250),
            revoke_deadline: Duration::from_secs(1),
            clock: Arc::new(SystemClock),
            max_checks: 4096,
            audit_every: Duration::from_secs(60),
            replicas: None,
            fastapi_entries: FastapiEntries::Ignored,
            eviction: Eviction::default(),
            on_loss: OnLoss::default(),
            mistake: None,
        }
    }

    /// The ACL user to log in as; `default` by default. Needs a [`password`](Self::password).
    #[must_use]
    pub fn username(mut self, username: impl AsRef<str>) -> Self {
        self.connector.login = self.connector.login.set_username(username);
        self
    }

    /// The password to log in with; none by default.
    #[must_use]
    pub fn password(mut self, password: impl AsRef<str>) -> Self {
        self.connector.login = self.connector.login.set_password(password);
        self
    }

    /// The database number; 0 by default. A cluster has only database 0.
    #[must_use]
    pub fn database(mut self, number: u16) -> Self {
        self.connector.login = self.connector.login.set_db(number.into());
        self
    }

    /// The user and password of the sentinels themselves; none by default. Works only with
    /// [`sentinel`](Self::sentinel), or with a `redis+sentinel` URL.
    #[must_use]
    pub fn sentinel_login(mut self, username: Option<&str>, password: &str) -> Self {
        let login = redis::RedisConnectionInfo::default().set_password(password);
        let login = username.map_or(login.clone(), |username| login.set_username(username));
        match &mut self.topology {
            Topology::Sentinel(sentinels) => sentinels.login = login,
            _ => {
                let error = ConfigError::conflict("`sentinel_login` needs settings of `RedisSettings::sentinel`");
                self.mistake = self.mistake.or(Some(error));
            }
        }
        self
    }

    /// The first part of every key; `jwt` by default, as in `{jwt}:s:…`. The braces keep all keys
    /// in one hash slot.
    ///
    /// Use a namespace for each group of applications that accept each other's tokens: 1 to 64
    /// printable ASCII characters without blanks and braces.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<Box<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Sets the deadline of one check; 250 ms by default. A slower check is
    /// [`Outage::TimedOut`](crate::blocklist::Outage::TimedOut) (503).
    #[must_use]
    pub fn check_deadline(mut self, deadline: Duration) -> Self {
        self.check_deadline = deadline;
        self
    }

    /// Sets the deadline of one revocation or redemption; 1 second by default. A slower one
    /// is an error.
    #[must_use]
    pub fn revoke_deadline(mut self, deadline: Duration) -> Self {
        self.revoke_deadline = deadline;
        self
    }

    /// Requires that `count` replicas acknowledge each revocation (`WAIT`) `within` this time,
    /// which must be shorter than [`revoke_deadline`](Self::revoke_deadline). None by default: a
    /// failover may then lose revocations that were confirmed in the moments before it.
    ///
    /// Without enough acknowledgements a revocation is
    /// [`RevokeError::NotReplicated`](crate::blocklist::RevokeError::NotReplicated). Revocations
    /// use a connection of their own. A failover loses nothing only if **every** replica that can
    /// be promoted must acknowledge: of two replicas and a count of one, the other may be promoted.
    #[must_use]
    pub fn replica_acks(mut self, count: NonZeroU8, within: Duration) -> Self {
        self.replicas = Some(Replicas { count, within });
        self
    }

    /// Shares the entries of the FastAPI tutorial's application, while it runs next to this one.
    ///
    /// A token that it has blocked (`SET <jti> "" EX …`) is rejected here, in the same round trip.
    /// A token that is logged out here is blocked there.
    ///
    /// This works for a `jti` that is a UUID as Python writes it, or has the form that
    /// [`Issuer`](crate::Issuer) makes. The keys are outside of the namespace, so an ACL user needs
    /// `~*`. Only the presented token is blocked there: not the other tokens of its session, and no
    /// `logout_everywhere`.
    #[cfg(feature = "compat")]
    #[must_use]
    pub fn fastapi_entries(mut self) -> Self {
        self.fastapi_entries = FastapiEntries::Shared;
        self
    }

    /// Sets the number of checks that may be in flight at a time; 4096 by default. The next one is
    /// answered [`Outage::Overloaded`](crate::blocklist::Outage::Overloaded) (503) at once, so that
    /// not all of them wait past their deadline.
    #[must_use]
    pub fn max_checks(mut self, checks: usize) -> Self {
        self.max_checks = checks;
        self
    }

    /// Sets the interval at which the entries are compared with the log; 60 seconds by default.
    /// Missing entries are restored: a client deleted them, or Redis evicted them. One of all
    /// processes does it, in the background.
    #[must_use]
    pub fn audit_every(mut self, interval: Duration) -> Self {
        self.audit_every = interval;
        self
    }

    /// Sets the clock that computes the remaining life of an entry; the system's by default.
    ///
    /// Use the verifier's clock. Otherwise an entry may expire before its tokens do, and a mirror
    /// trusts itself for a shorter time or not at all.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the reaction to a Redis that may evict entries; [`Eviction::Warned`] by default.
    #[must_use]
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.eviction = eviction;
        self
    }

    /// Sets the reaction to a Redis that has lost revocations; [`OnLoss::Floor`] by default.
    #[must_use]
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.on_loss = on_loss;
        self
    }

    /// Validates the settings.
    pub(crate) fn dialer(&self) -> Result<Dialer, ConfigError> {
        self.validate()?;
        Ok(Dialer {
            topology: self.topology.clone(),
            connector: self.connector.clone(),
            keys: self.keys(),
            eviction: self.eviction,
            on_loss: self.on_loss,
            clock: Arc::clone(&self.clock),
            process: Arc::default(),
        })
    }

    pub(crate) fn keys(&self) -> KeyNames {
        KeyNames::new(&self.namespace, self.fastapi_entries)
    }

    /// The addresses, without secrets.
    pub(crate) fn shown_address(&self) -> String {
        self.topology.to_string()
    }
}

#[cfg(feature = "tls")]
impl RedisSettings {
    /// Uses TLS, also to sentinels.
    ///
    /// Trusts the roots of webpki (Mozilla's), unless [`tls_roots`](Self::tls_roots) is set. Uses
    /// the cryptography that the application has chosen for rustls, and otherwise aws-lc.
    #[must_use]
    pub fn tls(self) -> Self {
        self.with_tls(Ok)
    }

    /// Uses TLS, and trusts only these certificates: PEM, one or more.
    #[must_use]
    pub fn tls_roots(self, pem: impl AsRef<[u8]>) -> Self {
        self.with_tls(|tls| tls.roots(pem.as_ref()))
    }

    /// Uses TLS with this client certificate (PEM, with its chain) and its private key (PEM).
    #[must_use]
    pub fn tls_identity(self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.with_tls(|tls| tls.identity(certificate.as_ref(), key.as_ref()))
    }

    fn with_tls(mut self, change: impl FnOnce(Tls) -> Result<Tls, ConfigError>) -> Self {
        match self.connector.tls.take().map_or_else(Tls::new, Ok).and_then(change) {
            Ok(tls) => self.connector.tls = Some(tls),
            Err(error) => self.mistake = self.mistake.or(Some(error)),
        }
        self
    }
}

fn hosts<H: Into<String>>(addresses: impl IntoIterator<Item = (H, u16)>) -> Vec<Host> {
    addresses.into_iter().map(|(name, port)| Host::tcp(name, port)).collect()
}

/// Shows no password.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("address", &self.shown_address())
            .field("database", &self.connector.login.db())
            .field("namespace", &self.namespace)
            .field("check_deadline", &self.check_deadline)
            .field("revoke_deadline", &self.revoke_deadline)
            .finish_non_exhaustive()
    }
}

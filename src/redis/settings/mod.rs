//! Where Redis is, and how long it may take.

mod policy;
mod url;

pub(crate) use policy::Replicas;
pub use policy::{Eviction, OnLoss};

use std::{fmt, num::NonZeroU8, sync::Arc, time::Duration};

use crate::redis::connection::sentinel::Sentinels;
use crate::{
    clock::{Clock, SystemClock},
    config_error::ConfigError,
    redis::{
        connection::{
            dial::Dialler,
            host::{Connector, Host},
            tls::Tls,
            topology::Route,
        },
        schema::key_names::{FastapiEntries, KeyNames},
        settings::url::{Security, Topology},
    },
};

/// How to reach the Redis (or Valkey, 6.2 or later) that holds the revocations, and how long it may take: one node, the master of
/// some sentinels, or a cluster. Its `maxmemory-policy` should be `noeviction`: see
/// [`Eviction`].
///
/// ```
/// use std::time::Duration;
/// use tower_jwt_blocklist::RedisSettings;
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
    route: Route,
    connector: Connector,
    pub(crate) namespace: Box<str>,
    pub(crate) check_deadline: Duration,
    pub(crate) revoke_deadline: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_checks: usize,
    pub(crate) audit_every: Duration,
    pub(crate) replicas: Option<Replicas>,
    tutorial: FastapiEntries,
    eviction: Eviction,
    on_loss: OnLoss,
}

impl RedisSettings {
    /// One node. `host` is a name or an address; the usual port is 6379.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self::by(Route::Node(Host::tcp(host, port)))
    }

    /// A master that sentinels watch: they are asked at each connection and each second, so that a failover is followed. `sentinels` are
    /// names or addresses with ports; the usual port is 26379.
    ///
    /// # Errors
    ///
    /// When there is no sentinel.
    pub fn sentinel<H: Into<String>>(
        master: impl Into<Box<str>>,
        sentinels: impl IntoIterator<Item = (H, u16)>,
    ) -> Result<Self, ConfigError> {
        Ok(Self::by(Route::Sentinel(Sentinels::new(hosts(sentinels)?, master))))
    }

    /// A cluster, by some of its nodes, which are asked at each connection which of all has our slot: all keys are in one, which the
    /// [`namespace`](Self::namespace) decides. While that slot itself is being moved, checks are outages (503).
    ///
    /// # Errors
    ///
    /// When there is no node.
    pub fn cluster<H: Into<String>>(nodes: impl IntoIterator<Item = (H, u16)>) -> Result<Self, ConfigError> {
        Ok(Self::by(Route::Cluster(hosts(nodes)?)))
    }

    /// By URL. User and password are percent-encoded; `rediss` instead of `redis` is with TLS (feature `tls`).
    ///
    /// | | |
    /// |---|---|
    /// | one node | `redis://[user][:password@]host[:port][/database]` |
    /// | a socket | `unix:///path/of/socket[?db=…&user=…&pass=…]` |
    /// | sentinels | `redis+sentinel://[user][:password@]host[:port],host…/master[/database]`; user and password are the master's |
    /// | a cluster | `redis+cluster://[user][:password@]host[:port],host…` |
    ///
    /// # Errors
    ///
    /// When the URL is none of these, or needs a feature that is not turned on. The message does not repeat it, for it may hold the
    /// password.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let parsed = url::parse(url)?;
        let route = match parsed.topology {
            Topology::Node(host) => Route::Node(host),
            Topology::Sentinel { hosts, master } => Route::Sentinel(Sentinels::new(hosts, master)),
            Topology::Cluster(seeds) => Route::Cluster(seeds),
        };
        let mut settings = Self::by(route);
        settings.connector.login = parsed.login;
        if parsed.security == Security::Tls {
            settings.connector.tls = Some(Tls::new()?);
        }
        Ok(settings)
    }

    fn by(route: Route) -> Self {
        Self {
            route,
            connector: Connector { login: redis::RedisConnectionInfo::default(), tls: None },
            namespace: "jwt".into(),
            check_deadline: Duration::from_millis(250),
            revoke_deadline: Duration::from_secs(1),
            clock: Arc::new(SystemClock),
            max_checks: 4096,
            audit_every: Duration::from_secs(60),
            replicas: None,
            tutorial: FastapiEntries::Ignored,
            eviction: Eviction::default(),
            on_loss: OnLoss::default(),
        }
    }

    /// The ACL user to log in as; `default` by default.
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

    /// The database number; 0 by default.
    #[must_use]
    pub fn database(mut self, number: u16) -> Self {
        self.connector.login = self.connector.login.set_db(number.into());
        self
    }

    /// Speaks TLS, and trusts the certificates of webpki (Mozilla's roots) unless [`tls_roots`](Self::tls_roots) says otherwise. With
    /// sentinels, to them too. The cryptography is the one that the application has chosen for rustls, else aws-lc.
    ///
    /// # Errors
    ///
    /// Never with the feature `tls`.
    #[cfg(feature = "tls")]
    pub fn tls(mut self) -> Result<Self, ConfigError> {
        self.connector.tls = Some(Tls::new()?);
        Ok(self)
    }

    /// Speaks TLS, and trusts these certificates (PEM, one or more) and no others.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    #[cfg(feature = "tls")]
    pub fn tls_roots(mut self, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        self.connector.tls = Some(self.connector.tls.map_or_else(Tls::new, Ok)?.roots(pem.as_ref())?);
        Ok(self)
    }

    /// Speaks TLS, and shows this certificate (PEM, with its chain) and proves it with this key (PEM).
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    #[cfg(feature = "tls")]
    pub fn tls_identity(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let tls = self.connector.tls.map_or_else(Tls::new, Ok)?;
        self.connector.tls = Some(tls.identity(certificate.as_ref(), key.as_ref())?);
        Ok(self)
    }

    /// The user and password of the sentinels themselves; none by default.
    ///
    /// # Errors
    ///
    /// When the settings are not [`sentinel`](Self::sentinel)'s.
    pub fn sentinel_login(mut self, username: Option<&str>, password: &str) -> Result<Self, ConfigError> {
        let Route::Sentinel(sentinels) = &mut self.route else {
            return Err(ConfigError::conflict("`sentinel_login` is for settings made with `RedisSettings::sentinel`"));
        };
        let login = redis::RedisConnectionInfo::default().set_password(password);
        sentinels.login = username.map_or(login.clone(), |username| login.set_username(username));
        Ok(self)
    }

    /// The first part of every key, in braces so that all keys are in one hash slot: `{jwt}:s:…` by default. Applications
    /// whose tokens are not each other's use one each.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<Box<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How long one check may take, all of it; 250 ms by default. Then the request is answered with 503.
    #[must_use]
    pub fn check_deadline(mut self, deadline: Duration) -> Self {
        self.check_deadline = deadline;
        self
    }

    /// How long one revocation or redemption may take, all of it; 1 second by default. Then it is an error.
    #[must_use]
    pub fn revoke_deadline(mut self, deadline: Duration) -> Self {
        self.revoke_deadline = deadline;
        self
    }

    /// Has so many replicas acknowledge each revocation (`WAIT`), each time within this while, which has to be shorter than
    /// [`revoke_deadline`](Self::revoke_deadline). Else it is [`RevokeError::NotReplicated`](crate::RevokeError::NotReplicated). By
    /// default none is waited for, and a failover loses what was confirmed in the moments before it.
    ///
    /// Revocations then have a connection of their own. Only where **every** replica that can be promoted has to acknowledge does no
    /// failover lose what was confirmed: of two, with a count of one, the other may be promoted.
    #[must_use]
    pub fn replica_acks(mut self, count: NonZeroU8, within: Duration) -> Self {
        self.replicas = Some(Replicas { count, within });
        self
    }

    /// Shares the FastAPI tutorial's entries, while its application runs beside: what it blocks (`SET <jti> "" EX …`) is refused here, in
    /// the same round trip, and the token that is logged out here is written so too.
    ///
    /// For a `jti` that is a UUID as Python writes it or of the form that [`Issuer`](crate::Issuer) makes. The keys are outside of the namespace: a user
    /// of the ACL needs `~*`. Only the token that was presented is written: not the other tokens of its session, nor a `logout_everywhere`.
    #[must_use]
    pub fn fastapi_entries(mut self) -> Self {
        self.tutorial = FastapiEntries::Shared;
        self
    }

    /// How many checks may be under way at a time; 4096 by default. The next one is answered [`Outage::Overloaded`](crate::Outage::Overloaded) (503) at once:
    /// better than to let all of them wait past their deadline.
    #[must_use]
    pub fn max_checks(mut self, checks: usize) -> Self {
        self.max_checks = checks;
        self
    }

    /// How often the entries are compared with the log, and put back where they are missing: somebody deleted them, or Redis evicted
    /// them. 60 seconds by default. One process of all does it, in the background.
    #[must_use]
    pub fn audit_every(mut self, interval: Duration) -> Self {
        self.audit_every = interval;
        self
    }

    /// Uses this clock instead of the system's to compute how long an entry has to live. It must be the verifier's: what is over
    /// by the one need not be by the other, and a mirror that is asked with another time trusts itself less long, or not at all.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// What to do about a Redis that may forget; [`Eviction::Warned`] by default.
    #[must_use]
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.eviction = eviction;
        self
    }

    /// What to do about a Redis that has lost revocations; [`OnLoss::Floor`] by default.
    #[must_use]
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.on_loss = on_loss;
        self
    }

    pub(crate) fn dialler(&self) -> Result<Dialler, ConfigError> {
        self.validate()?;
        Ok(Dialler {
            route: self.route.clone(),
            connector: self.connector.clone(),
            keys: self.keys(),
            eviction: self.eviction,
            on_loss: self.on_loss,
            clock: Arc::clone(&self.clock),
            promises: Arc::default(),
            holders: Arc::default(),
        })
    }

    pub(crate) fn keys(&self) -> KeyNames {
        KeyNames::new(&self.namespace, self.tutorial)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let name = &self.namespace;
        if name.is_empty()
            || name.len() > 64
            || name.bytes().any(|byte| !byte.is_ascii_graphic() || b"{}".contains(&byte))
        {
            return Err(ConfigError::setting(
                "the Redis namespace is 1 to 64 printable ASCII characters without blanks and braces",
            ));
        }
        let login = &self.connector.login;
        if login.username().is_some() && login.password().is_none() {
            return Err(ConfigError::missing("a Redis user without a password would be ignored: set the password too"));
        }
        if self.max_checks == 0 {
            return Err(ConfigError::out_of_range(
                "`max_checks(0)` lets nothing through: leave it out for the default",
            ));
        }
        if [self.check_deadline, self.revoke_deadline, self.audit_every].iter().any(Duration::is_zero) {
            return Err(ConfigError::out_of_range(
                "a deadline or interval of zero cannot work: leave it out for the default",
            ));
        }
        if self.replicas.is_some_and(|replicas| replicas.within.is_zero() || replicas.within >= self.revoke_deadline) {
            return Err(ConfigError::out_of_range(
                "`replica_acks` has to wait for more than nothing, and for less than `revoke_deadline` (1 second by default)",
            ));
        }
        if matches!(self.route, Route::Cluster(_)) && login.db() != 0 {
            return Err(ConfigError::conflict("a Redis cluster has only database 0: leave the database out"));
        }
        if matches!(self.route, Route::Cluster(_)) && self.tutorial == FastapiEntries::Shared {
            return Err(ConfigError::conflict(
                "`fastapi_entries` cannot be shared in a Redis cluster: their keys are in other slots than ours",
            ));
        }
        Ok(())
    }

    /// What may be shown.
    pub(crate) fn shown_address(&self) -> String {
        self.route.shown()
    }
}

fn hosts<H: Into<String>>(addresses: impl IntoIterator<Item = (H, u16)>) -> Result<Vec<Host>, ConfigError> {
    let hosts: Vec<_> = addresses.into_iter().map(|(name, port)| Host::tcp(name, port)).collect();
    if hosts.is_empty() {
        return Err(ConfigError::missing("no address is given: name at least one"));
    }
    Ok(hosts)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r67_no_password_in_debug_or_errors() {
        for url in ["redis://user:hunter2@host:1/3", "redis://:hunter2@host", "unix:///run/redis.sock?pass=hunter2"] {
            let settings = RedisSettings::from_url(url).unwrap();
            assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
        }
    }

    #[test]
    fn r66_a_namespace_cannot_leave_its_braces() {
        for namespace in ["", "a}b", "{", "a b", "a\n", "é", &"n".repeat(65)] {
            assert!(RedisSettings::new("host", 6379).namespace(namespace).validate().is_err(), "{namespace:?}");
        }
        assert!(RedisSettings::new("host", 6379).namespace("team-a:jwt").validate().is_ok());
    }
}

//! Where Redis is, and how long it may take.

use std::{fmt, sync::Arc, time::Duration};

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, io::tcp::TcpSettings};

use super::dial::Dialler;
use crate::{
    clock::{Clock, SystemClock},
    error::ConfigError,
};

/// How to reach the Redis (or Valkey, 6.2 or later) that holds the revocations, and how long it may take. One node; its
/// `maxmemory-policy` should be `noeviction`: see [`Eviction`].
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
    addr: ConnectionAddr,
    login: RedisConnectionInfo,
    pub(super) namespace: Box<str>,
    pub(super) check_deadline: Duration,
    pub(super) revoke_deadline: Duration,
    pub(super) clock: Arc<dyn Clock>,
    eviction: Eviction,
}

/// What to do about a Redis whose `maxmemory-policy` is not `noeviction`: short of memory it may forget a logout, after it has
/// said that it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eviction {
    /// Use it, and warn in the log at each connection. The default, for a Redis that others share and configure.
    #[default]
    Warned,
    /// Do not use it, nor one whose policy cannot be asked (the user needs `+info`).
    Refused,
}

impl RedisSettings {
    /// `host` is a name or an address; the usual port is 6379.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self::at(ConnectionAddr::Tcp(host.into(), port), RedisConnectionInfo::default())
    }

    /// `redis://[user][:password@]host[:port][/database]`, or `unix:///path/of/socket[?db=…&user=…&pass=…]`. User and password
    /// are percent-encoded.
    ///
    /// # Errors
    ///
    /// When the URL is none of these. The message does not repeat it, for it may hold the password.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        if url.starts_with("rediss:") || url.starts_with("valkeys:") {
            return Err(ConfigError::setting(
                "this version does not speak TLS to Redis (`rediss://`): use `redis://` on a trusted network or through a tunnel",
            ));
        }
        let info = url.into_connection_info().map_err(|_| {
            ConfigError::setting(
                "the Redis URL cannot be read: it has the form redis://[user][:password@]host[:port][/database], with special \
                 characters in user and password percent-encoded",
            )
        })?;
        Ok(Self::at(info.addr().clone(), info.redis_settings().clone()))
    }

    fn at(addr: ConnectionAddr, login: RedisConnectionInfo) -> Self {
        Self {
            addr,
            login,
            namespace: "jwt".into(),
            check_deadline: Duration::from_millis(250),
            revoke_deadline: Duration::from_secs(1),
            clock: Arc::new(SystemClock),
            eviction: Eviction::default(),
        }
    }

    /// The ACL user to log in as; `default` by default.
    #[must_use]
    pub fn username(mut self, username: impl AsRef<str>) -> Self {
        self.login = self.login.set_username(username);
        self
    }

    /// The password to log in with; none by default.
    #[must_use]
    pub fn password(mut self, password: impl AsRef<str>) -> Self {
        self.login = self.login.set_password(password);
        self
    }

    /// The database number; 0 by default.
    #[must_use]
    pub fn database(mut self, number: u16) -> Self {
        self.login = self.login.set_db(number.into());
        self
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

    /// Uses this clock instead of the system's to compute how long an entry has to live. It must be the verifier's: what is over
    /// by the one need not be by the other.
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

    pub(super) fn dialler(&self) -> Result<Dialler, ConfigError> {
        Ok(Dialler { client: self.client()?, eviction: self.eviction })
    }

    /// The client of the redis crate for these settings.
    fn client(&self) -> Result<Client, ConfigError> {
        let name = &self.namespace;
        if name.is_empty()
            || name.len() > 64
            || name.bytes().any(|byte| !byte.is_ascii_graphic() || b"{}".contains(&byte))
        {
            return Err(ConfigError::setting(
                "the Redis namespace is 1 to 64 printable ASCII characters without blanks and braces",
            ));
        }
        if self.login.username().is_some() && self.login.password().is_none() {
            return Err(ConfigError::setting("a Redis user without a password would be ignored: set the password too"));
        }
        if self.check_deadline.is_zero() || self.revoke_deadline.is_zero() {
            return Err(ConfigError::setting("a deadline of zero lets nothing through: leave it out for the default"));
        }
        // Small messages that somebody waits for: Nagle's algorithm only delays them (redis-rs leaves it on).
        let tcp = TcpSettings::default().set_nodelay(true);
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(Duration::from_secs(3));
        let invalid = |_| ConfigError::setting("the address of Redis is not one this platform can connect to");
        let info: ConnectionInfo = self.addr.clone().into_connection_info().map_err(invalid)?;
        Client::open(info.set_redis_settings(self.login.clone()).set_tcp_settings(tcp)).map_err(invalid)
    }

    /// Host and port, or the socket's path: what may be shown.
    pub(super) fn shown_address(&self) -> String {
        self.addr.to_string()
    }
}

/// Shows no password.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("address", &self.shown_address())
            .field("database", &self.login.db())
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
        for url in [
            "redis://:hunter2@",
            "http://:hunter2@host",
            "hunter2",
            "rediss://:hunter2@host",
            "redis://:hunter2@host/x",
        ] {
            let error = RedisSettings::from_url(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_url_gives_host_port_database_user_and_password() {
        let settings = RedisSettings::from_url("redis://us%40er:p%3Aw@[::1]:6380/7").unwrap();
        assert_eq!(settings.addr, ConnectionAddr::Tcp("::1".into(), 6380));
        let login = &settings.login;
        assert_eq!((login.username(), login.password(), login.db()), (Some("us@er"), Some("p:w"), 7));
    }

    #[test]
    fn r66_a_namespace_cannot_leave_its_braces() {
        for namespace in ["", "a}b", "{", "a b", "a\n", "é", &"n".repeat(65)] {
            assert!(RedisSettings::new("host", 6379).namespace(namespace).client().is_err(), "{namespace:?}");
        }
        assert!(RedisSettings::new("host", 6379).namespace("team-a:jwt").client().is_ok());
    }
}

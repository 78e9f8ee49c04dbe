//! Addresses, and connections to them.

use std::{fmt, path::PathBuf, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    RedisResult, aio::MultiplexedConnection, io::tcp::TcpSettings,
};

use crate::{config_error::ConfigError, redis::connection::tls::Tls};

/// The address of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Tcp { name: String, port: u16 },
    Unix(PathBuf),
}

impl Host {
    pub(crate) fn tcp(name: impl Into<String>, port: u16) -> Self {
        Self::Tcp { name: name.into(), port }
    }

    pub(crate) fn from_addr(addr: &ConnectionAddr) -> Option<Self> {
        match addr {
            ConnectionAddr::Tcp(name, port) if !name.is_empty() => Some(Self::tcp(name.clone(), *port)),
            ConnectionAddr::Unix(path) => Some(Self::Unix(path.clone())),
            _ => None,
        }
    }
}

/// Shows the address, which is no secret.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { name, port } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp { name, port } => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The addresses of several servers, for a message.
pub(crate) fn list(hosts: &[Host]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Reads the part of a URL that names several servers: `[user][:password@]host[:port],host[:port]…`.
pub(crate) fn parse_list(authority: &str, database: &str, usual_port: u16) -> Option<(Vec<Host>, RedisConnectionInfo)> {
    let (user, list) = match authority.rsplit_once('@') {
        Some((user, list)) => (format!("{user}@"), list),
        None => (String::new(), authority),
    };
    let login: ConnectionInfo = format!("redis://{user}host/{database}").into_connection_info().ok()?;
    let hosts = list.split(',').map(|host| {
        let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let info: ConnectionInfo = format!("redis://{host}").into_connection_info().ok()?;
        match Host::from_addr(info.addr())? {
            Host::Tcp { name, .. } if !has_port => Some(Host::Tcp { name, port: usual_port }),
            host => Some(host),
        }
    });
    Some((hosts.collect::<Option<_>>()?, login.redis_settings().clone()))
}

/// The error for settings that name no server.
pub(crate) fn require_one(hosts: &[Host]) -> Result<(), ConfigError> {
    if hosts.is_empty() { Err(ConfigError::missing("no Redis address is given: name at least one")) } else { Ok(()) }
}

/// The login for a server, and the TLS settings if it uses TLS.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) login: RedisConnectionInfo,
    pub(crate) tls: Option<Tls>,
}

impl Connector {
    /// Returns the redis crate's client for this server.
    pub(crate) fn client(&self, host: &Host) -> RedisResult<Client> {
        // Nagle's algorithm only delays small messages. redis-rs leaves it on.
        let tcp = TcpSettings::default().set_nodelay(true);
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(Duration::from_secs(3));
        let info = |addr: ConnectionAddr| -> RedisResult<ConnectionInfo> {
            Ok(addr.into_connection_info()?.set_redis_settings(self.login.clone()).set_tcp_settings(tcp.clone()))
        };
        match (host, &self.tls) {
            (Host::Unix(path), _) => Client::open(info(ConnectionAddr::Unix(path.clone()))?),
            (Host::Tcp { name, port }, None) => Client::open(info(ConnectionAddr::Tcp(name.clone(), *port))?),
            (Host::Tcp { name, port }, Some(tls)) => tls.client(name, *port, info),
        }
    }

    pub(crate) async fn connect(&self, host: &Host) -> RedisResult<MultiplexedConnection> {
        // Callers set deadlines. A second one in here would only decide which error comes first.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        self.client(host)?.get_multiplexed_async_connection_with_config(&config).await
    }
}

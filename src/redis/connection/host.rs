//! Addresses, and connections to them: what all topologies have in common.

use std::{fmt, path::PathBuf, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    RedisResult, aio::MultiplexedConnection, io::tcp::TcpSettings,
};

use crate::redis::connection::tls::Tls;

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Tcp { name: String, port: u16 },
    Unix(PathBuf),
}

impl Host {
    pub(crate) fn tcp(name: impl Into<String>, port: u16) -> Self {
        Self::Tcp { name: name.into(), port }
    }
}

/// What may be shown.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { name, port } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp { name, port } => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How to talk to a server, wherever it listens.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) login: RedisConnectionInfo,
    pub(crate) tls: Option<Tls>,
}

impl Connector {
    /// The client of the redis crate for this server.
    pub(crate) fn client(&self, host: &Host) -> RedisResult<Client> {
        // Small messages that somebody waits for: Nagle's algorithm only delays them (redis-rs leaves it on).
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
        // Deadlines are ours: a second one inside would only decide which of the two errors comes first.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        self.client(host)?.get_multiplexed_async_connection_with_config(&config).await
    }
}

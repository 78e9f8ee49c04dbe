//! Redis URLs, of every topology.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use crate::{
    config_error::ConfigError,
    redis::connection::{cluster::Cluster, host::Host, sentinel::Sentinels, topology::Topology},
};

/// The content of a URL.
pub(crate) struct Parsed {
    pub(crate) topology: Topology,
    pub(crate) login: RedisConnectionInfo,
    pub(crate) security: Security,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    Plain,
    Tls,
}

const FORMS: &str = "the Redis URL cannot be read: use redis://[user][:password@]host[:port][/database], rediss:// with TLS, \
                     redis+sentinel://[user][:password@]host[:port],host…/master[/database] or redis+cluster://[user][:password@]host[:port],host…, \
                     with special characters in user and password percent-encoded";

const SENTINEL_PORT: u16 = 26379;

/// Reads a URL.
///
/// # Errors
///
/// If the URL has none of the forms. The message does not repeat it, because it may hold the
/// password.
pub(crate) fn parse(url: &str) -> Result<Parsed, ConfigError> {
    try_parse(url).ok_or_else(|| ConfigError::setting(FORMS))
}

fn try_parse(url: &str) -> Option<Parsed> {
    let (scheme, rest) = url.split_once("://")?;
    let (plain, security) = match scheme.strip_prefix("rediss").or_else(|| scheme.strip_prefix("valkeys")) {
        Some(kind) => (kind, Security::Tls),
        None => {
            (scheme.strip_prefix("redis").or_else(|| scheme.strip_prefix("valkey")).unwrap_or(scheme), Security::Plain)
        }
    };
    match plain {
        "+sentinel" => {
            let (authority, path) = rest.split_once('/')?;
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            let (hosts, login) = hosts(authority, database, SENTINEL_PORT)?;
            let topology = Topology::Sentinel(Sentinels::new(hosts, master));
            (!master.is_empty()).then_some(Parsed { topology, login, security })
        }
        "+cluster" => {
            let (hosts, login) = hosts(rest.strip_suffix('/').unwrap_or(rest), "", 6379)?;
            Some(Parsed { topology: Topology::Cluster(Cluster::new(hosts)), login, security })
        }
        _ => {
            // redis-rs would read `rediss` differently, depending on its own features.
            let url = if security == Security::Tls { format!("redis{plain}://{rest}") } else { url.to_owned() };
            let info: ConnectionInfo = url.as_str().into_connection_info().ok()?;
            let host = host_of(info.addr())?;
            Some(Parsed { topology: Topology::Node(host), login: info.redis_settings().clone(), security })
        }
    }
}

/// `[user][:password@]host[:port],host[:port]…`
fn hosts(authority: &str, database: &str, usual_port: u16) -> Option<(Vec<Host>, RedisConnectionInfo)> {
    let (user, list) = match authority.rsplit_once('@') {
        Some((user, list)) => (format!("{user}@"), list),
        None => (String::new(), authority),
    };
    let login: ConnectionInfo = format!("redis://{user}host/{database}").into_connection_info().ok()?;
    let hosts = list.split(',').map(|host| {
        let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let info: ConnectionInfo = format!("redis://{host}").into_connection_info().ok()?;
        match host_of(info.addr())? {
            Host::Tcp { name, .. } if !has_port => Some(Host::Tcp { name, port: usual_port }),
            host => Some(host),
        }
    });
    Some((hosts.collect::<Option<_>>()?, login.redis_settings().clone()))
}

fn host_of(addr: &ConnectionAddr) -> Option<Host> {
    match addr {
        ConnectionAddr::Tcp(name, port) if !name.is_empty() => Some(Host::tcp(name.clone(), *port)),
        ConnectionAddr::Unix(path) => Some(Host::Unix(path.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let hosts = |hosts: &[(&str, u16)]| hosts.iter().map(|(name, port)| Host::tcp(*name, *port)).collect();
        let sentinel = |list: &[(&str, u16)], master: &str| Topology::Sentinel(Sentinels::new(hosts(list), master));
        let node = |name: &str, port| Topology::Node(Host::tcp(name, port));
        let rows = [
            ("redis://a", node("a", 6379), Security::Plain, (None, None, 0)),
            ("valkey://a:1/2", node("a", 1), Security::Plain, (None, None, 2)),
            ("redis://us%40er:p%3Aw@[::1]:6380/7", node("::1", 6380), Security::Plain, (Some("us@er"), Some("p:w"), 7)),
            ("rediss://:pw@a/3", node("a", 6379), Security::Tls, (None, Some("pw"), 3)),
            (
                "unix:///run/r.sock?db=2&pass=pw",
                Topology::Node(Host::Unix("/run/r.sock".into())),
                Security::Plain,
                (None, Some("pw"), 2),
            ),
            (
                "redis+sentinel://a,b:1,[::1]/m",
                sentinel(&[("a", 26379), ("b", 1), ("::1", 26379)], "m"),
                Security::Plain,
                (None, None, 0),
            ),
            (
                "rediss+sentinel://u:p%40w@a,b/m/4",
                sentinel(&[("a", 26379), ("b", 26379)], "m"),
                Security::Tls,
                (Some("u"), Some("p@w"), 4),
            ),
            (
                "redis+cluster://:pw@a,b:7/",
                Topology::Cluster(Cluster::new(hosts(&[("a", 6379), ("b", 7)]))),
                Security::Plain,
                (None, Some("pw"), 0),
            ),
        ];
        for (url, topology, security, (user, password, database)) in rows {
            let parsed = parse(url).unwrap();
            // Both parts tell all there is: the kind of the topology, and its addresses and master.
            let kind = std::mem::discriminant(&parsed.topology);
            assert_eq!((kind, parsed.security), (std::mem::discriminant(&topology), security), "{url}");
            assert_eq!(parsed.topology.to_string(), topology.to_string(), "{url}");
            let login = parsed.login;
            assert_eq!((login.username(), login.password(), login.db()), (user, password, database), "{url}");
        }
    }

    #[test]
    fn r67_what_cannot_be_read_is_not_repeated() {
        for url in [
            "redis://:hunter2@",
            "http://:hunter2@host",
            "hunter2",
            "redis://:hunter2@host/x",
            "redis+sentinel://:hunter2@host",
            "redis+sentinel://:hunter2@host/",
            "redis+sentinel://:hunter2@,host/m",
            "redis+sentinel://:hunter2@host/m/x",
            "redis+cluster://:hunter2@",
            "redis+cluster://:hunter2@host:x",
            "redis+other://:hunter2@host",
        ] {
            let error = parse(url).err().unwrap_or_else(|| panic!("{url} was read"));
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}

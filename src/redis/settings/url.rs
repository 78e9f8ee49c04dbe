//! Redis URLs, of every topology.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use crate::{
    config_error::ConfigError,
    redis::connection::{
        host::Host,
        topology::{Topology, URL_FORMS},
    },
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

/// Reads a URL.
///
/// # Errors
///
/// If the URL has none of the forms. The message does not repeat it, because it may hold the
/// password.
pub(crate) fn parse(url: &str) -> Result<Parsed, ConfigError> {
    try_parse(url).ok_or_else(|| ConfigError::setting(URL_FORMS))
}

fn try_parse(url: &str) -> Option<Parsed> {
    let (scheme, rest) = url.split_once("://")?;
    let (plain, security) = match scheme.strip_prefix("rediss").or_else(|| scheme.strip_prefix("valkeys")) {
        Some(kind) => (kind, Security::Tls),
        None => {
            (scheme.strip_prefix("redis").or_else(|| scheme.strip_prefix("valkey")).unwrap_or(scheme), Security::Plain)
        }
    };
    if plain.starts_with('+') {
        return Topology::from_url(plain, rest).map(|(topology, login)| Parsed { topology, login, security });
    }
    // redis-rs would read `rediss` differently, depending on its own features.
    let url = if security == Security::Tls { format!("redis{plain}://{rest}") } else { url.to_owned() };
    let info: ConnectionInfo = url.as_str().into_connection_info().ok()?;
    let host = Host::from_addr(info.addr())?;
    Some(Parsed { topology: Topology::Node(host), login: info.redis_settings().clone(), security })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::connection::topology::{Cluster, Sentinels};

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

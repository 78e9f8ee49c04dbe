//! Settings that cannot work.

use std::time::Duration;

use crate::{
    config_error::ConfigError,
    redis::{schema::key_names::FastapiEntries, settings::RedisSettings},
};

impl RedisSettings {
    /// Reports the first setting that cannot work.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        let name = &self.namespace;
        if name.is_empty()
            || name.len() > 64
            || name.bytes().any(|byte| !byte.is_ascii_graphic() || b"{}".contains(&byte))
        {
            return Err(ConfigError::setting(
                "the Redis namespace must be 1 to 64 printable ASCII characters without blanks and braces",
            ));
        }
        let login = &self.connector.login;
        if login.username().is_some() && login.password().is_none() {
            return Err(ConfigError::setting("a Redis user without a password would be ignored: set the password too"));
        }
        if self.max_checks == 0 {
            return Err(ConfigError::setting("`max_checks(0)` rejects every check: leave it out for the default"));
        }
        if [self.check_deadline, self.revoke_deadline, self.audit_every].iter().any(Duration::is_zero) {
            return Err(ConfigError::setting(
                "a deadline or interval of zero cannot work: leave it out for the default",
            ));
        }
        if self.replicas.is_some_and(|replicas| replicas.within.is_zero() || replicas.within >= self.revoke_deadline) {
            return Err(ConfigError::setting(
                "`replica_acks` must wait for longer than zero and shorter than `revoke_deadline` (1 second by default)",
            ));
        }
        self.topology.validate(login.db(), self.fastapi_entries == FastapiEntries::Shared)
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

    #[test]
    fn a_setting_that_cannot_work_is_reported_by_validate() {
        let none: [(&str, u16); 0] = [];
        let rows = [
            ("no sentinel", RedisSettings::sentinel("master", none)),
            ("no node", RedisSettings::cluster(none)),
            ("a sentinel's login", RedisSettings::new("host", 6379).sentinel_login(None, "hunter2")),
        ];
        for (name, settings) in rows {
            let error = settings.validate().expect_err(name);
            assert!(!format!("{error:?} {settings:?}").contains("hunter2"), "{name}: {error:?}");
        }
    }
}

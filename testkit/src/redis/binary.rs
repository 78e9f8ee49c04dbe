//! The available versions of Redis and Valkey.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::locate;
use crate::process::target_folders;

/// A Redis or Valkey server's program. `Display` shows `redis 7.0.15`.
#[derive(Clone, Debug)]
pub struct RedisBinary {
    name: String,
    version: String,
    path: PathBuf,
}

impl RedisBinary {
    /// The default program of servers, unless [another is set](super::RedisOptions::binary).
    pub(super) fn installed() -> PathBuf {
        locate::redis_server(&target_folders()).expect("no redis-server on this machine: run `cargo xtask test`")
    }

    /// Asks the program for its name and version.
    fn at(path: PathBuf) -> Self {
        let answer = Command::new(&path).arg("--version").output();
        let answer = answer.unwrap_or_else(|error| panic!("{} can't be run: {error}", path.display()));
        let says = String::from_utf8_lossy(&answer.stdout);
        let (name, version) = parse(&says).unwrap_or_else(|| panic!("{} is not a server: {says}", path.display()));
        Self { name, version, path }
    }

    /// `redis` or `valkey`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `7.0.15`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The first two numbers of the version, to compare with: `(7, 0)`. Valkey continues from Redis
    /// 7.2.
    pub fn release(&self) -> (u32, u32) {
        let mut numbers = self.version.split('.').map(|number| number.parse().expect("versions are numbers"));
        (numbers.next().expect("a first number"), numbers.next().expect("a second number"))
    }

    /// The program's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for RedisBinary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The machine's own version, then the others that `cargo xtask test` has fetched, each once.
///
/// With `REDIS_SERVERS` in the environment, which xtask sets, each program listed there must run.
/// Without it, these are the programs found.
pub fn redis_versions() -> Vec<RedisBinary> {
    let paths = [RedisBinary::installed()].into_iter().chain(others(&target_folders()));
    let mut versions: Vec<RedisBinary> = Vec::new();
    for binary in paths.map(RedisBinary::at) {
        if versions.iter().all(|other| other.to_string() != binary.to_string()) {
            versions.push(binary);
        }
    }
    versions
}

/// Programs of other versions: exactly those in `REDIS_SERVERS`, a list like the `PATH`. Without
/// it, those in the first target folder that has any.
fn others(targets: &[PathBuf]) -> Vec<PathBuf> {
    if let Some(list) = env::var_os("REDIS_SERVERS") {
        return env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
    }
    let folders = targets.iter().map(|target| target.join(locate::FOLDER).join(locate::VERSIONS_FOLDER));
    let mut servers: Vec<PathBuf> = folders
        .filter_map(|folder| fs::read_dir(folder).ok())
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>())
        .find(|servers| !servers.is_empty())
        .unwrap_or_default();
    servers.sort();
    servers
}

/// Parses the name and version in `Redis server v=7.0.15 sha=…`.
fn parse(says: &str) -> Option<(String, String)> {
    let (name, rest) = says.split_once(" server v=")?;
    let version = rest.split_whitespace().next()?;
    let is_version = version.contains('.') && version.split('.').all(|number| number.parse::<u32>().is_ok());
    is_version.then(|| (name.to_lowercase(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_what_it_is() {
        let parsed = |says| parse(says).map(|(name, version)| format!("{name} {version}"));
        assert_eq!(parsed("Redis server v=6.2.14 sha=1:0\n").as_deref(), Some("redis 6.2.14"));
        assert_eq!(parsed("Valkey server v=9.1.2 sha=0:1\n").as_deref(), Some("valkey 9.1.2"));
        for says in ["", "redis-cli 7.0.15", "Redis server v=", "Redis server v=7", "Redis server v=7.x"] {
            assert_eq!(parsed(says), None, "{says}");
        }
    }
}

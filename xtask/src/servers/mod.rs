//! The servers that the tests start: found on the machine, or fetched.

mod apt;
mod postgres;
mod redis;
mod redis_versions;
mod wheel;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::output;
use crate::locate;

/// Where the servers are.
#[derive(Debug)]
pub(crate) struct Servers {
    /// The program.
    pub(crate) redis_server: PathBuf,
    /// The programs of other versions for the tests, as a list for an environment variable.
    pub(crate) redis_servers: OsString,
    /// The folder with `initdb` and `postgres`.
    pub(crate) postgres_bin: PathBuf,
}

impl Servers {
    /// Finds all of them, fetches the missing ones, and prints a line about each.
    pub(crate) fn find_or_get(target: &Path, system_packages: bool, redis_versions: RedisVersions) -> Result<Self> {
        let machine = Machine { target: target.to_path_buf(), system_packages };
        let redis_server = redis::find_or_get(&machine)?;
        let others = match redis_versions {
            RedisVersions::All => redis_versions::find_or_get(&machine)?,
            RedisVersions::OnlyInstalled => {
                eprintln!("other versions of redis: not wanted");
                Vec::new()
            }
        };
        let redis_servers = env::join_paths(others).context("the target folder's name can't be in a list of paths")?;
        Ok(Self { redis_server, redis_servers, postgres_bin: postgres::find_or_get(&machine)? })
    }
}

/// The versions of Redis that the tests run with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RedisVersions {
    All,
    /// The machine's own.
    OnlyInstalled,
}

/// Shows the environment variables that the tests read.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "REDIS_SERVER={}", self.redis_server.display())?;
        writeln!(f, "REDIS_SERVERS={}", self.redis_servers.display())?;
        write!(f, "POSTGRES_BIN={}", self.postgres_bin.display())
    }
}

/// The sources of a server, and the folder to put it into.
#[derive(Debug)]
struct Machine {
    target: PathBuf,
    system_packages: bool,
}

impl Machine {
    /// The folder for servers that the machine doesn't have.
    fn folder(&self) -> Result<PathBuf> {
        let folder = self.target.join(locate::FOLDER);
        fs::create_dir_all(&folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
        Ok(folder)
    }
}

/// Returns the result of the first way that works. Otherwise the error lists why each way failed.
fn first_that_works(what: &str, by_hand: &str, ways: &[&dyn Fn() -> Result<PathBuf>]) -> Result<PathBuf> {
    let mut reasons = String::new();
    for way in ways {
        match way() {
            Ok(server) => return Ok(server),
            Err(reason) => reasons.push_str(&format!("\n- {reason:#}")),
        }
    }
    bail!("There is no {what} on this machine, and none could be got. {by_hand}{reasons}")
}

/// The version that a program reports. Fails if it doesn't run on this machine.
fn version(program: &Path) -> Result<String> {
    let version = output(Command::new(program).arg("--version"))?;
    Ok(version.lines().next().unwrap_or_default().to_owned())
}

/// Replaces a link.
fn link(to: &Path, at: &Path) -> Result<()> {
    match fs::remove_file(at) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => symlink(to, at),
    }
    .with_context(|| format!("can't link {} to {}", at.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_that_works_is_taken() {
        let ways: [&dyn Fn() -> Result<PathBuf>; 3] =
            [&|| bail!("no"), &|| Ok("/second".into()), &|| panic!("not asked")];
        assert_eq!(first_that_works("server", "", &ways).unwrap(), Path::new("/second"));
    }

    #[test]
    fn if_none_works_the_error_says_what_to_do_and_why() {
        let ways: [&dyn Fn() -> Result<PathBuf>; 2] = [&|| bail!("no root"), &|| bail!("no pip")];
        let error = first_that_works("server", "Install it.", &ways).unwrap_err().to_string();
        assert!(error.ends_with("Install it.\n- no root\n- no pip"), "{error}");
    }

    #[test]
    fn a_link_is_replaced_also_one_to_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("link");
        link(Path::new("/nowhere"), &at).unwrap();
        link(folder.path(), &at).unwrap();
        assert_eq!(fs::read_link(&at).unwrap(), folder.path());
    }
}

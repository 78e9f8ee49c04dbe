//! Debian's packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use rustix::process::geteuid;

use crate::command::output;

/// Read by Debian's `postgresql-common`, whose package makes and starts a database cluster for everything that it
/// installs, unless told otherwise.
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.d";

/// Installs a package and what it can't do without.
pub(super) fn install(package: &str) -> Result<()> {
    ensure!(geteuid().is_root(), "only root can install {package} with apt-get");
    eprintln!("installing {package} with apt-get");
    output(apt_get().arg("update"))?;
    output(apt_get().args(["install", "--yes", "--no-install-recommends", package]))?;
    Ok(())
}

/// Installs PostgreSQL's server programs, but no running server.
pub(super) fn install_postgresql() -> Result<()> {
    ensure!(geteuid().is_root(), "only root can install postgresql with apt-get");
    let no_cluster = Path::new(CLUSTER_SETTINGS).join("no-main-cluster.conf");
    fs::create_dir_all(CLUSTER_SETTINGS)?;
    fs::write(&no_cluster, "create_main_cluster = false\n")?;
    let installed = install("postgresql");
    // What the machine's owner installs later is none of our business.
    fs::remove_file(&no_cluster)?;
    installed
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

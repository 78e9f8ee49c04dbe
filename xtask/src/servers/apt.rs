//! Debian's packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use rustix::process::geteuid;

use crate::command::output;

/// Read by Debian's `postgresql-common`. Without these settings, its package creates and starts a
/// database cluster for each installed version.
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.d";

/// Installs a package and its dependencies.
pub(super) fn install(package: &str) -> Result<()> {
    ensure!(geteuid().is_root(), "only root can install {package} with apt-get");
    eprintln!("installing {package} with apt-get");
    output(apt_get().arg("update"))?;
    output(apt_get().args(["install", "--yes", "--no-install-recommends", package]))?;
    Ok(())
}

/// Installs PostgreSQL's server programs, but starts no server.
pub(super) fn install_postgresql() -> Result<()> {
    ensure!(geteuid().is_root(), "only root can install postgresql with apt-get");
    let no_cluster = Path::new(CLUSTER_SETTINGS).join("no-main-cluster.conf");
    fs::create_dir_all(CLUSTER_SETTINGS)?;
    fs::write(&no_cluster, "create_main_cluster = false\n")?;
    let installed = install("postgresql");
    // The setting must not affect later installations by the machine's owner.
    fs::remove_file(&no_cluster)?;
    installed
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

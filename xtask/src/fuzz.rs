//! Fuzzing with libFuzzer on the stable toolchain: `cargo fuzz` without a sanitizer, which is the
//! only part that needs nightly.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::{self, ROOT};
use crate::command::output;

/// Coverage counters and traced comparisons for libFuzzer. All of these are stable LLVM options.
const RUSTFLAGS: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg",
    "fuzzing",
];

/// Options of a run.
#[derive(Debug, clap::Args)]
pub(crate) struct Fuzz {
    /// The target. Without one, all of them run in turn.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// `aws_lc_rs` or `rust_crypto`.
    #[arg(long, default_value = "aws_lc_rs")]
    cryptography: String,
    /// More arguments for the target, which is libFuzzer: a file runs once, `-help=1` shows the
    /// rest.
    #[arg(last = true, requires = "target")]
    arguments: Vec<OsString>,
}

/// Builds and runs the targets. Stops at the first one that finds something.
pub(crate) fn run(fuzz: &Fuzz) -> Result<ExitCode> {
    let package = Path::new(ROOT).join("fuzz");
    let all = targets(&package)?;
    let targets = match &fuzz.target {
        Some(name) if all.contains(name) => vec![name.clone()],
        Some(name) => bail!("there is no target `{name}`, but {}", all.join(", ")),
        None => all,
    };
    ensure!(
        output(Command::new("c++").arg("--version")).is_ok(),
        "libFuzzer is built with a C++ compiler, and there is none: as root, `apt-get install g++`"
    );
    let folder = cargo::target_folder()?.join("fuzz");
    let host = host()?;
    // With `--target` the flags don't apply to build scripts and macros, which have no libFuzzer to
    // report to.
    let build = cargo::cargo()
        .args(["build", "--locked", "--release", "--bins", "--no-default-features"])
        .args(["--features", &fuzz.cryptography, "--target", &host])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"))
        .status()
        .context("can't run cargo")?;
    ensure!(build.success(), "the fuzz targets could not be built");
    for target in targets {
        eprintln!("== {target}");
        let program = folder.join(&host).join("release").join(&target);
        if !run_target(fuzz, &program, &package.join("corpus").join(&target), &folder, &target)? {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns whether it found nothing.
fn run_target(fuzz: &Fuzz, program: &Path, seeds: &Path, folder: &Path, target: &str) -> Result<bool> {
    let (found, crashes) = (folder.join("corpus").join(target), folder.join("crashes").join(target));
    for folder in [&found, &crashes] {
        fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
    }
    let mut command = Command::new(program);
    command.arg(format!("-artifact_prefix={}/", crashes.display())).args(["-timeout=10", "-rss_limit_mb=2048"]);
    command.arg(format!("-max_total_time={}", fuzz.seconds)).arg("-print_final_stats=1").args(&fuzz.arguments);
    if fuzz.arguments.iter().all(|argument| argument.to_string_lossy().starts_with('-')) {
        // libFuzzer adds new inputs to the first folder.
        command.args([found.as_path(), seeds]);
    }
    Ok(command.status().with_context(|| format!("can't run {}", program.display()))?.success())
}

/// The programs of the package.
fn targets(package: &Path) -> Result<Vec<String>> {
    let files = fs::read_dir(package.join("src/bin")).context("there is no package of fuzz targets")?;
    let files: Vec<PathBuf> = files.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    let mut names: Vec<_> = files.iter().filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// The platform that cargo builds for by default.
fn host() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_seed_corpus() {
        let package = Path::new(ROOT).join("fuzz");
        let targets = targets(&package).unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(fs::read_dir(package.join("corpus").join(&target)).unwrap().count() > 0, "{target}");
        }
    }
}

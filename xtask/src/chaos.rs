//! Runs of `tests/chaos` by hand.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::cargo;
use crate::servers::{RedisVersions, Servers};

/// The arguments of `cargo xtask chaos`.
#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// For how long. Rounds that have begun are finished.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Repeats the faults of the run that printed this number.
    #[arg(long)]
    seed: Option<u64>,
    /// Only this kind of fault: the first column of the report, `"dark link"` for example.
    #[arg(long)]
    kind: Option<String>,
}

/// Returns the exit code of the test.
pub(crate) fn run(chaos: &Chaos) -> Result<ExitCode> {
    let servers = Servers::find_or_get(&cargo::target_folder()?, true, RedisVersions::OnlyInstalled)?;
    let arguments = ["--test", "chaos", "--", "--nocapture"].map(OsString::from);
    cargo::test(&arguments, &servers, &chaos.variables())
}

impl Chaos {
    fn variables(&self) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![("CHAOS_SECONDS", self.minutes.saturating_mul(60).to_string().into())];
        variables.extend(self.seed.map(|seed| ("CHAOS_SEED", seed.to_string().into())));
        variables.extend(self.kind.as_ref().map(|kind| ("CHAOS_KIND", kind.into())));
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_reach_the_test() {
        let chaos = Chaos { minutes: 60, seed: Some(7), kind: Some("failover".to_owned()) };
        let [seconds, seed, kind] = ["3600", "7", "failover"].map(OsString::from);
        assert_eq!(chaos.variables(), [("CHAOS_SECONDS", seconds), ("CHAOS_SEED", seed), ("CHAOS_KIND", kind)]);
    }
}

//! Runs the benches, and writes their results to `benches/RESULTS.md` and to pictures next to it.

mod picture;
mod table;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::{self, ROOT};
use crate::command::output;
use crate::servers::Servers;
use table::Table;

/// Each is a program that prints Markdown tables. A table's rows belong to one run.
const BENCHES: [&str; 9] =
    ["request", "allocations", "mirror", "server", "redis", "fleet", "cache", "instructions", PEERS];

/// A separate package, so that other builds don't need its dependencies.
const PEERS: &str = "peers";

/// Runs the named benches, or all. Only a run of all is written down, because rows are compared
/// within a run.
pub(crate) fn run(names: &[String], servers: &Servers) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !BENCHES.contains(&name.as_str())) {
        bail!("there is no bench `{unknown}`, but {}", BENCHES.join(", "));
    }
    let is_wanted = |bench: &str| names.is_empty() || names.iter().any(|name| name == bench);
    for (program, bench) in [("wrk", "server"), ("valgrind", "instructions")] {
        ensure!(
            !is_wanted(bench) || output(Command::new("which").arg(program)).is_ok(),
            "the bench `{bench}` needs {program}: as root, `apt-get install {program}`"
        );
    }
    let mut results = Vec::new();
    for bench in BENCHES.into_iter().filter(|bench| is_wanted(bench)) {
        eprintln!("== {bench}");
        results.push((bench, tables(bench, servers)?));
    }
    if names.is_empty() {
        write_down(&results, &Path::new(ROOT).join("benches"))?;
    }
    Ok(())
}

/// Runs a bench, shows its output, and returns the tables in it.
fn tables(bench: &str, servers: &Servers) -> Result<Vec<Table>> {
    let mut command = cargo::cargo();
    match bench {
        PEERS => command
            .args(["run", "--release", "--locked", "--manifest-path", "benches/peers/Cargo.toml", "--target-dir"])
            .arg(cargo::target_folder()?.join("peers")),
        bench => command.args(["bench", "--locked", "--bench", bench]),
    };
    let mut running = command.env("REDIS_SERVER", &servers.redis_server).stdout(Stdio::piped()).spawn()?;
    let stdout = running.stdout.take().context("its output is a pipe")?;
    let mut lines = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        lines.push(line);
    }
    ensure!(running.wait()?.success(), "the bench `{bench}` failed");
    Ok(table::all(&lines))
}

fn write_down(results: &[(&str, Vec<Table>)], folder: &Path) -> Result<()> {
    let processors = thread::available_parallelism()?;
    let rustc = output(Command::new("rustc").arg("--version"))?;
    let mut text = format!(
        "# What the benches measured\n\nWritten by `cargo xtask bench`: one run on {processors} processors, {}. Compare rows of one table; the \
         figures are this machine's.\n",
        rustc.trim()
    );
    for (bench, tables) in results {
        text.push_str(&format!("\n## {bench}\n"));
        tables.iter().for_each(|table| text.push_str(&format!("\n{table}")));
    }
    fs::write(folder.join("RESULTS.md"), text)?;
    let table = |bench: &str, number: usize| {
        let of = results.iter().find(|(name, _)| *name == bench).and_then(|(_, tables)| tables.get(number));
        of.with_context(|| format!("the bench `{bench}` has printed no table {number}"))
    };
    let write = |name: &str, picture: String| fs::write(folder.join(OsStr::new(name)), picture);
    write("request.svg", picture::requests(table("request", 0)?)?)?;
    write("mirror.svg", picture::sizes(table("mirror", 0)?)?)?;
    Ok(())
}

//! A real PostgreSQL server.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{End, Process, target_folders};
use crate::{locate, port};

/// `nobody` and its group on every Linux. PostgreSQL refuses to run as root, even in a container
/// without another user.
const NOBODY: u32 = 65534;

/// The server's data folder, inside its own folder.
const DATA: &str = "data";

/// A PostgreSQL server for one test, on a loopback port, with the superuser `postgres` and no
/// password. It ends when this is dropped, or when the test process is killed.
#[derive(Debug)]
pub struct PostgresServer {
    process: Process,
    port: u16,
}

impl PostgresServer {
    /// Creates an empty database cluster and starts a server on it.
    pub async fn start() -> Self {
        let bin = locate::postgres_bin(&target_folders())
            .expect("no PostgreSQL server on this machine: run `cargo xtask test`");
        let mut log = String::new();
        // Another process may take the port between the check and the start.
        for _ in 0..5 {
            let folder = new_cluster(&bin).await;
            let port = port::free();
            let mut process = Process::start(server(&bin, port), folder, End::Quit);
            if process.wait_until(says_ready).await {
                return Self { process, port };
            }
            log = process.log();
        }
        panic!("the PostgreSQL server ends as soon as it's started:\n{log}");
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        port::loopback(self.port)
    }

    /// The address as a URL, for the superuser and the database `postgres`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.addr())
    }

    /// Kills the server and waits until it has ended.
    pub fn kill(&mut self) {
        self.process.stop();
    }
}

/// Creates a folder with the data of an empty server.
async fn new_cluster(bin: &Path) -> TempDir {
    let folder = TempDir::with_prefix("testkit-postgres-").expect("a temporary folder");
    if geteuid().is_root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give a folder away");
    }
    let mut command = unprivileged(bin.join("initdb"));
    command.extend(["--auth=trust", "--username=postgres", "--encoding=UTF8"].map(OsString::from));
    command.extend(["--no-locale", "--no-sync", "--pgdata", DATA].map(OsString::from));
    let done = Command::new(&command[0])
        .args(&command[1..])
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|error| panic!("{command:?} can't be run: {error}"));
    assert!(done.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&done.stderr));
    folder
}

/// The command line of a server that loses everything in a crash, and opens no socket but the port.
fn server(bin: &Path, port: u16) -> Vec<OsString> {
    let mut command = unprivileged(bin.join("postgres"));
    command.extend(["-D", DATA, "-p"].map(OsString::from));
    command.push(port.to_string().into());
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
    ] {
        command.extend(["-c", setting].map(OsString::from));
    }
    command
}

/// The start of a command line that runs this program as `nobody` if we are root.
fn unprivileged(program: PathBuf) -> Vec<OsString> {
    let mut command = Vec::new();
    if geteuid().is_root() {
        command.push("setpriv".into());
        command.push(format!("--reuid={NOBODY}").into());
        command.push(format!("--regid={NOBODY}").into());
        command.push("--clear-groups".into());
    }
    command.push(program.into());
    command
}

/// Checks the last line of the file, as `pg_ctl` does.
fn says_ready(server: &Process) -> bool {
    fs::read_to_string(server.folder().join(DATA).join("postmaster.pid"))
        .is_ok_and(|state| state.lines().nth(7).is_some_and(|status| status.trim() == "ready"))
}

//! No server outlives a killed test process, and nothing of it stays on the disk.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn servers_die_with_a_killed_process() {
    let temporary = tempfile::tempdir().unwrap();
    // If we are root, PostgreSQL runs as another user, which needs access.
    fs::set_permissions(temporary.path(), Permissions::from_mode(0o755)).unwrap();

    let mut owner = Command::new(env!("CARGO_BIN_EXE_hold_servers"))
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let servers: Vec<SocketAddr> = lines.take(2).map(|line| line.unwrap().parse().unwrap()).collect();
    assert!(servers.iter().all(answers));

    // SIGKILL: the owner can't clean up.
    owner.kill().unwrap();
    owner.wait().unwrap();
    within_a_minute("both servers are gone", || !servers.iter().any(answers));
    within_a_minute("their folders are gone", || fs::read_dir(temporary.path()).unwrap().next().is_none());
}

fn answers(server: &SocketAddr) -> bool {
    TcpStream::connect(server).is_ok()
}

fn within_a_minute(what: &str, happened: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(Instant::now() < deadline, "not true after a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! A server process that can't outlive its owner.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Becomes the server, after it has forked a child that reads the pipe on stdin. Only the test
/// process holds that pipe's other end. If it ends without writing a line, for any reason, the
/// child kills the server and removes its folder. (`$$` is the server in the child too. It reads fd
/// 3, because a background job's stdin is /dev/null. It writes nowhere; otherwise a reader of the
/// test's output would wait for it.)
const WATCHED: &str = r#"
signal=$1 folder=$2
shift 2
exec 3<&0 </dev/null
(
    read -r line <&3 && exit
    kill -"$signal" $$
    sleep 1
    rm -rf "$folder"
) >/dev/null 2>&1 &
exec "$@" 3<&-
"#;

/// How to end a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// SIGKILL.
    Kill,
    /// SIGQUIT, for PostgreSQL: it also ends immediately, but releases its shared memory.
    Quit,
}

impl End {
    fn signal(self) -> (Signal, &'static str) {
        match self {
            Self::Kill => (Signal::KILL, "KILL"),
            Self::Quit => (Signal::QUIT, "QUIT"),
        }
    }
}

/// A running server in its own folder, which is its working directory. Both are removed when this
/// is dropped, or when the test process is killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// The pipe that the watching child reads. Kept apart from `child`, which would close it before
    /// it waits.
    lifeline: Option<ChildStdin>,
    end: End,
    folder: TempDir,
}

impl Process {
    /// Starts a command line. Its output goes to a file in the folder, see [`Self::log`].
    pub(crate) fn start<A: AsRef<OsStr>>(command: impl IntoIterator<Item = A>, folder: TempDir, end: End) -> Self {
        let log = File::create(log_file(&folder)).expect("a log file in the server's folder");
        let mut child = Command::new("sh")
            .args(["-c", WATCHED, "sh", end.signal().1])
            .arg(folder.path())
            .args(command)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle of the log file"))
            .stderr(log)
            .spawn()
            .expect("`sh` to start a server with");
        let lifeline = child.stdin.take();
        Self { child, lifeline, end, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's output so far.
    pub(crate) fn log(&self) -> String {
        fs::read(log_file(&self.folder)).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Waits until the server is `ready`. Returns `false` if it ended before. The check reads the
    /// server's own files, so that another server on the same port isn't mistaken for it.
    pub(crate) async fn wait_until(&mut self, ready: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.child.try_wait().expect("the state of a child").is_none() {
            if ready(self) {
                return true;
            }
            assert!(Instant::now() < deadline, "a server did not get ready within a minute:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a running server");
    }

    /// Ends the server. When this returns, it has ended and its port is free.
    pub(crate) fn stop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal(self.end.signal().0);
            self.child.wait().expect("the end of a child");
        }
        // The line that tells the watching child to exit.
        if let Some(mut lifeline) = self.lifeline.take() {
            lifeline.write_all(b"done\n").ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn log_file(folder: &TempDir) -> PathBuf {
    folder.path().join("server.log")
}

/// The target folders that may hold servers from xtask: the one this test runs from, and the
/// workspace's default.
pub(crate) fn target_folders() -> Vec<PathBuf> {
    let own = std::env::current_exe().expect("the path of the test program");
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target");
    own.ancestors().skip(1).map(Path::to_path_buf).chain([usual]).collect()
}

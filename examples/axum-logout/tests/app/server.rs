//! The program, running in its own folder.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::client::Client;

/// Longer than anything takes on a busy machine: only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const SETTINGS: [&str; 8] =
    ["JWT_SECRET", "JWT_ALGORITHM", "REDIS_URL", "REDIS_HOST", "REDIS_PORT", "DATABASE_URL", "BIND", "RUST_LOG"];

/// Killed when dropped.
pub(crate) struct Server {
    child: Child,
    output: watch::Receiver<String>,
    pub(crate) client: Client,
}

impl Server {
    /// Starts the program on a free port and waits until it listens.
    pub(crate) async fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = command(folder, settings).spawn().unwrap();
        let (sender, mut output) = watch::channel(String::new());
        collect(child.stdout.take().unwrap(), sender.clone());
        collect(child.stderr.take().unwrap(), sender);
        let line = wait_for(&mut output, "listening on ").await;
        let (_, url) = line.split_once("listening on ").unwrap();
        Self { child, output, client: Client::new(url.trim()) }
    }

    /// All its output so far.
    pub(crate) fn output(&self) -> String {
        self.output.borrow().clone()
    }

    /// Waits for the first line that contains these words.
    pub(crate) async fn wait_for(&mut self, words: &str) -> String {
        wait_for(&mut self.output, words).await
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits until it exits. Returns its exit code and all its output.
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the end of the program").unwrap();
        // Both senders are dropped when both streams have been read to the end.
        while self.output.changed().await.is_ok() {}
        (status.code(), self.output())
    }
}

/// Starts the program, which should fail early. Returns its exit code and all its output.
pub(crate) async fn fails_to_start(folder: &Path, settings: &[(&str, &str)], flags: &[&str]) -> (Option<i32>, String) {
    let run = command(folder, settings).args(flags).output();
    let output = timeout(PATIENCE, run).await.expect("the end of the program").unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Keeps the tests' own environment away from the program.
fn command(folder: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-logout"));
    for name in SETTINGS {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .env("BIND", "127.0.0.1:0")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn collect(stream: impl AsyncRead + Send + Unpin + 'static, output: watch::Sender<String>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            output.send_modify(|text| {
                text.push_str(&line);
                text.push('\n');
            });
        }
    });
}

async fn wait_for(output: &mut watch::Receiver<String>, words: &str) -> String {
    let seen = timeout(PATIENCE, output.wait_for(|text| text.contains(words)))
        .await
        .map(|seen| seen.map(|text| text.lines().find(|line| line.contains(words)).unwrap().to_owned()));
    match seen {
        Ok(Ok(line)) => line,
        _ => panic!("the program did not print {words:?}, but:\n{}", output.borrow().as_str()),
    }
}

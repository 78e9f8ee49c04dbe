//! How a server is started.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::RedisServer;
use crate::process::{End, Process, target_folders};
use crate::{locate, port};

/// Keeps nothing on disk, and sends a replica its first copy without the usual wait of five seconds.
const SETTINGS: [&str; 8] =
    ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"];

/// How a [`RedisServer`] is started.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    kind: Kind,
    arguments: Vec<String>,
    password: Option<String>,
    /// Names and contents.
    files: Vec<(&'static str, String)>,
}

/// What the program is started as.
#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    #[default]
    Server,
    Sentinel,
}

/// A sentinel has to have a file, and rewrites it.
const SENTINEL_FILE: &str = "sentinel.conf";

impl RedisOptions {
    /// A line of the server's configuration: `arg("maxmemory", &["2mb"])`.
    pub fn arg(mut self, name: &str, values: &[&str]) -> Self {
        self.arguments.push(format!("--{name}"));
        self.arguments.extend(values.iter().map(ToString::to_string));
        self
    }

    /// Lets nobody in without this password. [`RedisServer::url`] has it.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        // The same for the masters that it may once replicate.
        self.arg("requirepass", &[password]).arg("masterauth", &[password])
    }

    /// A sentinel with this configuration, instead of a server.
    pub(super) fn sentinel(mut self, configuration: String) -> Self {
        self.kind = Kind::Sentinel;
        self.file(SENTINEL_FILE, configuration)
    }

    /// A file in the server's folder, its working directory, as it is at every start.
    pub(super) fn file(mut self, name: &'static str, content: String) -> Self {
        self.files.push((name, content));
        self
    }

    pub(super) fn its_password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Starts the server.
    pub async fn start(self) -> RedisServer {
        let mut log = String::new();
        // Somebody else may take the port between the look and the start.
        for _ in 0..5 {
            match self.clone().start_at(port::free()).await {
                Ok(server) => return server,
                Err(its_log) => log = its_log,
            }
        }
        panic!("the Redis server ends as soon as it's started:\n{log}");
    }

    /// The server on this port, or the last words of one that ended.
    pub(super) async fn start_at(self, port: u16) -> Result<RedisServer, String> {
        let process = self.launch(port).await?;
        Ok(RedisServer::new(process, port, self))
    }

    /// The running server, or the last words of one that ended.
    pub(super) async fn launch(&self, port: u16) -> Result<Process, String> {
        let folder = TempDir::with_prefix("testkit-redis-").expect("a temporary folder");
        for (name, content) in &self.files {
            fs::write(folder.path().join(name), content).expect("a file in the server's folder");
        }
        let mut process = Process::start(self.command(port), folder, End::Kill);
        let ready = process.wait_until(|server| server.log().contains(self.says_when_ready())).await;
        if ready { Ok(process) } else { Err(process.log()) }
    }

    fn command(&self, port: u16) -> Vec<OsString> {
        let mut command: Vec<OsString> = vec![binary().into()];
        if let Kind::Sentinel = self.kind {
            command.extend([SENTINEL_FILE, "--sentinel"].map(OsString::from));
        }
        command.extend(["--port".into(), port.to_string().into()]);
        command.extend(SETTINGS.map(OsString::from));
        command.extend(self.arguments.iter().map(OsString::from));
        command
    }

    fn says_when_ready(&self) -> &'static str {
        match self.kind {
            Kind::Server => "Ready to accept connections",
            Kind::Sentinel => "+monitor master",
        }
    }
}

fn binary() -> PathBuf {
    locate::redis_server(&target_folders()).expect("no redis-server on this machine: run `cargo xtask test`")
}

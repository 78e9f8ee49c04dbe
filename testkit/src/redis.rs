//! A real Redis or Valkey server.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisError, Value};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{End, Process, target_folders};
use crate::{locate, port};

/// Keeps nothing on disk, and sends a replica its first copy without the usual wait of five seconds.
const SETTINGS: [&str; 8] =
    ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"];

/// How a [`RedisServer`] is started.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    arguments: Vec<String>,
    password: Option<String>,
}

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
        self.arg("requirepass", &[password])
    }

    /// Starts the server.
    pub async fn start(self) -> RedisServer {
        let mut log = String::new();
        // Somebody else may take the port between the look and the start.
        for _ in 0..5 {
            let port = port::free();
            match self.launch(port).await {
                Ok(process) => return RedisServer { process, port, options: self },
                Err(its_log) => log = its_log,
            }
        }
        panic!("the Redis server ends as soon as it's started:\n{log}");
    }

    /// The running server, or the last words of one that ended.
    async fn launch(&self, port: u16) -> Result<Process, String> {
        let folder = TempDir::with_prefix("testkit-redis-").expect("a temporary folder");
        let mut command: Vec<OsString> = vec![binary().into(), "--port".into(), port.to_string().into()];
        command.extend(SETTINGS.map(OsString::from));
        command.extend(self.arguments.iter().map(OsString::from));

        let mut process = Process::start(command, folder, End::Kill);
        let ready = process.wait_until(|server| server.log().contains("Ready to accept connections")).await;
        if ready { Ok(process) } else { Err(process.log()) }
    }
}

/// A Redis or Valkey server of this test's own, on a loopback port. It is gone when this is dropped, or when the test
/// process is killed.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    port: u16,
    options: RedisOptions,
}

impl RedisServer {
    /// A server without a password.
    pub async fn start() -> Self {
        Self::options().start().await
    }

    /// For a server with settings of its own.
    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    /// The port, the same for as long as this lives.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        port::loopback(self.port)
    }

    /// The address as a URL, with the password if there is one (which must need no escaping in a URL).
    pub fn url(&self) -> String {
        match &self.options.password {
            Some(password) => format!("redis://:{password}@{}/", self.addr()),
            None => format!("redis://{}/", self.addr()),
        }
    }

    /// Stops the process, not its sockets: the system goes on accepting and acknowledging, nobody answers.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets a paused server go on. It answers what it was sent meanwhile.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Kills the server; it's gone when this returns.
    pub fn kill(&mut self) {
        self.process.stop();
    }

    /// An empty server on the same port, in place of this one, whether that was still running or not.
    pub async fn restart(&mut self) {
        self.kill();
        self.process = match self.options.launch(self.port).await {
            Ok(process) => process,
            Err(log) => panic!("the Redis server could not be started again:\n{log}"),
        };
    }

    /// Sends one command, over a connection of its own. The reply comes as text: nothing for nil, one line for each
    /// element of anything with elements.
    pub async fn cli(&self, command: &[&str]) -> String {
        match self.try_cli(command).await {
            Ok(reply) => reply,
            Err(error) => panic!("{command:?} was answered with an error: {error}"),
        }
    }

    /// [`Self::cli`] for commands that the server may refuse: its words, `OOM command not allowed …`, are the error.
    pub async fn try_cli(&self, command: &[&str]) -> Result<String, String> {
        let client = Client::open(self.url()).expect("a URL made here");
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
        let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await.map_err(words)?;
        let (name, arguments) = command.split_first().expect("a command");
        let reply: Value = redis::cmd(name).arg(arguments).query_async(&mut connection).await.map_err(words)?;
        Ok(text(&reply))
    }

    /// How often this command has been called since the start, by whomever: `calls("mget")`, `calls("memory|usage")`.
    pub async fn calls(&self, command: &str) -> u64 {
        let stats = self.cli(&["INFO", "commandstats"]).await;
        let line = format!("cmdstat_{}:calls=", command.to_lowercase());
        let count = stats.lines().find_map(|stat| stat.strip_prefix(&line)?.split(',').next()?.parse().ok());
        count.unwrap_or(0)
    }
}

fn binary() -> PathBuf {
    locate::redis_server(&target_folders()).expect("no redis-server on this machine: run `cargo xtask test`")
}

/// What the server said, without the client's words around it.
fn words(error: RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

fn text(reply: &Value) -> String {
    match reply {
        Value::Nil => String::new(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(status) => status.clone(),
        Value::Okay => "OK".to_owned(),
        Value::Array(elements) | Value::Set(elements) => lines(elements.iter()),
        Value::Map(pairs) => lines(pairs.iter().flat_map(|(key, value)| [key, value])),
        Value::Double(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::VerbatimString { text, .. } => text.clone(),
        other => format!("{other:?}"),
    }
}

fn lines<'a>(elements: impl Iterator<Item = &'a Value>) -> String {
    elements.map(text).collect::<Vec<_>>().join("\n")
}

//! A real Redis or Valkey server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, Value};
use rustix::process::Signal;

use super::options::{RedisOptions, SOCKET};
use super::reply::{text, words};
use crate::port;
use crate::process::Process;

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

    pub(super) fn new(process: Process, port: u16, options: RedisOptions) -> Self {
        Self { process, port, options }
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
        let (scheme, addr) = (self.options.scheme(), self.addr());
        match self.password() {
            Some(password) => format!("{scheme}://:{password}@{addr}/"),
            None => format!("{scheme}://{addr}/"),
        }
    }

    /// Where the Unix socket is, of a server that was [asked](RedisOptions::unix_socket) for one: in another folder after
    /// each start.
    pub fn unix_socket(&self) -> PathBuf {
        assert!(self.options.has_unix_socket(), "this server has no Unix socket");
        self.process.folder().join(SOCKET)
    }

    /// Not the door under test, where there is another one.
    fn back_door(&self) -> String {
        if !self.options.has_unix_socket() {
            return self.url();
        }
        let socket = self.unix_socket();
        let password = self.password().map(|password| format!("?pass={password}")).unwrap_or_default();
        format!("unix://{}{password}", socket.display())
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.options.its_password()
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

    /// Sends one command, over a connection of its own (through the Unix socket if there is one: what a server speaks
    /// on its port is for the test to try). The reply comes as text: nothing for nil, one line for each
    /// element of anything with elements.
    pub async fn cli(&self, command: &[&str]) -> String {
        match self.try_cli(command).await {
            Ok(reply) => reply,
            Err(error) => panic!("{command:?} was answered with an error: {error}"),
        }
    }

    /// [`Self::cli`] for commands that the server may refuse: its words, `OOM command not allowed …`, are the error.
    pub async fn try_cli(&self, command: &[&str]) -> Result<String, String> {
        let client = Client::open(self.back_door()).expect("a URL made here");
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
        let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await.map_err(words)?;
        let (name, arguments) = command.split_first().expect("a command");
        let reply: Value = redis::cmd(name).arg(arguments).query_async(&mut connection).await.map_err(words)?;
        Ok(text(&reply))
    }

    /// One field of what the server says of itself: `info("replication", "role")`. `None`: it says nothing of it.
    pub async fn info(&self, section: &str, field: &str) -> Option<String> {
        let report = self.cli(&["INFO", section]).await;
        report.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::to_owned)
    }

    /// How often this command has been called since the start, by whomever: `calls("mget")`, and from Redis 7 on
    /// `calls("memory|usage")`.
    pub async fn calls(&self, command: &str) -> u64 {
        let stats = self.info("commandstats", &format!("cmdstat_{}", command.to_lowercase())).await;
        let calls = stats.and_then(|stats| stats.strip_prefix("calls=")?.split(',').next()?.parse().ok());
        calls.unwrap_or(0)
    }
}

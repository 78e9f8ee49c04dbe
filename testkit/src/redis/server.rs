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

/// A Redis or Valkey server for one test, on a loopback port. It ends when this is dropped, or when
/// the test process is killed.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    port: u16,
    options: RedisOptions,
}

impl RedisServer {
    /// Starts a server without a password.
    pub async fn start() -> Self {
        Self::options().start().await
    }

    /// Settings of a server, to be changed.
    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    pub(super) fn new(process: Process, port: u16, options: RedisOptions) -> Self {
        Self { process, port, options }
    }

    /// The port, which stays the same while this lives.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        port::loopback(self.port)
    }

    /// The address as a URL, with the password if there is one (which must need no escaping in a
    /// URL).
    pub fn url(&self) -> String {
        let (scheme, addr) = (self.options.scheme(), self.addr());
        match self.password() {
            Some(password) => format!("{scheme}://:{password}@{addr}/"),
            None => format!("{scheme}://{addr}/"),
        }
    }

    /// The path of the Unix socket of a server with [`RedisOptions::unix_socket`]. Each start uses
    /// another folder.
    pub fn unix_socket(&self) -> PathBuf {
        assert!(self.options.has_unix_socket(), "this server has no Unix socket");
        self.process.folder().join(SOCKET)
    }

    /// A connection apart from the one under test, if there is one.
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

    /// Stops the process, but not its sockets: the system still accepts and acknowledges, but no
    /// reply comes.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Resumes a paused server. It answers the commands it was sent in the meantime.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Kills the server and waits until it has ended.
    pub fn kill(&mut self) {
        self.process.stop();
    }

    /// Starts an empty server on the same port in place of this one, running or not.
    pub async fn restart(&mut self) {
        self.kill();
        self.process = match self.options.launch(self.port).await {
            Ok(process) => process,
            Err(log) => panic!("the Redis server could not be started again:\n{log}"),
        };
    }

    /// Sends one command over its own connection. Uses the Unix socket if there is one: the test
    /// itself tries the protocol of the port. The reply is text: empty for nil, one line for each
    /// element of anything with elements.
    pub async fn cli(&self, command: &[&str]) -> String {
        match self.try_cli(command).await {
            Ok(reply) => reply,
            Err(error) => panic!("{command:?} was answered with an error: {error}"),
        }
    }

    /// [`Self::cli`] for commands that the server may reject. The error is its message, `OOM
    /// command not allowed …`.
    pub async fn try_cli(&self, command: &[&str]) -> Result<String, String> {
        let client = Client::open(self.back_door()).expect("a URL made here");
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
        let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await.map_err(words)?;
        let (name, arguments) = command.split_first().expect("a command");
        let reply: Value = redis::cmd(name).arg(arguments).query_async(&mut connection).await.map_err(words)?;
        Ok(text(&reply))
    }

    /// One field of the server's `INFO`: `info("replication", "role")`. `None` if it has no such
    /// field.
    pub async fn info(&self, section: &str, field: &str) -> Option<String> {
        let report = self.cli(&["INFO", section]).await;
        report.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::to_owned)
    }

    /// The number of calls of this command since the start, by any client: `calls("mget")`, and
    /// from Redis 7 on `calls("memory|usage")`.
    pub async fn calls(&self, command: &str) -> u64 {
        let stats = self.info("commandstats", &format!("cmdstat_{}", command.to_lowercase())).await;
        let calls = stats.and_then(|stats| stats.strip_prefix("calls=")?.split(',').next()?.parse().ok());
        calls.unwrap_or(0)
    }
}

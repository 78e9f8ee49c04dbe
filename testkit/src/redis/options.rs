//! The settings of a server.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{RedisBinary, RedisServer, TlsCertificates};
use crate::port;
use crate::process::{End, Process};

/// Persists nothing, and sends a replica its first copy without the usual wait of five seconds.
const SETTINGS: [&str; 8] =
    ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"];

/// The name of the Unix socket in the server's folder.
pub(super) const SOCKET: &str = "socket";

/// The settings of a [`RedisServer`].
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// The machine's own by default.
    program: Option<PathBuf>,
    kind: Kind,
    arguments: Vec<String>,
    password: Option<String>,
    /// Names and contents.
    files: Vec<(&'static str, String)>,
    encryption: Encryption,
    unix_socket: bool,
}

/// The role that the program starts in.
#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    #[default]
    Server,
    Sentinel,
}

/// The protocol of the port.
#[derive(Clone, Copy, Debug, Default)]
enum Encryption {
    #[default]
    Plain,
    Tls(Clients),
}

/// Which clients a port with TLS accepts.
#[derive(Clone, Copy, Debug)]
enum Clients {
    All,
    WithCertificate,
}

const AUTHORITY: &str = "authority.pem";
const CERTIFICATE: &str = "server.pem";
const KEY: &str = "server-key.pem";

impl Encryption {
    fn arguments(self, port: &str) -> Vec<&str> {
        let clients = match self {
            Self::Plain => return vec!["--port", port],
            Self::Tls(Clients::All) => "no",
            Self::Tls(Clients::WithCertificate) => "yes",
        };
        let files = ["--tls-ca-cert-file", AUTHORITY, "--tls-cert-file", CERTIFICATE, "--tls-key-file", KEY];
        let others = ["--tls-auth-clients", clients, "--tls-replication", "yes", "--tls-cluster", "yes"];
        [&["--port", "0", "--tls-port", port], &files[..], &others].concat()
    }
}

/// A sentinel requires a file, and rewrites it.
const SENTINEL_FILE: &str = "sentinel.conf";

impl RedisOptions {
    /// Adds a line of the server's configuration: `arg("maxmemory", &["2mb"])`.
    pub fn arg(mut self, name: &str, values: &[&str]) -> Self {
        self.arguments.push(format!("--{name}"));
        self.arguments.extend(values.iter().map(ToString::to_string));
        self
    }

    /// Requires this password. [`RedisServer::url`] contains it.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        // The same password for masters that it may later replicate.
        self.arg("requirepass", &[password]).arg("masterauth", &[password])
    }

    /// Uses TLS only, also with other servers, and requires no client certificate. The server must
    /// be built with TLS: Debian's `redis-tools`, which `cargo xtask test` tries first, is; the
    /// servers from Python wheels aren't.
    pub fn tls(self, certificates: &TlsCertificates) -> Self {
        self.encrypted(certificates, Clients::All)
    }

    /// [`Self::tls`] that also requires a client certificate of the same authority.
    pub fn mutual_tls(self, certificates: &TlsCertificates) -> Self {
        self.encrypted(certificates, Clients::WithCertificate)
    }

    fn encrypted(mut self, certificates: &TlsCertificates, clients: Clients) -> Self {
        let TlsCertificates { authority, server, server_key, .. } = certificates.clone();
        self.encryption = Encryption::Tls(clients);
        self.unix_socket().file(AUTHORITY, authority).file(CERTIFICATE, server).file(KEY, server_key)
    }

    /// Also listens on a Unix socket: [`RedisServer::unix_socket`].
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Uses one of [`redis_versions`](super::redis_versions) instead of the machine's own.
    pub fn binary(mut self, binary: &RedisBinary) -> Self {
        self.program = Some(binary.path().to_owned());
        self
    }

    /// Settings for a sentinel of such servers: the same program and encryption, and nothing more.
    pub(super) fn sentinel(&self, configuration: String) -> Self {
        let like_them = Self { kind: Kind::Sentinel, arguments: Vec::new(), password: None, ..self.clone() };
        like_them.file(SENTINEL_FILE, configuration)
    }

    /// Adds a file to the server's folder, its working directory. Each start restores it.
    pub(super) fn file(mut self, name: &'static str, content: String) -> Self {
        self.files.push((name, content));
        self
    }

    pub(super) fn its_password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(super) fn has_unix_socket(&self) -> bool {
        self.unix_socket
    }

    pub(super) fn scheme(&self) -> &'static str {
        match self.encryption {
            Encryption::Plain => "redis",
            Encryption::Tls(_) => "rediss",
        }
    }

    /// Starts the server.
    pub async fn start(self) -> RedisServer {
        let mut log = String::new();
        // Another process may take the port between the check and the start.
        for _ in 0..5 {
            match self.clone().start_at(port::free()).await {
                Ok(server) => return server,
                Err(its_log) => log = its_log,
            }
        }
        panic!("the Redis server ends as soon as it's started:\n{log}");
    }

    /// Returns the server on this port, or the last output of one that ended.
    pub(super) async fn start_at(self, port: u16) -> Result<RedisServer, String> {
        let process = self.launch(port).await?;
        Ok(RedisServer::new(process, port, self))
    }

    /// Returns the running server, or the last output of one that ended.
    pub(super) async fn launch(&self, port: u16) -> Result<Process, String> {
        let folder = TempDir::with_prefix("testkit-redis-").expect("a temporary folder");
        for (name, content) in &self.files {
            fs::write(folder.path().join(name), content).expect("a file in the server's folder");
        }
        let mut process = Process::start(self.command(port), folder, End::Kill);
        let ready = process.wait_until(|server| server.log().contains(self.says_when_ready())).await;
        if ready {
            return Ok(process);
        }
        let log = process.log();
        // The messages of 6.2 and 7, and of later versions.
        let without_tls = ["'tls-port", "Failed finding TLS support"].iter().any(|words| log.contains(words));
        assert!(!without_tls, "this Redis server is built without TLS, which the test needs:\n{log}");
        Err(log)
    }

    fn command(&self, port: u16) -> Vec<OsString> {
        let mut command: Vec<OsString> = vec![self.program.clone().unwrap_or_else(RedisBinary::installed).into()];
        if let Kind::Sentinel = self.kind {
            command.extend([SENTINEL_FILE, "--sentinel"].map(OsString::from));
        }
        let port = port.to_string();
        command.extend(self.encryption.arguments(&port).into_iter().map(OsString::from));
        if self.unix_socket {
            command.extend(["--unixsocket", SOCKET].map(OsString::from));
        }
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

//! How a server is started.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{RedisBinary, RedisServer, TlsCertificates};
use crate::port;
use crate::process::{End, Process};

/// Keeps nothing on disk, and sends a replica its first copy without the usual wait of five seconds.
const SETTINGS: [&str; 8] =
    ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"];

/// The Unix socket, in the server's folder.
pub(super) const SOCKET: &str = "socket";

/// How a [`RedisServer`] is started.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// By default the machine's own.
    program: Option<PathBuf>,
    kind: Kind,
    arguments: Vec<String>,
    password: Option<String>,
    /// Names and contents.
    files: Vec<(&'static str, String)>,
    encryption: Encryption,
    unix_socket: bool,
}

/// What the program is started as.
#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    #[default]
    Server,
    Sentinel,
}

/// What the port speaks.
#[derive(Clone, Copy, Debug, Default)]
enum Encryption {
    #[default]
    Plain,
    Tls(Clients),
}

/// Whom a port with TLS lets in.
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

    /// Speaks TLS only, also with other servers, and asks clients for no certificate. The server has to be built with TLS:
    /// Debian's `redis-tools`, which `cargo xtask test` takes first, is; the servers out of Python wheels aren't.
    pub fn tls(self, certificates: &TlsCertificates) -> Self {
        self.encrypted(certificates, Clients::All)
    }

    /// [`Self::tls`] that lets nobody in who hasn't got a certificate of the same authority.
    pub fn mutual_tls(self, certificates: &TlsCertificates) -> Self {
        self.encrypted(certificates, Clients::WithCertificate)
    }

    fn encrypted(mut self, certificates: &TlsCertificates, clients: Clients) -> Self {
        let TlsCertificates { authority, server, server_key, .. } = certificates.clone();
        self.encryption = Encryption::Tls(clients);
        self.unix_socket().file(AUTHORITY, authority).file(CERTIFICATE, server).file(KEY, server_key)
    }

    /// Listens on a Unix socket as well: [`RedisServer::unix_socket`].
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// One of [`redis_versions`](super::redis_versions), instead of the machine's own.
    pub fn binary(mut self, binary: &RedisBinary) -> Self {
        self.program = Some(binary.path().to_owned());
        self
    }

    /// For a sentinel of such servers: the same program and encryption, nothing else.
    pub(super) fn sentinel(&self, configuration: String) -> Self {
        let like_them = Self { kind: Kind::Sentinel, arguments: Vec::new(), password: None, ..self.clone() };
        like_them.file(SENTINEL_FILE, configuration)
    }

    /// A file in the server's folder, its working directory, as it is at every start.
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
        if ready {
            return Ok(process);
        }
        let log = process.log();
        // In the words of 6.2 and 7, and of later ones.
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

//! TLS is real, alone and between servers.

use std::sync::Arc;

use testkit::{RedisCluster, RedisServer, SentinelGroup, TlsCertificates};
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, RootCertStore};

#[tokio::test]
async fn the_port_speaks_tls_and_nothing_else() {
    let certificates = TlsCertificates::new();
    let server = RedisServer::options().tls(&certificates).start().await;
    assert_eq!(server.url(), format!("rediss://{}/", server.addr()));
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(ping(&server, host, trusting(&certificates)).await.unwrap(), "+PONG\r\n");
    }

    let mut plain = TcpStream::connect(server.addr()).await.unwrap();
    plain.write_all(b"PING\r\n").await.unwrap();
    let mut reply = Vec::new();
    plain.read_to_end(&mut reply).await.ok();
    assert!(!reply.starts_with(b"+PONG"), "{reply:?}");
    assert_eq!(server.cli(&["PING"]).await, "PONG");
}

#[tokio::test]
async fn a_client_can_refuse_a_strangers_certificate_or_name() {
    let certificates = TlsCertificates::new();
    let server = RedisServer::options().tls(&certificates).start().await;
    let error = ping(&server, "localhost", trusting(&TlsCertificates::new())).await.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");

    let elsewhere = TlsCertificates::for_hosts(&["redis.example"]);
    let server = RedisServer::options().tls(&elsewhere).start().await;
    let error = ping(&server, "localhost", trusting(&elsewhere)).await.unwrap_err().to_string();
    assert!(error.contains("NotValidForName") || error.contains("not valid for name"), "{error}");
    assert_eq!(ping(&server, "redis.example", trusting(&elsewhere)).await.unwrap(), "+PONG\r\n");
}

#[tokio::test]
async fn a_server_can_ask_for_a_clients_certificate() {
    let certificates = TlsCertificates::new();
    let server = RedisServer::options().mutual_tls(&certificates).start().await;
    ping(&server, "localhost", trusting(&certificates)).await.unwrap_err();
    assert_eq!(ping(&server, "localhost", introducing(&certificates)).await.unwrap(), "+PONG\r\n");
}

#[tokio::test]
async fn a_restarted_server_has_its_certificates_password_and_socket() {
    let certificates = TlsCertificates::new();
    let mut server = RedisServer::options().tls(&certificates).password("open-sesame").start().await;
    let socket = server.unix_socket();
    server.restart().await;
    assert!(!socket.exists() && server.unix_socket().exists());
    assert_eq!(server.cli(&["PING"]).await, "PONG");
    let refusal = ping(&server, "localhost", trusting(&certificates)).await.unwrap();
    assert!(refusal.starts_with("-NOAUTH"), "{refusal}");
}

#[tokio::test]
async fn sentinels_and_replicas_speak_it_too() {
    let servers = RedisServer::options().mutual_tls(&TlsCertificates::new()).password("open-sesame");
    let group = SentinelGroup::options().servers(servers).start().await;
    let old = group.master().await;
    assert_ne!(group.failover().await, old);
}

#[tokio::test]
async fn cluster_nodes_speak_it_too() {
    let servers = RedisServer::options().mutual_tls(&TlsCertificates::new());
    let cluster = RedisCluster::options().servers(servers).start().await;
    let (from, slot) = (cluster.owner("key").await, cluster.slot("key").await);
    cluster.nodes()[from].cli(&["SET", "key", "value"]).await;
    let to = (from + 1) % 3;
    cluster.migrate(slot, to).await;
    assert_eq!(cluster.nodes()[to].cli(&["GET", "key"]).await, "value");
}

/// A client that trusts this authority.
fn trusting(certificates: &TlsCertificates) -> ClientConfig {
    builder(certificates).with_no_client_auth()
}

/// A client that also sends its own certificate.
fn introducing(certificates: &TlsCertificates) -> ClientConfig {
    let key = PrivateKeyDer::from_pem_slice(certificates.client_key.as_bytes()).unwrap();
    builder(certificates).with_client_auth_cert(vec![certificate(&certificates.client)], key).unwrap()
}

fn builder(certificates: &TlsCertificates) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate(&certificates.authority)).unwrap();
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(trusted)
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// The reply of the server under this name.
async fn ping(server: &RedisServer, host: &str, config: ClientConfig) -> io::Result<String> {
    let tcp = TcpStream::connect(server.addr()).await?;
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    tls.write_all(b"PING\r\n").await?;
    let mut reply = [0; 256];
    let length = tls.read(&mut reply).await?;
    Ok(String::from_utf8_lossy(&reply[..length]).into_owned())
}

//! Certificates of a test's own.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::random;

/// An authority that nobody else trusts, and what it has signed: a certificate for servers, and one for clients. All of
/// them are PEM texts, made anew each time.
#[derive(Clone)]
pub struct TlsCertificates {
    /// The authority's own certificate, which the other side has to trust.
    pub authority: String,
    /// Good for servers, and for what they are to each other, which is both sides of a connection.
    pub server: String,
    /// The private key of `server`.
    pub server_key: String,
    /// Good for clients.
    pub client: String,
    /// The private key of `client`.
    pub client_key: String,
}

impl TlsCertificates {
    /// For servers at `127.0.0.1` and `localhost`.
    pub fn new() -> Self {
        Self::for_hosts(&["127.0.0.1", "localhost"])
    }

    /// For servers elsewhere, so that a client has something to refuse.
    pub fn for_hosts(hosts: &[&str]) -> Self {
        let (authority, issuer) = authority();
        let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let (server, server_key) = signed(&issuer, "testkit server", hosts, &both);
        let (client, client_key) = signed(&issuer, "testkit client", &[], &both[1..]);
        Self { authority, server, server_key, client, client_key }
    }
}

impl Default for TlsCertificates {
    fn default() -> Self {
        Self::new()
    }
}

/// Without the texts: nobody wants to read them.
impl fmt::Debug for TlsCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCertificates").finish_non_exhaustive()
    }
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    // With the same name, another test's authority would be a forgery of this one, not a stranger.
    let mut params = named(&format!("testkit authority {}", random::node_id()), &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = new_key();
    let certificate = params.self_signed(&key).expect("a certificate can be signed");
    (certificate.pem(), Issuer::new(params, key))
}

/// The certificate and its key.
fn signed(
    issuer: &Issuer<'_, KeyPair>,
    name: &str,
    hosts: &[&str],
    usages: &[ExtendedKeyUsagePurpose],
) -> (String, String) {
    let mut params = named(name, hosts);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages.to_vec();
    let key = new_key();
    let certificate = params.signed_by(&key, issuer).expect("a certificate can be signed");
    (certificate.pem(), key.serialize_pem())
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).expect("hosts are ASCII");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

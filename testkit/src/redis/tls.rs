//! Certificates for one test.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::random;

/// An authority that only the test trusts, and two certificates it has signed: one for servers, and
/// one for clients. All of them are PEM texts, newly generated each time.
#[derive(Clone)]
pub struct TlsCertificates {
    /// The authority's own certificate, which the other side must trust.
    pub authority: String,
    /// Valid for servers, also towards each other, which needs both sides of a connection.
    pub server: String,
    /// The private key of `server`.
    pub server_key: String,
    /// Valid for clients.
    pub client: String,
    /// The private key of `client`.
    pub client_key: String,
}

impl TlsCertificates {
    /// Generates certificates for servers at `127.0.0.1` and `localhost`.
    pub fn new() -> Self {
        Self::for_hosts(&["127.0.0.1", "localhost"])
    }

    /// Generates certificates for servers elsewhere, which a client must reject.
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

/// Omits the texts, which are long.
impl fmt::Debug for TlsCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCertificates").finish_non_exhaustive()
    }
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    // With the same name, another test's authority would look like a forgery of this one, not like
    // an unknown one.
    let mut params = named(&format!("testkit authority {}", random::node_id()), &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = new_key();
    let certificate = params.self_signed(&key).expect("a certificate can be signed");
    (certificate.pem(), Issuer::new(params, key))
}

/// Signs a certificate. Returns it and its key.
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

//! What an HMAC secret must not be (RFC 8725 §3.5, RFC 7518 §3.2).

use crate::error::ConfigError;

/// Secrets that are long enough and yet known to everybody: they stand in tutorials and in the debuggers of the trade.
const PUBLISHED: [&[u8]; 5] = [
    b"a-string-secret-at-least-256-bits-long",
    b"a-valid-string-secret-that-is-at-least-384-bits-long-for-signing",
    b"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    b"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    b"super-secret-jwt-token-with-at-least-32-characters-long",
];

/// Refuses a secret that is short, published, monotonous, or really a public key. The last is the classic confusion attack: a
/// token signed with HMAC under the *public* key, which everybody has.
pub(super) fn check(secret: &[u8], min_bytes: usize) -> Result<(), ConfigError> {
    let trimmed = trim(secret);
    let complaint = if looks_like_key_text(trimmed) || looks_like_der(trimmed) {
        "this HMAC secret looks like a key pair's key (PEM, DER, JWK or ssh): use `from_pem` or `from_der` with an \
         asymmetric algorithm, or make a random secret with `openssl rand -hex 32`"
            .into()
    } else if trimmed.len() < min_bytes {
        format!(
            "this HMAC secret has {} bytes (blanks around it not counted) and needs {min_bytes} (RFC 7518 §3.2): make one \
             with `openssl rand -hex {min_bytes}`",
            trimmed.len()
        )
    } else if PUBLISHED.contains(&trimmed) || trimmed.iter().all(|byte| *byte == trimmed[0]) {
        format!("this HMAC secret is publicly known or trivial: make one with `openssl rand -hex {min_bytes}`")
    } else {
        return Ok(());
    };
    Err(ConfigError::key(complaint))
}

fn trim(secret: &[u8]) -> &[u8] {
    secret.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(secret).trim_ascii()
}

fn looks_like_key_text(secret: &[u8]) -> bool {
    let starts = |prefix: &[u8]| secret.starts_with(prefix);
    starts(b"-----BEGIN")
        || starts(b"ssh-")
        || starts(b"ecdsa-sha2-")
        || starts(b"sk-ssh-")
        || starts(b"---- BEGIN SSH2")
        || (starts(b"{") && secret.windows(5).any(|window| window == b"\"kty\""))
}

/// One ASN.1 SEQUENCE that spans the whole input.
fn looks_like_der(secret: &[u8]) -> bool {
    use pkcs8::der::{Decode, Header, Length, SliceReader, Tag};
    let Ok(mut reader) = SliceReader::new(secret) else { return false };
    Header::decode(&mut reader).is_ok_and(|header| {
        let header_len = <Header as pkcs8::der::Encode>::encoded_len(&header).unwrap_or(Length::ZERO);
        header.tag == Tag::Sequence
            && (header_len + header.length).is_ok_and(|total| Length::try_from(secret.len()) == Ok(total))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r29_a_random_secret_of_the_right_length_passes() {
        check(b"9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c", 32).unwrap();
    }

    #[test]
    fn r29_short_published_and_trivial_secrets_fail_at_load() {
        let refused: [(&str, &[u8], usize); 7] = [
            ("empty", b"", 32),
            ("one byte short", b"9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4", 32),
            ("enough for HS256, not for HS384", b"9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c", 48),
            ("enough for HS384, not for HS512", &[7, 3].repeat(24), 64),
            ("long by blanks only", b"  9f8a7c6b                              ", 32),
            ("published", b"a-string-secret-at-least-256-bits-long\n", 32),
            ("one character", &[b'a'; 64], 32),
        ];
        for (name, secret, min_bytes) in refused {
            assert!(check(secret, min_bytes).is_err(), "{name}");
        }
    }

    #[test]
    fn r29_public_keys_are_no_secrets() {
        let pem = testkit::tokens::KeyPair::rs256().public_pem();
        let der = pkcs8::Document::from_pem(pem).unwrap().1;
        let refused: [(&str, Vec<u8>); 6] = [
            ("PEM", pem.as_bytes().to_vec()),
            ("PEM behind blanks and a BOM", [b"\xEF\xBB\xBF \r\n".as_slice(), pem.as_bytes()].concat()),
            ("DER", der.as_bytes().to_vec()),
            ("JWK", br#" {"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs","e":"AQAB"}"#.to_vec()),
            ("ssh-rsa", b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC0g+ZTxC7weoIJLUafOgrm+h8 somebody".to_vec()),
            ("ssh ecdsa", b"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBE".to_vec()),
        ];
        for (name, secret) in refused {
            let error = check(&secret, 32).unwrap_err().to_string();
            assert!(error.contains("looks like a key pair's key"), "{name}: {error}");
        }
    }
}

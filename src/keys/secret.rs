//! Checks of HMAC secrets (RFC 8725 §3.5, RFC 7518 §3.2).

use base64::{Engine, engine::general_purpose::STANDARD};
use pkcs8::der::{Decode, Header, Reader, SliceReader, Tag};

use crate::{
    config_error::ConfigError,
    keys::algorithm::{Algorithm, KeyFamily},
};

/// Secrets that are long enough, but published: in tutorials and in online debuggers.
const PUBLISHED: [&[u8]; 8] = [
    b"a-string-secret-at-least-256-bits-long",
    b"a-valid-string-secret-that-is-at-least-384-bits-long-for-signing",
    b"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    b"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    b"404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
    b"reallyreallyreallyreallyverysafe",
    b"super-secret-jwt-token-with-at-least-32-characters-long",
    b"your-super-secret-jwt-token-with-at-least-32-characters-long",
];

/// The secret itself, if it may be one of this algorithm.
pub(crate) fn checked(algorithm: Algorithm, secret: &[u8]) -> Result<&[u8], ConfigError> {
    let KeyFamily::Hmac { min_bytes } = algorithm.family() else {
        return Err(ConfigError::key_mismatch(format!(
            "{algorithm} needs a key pair, not a secret: use `from_pem` or `from_der`"
        )));
    };
    check(secret, min_bytes)?;
    Ok(secret)
}

/// Rejects a secret that is short, published, one repeated byte, or in truth a public key. The last
/// is the classic confusion attack: a token signed with HMAC under the *public* key, which anyone
/// may have.
fn check(secret: &[u8], min_bytes: usize) -> Result<(), ConfigError> {
    let trimmed = trim(secret);
    // Blanks around a text come from its file. In raw bytes they are as random as the rest.
    let counted = if secret.is_ascii() { trimmed } else { secret };
    if looks_like_key_text(trimmed) || [secret, trimmed].into_iter().any(looks_like_der) {
        Err(ConfigError::key_mismatch(
            "this HMAC secret looks like a key pair's key (PEM, DER, JWK or ssh): use `from_pem` or `from_der` with an \
             asymmetric algorithm, or make a random secret with `openssl rand -hex 32`",
        ))
    } else if counted.len() < min_bytes {
        Err(ConfigError::weak_key(format!(
            "this HMAC secret has {} bytes (without the blanks around it) and needs {min_bytes} (RFC 7518 §3.2): make \
             one with `openssl rand -hex {min_bytes}`",
            counted.len()
        )))
    } else if PUBLISHED.contains(&trimmed) || counted.iter().all(|byte| *byte == counted[0]) {
        Err(ConfigError::weak_key(format!(
            "this HMAC secret is publicly known or trivial: make one with `openssl rand -hex {min_bytes}`"
        )))
    } else {
        Ok(())
    }
}

/// Removes the blanks around the secret and the byte order marks before it, in any order.
fn trim(secret: &[u8]) -> &[u8] {
    let mut trimmed = secret.trim_ascii();
    while let Some(rest) = trimmed.strip_prefix(b"\xEF\xBB\xBF") {
        trimmed = rest.trim_ascii();
    }
    trimmed
}

fn looks_like_key_text(secret: &[u8]) -> bool {
    let starts = |prefix: &[u8]| secret.starts_with(prefix);
    // RFC 7468 §2 allows any text before a PEM.
    secret.windows(10).any(|window| window == b"-----BEGIN")
        || starts(b"ssh-")
        || starts(b"ecdsa-sha2-")
        || starts(b"sk-ssh-")
        || starts(b"---- BEGIN SSH2")
        || (starts(b"{") && secret.windows(5).any(|window| window == b"\"kty\""))
        || is_der_in_base64(secret)
}

/// A PEM without its first and last line, which is how some login services show their public key.
fn is_der_in_base64(secret: &[u8]) -> bool {
    let text: Vec<u8> = secret.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(text).is_ok_and(|der| looks_like_der(&der))
}

/// One ASN.1 SEQUENCE that spans the whole input and, like those of keys, begins with a number or
/// another SEQUENCE.
fn looks_like_der(bytes: &[u8]) -> bool {
    let Ok(mut reader) = SliceReader::new(bytes) else { return false };
    Header::decode(&mut reader).is_ok_and(|header| {
        header.tag == Tag::Sequence
            && reader.remaining_len() == header.length
            && reader.peek_byte().is_some_and(|tag| tag == 0x02 || tag == 0x30)
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

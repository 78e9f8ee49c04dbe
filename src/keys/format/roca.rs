//! RSA keys with primes that can be guessed, made by a faulty chip (CVE-2017-15361, "ROCA").

/// Such a modulus is a power of 65537 modulo each of these primes. Of other moduli, about one in
/// 2^27 is.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a modulus, in big-endian bytes, has the fingerprint of these keys.
pub(crate) fn has_fingerprint(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power_of_65537(remainder(modulus, *prime), *prime))
}

fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime)
}

fn is_power_of_65537(rest: u32, prime: u32) -> bool {
    let mut power = 1;
    for _ in 0..prime {
        if power == rest {
            return true;
        }
        power = power * (65537 % prime) % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r30_what_is_a_power_of_65537_to_every_prime_is_found_and_nothing_else() {
        // 65537^5, and one more: the second is no power of it modulo some of the primes.
        let power = 65537_u128.pow(5);
        assert!(has_fingerprint(&power.to_be_bytes()));
        assert!(!has_fingerprint(&(power + 1).to_be_bytes()));
        assert!(!has_fingerprint(&[]));
        assert!(!has_fingerprint(&[0xFF; 256]));
    }

    #[test]
    fn r30_an_ordinary_key_has_no_fingerprint() {
        use pkcs8::der::Decode;
        let der = pkcs8::Document::from_pem(testkit::tokens::KeyPair::rs256().public_pem()).unwrap().1;
        let info = pkcs8::spki::SubjectPublicKeyInfoRef::try_from(der.as_bytes()).unwrap();
        let key = pkcs1::RsaPublicKey::from_der(info.subject_public_key.raw_bytes()).unwrap();
        assert!(!has_fingerprint(key.modulus.as_bytes()));
    }
}

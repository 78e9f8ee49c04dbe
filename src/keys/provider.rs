//! Which cryptography signs and verifies.
//!
//! jsonwebtoken's process-wide default provider is not used: it panics at the first token when its two features are both on
//! or both off, and any other crate in the program may turn one on. Calling a provider directly cannot panic that way, and
//! leaves the program's own use of jsonwebtoken alone.

use jsonwebtoken::crypto::CryptoProvider;

use crate::config_error::ConfigError;

/// The compiled-in provider: aws-lc where it is available, for it is the faster one.
pub(crate) fn compiled_in() -> Result<&'static CryptoProvider, ConfigError> {
    #[cfg(feature = "aws_lc_rs")]
    return Ok(&jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER);

    #[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
    return Ok(&jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER);

    #[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
    Err(ConfigError::provider(
        "no cryptography is compiled in: turn on the feature `aws_lc_rs` (default) or `rust_crypto` of tower-jwt-blocklist, \
         or hand a provider to `VerifierBuilder::crypto_provider`",
    ))
}

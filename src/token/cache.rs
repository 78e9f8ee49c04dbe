//! The cache of verified tokens.

use std::{fmt, sync::Arc};

use foldhash::quality::RandomState;
use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::metrics;

/// Whether a layer keeps the tokens that it has verified, so that it need not check their signature
/// again.
///
/// Set it with [`JwtBlocklistLayer::with_token_cache`](crate::JwtBlocklistLayer::with_token_cache),
/// which describes what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenCache {
    /// Keeps verified tokens in at most this many bytes. The default for access tokens, with
    /// [`DEFAULT_BYTES`](Self::DEFAULT_BYTES).
    ///
    /// An entry counts as three times the length of its token and about 500 bytes. Application
    /// claims that grow when they are read, such as a tree of `serde_json::Value`, take more than
    /// that.
    UpTo(usize),
    /// Verifies every token each time, and keeps none. The default for refresh tokens.
    Off,
}

impl TokenCache {
    /// 8 MiB for each layer: about 4,500 tokens of 430 bytes. A safe default; raise it if more
    /// users are active at once.
    pub const DEFAULT_BYTES: usize = 8 << 20;
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::UpTo(Self::DEFAULT_BYTES)
    }
}

/// Verified tokens of one policy, each with a `T` that was made of it. Clones share them.
///
/// A token is found by comparing all of it. Its hash is keyed at random, and only finds the place.
pub(crate) struct VerifiedTokens<T>(Option<Arc<Tokens<T>>>);

type Tokens<T> = Cache<Box<[u8]>, Kept<T>, ByBytes, RandomState>;

struct Kept<T> {
    verified: Arc<T>,
    /// The version of the keys that have verified the token.
    key_version: u64,
}

impl<T> VerifiedTokens<T> {
    pub(crate) fn new(setting: TokenCache) -> Self {
        let TokenCache::UpTo(bytes) = setting else { return Self(None) };
        Self(Some(Arc::new(Cache::with(
            bytes / TYPICAL_BYTES,
            bytes as u64,
            ByBytes,
            RandomState::default(),
            DefaultLifecycle::default(),
        ))))
    }

    /// The result for this very token, if the present keys have verified it.
    pub(crate) fn get(&self, token: &[u8], key_version: u64) -> Option<Arc<T>> {
        let kept = self.0.as_ref()?.get(token)?;
        if kept.key_version == key_version {
            metrics::token_cache("hit");
            return Some(kept.verified);
        }
        self.forget(token);
        None
    }

    /// Keeps a token that was verified with the keys of this version. It may evict others, or not
    /// be kept at all.
    pub(crate) fn keep(&self, token: &[u8], key_version: u64, verified: &Arc<T>) {
        if let Some(cache) = &self.0 {
            metrics::token_cache("miss");
            cache.insert(token.into(), Kept { verified: Arc::clone(verified), key_version });
        }
    }

    pub(crate) fn forget(&self, token: &[u8]) {
        if let Some(cache) = &self.0 {
            cache.remove(token);
        }
    }
}

impl<T> Clone for VerifiedTokens<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { verified: Arc::clone(&self.verified), key_version: self.key_version }
    }
}

/// Shows how much is kept, but no token.
impl<T> fmt::Debug for VerifiedTokens<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("VerifiedTokens");
        if let Some(cache) = &self.0 {
            shown.field("len", &cache.len()).field("bytes", &cache.weight()).field("capacity", &cache.capacity());
        }
        shown.finish()
    }
}

/// Weighs an entry: the token, about twice as much for its payload and its claims, the `T`, and the
/// overhead.
#[derive(Clone)]
struct ByBytes;

/// The overhead of an entry: its slot, the slot that remembers it after an eviction, the spare
/// capacity of both collections, and what the allocator rounds up.
const OVERHEAD: usize = 256;

/// An estimate of an entry: it sizes the memory of evicted entries, and the number of locks.
const TYPICAL_BYTES: usize = 1024;

impl<T> Weighter<Box<[u8]>, Kept<T>> for ByBytes {
    fn weight(&self, token: &Box<[u8]>, _: &Kept<T>) -> u64 {
        (3 * token.len() + size_of::<T>() + OVERHEAD) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: usize) -> Vec<u8> {
        format!("header.payload.signature-{number:0100}").into_bytes()
    }

    #[test]
    fn r72_what_was_verified_with_other_keys_is_not_found_and_not_kept() {
        let seen = VerifiedTokens::new(TokenCache::default());
        seen.keep(&token(1), 7, &Arc::new("of 7"));
        assert_eq!(seen.get(&token(1), 7).as_deref(), Some(&"of 7"));
        assert_eq!(seen.get(&token(1), 8), None);
        assert_eq!(seen.get(&token(1), 7), None, "it was dropped");

        // A request that began before the keys changed may end after one that began with the new
        // ones.
        seen.keep(&token(2), 8, &Arc::new("of 8"));
        seen.keep(&token(2), 7, &Arc::new("of 7"));
        assert_eq!(seen.get(&token(2), 8), None);
    }

    #[test]
    fn r69_the_weight_never_exceeds_the_bytes_and_large_ones_are_not_kept() {
        for bytes in [0, 1, 500, 10_000, 1_000_000] {
            let seen = VerifiedTokens::new(TokenCache::UpTo(bytes));
            let cache = seen.0.as_ref().unwrap();
            for number in 0..3000 {
                seen.keep(&token(number), 0, &Arc::new(number));
                assert!(cache.weight() <= cache.capacity());
            }
            assert_eq!(cache.is_empty(), bytes <= 500, "{bytes}");
            // The locks have a share each, rounded up by less than a byte.
            assert!(cache.capacity() < (bytes + cache.num_shards()) as u64, "{bytes}");
            seen.keep(&vec![b'x'; bytes], 0, &Arc::new(0));
            assert_eq!(seen.get(&vec![b'x'; bytes], 0), None, "{bytes}");
        }
    }

    #[test]
    fn r75_debug_shows_sizes_and_no_token() {
        let seen = VerifiedTokens::new(TokenCache::default());
        seen.keep(b"canary", 0, &Arc::new("canary"));
        let shown = format!("{seen:?}");
        assert!(shown.contains("len: 1") && !shown.contains("canary"), "{shown}");
    }
}

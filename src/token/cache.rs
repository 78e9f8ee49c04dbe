//! Tokens that were verified already, and what they say.

use std::{fmt, sync::Arc};

use foldhash::quality::RandomState;
use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::metrics;

/// Whether a layer keeps the tokens that it has verified, so that it need not check their signature again.
///
/// Set it with [`JwtBlocklistLayer::with_token_cache`](crate::JwtBlocklistLayer::with_token_cache), which says what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenCache {
    /// In at most so many bytes: the tokens, what was read out of them, and all that stands around it. Counted three times a token's length
    /// and some 500 bytes; application claims that swell when they are read, such as a tree of `serde_json::Value`, take more than
    /// is counted. The default for access tokens, with [`DEFAULT_BYTES`](Self::DEFAULT_BYTES).
    UpTo(usize),
    /// Every token is verified each time, and none is kept. The default for refresh tokens.
    Off,
}

impl TokenCache {
    /// 8 MiB a layer: some 4,500 tokens of 430 bytes. It is what a server may take unasked; who has more users at a time than
    /// that sets more.
    pub const DEFAULT_BYTES: usize = 8 << 20;
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::UpTo(Self::DEFAULT_BYTES)
    }
}

/// Verified tokens of one policy, each with a `T` that was made of it. Clones share them.
///
/// A token is found by comparing all of it. The hash only says where to look, and is keyed at random.
pub(crate) struct VerifiedTokens<T>(Option<Arc<Tokens<T>>>);

type Tokens<T> = Cache<Box<[u8]>, Kept<T>, ByBytes, RandomState>;

struct Kept<T> {
    facts: Arc<T>,
    /// Which keys the token was verified with.
    generation: u64,
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

    /// What was made of this very token, if it was verified with the present keys.
    pub(crate) fn get(&self, token: &[u8], generation: u64) -> Option<Arc<T>> {
        let kept = self.0.as_ref()?.get(token)?;
        if kept.generation == generation {
            metrics::token_cache("hit");
            return Some(kept.facts);
        }
        self.forget(token);
        None
    }

    /// Keeps a token that was verified with the keys of this generation. It may push out others, or not be kept at all.
    pub(crate) fn keep(&self, token: &[u8], generation: u64, facts: &Arc<T>) {
        if let Some(cache) = &self.0 {
            metrics::token_cache("miss");
            cache.insert(token.into(), Kept { facts: Arc::clone(facts), generation });
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
        Self { facts: Arc::clone(&self.facts), generation: self.generation }
    }
}

/// Shows how much is kept, and no token.
impl<T> fmt::Debug for VerifiedTokens<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("VerifiedTokens");
        if let Some(cache) = &self.0 {
            shown.field("len", &cache.len()).field("bytes", &cache.weight()).field("capacity", &cache.capacity());
        }
        shown.finish()
    }
}

/// What an entry takes: the token, about twice as much again for its payload and what was read out of it, the `T`, and what stands around it.
#[derive(Clone)]
struct ByBytes;

/// The slots of an entry and of the trace that it leaves when it is pushed out, the room both collections keep free for growing,
/// and what the allocator rounds up.
const AROUND: usize = 256;

/// Some number to begin with: it sizes the memory of what was pushed out, and how many locks the entries are spread over.
const TYPICAL_BYTES: usize = 1024;

impl<T> Weighter<Box<[u8]>, Kept<T>> for ByBytes {
    fn weight(&self, token: &Box<[u8]>, _: &Kept<T>) -> u64 {
        (3 * token.len() + size_of::<T>() + AROUND) as u64
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

        // A request that began before the keys changed may end after one that began with the new ones.
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

//! Cache of the public keys that aws-lc has parsed.

use core::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use lru::LruCache;

use crate::keys::{Fingerprint, PublicKey, Rejected};

/// The most recently used parsed keys, shared by all threads. A verification with a cached key
/// costs an eighth less. The cache is bounded because a parsed key takes 2 KB.
pub(super) struct ParsedKeys(Mutex<LruCache<Fingerprint, Arc<ParsedPublicKey>>>);

impl ParsedKeys {
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(most)))
    }

    /// Returns the parsed key, and parses it if it is not cached.
    pub(super) fn get(&self, key: &PublicKey) -> Result<Arc<ParsedPublicKey>, Rejected> {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = cache.get(key.fingerprint()) {
            return Ok(Arc::clone(parsed));
        }
        // Other threads go on while this one parses. Two may parse the same key, which does no
        // harm.
        drop(cache);
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.der());
        let parsed = Arc::new(parsed.map_err(|_| Rejected)?);
        cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.put(*key.fingerprint(), Arc::clone(&parsed));
        Ok(parsed)
    }
}

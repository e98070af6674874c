//! Public keys as aws-lc has them once they are parsed, the last used ones.

use core::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use lru::LruCache;

use crate::keys::{Fingerprint, PublicKey, Rejected};

/// A verification costs an eighth less with a key that was used before. What was parsed takes 2 KB,
/// and so only so many are kept; all threads share them.
pub(super) struct ParsedKeys(Mutex<LruCache<Fingerprint, Arc<ParsedPublicKey>>>);

impl ParsedKeys {
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(most)))
    }

    /// The parsed key, from the cache or anew.
    pub(super) fn get(&self, key: &PublicKey) -> Result<Arc<ParsedPublicKey>, Rejected> {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = cache.get(key.fingerprint()) {
            return Ok(Arc::clone(parsed));
        }
        drop(cache);
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.der());
        let parsed = Arc::new(parsed.map_err(|_| Rejected)?);
        cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.put(*key.fingerprint(), Arc::clone(&parsed));
        Ok(parsed)
    }
}

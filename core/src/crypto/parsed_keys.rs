//! Cache of parsed public keys.

use alloc::boxed::Box;
use core::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use lru::LruCache;

use crate::keys::{Fingerprint, PublicKey, Rejected};

/// The most recently used parsed keys, shared by all threads. A verification with a cached key
/// costs an eighth less. The cache is bounded because a parsed key takes 2 KB, and two thirds of
/// one more in the kernel's form.
pub(super) struct ParsedKeys {
    cache: Mutex<LruCache<Fingerprint, Arc<ParsedKey>>>,
    for_kernel: bool,
}

/// A public key in the forms that verification takes.
pub(super) struct ParsedKey {
    aws_lc: ParsedPublicKey,
    kernel: Option<Box<sealpost_verify8::Key>>,
}

impl ParsedKeys {
    /// Caches `most` keys, with the kernel's form of each if `for_kernel` is set.
    pub(super) fn new(most: NonZeroUsize, for_kernel: bool) -> Self {
        Self { cache: Mutex::new(LruCache::new(most)), for_kernel }
    }

    /// Returns the parsed key, and parses it if it is not cached.
    pub(super) fn get(&self, key: &PublicKey) -> Result<Arc<ParsedKey>, Rejected> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = cache.get(key.fingerprint()) {
            return Ok(Arc::clone(parsed));
        }
        // Other threads go on while this one parses. Two may parse the same key, which does no
        // harm.
        drop(cache);
        let parsed = Arc::new(ParsedKey::parse(key, self.for_kernel)?);
        cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.put(*key.fingerprint(), Arc::clone(&parsed));
        Ok(parsed)
    }
}

impl ParsedKey {
    fn parse(key: &PublicKey, for_kernel: bool) -> Result<Self, Rejected> {
        let aws_lc = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.der());
        let modulus = key.modulus().ok().filter(|_| for_kernel);
        let kernel = modulus.and_then(sealpost_verify8::Key::from_modulus).map(Box::new);
        Ok(Self { aws_lc: aws_lc.map_err(|_| Rejected)?, kernel })
    }

    pub(super) fn for_aws_lc(&self) -> &ParsedPublicKey {
        &self.aws_lc
    }

    /// The key in the kernel's form, if there is a kernel.
    pub(super) fn for_kernel(&self) -> Option<&sealpost_verify8::Key> {
        self.kernel.as_deref()
    }
}

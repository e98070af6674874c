//! Couriers that can be replaced while the server runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealpost_core::server::{DeliveryOutcome, OtpDelivery};

use super::threads::Couriers;

/// The couriers of a running server. Clones are the same couriers.
#[derive(Clone, Debug)]
pub(crate) struct SharedCouriers(Arc<Mutex<Couriers>>);

impl SharedCouriers {
    /// Couriers to share.
    pub(crate) fn new(couriers: Couriers) -> Self {
        Self(Arc::new(Mutex::new(couriers)))
    }

    /// Queues a password without waiting, unless there is no room for it.
    pub(crate) fn send(&self, delivery: OtpDelivery) -> DeliveryOutcome {
        self.lock().send(delivery)
    }

    /// Replaces the couriers. Waits until the old ones have delivered everything that was given to
    /// them.
    pub(crate) fn replace(&self, couriers: Couriers) {
        let old = std::mem::replace(&mut *self.lock(), couriers);
        // The lock is free by now: the reactor does not wait for the old ones.
        old.finish();
    }

    fn lock(&self) -> MutexGuard<'_, Couriers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

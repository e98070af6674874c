//! Couriers that can be replaced while the server runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

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

    /// Replaces the couriers. The old ones still deliver everything that was given to them.
    pub(crate) fn replace(&self, couriers: Couriers) {
        let old = std::mem::replace(&mut *self.lock(), couriers);
        // They may take minutes. Neither the reactor nor whoever answers a watchdog may wait so long.
        let finishing = Builder::new().name("otp-finishing".into()).spawn(move || old.finish());
        if let Err(error) = finishing {
            tracing::warn!(%error, "one-time passwords that waited for a courier are discarded");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Couriers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

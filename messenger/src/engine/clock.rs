//! The clock of the device.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sealpost_core::time::Timestamp;

use crate::api::Time;

/// The time now.
pub(super) fn now() -> Time {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(Timestamp::from_unix_secs(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)))
}

/// A time that is so much later, rounded up to seconds.
pub(super) fn after(time: Time, pause: Duration) -> Time {
    let secs = pause.as_secs().saturating_add(u64::from(pause.subsec_nanos() > 0));
    Time(time.0.plus_secs(i64::try_from(secs).unwrap_or(i64::MAX)))
}

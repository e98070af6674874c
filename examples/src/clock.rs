//! This machine's clock.

use std::time::SystemTime;

use sealpost_core::time::Timestamp;

use crate::Failure;

/// Returns the time on this machine's clock.
///
/// # Errors
/// Fails if the clock is before 1970.
pub fn now() -> Result<Timestamp, Failure> {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(Failure::context("the clock is before 1970"))?;
    Ok(Timestamp::from_unix_secs(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)))
}

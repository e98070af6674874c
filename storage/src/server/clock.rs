//! Whether the server's clock is plausible.

use std::time::Duration;

use sealpost_core::time::Timestamp;

/// Returns the newest time on record once the clock has been seen: the clock's own, unless it is
/// behind `recorded` or more than `max_step` ahead of it. The first clock is believed.
pub(super) fn newest(
    recorded: Option<Timestamp>,
    clock: Timestamp,
    max_step: Duration,
) -> Timestamp {
    let Some(recorded) = recorded else { return clock };
    let step = u64::try_from(clock.secs_since(recorded)).map(Duration::from_secs);
    if step.is_ok_and(|step| step <= max_step) { clock } else { recorded }
}

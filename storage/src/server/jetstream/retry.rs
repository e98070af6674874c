//! Repeats an operation that met another server's write.

use std::time::Duration;

use tokio::time::sleep;

use super::failure::Failure;

/// Repeats an operation, which reads before it writes, until nobody writes in between.
pub(super) async fn retried<T>(
    mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    for pause in (0..4).cycle().take(ATTEMPTS) {
        match attempt().await {
            Err(Failure::Conflict) => sleep(Duration::from_millis(pause)).await,
            outcome => return outcome,
        }
    }
    Err(Failure::Conflict)
}

/// About a second. After that, the caller is told that the store is busy.
const ATTEMPTS: usize = 200;

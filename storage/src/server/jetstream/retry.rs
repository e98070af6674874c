//! Repeats an operation that met another server's write.

use std::time::Duration;

use tokio::time::sleep;

use super::failure::Failure;

/// Repeats an operation, which reads before it writes, until nobody writes in between. Each round
/// of a conflict has a winner, so the operation of a busy record waits for a few others at most.
pub(super) async fn retried<T>(
    mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    for pause in PAUSES_MS {
        match attempt().await {
            Err(Failure::Conflict) => sleep(Duration::from_millis(pause)).await,
            outcome => return outcome,
        }
    }
    attempt().await
}

/// Together half a second. After that, the caller is told that the store is busy.
const PAUSES_MS: [u64; 10] = [0, 0, 1, 2, 5, 10, 20, 50, 150, 250];

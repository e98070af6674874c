//! Threads whose panic stops the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use crate::error::Error;

/// Starts a thread. If `body` panics, the process aborts: a host without its store or its crypto
/// threads would accept connections and never answer.
pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    let label = name.to_owned();
    let guarded = move || {
        if catch_unwind(AssertUnwindSafe(body)).is_err() {
            fail_stop(&format!("thread {label} panicked"));
        }
    };
    Builder::new().name(name.to_owned()).spawn(guarded).map_err(Error::system("start a thread"))
}

/// Aborts the process at once, so that nothing more is acknowledged. What the store has committed
/// is safe; what it has not committed was not acknowledged.
pub(crate) fn fail_stop(why: &str) -> ! {
    tracing::error!(why, "aborting the process: it can't continue safely");
    std::process::abort()
}

/// Waits for a thread to end. A panic in it has aborted the process already.
pub(crate) fn join(thread: &mut Option<JoinHandle<()>>) {
    if let Some(thread) = thread.take() {
        let _ = thread.join();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    const CHILD: &str = "SEALPOST_MIO_TEST_PANIC";

    /// Runs itself again in a child process, which must die of the abort.
    #[test]
    fn panic_of_a_thread_aborts_the_process() {
        if std::env::var_os(CHILD).is_some() {
            let mut thread = Some(spawn("doomed", || panic!("on purpose")).unwrap());
            join(&mut thread);
            return;
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "threads::spawn::tests::panic_of_a_thread_aborts_the_process"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), Some(signal_hook::consts::SIGABRT), "{output:?}");
    }
}

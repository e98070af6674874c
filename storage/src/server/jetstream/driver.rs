//! The thread on which the client of the engine runs.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

/// A runtime on a thread of its own. It keeps the connection alive while nobody waits for an answer.
#[derive(Debug)]
pub(super) struct Driver {
    handle: Handle,
    /// Its end stops the thread.
    tasks: Option<UnboundedSender<Task>>,
    thread: Option<JoinHandle<()>>,
}

/// Makes a task on the driver's thread, where it stays.
type Task = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

impl Driver {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (tasks, mut new_tasks) = unbounded_channel::<Task>();
        let run = move || {
            LocalSet::new().block_on(&runtime, async {
                while let Some(task) = new_tasks.recv().await {
                    spawn_local(task());
                }
            });
        };
        let thread = thread::Builder::new().name("nats".into()).spawn(run)?;
        Ok(Self { handle, tasks: Some(tasks), thread: Some(thread) })
    }

    /// Runs a task on the driver's thread, until it ends or the driver does.
    pub(super) fn spawn<F: Future<Output = ()> + 'static>(
        &self,
        task: impl FnOnce() -> F + Send + 'static,
    ) {
        if let Some(tasks) = &self.tasks {
            // The thread ends last.
            let _ = tasks.send(Box::new(move || Box::pin(task())));
        }
    }

    /// Runs a task on the calling thread, while the driver's thread does its input and output.
    pub(super) fn block_on<T>(&self, task: impl Future<Output = T>) -> T {
        self.handle.block_on(task)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.tasks.take());
        if let Some(thread) = self.thread.take() {
            // Nothing in it panics on purpose; if the client did, there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

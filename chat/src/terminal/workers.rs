//! Threads that carry out requests, so that the screen never waits.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use sealpost_messenger::api::Caller;

use crate::{Message, Request};

/// One thread for requests in order, one for those that wait for the server.
pub(super) struct Workers {
    quick: Worker,
    slow: Worker,
}

struct Worker {
    requests: Sender<Request>,
    thread: JoinHandle<()>,
}

/// The path of a file as the client takes it: it may work in another folder. `~` is the home of the
/// user.
fn with_absolute_path(request: Request) -> Request {
    let Request::SendFile(mut params) = request else { return request };
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let path = match (params.path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_) | None, _) => PathBuf::from(&params.path),
    };
    // What can't be made absolute is refused by the client.
    if let Some(path) = std::path::absolute(path).ok().as_deref().and_then(Path::to_str) {
        path.clone_into(&mut params.path);
    }
    Request::SendFile(params)
}

type SharedCaller = Arc<dyn Caller + Send + Sync>;

impl Workers {
    pub(super) fn start(caller: &SharedCaller, answers: &Sender<Message>) -> io::Result<Self> {
        let start = |name| Worker::start(name, Arc::clone(caller), answers.clone());
        Ok(Self { quick: start("requests")?, slow: start("slow requests")? })
    }

    pub(super) fn ask(&self, request: Request) {
        let worker = if request.is_slow() { &self.slow } else { &self.quick };
        // It fails only after a panic of the thread, which has been reported.
        let _ = worker.requests.send(request);
    }

    /// Waits until everything quick is done. Whatever waits for the server is left.
    pub(super) fn finish(self) {
        drop(self.quick.requests);
        let _ = self.quick.thread.join();
    }
}

impl Worker {
    fn start(name: &str, caller: SharedCaller, answers: Sender<Message>) -> io::Result<Self> {
        let (requests, waiting): (_, Receiver<Request>) = mpsc::channel();
        let work = move || {
            for request in waiting {
                let request = with_absolute_path(request);
                let answer = request.carry_out(caller.as_ref()).map(Box::new);
                if answers.send(Message::Answered(Box::new(request), answer)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self { requests, thread })
    }
}

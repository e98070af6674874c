//! Threads that carry out requests, so that the screen never waits.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use sealpost_messenger::api::Caller;

use super::OpenFile;
use crate::{Message, PictureOrder, Request};

/// One thread for requests in order, one for those that wait for the server, one for pictures.
pub(super) struct Workers {
    quick: Worker<Request>,
    slow: Worker<Request>,
    pictures: Worker<PictureOrder>,
}

struct Worker<T> {
    orders: Sender<T>,
    thread: JoinHandle<()>,
}

/// The path of a file as the client takes it: it may work in another folder. `~` is the home of the
/// user.
fn with_absolute_path(request: &Request) -> Cow<'_, Request> {
    let Request::SendFile(params) = request else { return Cow::Borrowed(request) };
    let mut params = params.clone();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let path = match (params.path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_) | None, _) => PathBuf::from(&params.path),
    };
    // What can't be made absolute is refused by the client.
    if let Some(path) = std::path::absolute(path).ok().as_deref().and_then(Path::to_str) {
        path.clone_into(&mut params.path);
    }
    Cow::Owned(Request::SendFile(params))
}

type SharedCaller = Arc<dyn Caller + Send + Sync>;

impl Workers {
    pub(super) fn start(
        caller: &SharedCaller,
        open: OpenFile,
        answers: &Sender<Message>,
    ) -> io::Result<Self> {
        let start = |name| {
            let caller = Arc::clone(caller);
            Worker::start(name, answers.clone(), move |request| {
                let answer = with_absolute_path(&request).carry_out(caller.as_ref()).map(Box::new);
                Message::Answered(Box::new(request), answer)
            })
        };
        let make = move |order: PictureOrder| {
            let made = order.make(open);
            Message::Pictured(order, made)
        };
        Ok(Self {
            quick: start("requests")?,
            slow: start("slow requests")?,
            pictures: Worker::start(PICTURES, answers.clone(), make)?,
        })
    }

    pub(super) fn ask(&self, request: Request) {
        let worker = if request.is_slow() { &self.slow } else { &self.quick };
        worker.give(request);
    }

    pub(super) fn picture(&self, order: PictureOrder) {
        self.pictures.give(order);
    }

    /// Waits until everything quick is done. Pictures, and whatever waits for the server, are left.
    pub(super) fn finish(self) {
        drop(self.quick.orders);
        let _ = self.quick.thread.join();
    }
}

impl<T: Send + 'static> Worker<T> {
    fn start(
        name: &str,
        answers: Sender<Message>,
        work: impl Fn(T) -> Message + Send + 'static,
    ) -> io::Result<Self> {
        let (orders, waiting): (_, Receiver<T>) = mpsc::channel();
        let work = move || {
            for order in waiting {
                if answers.send(work(order)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self { orders, thread })
    }

    fn give(&self, order: T) {
        // It fails only after a panic of the thread, which has been reported.
        let _ = self.orders.send(order);
    }
}

/// Name of the thread whose panics are caught, and show nothing.
pub(super) const PICTURES: &str = "pictures";

//! Answers the requests of one connection.

use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use super::line::{self, LINE_MAX, Line};
use super::message::{self, Invalid, Request};
use crate::api::{ErrorKind, Notification};
use crate::engine::{Access, Answer};

/// The way to the peer: whole lines, from several threads.
pub struct Output {
    writer: Mutex<Box<dyn Write + Send>>,
    /// Requests that wait for something.
    waiting: AtomicUsize,
}

impl Output {
    /// Writes to a stream.
    pub fn new(writer: impl Write + Send + 'static) -> Arc<Self> {
        let writer: Box<dyn Write + Send> = Box::new(writer);
        Arc::new(Self { writer: Mutex::new(writer), waiting: AtomicUsize::new(0) })
    }

    /// Requests that wait for something before they are answered.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    fn write(&self, line: &str) -> io::Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(line.as_bytes())?;
        writer.flush()
    }
}

/// Greets the peer, then answers its requests until it ends the stream, or the stream breaks. Requests
/// that wait for something are answered when it is there, also after the peer has ended its side; the
/// others in order. `hang_up` ends the stream from this side. It is called when nothing is sent any
/// more, which may be because the peer did not read what it had subscribed to.
pub fn serve(
    mut input: impl BufRead,
    output: &Arc<Output>,
    access: Access,
    notifications: Receiver<Notification>,
    hang_up: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    output.write(&message::notification(&Notification::Hello(access.hello())))?;
    let theirs = Arc::clone(output);
    thread::Builder::new().name("notifications".into()).spawn(move || {
        for notification in notifications {
            if theirs.write(&message::notification(&notification)).is_err() {
                break;
            }
        }
        hang_up();
    })?;
    let read = read(&mut input, output, &access);
    while output.waiting() > 0 {
        thread::sleep(PAUSE);
    }
    // Its notifications end.
    drop(access);
    read
}

fn read(input: &mut impl BufRead, output: &Arc<Output>, access: &Access) -> io::Result<()> {
    loop {
        match line::next(input)? {
            Line::Whole(line) => answer(&line, output, access)?,
            Line::TooLong => refuse(
                output,
                &format!("a line has at most {LINE_MAX} bytes; this one was skipped"),
            )?,
            Line::Cut => return refuse(output, "the last line has no end, and was not read"),
            Line::End => return Ok(()),
        }
    }
}

fn answer(line: &[u8], output: &Arc<Output>, access: &Access) -> io::Result<()> {
    let Request { id, method, params } = match message::request(line) {
        Ok(request) => request,
        Err(Invalid { id, error }) => return output.write(&message::answer(&id, &Err(error))),
    };
    if output.waiting() >= WAITING_MAX {
        let error = ErrorKind::Busy
            .error(format_args!("{WAITING_MAX} requests of this connection are waiting already"))
            .with_retry_after(1);
        return id.map_or(Ok(()), |id| output.write(&message::answer(&id, &Err(error))));
    }
    match access.begin(&method, params) {
        Answer::Now(result) => id.map_or(Ok(()), |id| output.write(&message::answer(&id, &result))),
        Answer::Later(waiting) => {
            let output = Arc::clone(output);
            output.waiting.fetch_add(1, Ordering::SeqCst);
            let wait = move || {
                let result = waiting.wait();
                if let Some(id) = id {
                    // The peer may be gone.
                    let _ = output.write(&message::answer(&id, &result));
                }
                output.waiting.fetch_sub(1, Ordering::SeqCst);
            };
            thread::Builder::new().name("request".into()).spawn(wait).map(drop)
        }
    }
}

fn refuse(output: &Output, why: &str) -> io::Result<()> {
    output.write(&message::answer(&Value::Null, &Err(ErrorKind::Parse.error(why))))
}

/// Most requests of a connection that wait for something.
const WAITING_MAX: usize = 64;
/// Pause between two looks whether requests still wait.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

//! Calls methods over a connection.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::line::{self, Line};
use super::message;
use crate::api::{API_VERSION, ApiError, Caller, ErrorKind, Hello, Notification};

/// A connection whose peer has greeted.
#[derive(Debug)]
pub struct Greeted {
    stream: UnixStream,
    input: BufReader<UnixStream>,
    hello: Hello,
    line: Vec<u8>,
}

/// A connection to the process that has the home.
#[derive(Debug)]
pub struct Remote {
    stream: UnixStream,
    hello: Hello,
    calls: Arc<Mutex<Calls>>,
}

/// The calls that wait for their answers.
#[derive(Debug, Default)]
struct Calls {
    last: u64,
    is_lost: bool,
    waiting: BTreeMap<u64, Sender<Result<Value, ApiError>>>,
}

impl Greeted {
    /// Waits for the greeting of a peer.
    ///
    /// # Errors
    /// Fails if the peer does not greet in time, or refuses the connection, which is an error of the
    /// kind `Other` with the peer's words.
    pub fn by(stream: UnixStream) -> io::Result<Self> {
        let mut input = BufReader::new(stream.try_clone()?);
        stream.set_read_timeout(Some(HELLO_TIMEOUT))?;
        let (hello, line) = greeting(&mut input)?;
        stream.set_read_timeout(None)?;
        Ok(Self { stream, input, hello, line })
    }

    /// Passes everything that the peer sends on, its greeting first, and what is read to the peer.
    /// Returns when the peer has ended the connection.
    pub fn pass_on(
        mut self,
        mut read: impl io::Read + Send + 'static,
        write: &mut impl Write,
    ) -> io::Result<()> {
        write.write_all(&self.line)?;
        write.write_all(b"\n")?;
        write.flush()?;
        let mut stream = self.stream;
        thread::Builder::new().name("input".into()).spawn(move || {
            // The other direction tells what went wrong.
            let _ = io::copy(&mut read, &mut stream);
            let _ = stream.shutdown(Shutdown::Write);
        })?;
        io::copy(&mut self.input, write).map(drop)
    }
}

impl Remote {
    /// Begins to call methods. Notifications arrive in the receiver, which must be read, and which is
    /// closed when the connection is lost.
    pub fn new(greeted: Greeted) -> io::Result<(Self, Receiver<Notification>)> {
        let Greeted { stream, mut input, hello, line: _ } = greeted;
        let (sender, notifications) = mpsc::channel();
        let calls = Arc::default();
        let theirs = Arc::clone(&calls);
        thread::Builder::new().name("remote".into()).spawn(move || {
            while let Ok(Line::Whole(line)) = line::next_of_any_length(&mut input) {
                take(&line, &theirs, &sender);
            }
            let mut calls = lock(&theirs);
            calls.is_lost = true;
            calls.waiting.clear();
        })?;
        Ok((Self { stream, hello, calls }, notifications))
    }

    /// What the peer said first.
    pub const fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Ends the connection from another thread.
    pub fn closer(&self) -> io::Result<impl FnOnce() + Send + 'static> {
        let stream = self.stream.try_clone()?;
        Ok(move || {
            // The peer may have ended it already.
            let _ = stream.shutdown(Shutdown::Both);
        })
    }

    /// Whether the connection is lost. What was called and not answered may have been done.
    pub fn is_lost(&self) -> bool {
        lock(&self.calls).is_lost
    }
}

impl Caller for Remote {
    fn request(&self, method: &str, params: Value) -> Result<Value, ApiError> {
        let (sender, answer) = mpsc::channel();
        {
            let mut calls = lock(&self.calls);
            if calls.is_lost {
                return Err(lost());
            }
            calls.last += 1;
            let id = calls.last;
            calls.waiting.insert(id, sender);
            // Under the lock, so that requests leave as whole lines.
            let line = message::call(id, method, &params);
            if (&self.stream).write_all(line.as_bytes()).is_err() {
                calls.waiting.remove(&id);
                return Err(lost());
            }
        }
        answer.recv().unwrap_or_else(|_| Err(lost()))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Ends the thread that reads.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Reads the first line.
fn greeting(input: &mut BufReader<UnixStream>) -> io::Result<(Hello, Vec<u8>)> {
    let Line::Whole(line) = line::next(input)? else {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"));
    };
    match serde_json::from_slice(&line) {
        Ok(Notification::Hello(hello)) if hello.api_version >= API_VERSION => Ok((hello, line)),
        Ok(Notification::Hello(hello)) => Err(io::Error::other(format!(
            "the process that has the home is of an older version, {}: end it first",
            hello.version
        ))),
        Ok(Notification::Receive(_) | Notification::ReceiveEnded(_) | Notification::Changed(_))
        | Err(_) => {
            let why = serde_json::from_slice::<Value>(&line).ok();
            let why = why.as_ref().and_then(|line| line.pointer("/error/message")?.as_str());
            Err(io::Error::other(why.unwrap_or("not the greeting of a client").to_owned()))
        }
    }
}

/// Takes an answer or a notification. What a later version says beyond that is ignored.
fn take(line: &[u8], calls: &Mutex<Calls>, notifications: &Sender<Notification>) {
    let Ok(Value::Object(mut object)) = serde_json::from_slice(line) else { return };
    let Some(id) = object.get("id").and_then(Value::as_u64) else {
        if let Ok(notification) = serde_json::from_value(Value::Object(object)) {
            // Nobody may want them.
            let _ = notifications.send(notification);
        }
        return;
    };
    let Some(call) = lock(calls).waiting.remove(&id) else { return };
    let answer = match object.remove("error") {
        None => Ok(object.remove("result").unwrap_or_default()),
        Some(error) => Err(serde_json::from_value(error).unwrap_or_else(ApiError::internal)),
    };
    // The caller waits for it.
    let _ = call.send(answer);
}

fn lock(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lost() -> ApiError {
    ErrorKind::Unavailable.error("the process that had the home has ended; try again")
}

/// How long the peer may take to greet.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

//! A small HTTP server: it answers GET of three paths, and nothing else.
//!
//! Connections, the length of a request and the time that a peer takes are bounded. Whoever can reach
//! the address sees figures that name nobody.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sealpost_programs::Failure;

use super::exposition::CONTENT_TYPE;
use super::health::{live, ready};
use super::snapshot::Snapshot;
use crate::running::Running;

/// A socket that is not served yet.
#[derive(Debug)]
pub(crate) struct MetricsSocket(TcpListener);

/// An answer to a request.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl MetricsSocket {
    /// Listens on an address.
    pub(crate) fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address)
            .map_err(Failure::context(format!("can't listen on {address} for metrics")))?;
        if !address.ip().to_canonical().is_loopback() {
            tracing::warn!("other machines may read this server's metrics on {address}");
        }
        Ok(Self(listener))
    }

    /// Answers requests on threads of its own, until the process ends.
    pub(crate) fn serve(self, server: Running) -> Result<(), Failure> {
        let server = Arc::new(server);
        tracing::info!("metrics and health on http://{}", self.0.local_addr()?);
        thread::Builder::new()
            .name("metrics".into())
            .spawn(move || accept(&self.0, &server))
            .map_err(Failure::context("can't start the thread for metrics"))?;
        Ok(())
    }
}

fn accept(listener: &TcpListener, server: &Arc<Running>) {
    // Each connection has a clone, so the count of references is that of connections and one.
    for stream in listener.incoming() {
        let started = stream.and_then(|stream| {
            if Arc::strong_count(server) > CONNECTIONS {
                return Ok(());
            }
            let server = Arc::clone(server);
            let serve = move || {
                if let Err(error) = converse(&stream, &server) {
                    tracing::debug!(%error, "a request for metrics broke off");
                }
            };
            thread::Builder::new().name("metrics-call".into()).spawn(serve).map(|_| ())
        });
        if let Err(error) = started {
            tracing::warn!(%error, "can't serve a request for metrics");
            thread::sleep(PAUSE);
        }
    }
}

fn converse(mut stream: &TcpStream, server: &Running) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let answer = match read_head(stream)? {
        Some(head) => answer(&head, server),
        None => plain("431 Request Header Fields Too Large", "the request is too long"),
    };
    stream.write_all(answer.head().as_bytes())?;
    stream.write_all(answer.body.as_bytes())
}

/// Reads a request up to the empty line after its fields. `None` if it is too long.
fn read_head(mut stream: &TcpStream) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + PATIENCE;
    let (mut head, mut chunk) = (Vec::new(), [0; 1_024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(rest))?;
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend(chunk.iter().take(read));
        if head.len() > HEAD_MAX {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

fn answer(head: &[u8], server: &Running) -> Answer {
    match path(head) {
        Ok("/metrics") => match Snapshot::take(server).map(Snapshot::text) {
            Ok(Ok(body)) => Answer { status: "200 OK", content_type: CONTENT_TYPE, body },
            Ok(Err(error)) => plain("500 Internal Server Error", &error.to_string()),
            Err(why) => plain(UNAVAILABLE, &why),
        },
        Ok("/live") => state("live", live(server)),
        Ok("/ready") => state("ready", ready(server)),
        Ok(_) => plain("404 Not Found", "there are /metrics, /live and /ready"),
        Err(answer) => answer,
    }
}

/// The path of a request, without its query.
fn path(head: &[u8]) -> Result<&str, Answer> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = str::from_utf8(line).unwrap_or_default().split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("GET"), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) => {
            Ok(target.split('?').next().unwrap_or(target))
        }
        (Some(_), Some(_), Some("HTTP/1.1" | "HTTP/1.0"), None) => {
            Err(plain("405 Method Not Allowed", "only GET is answered"))
        }
        _ => Err(plain("400 Bad Request", "not a request of HTTP/1.1")),
    }
}

fn state(name: &str, state: Result<(), String>) -> Answer {
    match state {
        Ok(()) => plain("200 OK", name),
        Err(why) => plain(UNAVAILABLE, &format!("not {name}: {why}")),
    }
}

fn plain(status: &'static str, line: &str) -> Answer {
    Answer { status, content_type: "text/plain; charset=utf-8", body: format!("{line}\n") }
}

impl Answer {
    fn head(&self) -> String {
        let Self { status, content_type, body } = self;
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            body.len()
        )
    }
}

const UNAVAILABLE: &str = "503 Service Unavailable";
/// Most connections at once. Further ones are closed.
const CONNECTIONS: usize = 8;
/// Longest request in bytes.
const HEAD_MAX: usize = 8 << 10;
/// Time in which a request must have arrived.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause after a connection that could not be served.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_get_of_a_path_is_a_request() {
        assert_eq!(path(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"), Ok("/live"));
        assert_eq!(path(b"GET /live?a=b HTTP/1.0\r\n\r\n"), Ok("/live"));
        let status = |head: &[u8]| path(head).unwrap_err().status;
        for head in ["POST /live HTTP/1.1\r\n", "HEAD / HTTP/1.1\r\n"] {
            assert_eq!(status(head.as_bytes()), "405 Method Not Allowed", "{head}");
        }
        for head in
            ["", "GET\r\n", "GET /\r\n", "GET / HTTP/2\r\n", "GET / a HTTP/1.1\r\n", "\u{16}"]
        {
            assert_eq!(status(head.as_bytes()), "400 Bad Request", "{head}");
        }
        assert_eq!(status(b"GET \xff HTTP/1.1\r\n"), "400 Bad Request");
    }
}

//! The command `health`: asks the running server whether it is ready.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use sealpost_programs::{Failure, Format, Line};
use serde_json::json;

use crate::admin;
use crate::data::DataFolder;

/// Prints `ready`, or fails with the reason why the server is not; as JSON, the reason is printed as
/// well. Without an address, the server's admin socket is asked.
pub(crate) fn health(
    address: Option<SocketAddr>,
    data: impl FnOnce() -> Result<DataFolder, Failure>,
    format: Format,
) -> Result<(), Failure> {
    let answer = match address {
        Some(address) => ask(local(address)),
        None => data().and_then(|data| admin::ask_ready(&data)),
    };
    if format == Format::Json {
        let reason = answer.as_ref().err().map(ToString::to_string);
        Line::json(&json!({ "ready": answer.is_ok(), "reason": reason }))?;
        return answer;
    }
    answer?;
    Line::text("ready")
}

/// Asks over HTTP.
fn ask(address: SocketAddr) -> Result<(), Failure> {
    let unreachable = || Failure::context(format!("the server does not answer on {address}"));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(unreachable())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(unreachable())?;
    let request = format!("GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(unreachable())?;
    let mut text = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut text).map_err(unreachable())?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some("503") => Err(Failure::new(body.trim_end())),
        Some(_) | None => {
            Err(Failure::new(format_args!("{address} is not a server's metrics address")))
        }
    }
}

/// The address at which this machine reaches a server that listens on `address`.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Time that the server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer in bytes.
const ANSWER_MAX: u64 = 4_096;

//! The header with which a proxy says for whom it connects: PROXY protocol, versions 1 and 2
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

use std::net::IpAddr;
use std::sync::Once;

use ppp::{v1, v2};

/// A header at the front of what a proxy has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Length of the header in bytes. What follows is the client's.
    pub len: usize,
    /// Address of the client. `None` if the proxy speaks for itself, as in health checks, or does
    /// not know.
    pub source: Option<IpAddr>,
}

/// What a proxy has sent does not begin with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxyHeader {
    /// It begins otherwise.
    #[error("it does not begin with a header of the PROXY protocol")]
    Absent,
    /// The header is longer than [`ProxyHeader::MAX_LEN`], or than version 1 allows.
    #[error("its PROXY header is too long")]
    TooLong,
    /// The header has a version, a command or an address that the protocol does not know.
    #[error("its PROXY header is malformed")]
    Malformed,
}

impl ProxyHeader {
    /// Longest header that is accepted, in bytes: one of version 2 with the longest addresses, and
    /// 304 bytes of further fields.
    pub const MAX_LEN: usize = 536;

    /// Reads the header at the front of `bytes`. Returns `None` if it is not complete yet.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, InvalidProxyHeader> {
        if begins(bytes, v1::PROTOCOL_PREFIX.as_bytes()) {
            parse_text(bytes)
        } else if begins(bytes, v2::PROTOCOL_PREFIX) {
            parse_binary(bytes)
        } else {
            Err(InvalidProxyHeader::Absent)
        }
    }
}

/// Whether the first bytes of a connection begin like a header, as no packet and no TLS record does.
/// Logs that nobody may send one who is not trusted: in full once, because strangers can repeat it.
pub(super) fn is_from_a_stranger(bytes: &[u8]) -> bool {
    static REPORT: Once = Once::new();
    let is_header =
        bytes.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) || bytes.starts_with(v2::PROTOCOL_PREFIX);
    if is_header {
        REPORT.call_once(|| {
            tracing::warn!(
                "closed a connection that began with a PROXY header, because it was not from a \
                 trusted proxy: if it was yours, add its address to proxy.trusted; this is logged \
                 once"
            );
        });
        tracing::debug!("closed a connection with a PROXY header from a stranger");
    }
    is_header
}

/// Whether `bytes` and `prefix` agree as far as both go.
fn begins(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(a, b)| a == b)
}

/// Reads version 1: one line.
fn parse_text(bytes: &[u8]) -> Result<Option<ProxyHeader>, InvalidProxyHeader> {
    let line = bytes.get(..TEXT_MAX_LEN).unwrap_or(bytes);
    // The parser takes some incomplete lines for malformed ones, so it gets complete ones only.
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if line.len() < TEXT_MAX_LEN { Ok(None) } else { Err(InvalidProxyHeader::TooLong) };
    };
    let len = end + 2;
    let line = bytes.get(..len).unwrap_or_default();
    let header = v1::Header::try_from(line).map_err(|_| InvalidProxyHeader::Malformed)?;
    let source = match header.addresses {
        v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Unknown => None,
    };
    Ok(Some(ProxyHeader { len, source }))
}

/// Reads version 2: a signature, a length, and as many bytes.
fn parse_binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, InvalidProxyHeader> {
    let Some((fixed, _)) = bytes.split_first_chunk::<BINARY_FIXED_LEN>() else { return Ok(None) };
    let [.., high, low] = *fixed;
    let len = BINARY_FIXED_LEN + usize::from(u16::from_be_bytes([high, low]));
    if len > ProxyHeader::MAX_LEN {
        return Err(InvalidProxyHeader::TooLong);
    }
    let Some(bytes) = bytes.get(..len) else { return Ok(None) };
    let header = v2::Header::try_from(bytes).map_err(|_| InvalidProxyHeader::Malformed)?;
    let source = match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(addresses)) => {
            Some(addresses.source_address.into())
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(addresses)) => {
            Some(addresses.source_address.into())
        }
        (v2::Command::Proxy, v2::Addresses::Unix(_) | v2::Addresses::Unspecified)
        | (v2::Command::Local, _) => None,
    };
    Ok(Some(ProxyHeader { len, source }))
}

/// Longest header of version 1, with the end of its line.
const TEXT_MAX_LEN: usize = 107;
/// Signature, version, family and length of version 2.
const BINARY_FIXED_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Result<Option<ProxyHeader>, InvalidProxyHeader> {
        ProxyHeader::parse(line.as_bytes())
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &len, rest].concat()
    }

    fn from(source: &str, len: usize) -> ProxyHeader {
        ProxyHeader { len, source: Some(source.parse().unwrap()) }
    }

    #[test]
    fn both_versions_name_the_client() {
        let line = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 7465\r\n";
        assert_eq!(text(&format!("{line}rest")), Ok(Some(from("192.0.2.1", line.len()))));
        let line = "PROXY TCP6 2001:db8::1 2001:db8::2 56324 7465\r\n";
        assert_eq!(text(line), Ok(Some(from("2001:db8::1", line.len()))));
        let header = binary(0x21, 0x11, &[192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4]);
        assert_eq!(
            ProxyHeader::parse(&[&header, &b"rest"[..]].concat()),
            Ok(Some(from("192.0.2.1", 28)))
        );
    }

    #[test]
    fn proxy_that_speaks_for_itself_names_nobody() {
        for bytes in [
            b"PROXY UNKNOWN\r\n".to_vec(),
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
            binary(0x20, 0x00, &[]),
            binary(0x20, 0x11, &[192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4]),
            binary(0x21, 0x31, &[0; 216]),
        ] {
            let len = bytes.len();
            assert_eq!(ProxyHeader::parse(&bytes), Ok(Some(ProxyHeader { len, source: None })));
        }
    }

    #[test]
    fn incomplete_header_is_awaited_at_every_length() {
        for bytes in [
            b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 7465\r\n".to_vec(),
            b"PROXY UNKNOWN\r\n".to_vec(),
            binary(0x21, 0x11, &[192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4]),
        ] {
            for len in 0..bytes.len() {
                assert_eq!(ProxyHeader::parse(&bytes[..len]), Ok(None), "{len}");
            }
        }
    }

    #[test]
    fn long_and_wrong_headers_are_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        assert!(text(&long[..106]).unwrap().is_none());
        assert_eq!(text(&long), Err(InvalidProxyHeader::TooLong));
        let longest = binary(0x20, 0x00, &[0; 520]);
        assert_eq!(ProxyHeader::parse(&longest).unwrap().unwrap().len, ProxyHeader::MAX_LEN);
        let longer = binary(0x20, 0x00, &[0; 521]);
        assert_eq!(ProxyHeader::parse(&longer), Err(InvalidProxyHeader::TooLong));
        for wrong in [&b"GET / HTTP/1.1"[..], b"\x16\x03\x01", b"PROXZ", b"\r\n\r\n\0\r\nQUIZ"] {
            assert_eq!(ProxyHeader::parse(wrong), Err(InvalidProxyHeader::Absent));
        }
        for malformed in [
            b"PROXY TCP4 192.0.2.1 2001:db8::1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n".to_vec(),
            binary(0x31, 0x11, &[0; 12]),
            binary(0x2f, 0x11, &[0; 12]),
            binary(0x21, 0x11, &[0; 11]),
        ] {
            assert_eq!(ProxyHeader::parse(&malformed), Err(InvalidProxyHeader::Malformed));
        }
    }
}

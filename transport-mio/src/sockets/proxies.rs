//! Connections from proxies that have not said yet for whom they connect.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use mio::{Interest, Registry, Token};

use super::arrivals::Arrival;
use super::proxy_header::{InvalidProxyHeader, ProxyHeader};

/// Trusted proxies, and their connections without a header.
///
/// The header stays in the socket until it is complete, so a connection takes no memory for it, and
/// what follows it, a TLS handshake perhaps, is left for the reactor.
#[derive(Debug)]
pub(super) struct Proxies {
    trusted: Vec<IpNet>,
    /// The one that has waited longest first.
    awaiting: VecDeque<(Instant, Arrival)>,
    /// The latest header was right. Wrong ones are reported once, until one is right again.
    latest: Latest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Latest {
    Right,
    Wrong,
}

/// How far a header has come.
enum Progress {
    Incomplete,
    Complete(IpAddr),
    Failed(String),
    /// The peer has left before it said anything.
    Left,
}

impl Proxies {
    pub(super) const fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted, awaiting: VecDeque::new(), latest: Latest::Right }
    }

    /// Whether connections from this address must begin with a header.
    pub(super) fn includes(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&peer))
    }

    /// Awaits the header of a connection. If too many wait, the one that has waited longest is
    /// closed.
    pub(super) fn hold(&mut self, mut arrival: Arrival, registry: &Registry, now: Instant) {
        if let Err(error) = registry.register(&mut arrival.socket, HEADER, Interest::READABLE) {
            tracing::warn!(%error, "can't watch a connection from a proxy: closing it");
            return;
        }
        if self.awaiting.len() >= HELD
            && let Some((_, longest)) = self.awaiting.pop_front()
        {
            self.report(longest.peer, "too many connections wait for theirs");
        }
        self.awaiting.push_back((now, arrival));
    }

    /// Takes the connections whose headers are complete, each with the client's address in place of
    /// the proxy's. Closes those whose headers are wrong, or late.
    pub(super) fn take_complete(&mut self, registry: &Registry, now: Instant) -> Vec<Arrival> {
        let mut complete = Vec::new();
        for (since, mut arrival) in std::mem::take(&mut self.awaiting) {
            match progress(&mut arrival) {
                Progress::Incomplete if now.saturating_duration_since(since) < PATIENCE => {
                    self.awaiting.push_back((since, arrival));
                }
                Progress::Incomplete => self.report(arrival.peer, "it did not come in time"),
                Progress::Failed(why) => self.report(arrival.peer, &why),
                Progress::Left => {}
                Progress::Complete(client) => {
                    self.latest = Latest::Right;
                    if registry.deregister(&mut arrival.socket).is_ok() {
                        complete.push(Arrival { peer: client, ..arrival });
                    }
                }
            }
        }
        complete
    }

    /// How long the accepting thread may wait before it looks again.
    pub(super) fn timeout(&self, now: Instant) -> Option<Duration> {
        let (since, _) = self.awaiting.front()?;
        Some(PATIENCE.saturating_sub(now.saturating_duration_since(*since)))
    }

    fn report(&mut self, proxy: IpAddr, why: &str) {
        if self.latest == Latest::Right {
            tracing::warn!(
                %proxy,
                "closed a connection from a trusted proxy without a valid PROXY header: {why}; \
                 have the proxy send one, or take its address out of proxy.trusted"
            );
        }
        self.latest = Latest::Wrong;
    }
}

/// Looks at what has arrived, and takes the header out of the socket once it is complete.
fn progress(arrival: &mut Arrival) -> Progress {
    let mut buffer = [0; ProxyHeader::MAX_LEN];
    let parsed = match arrival.socket.peek(&mut buffer) {
        Ok(0) => return Progress::Left,
        Ok(len) => ProxyHeader::parse(buffer.get(..len).unwrap_or_default()),
        Err(error) if is_passing(&error) => Ok(None),
        Err(_) => return Progress::Left,
    };
    match parsed {
        Ok(None) => Progress::Incomplete,
        Ok(Some(ProxyHeader { len, source })) => {
            // All of it was there a moment ago.
            match arrival.socket.read_exact(buffer.get_mut(..len).unwrap_or_default()) {
                Ok(()) => {
                    Progress::Complete(source.map_or(arrival.peer, |source| source.to_canonical()))
                }
                Err(error) => Progress::Failed(error.to_string()),
            }
        }
        Err(
            error @ (InvalidProxyHeader::Absent
            | InvalidProxyHeader::TooLong
            | InvalidProxyHeader::Malformed),
        ) => Progress::Failed(error.to_string()),
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Token of all connections that wait: which one has got something is found out by looking.
const HEADER: Token = Token(usize::MAX);
/// Connections that wait at most. Each takes one of the files that the host keeps free, and a proxy
/// sends the header at once.
const HELD: usize = 32;
/// How long a proxy may take to send its header.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use mio::Poll;

    use super::super::listening_socket::Encryption;
    use super::*;

    const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn arrival() -> (UnixStream, Arrival) {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        (far, Arrival { socket: near.into(), peer: PROXY, encryption: Encryption::OfHost })
    }

    #[test]
    fn header_is_awaited_for_a_time() {
        let (poll, start) = (Poll::new().unwrap(), Instant::now());
        let mut proxies = Proxies::new(vec!["127.0.0.0/8".parse().unwrap()]);
        assert!(proxies.includes(PROXY) && !proxies.includes("192.0.2.1".parse().unwrap()));
        let ((mut prompt, first), (_silent, second)) = (arrival(), arrival());
        proxies.hold(first, poll.registry(), start);
        proxies.hold(second, poll.registry(), start);
        prompt.write_all(b"PROXY TCP4 192.0.2.7 ").unwrap();
        assert!(proxies.take_complete(poll.registry(), start).is_empty());
        assert_eq!(proxies.timeout(start), Some(PATIENCE));
        prompt.write_all(b"192.0.2.1 5 6\r\n").unwrap();
        let late = start + PATIENCE;
        let complete = proxies.take_complete(poll.registry(), late);
        assert_eq!(complete[0].peer.to_string(), "192.0.2.7");
        assert_eq!((complete.len(), proxies.timeout(late)), (1, None), "the silent one is closed");
    }

    #[test]
    fn few_connections_wait_at_once() {
        let (poll, start) = (Poll::new().unwrap(), Instant::now());
        let mut proxies = Proxies::new(Vec::new());
        let mut peers = Vec::new();
        for _ in 0..=HELD {
            let (peer, arrival) = arrival();
            proxies.hold(arrival, poll.registry(), start);
            peers.push(peer);
        }
        assert_eq!(proxies.awaiting.len(), HELD);
        assert_eq!(peers[0].read(&mut [0]).unwrap(), 0, "the first one gave way");
    }
}

//! Connects to the first of several addresses that answers.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::dial_error::{Attempts, DialError};

/// Begins to connect to one address after the other, without waiting long for any, and returns the
/// first connection that is established (RFC 8305). An address that drops everything would
/// otherwise take the whole time-out.
///
/// # Errors
/// [`DialError::Unreachable`] with the failure of each address.
pub(super) fn connect(addresses: &[SocketAddr], timeout: Duration) -> Result<TcpStream, DialError> {
    let begin = Instant::now();
    let mut race = Race::new()?;
    let mut addresses = addresses.iter();
    loop {
        // Not a deadline: adding a very long time-out to the clock would overflow.
        let left = timeout.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Err(race.time_out());
        }
        let patience = match addresses.next() {
            Some(address) => {
                race.begin(*address);
                left.min(STAGGER)
            }
            None if race.is_over() => return Err(DialError::Unreachable(race.failed)),
            None => left,
        };
        if let Some(stream) = race.wait(patience)? {
            return Ok(stream);
        }
    }
}

/// Orders addresses so that the families alternate, beginning with that of the first: a network in
/// which one family does not work costs one stagger.
pub(super) fn alternate_families(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == preferred);
    let mut second = second.into_iter();
    let mut ordered: Vec<_> =
        first.into_iter().flat_map(|address| [Some(address), second.next()]).flatten().collect();
    ordered.extend(second);
    ordered
}

/// Connections that are being established.
struct Race {
    poll: Poll,
    events: Events,
    /// The index of a stream is its token.
    streams: Vec<Option<(SocketAddr, mio::net::TcpStream)>>,
    failed: Attempts,
}

impl Race {
    fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(16),
            streams: Vec::new(),
            failed: Attempts::default(),
        })
    }

    /// Whether every attempt has failed.
    fn is_over(&self) -> bool {
        self.streams.iter().all(Option::is_none)
    }

    /// The error when time is up.
    fn time_out(mut self) -> DialError {
        for (address, _) in self.streams.into_iter().flatten() {
            self.failed.push(address, io::ErrorKind::TimedOut.into());
        }
        if self.failed.is_empty() {
            DialError::TimedOut
        } else {
            DialError::Unreachable(self.failed)
        }
    }

    fn begin(&mut self, address: SocketAddr) {
        let token = Token(self.streams.len());
        let begun = mio::net::TcpStream::connect(address).and_then(|mut stream| {
            self.poll.registry().register(&mut stream, token, Interest::WRITABLE)?;
            Ok(stream)
        });
        match begun {
            Ok(stream) => self.streams.push(Some((address, stream))),
            Err(error) => self.failed.push(address, error),
        }
    }

    /// Waits until a connection is established, for `patience` at most, or until none is left.
    fn wait(&mut self, patience: Duration) -> io::Result<Option<TcpStream>> {
        let begin = Instant::now();
        loop {
            let left = patience.saturating_sub(begin.elapsed());
            if left.is_zero() || self.is_over() {
                return Ok(None);
            }
            match self.poll.poll(&mut self.events, Some(left)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &self.events {
                let Some(slot) = self.streams.get_mut(event.token().0) else { continue };
                let Some((address, stream)) = slot.take() else { continue };
                match established(&stream) {
                    Ok(true) => return Ok(Some(TcpStream::from(stream))),
                    Ok(false) => *slot = Some((address, stream)),
                    Err(error) => self.failed.push(address, error),
                }
            }
        }
    }
}

/// Whether a connection is established, as the documentation of mio says to find out.
fn established(stream: &mio::net::TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// How long an address has until the next one is tried too (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// An address that drops connection requests, as a dead machine does: its queue is full.
    struct Dropping {
        address: SocketAddr,
        listener: socket2::Socket,
        queue: Vec<mio::net::TcpStream>,
    }

    impl Dropping {
        fn new() -> Self {
            let listener =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
            listener.bind(&any.into()).unwrap();
            listener.listen(1).unwrap();
            let address = listener.local_addr().unwrap().as_socket().unwrap();
            let fill = (0..8).map(|_| mio::net::TcpStream::connect(address).unwrap());
            Self { address, queue: fill.collect(), listener }
        }
    }

    #[test]
    fn dead_first_address_does_not_keep_the_next_one_waiting() {
        let (dead, (_alive, address)) = (Dropping::new(), listener());
        assert_eq!(
            connect(&[dead.address], 2 * STAGGER).unwrap_err().to_string(),
            format!("no answer from {} in time", dead.address),
            "the test needs an address that drops"
        );
        let begin = Instant::now();
        let stream = connect(&[dead.address, dead.address, address], 60 * SECOND).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert!(begin.elapsed() < 10 * SECOND, "{:?}", begin.elapsed());
    }

    #[test]
    fn slow_address_still_wins_after_the_others_failed() {
        let (dropping, nobody) = (Dropping::new(), listener().1);
        let Dropping { address, listener, queue } = dropping;
        // Room in the queue: the request that was dropped is sent again after a second.
        let accepting = std::thread::spawn(move || {
            std::thread::sleep(2 * STAGGER);
            (0..9).for_each(|_| drop(listener.accept().unwrap()));
        });
        let stream = connect(&[address, nobody], 60 * SECOND).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        drop((stream, queue));
        accepting.join().unwrap();
    }

    #[test]
    fn refused_addresses_are_passed_at_once() {
        let (nobody, (_alive, address)) = (listener().1, listener());
        let begin = Instant::now();
        let addresses = [[nobody; 40].as_slice(), &[address]].concat();
        assert_eq!(connect(&addresses, 60 * SECOND).unwrap().peer_addr().unwrap(), address);
        assert!(begin.elapsed() < 20 * STAGGER);
        let refused = connect(&[nobody; 2], 60 * SECOND).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("{nobody} refused the connection; {nobody} refused the connection")
        );
    }

    #[test]
    fn each_address_that_failed_is_named_with_its_reason() {
        let (dead, nobody) = (Dropping::new(), listener().1);
        let error = connect(&[nobody, dead.address], 2 * STAGGER).unwrap_err();
        let expected =
            format!("{nobody} refused the connection; no answer from {} in time", dead.address);
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn families_alternate() {
        let six: Vec<_> =
            (1..4).map(|port| SocketAddr::from((Ipv6Addr::LOCALHOST, port))).collect();
        let four: Vec<_> =
            (1..3).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).collect();
        for (given, ordered) in [
            ([&six[..], &four].concat(), vec![six[0], four[0], six[1], four[1], six[2]]),
            ([&four[..1], &six].concat(), vec![four[0], six[0], six[1], six[2]]),
            (four.clone(), four),
            (vec![], vec![]),
        ] {
            assert_eq!(alternate_families(given), ordered);
        }
    }
}

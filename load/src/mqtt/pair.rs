//! A publisher and a subscriber of one topic, with QoS 1.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use sealpost_programs::Failure;

use super::wire::{self, Publish};
use crate::clients::fleet::{Fleet, LoadPair};
use crate::clients::flow::Flow;
use crate::clients::link::Link;
use crate::clients::pair::Span;
use crate::clients::ring::{Shape, content};
use crate::figures::Latencies;
use crate::system::process::Pid;

/// One pair under load.
///
/// A message is under way until it has arrived and the broker has acknowledged it. mosquitto
/// acknowledges without waiting for the subscriber, so without the first condition messages could
/// pile up in the broker; with it, as many are under way as between two users of Sealpost.
pub(crate) struct MqttPair {
    publisher: Link,
    subscriber: Link,
    messages: Messages,
    flow: Flow,
    /// Messages that the broker has acknowledged to the publisher.
    acknowledged: u64,
    /// Acknowledgements of the messages in one read.
    pubacks: Vec<u8>,
}

/// Messages prepared for one topic, one for each slot.
struct Messages {
    topic: String,
    packets: Vec<Vec<u8>>,
    /// Length of a payload, with which each packet ends.
    payload_len: usize,
}

/// Connects `pairs` pairs to a broker. A message has `packet` bytes on the wire, and `window`
/// messages may be under way between each pair.
pub(crate) fn connect(
    broker: SocketAddr,
    pid: Pid,
    pairs: u16,
    packet: usize,
    window: u16,
) -> Result<Fleet<MqttPair>, Failure> {
    let shape = Shape::new(window.into(), 1, 1)?;
    Fleet::new(Some(pid), 0..pairs, |number, registry, token| {
        let messages = Messages::prepare(format!("pair/{number}"), packet, shape)?;
        let publisher = dial(broker, &format!("publisher-{number}"))?;
        let subscriber = dial(broker, &format!("subscriber-{number}"))?;
        exchange(&subscriber, &wire::subscribe(&messages.topic)?, &wire::SUBACK)?;
        MqttPair::new(publisher, subscriber, messages, shape, registry, token)
    })
}

impl MqttPair {
    fn new(
        publisher: TcpStream,
        subscriber: TcpStream,
        messages: Messages,
        shape: Shape,
        registry: &Registry,
        token: usize,
    ) -> Result<Self, Failure> {
        Ok(Self {
            publisher: Link::new(publisher, registry, Token(token))?,
            subscriber: Link::new(subscriber, registry, Token(token + 1))?,
            messages,
            flow: Flow::new(shape)?,
            acknowledged: 0,
            pubacks: Vec::new(),
        })
    }

    /// Counts as receipted what has both arrived and been acknowledged.
    fn settle(&mut self) {
        self.flow.receipted = self.acknowledged.min(self.flow.arrived);
    }
}

impl LoadPair for MqttPair {
    fn flow(&self) -> &Flow {
        &self.flow
    }

    fn packet_len(&self) -> usize {
        self.messages.packets.first().map_or(0, Vec::len)
    }

    fn traffic(&self) -> u64 {
        self.publisher.traffic + self.subscriber.traffic
    }

    /// None: a broker with QoS 1 and without persistence stores nothing.
    fn stored_acks(&self) -> u64 {
        0
    }

    fn send(&mut self, due: Instant) {
        let slot = self.flow.shape().slot(self.flow.sent);
        self.publisher.queue(self.messages.packets.get(slot).map_or(&[], Vec::as_slice));
        self.flow.send(due);
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.publisher.flush()?;
        self.subscriber.flush()
    }

    fn read_messages(
        &mut self,
        buffer: &mut [u8],
        span: Span,
        latencies: &mut Latencies,
    ) -> Result<(), Failure> {
        let Self { subscriber, messages, flow, pubacks, .. } = self;
        pubacks.clear();
        subscriber.read_packets(buffer, wire::packet_len, |packet, at| {
            let slot = flow.shape().slot(flow.arrived);
            let publish = Publish::parse(packet).filter(|publish| messages.contain(slot, *publish));
            let Some(Publish { id, .. }) = publish.filter(|_| flow.arrived < flow.sent) else {
                return Err(unexpected(packet, "a subscriber", "its next message"));
            };
            pubacks.extend(wire::puback(id));
            flow.arrive(at, span, latencies);
            Ok(())
        })?;
        subscriber.queue(pubacks);
        self.settle();
        Ok(())
    }

    fn read_receipts(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        let Self { publisher, flow, acknowledged, .. } = self;
        publisher.read_packets(buffer, wire::packet_len, |packet, _| {
            let slot = flow.shape().slot(*acknowledged);
            if *acknowledged == flow.sent || packet != wire::puback(id_of(slot)?) {
                return Err(unexpected(packet, "a publisher", "its next acknowledgement"));
            }
            *acknowledged += 1;
            Ok(())
        })?;
        self.settle();
        Ok(())
    }
}

impl Messages {
    fn prepare(topic: String, packet: usize, shape: Shape) -> Result<Self, Failure> {
        let len = Publish::payload_len(&topic, packet).filter(|_| packet <= wire::LONGEST);
        let payload_len = len.ok_or_else(|| {
            Failure::usage(format_args!("a message of MQTT can't have exactly {packet} bytes"))
        })?;
        let publish = |number| {
            let payload = content(number, payload_len);
            let id = id_of(shape.slot(number))?;
            Publish { topic: &topic, id, payload: &payload }.emit()
        };
        let packets = (0..shape.slots()).map(publish).collect::<Result<_, _>>()?;
        Ok(Self { topic, packets, payload_len })
    }

    /// Whether `publish` is the message of this slot. The broker numbers packets anew for each
    /// subscriber, so the id is not compared.
    fn contain(&self, slot: usize, publish: Publish<'_>) -> bool {
        publish.topic == self.topic
            && publish.payload.len() == self.payload_len
            && self.packets.get(slot).is_some_and(|packet| packet.ends_with(publish.payload))
    }
}

/// The packet identifier of the message in a slot. Zero is not allowed (2.3.1).
fn id_of(slot: usize) -> Result<u16, Failure> {
    Ok(u16::try_from(slot + 1)?)
}

/// Opens a connection, and a session on it.
fn dial(broker: SocketAddr, client: &str) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(broker).map_err(Failure::context("can't reach mosquitto"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    exchange(&stream, &wire::connect(client)?, &wire::CONNACK)?;
    Ok(stream)
}

/// Sends a request, and waits for exactly this answer.
fn exchange<const N: usize>(
    mut stream: &TcpStream,
    request: &[u8],
    expected: &[u8; N],
) -> Result<(), Failure> {
    stream.write_all(request)?;
    let mut answer = [0; N];
    stream.read_exact(&mut answer).map_err(Failure::context("mosquitto did not answer"))?;
    if answer == *expected { Ok(()) } else { Err(unexpected(&answer, "a client", "an acceptance")) }
}

fn unexpected(packet: &[u8], who: &str, expected: &str) -> Failure {
    let first = packet.first().copied().unwrap_or_default();
    let len = packet.len();
    Failure::new(format_args!(
        "{who} got an MQTT packet of {len} bytes that begins with {first:#04x} instead of {expected}"
    ))
}

/// Longest wait for the answer to a request.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use mio::{Events, Poll};

    use super::*;
    use crate::clients::link;

    /// A pair, and the other ends of its connections.
    struct ScriptedBroker {
        poll: Poll,
        pair: MqttPair,
        publisher: TcpStream,
        subscriber: TcpStream,
        latencies: Latencies,
        span: Span,
    }

    impl ScriptedBroker {
        /// Two messages may be under way, and both are sent.
        fn new() -> Self {
            let shape = Shape::new(2, 1, 1).unwrap();
            let messages = Messages::prepare("pair/0".into(), 100, shape).unwrap();
            let poll = Poll::new().unwrap();
            let ((near, publisher), (end, subscriber)) = (connection(), connection());
            let pair = MqttPair::new(near, end, messages, shape, poll.registry(), 0).unwrap();
            let span = Span::new(Instant::now(), Duration::from_mins(1));
            let latencies = Latencies::new().unwrap();
            let mut broker = Self { poll, pair, publisher, subscriber, latencies, span };
            broker.pair.send(Instant::now());
            broker.pair.send(Instant::now());
            broker.pair.flush().unwrap();
            broker
        }

        /// Sends these bytes to the subscriber, which reads them.
        fn deliver(&mut self, bytes: &[u8]) -> Result<(), Failure> {
            self.subscriber.write_all(bytes).unwrap();
            self.wait_for(Token(1));
            self.pair.read_messages(&mut link::buffer(), self.span, &mut self.latencies)?;
            self.pair.flush()
        }

        /// Sends these bytes to the publisher, which reads them.
        fn acknowledge(&mut self, bytes: &[u8]) -> Result<(), Failure> {
            self.publisher.write_all(bytes).unwrap();
            self.wait_for(Token(0));
            self.pair.read_receipts(&mut link::buffer())
        }

        fn wait_for(&mut self, token: Token) {
            let mut events = Events::with_capacity(8);
            let is_readable = |events: &Events| {
                events.iter().any(|event| event.token() == token && event.is_readable())
            };
            while !is_readable(&events) {
                link::wait(&mut self.poll, &mut events, Duration::from_secs(10)).unwrap();
            }
        }
    }

    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    /// The message of a slot as the broker forwards it: with an id of its own.
    fn forwarded(slot: u64, id: u16) -> Vec<u8> {
        let payload_len = Publish::payload_len("pair/0", 100).unwrap();
        let payload = content(slot, payload_len);
        Publish { topic: "pair/0", id, payload: &payload }.emit().unwrap()
    }

    #[test]
    fn message_is_acknowledged_with_the_id_that_the_broker_gave_it() {
        let mut broker = ScriptedBroker::new();
        let mut sent = [0; 200];
        broker.publisher.read_exact(&mut sent).unwrap();
        assert_eq!(sent[..], [forwarded(0, 1), forwarded(1, 2)].concat());
        broker.deliver(&[forwarded(0, 700), forwarded(1, 701)].concat()).unwrap();
        let mut pubacks = [0; 8];
        broker.subscriber.read_exact(&mut pubacks).unwrap();
        assert_eq!(pubacks[..], [wire::puback(700), wire::puback(701)].concat());
        assert_eq!(broker.latencies.summary().count, 2);
    }

    #[test]
    fn message_is_under_way_until_it_has_arrived_and_is_acknowledged() {
        let mut broker = ScriptedBroker::new();
        assert_eq!(broker.pair.flow().room(), 0);
        broker.acknowledge(&[wire::puback(1), wire::puback(2)].concat()).unwrap();
        assert_eq!(broker.pair.flow().room(), 0);
        broker.deliver(&forwarded(0, 9)).unwrap();
        assert_eq!((broker.pair.flow().room(), broker.pair.flow().is_settled()), (1, false));
        broker.deliver(&forwarded(1, 10)).unwrap();
        assert_eq!((broker.pair.flow().room(), broker.pair.flow().is_settled()), (2, true));

        let mut broker = ScriptedBroker::new();
        broker.deliver(&[forwarded(0, 9), forwarded(1, 10)].concat()).unwrap();
        assert_eq!(broker.pair.flow().room(), 0);
        broker.acknowledge(&wire::puback(1)).unwrap();
        assert_eq!(broker.pair.flow().room(), 1);
    }

    #[test]
    fn messages_changed_repeated_out_of_order_or_never_sent_end_the_run() {
        let mut changed = forwarded(0, 1);
        *changed.last_mut().unwrap() ^= 1;
        let mut shortened = forwarded(0, 1);
        shortened.pop();
        shortened[1] -= 1;
        let mut elsewhere = forwarded(0, 1);
        elsewhere[9] ^= 1;
        let twice = [forwarded(0, 1), forwarded(0, 2)].concat();
        let surplus = [forwarded(0, 1), forwarded(1, 2), forwarded(2, 3)].concat();
        for bytes in [changed, shortened, elsewhere, twice, forwarded(1, 1), surplus] {
            let failure = ScriptedBroker::new().deliver(&bytes).unwrap_err();
            assert!(format!("{failure:?}").contains("a subscriber got"), "{failure:?}");
        }
    }

    #[test]
    fn acknowledgements_repeated_out_of_order_or_of_nothing_end_the_run() {
        let ids = [&[2][..], &[1, 1], &[1, 2, 3], &[0]];
        for ids in ids {
            let bytes: Vec<u8> = ids.iter().flat_map(|id| wire::puback(*id)).collect();
            let failure = ScriptedBroker::new().acknowledge(&bytes).unwrap_err();
            assert!(format!("{failure:?}").contains("a publisher got"), "{failure:?}");
        }
    }

    #[test]
    fn message_of_an_impossible_size_is_refused() {
        let shape = Shape::new(2, 1, 1).unwrap();
        for packet in [8, 130, wire::LONGEST + 1] {
            assert!(Messages::prepare("pair/0".into(), packet, shape).is_err(), "{packet}");
        }
    }
}

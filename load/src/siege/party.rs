//! One ordinary user under siege, who dials again whenever the connection is lost.

use std::collections::BTreeMap;
use std::mem;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::{Registry as PollRegistry, Token};
use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ErrorReply, FromServer, Op, Packet, Receipt, ReceiptsTaken, StoredAck};
use sealpost_programs::Failure;

use crate::clients::link::Link;
use crate::clients::registration::Registry;
use crate::clients::user::{User, now};

/// An ordinary user.
pub(crate) struct Party {
    pub(crate) user: User,
    source: Ipv4Addr,
    token: Token,
    presence: Presence,
    /// When the user last began to look for a session.
    begun: Instant,
    /// Timestamp of the latest 106. The next one must be newer.
    last_request: Timestamp,
    /// Receipts that have arrived and are not acknowledged yet.
    owed: Vec<(UserId, ReceiptId)>,
    /// Messages of attackers that have arrived and are not receipted yet.
    unsolicited: BTreeMap<UserId, Vec<u64>>,
    /// Number of receipts for messages of attackers so far.
    unsolicited_receipts: u64,
    /// Sessions that the server or the network has ended.
    pub(crate) lost_sessions: u64,
    /// Connections that ended, or were given up, before there was a session.
    pub(crate) failed_dials: u64,
}

enum Presence {
    Away,
    /// The connection was lost. The user dials again at this time.
    Lost(Instant),
    /// The user dials again if there is no session by this time.
    Dialling {
        link: Link,
        request: Bytes,
        until: Instant,
    },
    /// In a session. Stored items are still arriving.
    Draining(Link),
    Live(Link),
}

/// What has arrived for an ordinary user.
pub(crate) enum Arrival {
    /// A session began: what is not acknowledged must be repeated.
    Session,
    /// All stored items have arrived. Names the time since the user began to look for a session.
    Drained(Duration),
    Message {
        from: UserId,
        id: MessageId,
        packet: Packet,
    },
    Receipt {
        from: UserId,
        receipt: Receipt,
    },
    Stored(Vec<(UserId, MessageId)>),
    Error(ErrorReply),
}

impl Party {
    pub(crate) fn new(user: User, source: Ipv4Addr, token: Token) -> Self {
        Self {
            user,
            source,
            token,
            presence: Presence::Away,
            begun: Instant::now(),
            last_request: now().plus_secs(-1),
            owed: Vec::new(),
            unsolicited: BTreeMap::new(),
            unsolicited_receipts: 0,
            lost_sessions: 0,
            failed_dials: 0,
        }
    }

    /// Whether there is a session and nothing more is stored.
    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.presence, Presence::Live(_))
    }

    /// Goes away without a word, as a phone does that loses its network.
    pub(crate) fn leave(&mut self) {
        self.presence = Presence::Away;
    }

    /// Looks for a session, from this local address.
    pub(crate) fn enter(&mut self, source: Ipv4Addr) {
        let now = Instant::now();
        (self.source, self.begun, self.presence) = (source, now, Presence::Lost(now));
    }

    /// Looks for a session, from the usual local address.
    pub(crate) fn enter_from_home(&mut self) {
        self.enter(self.source);
    }

    /// Dials if the connection was lost and the pause after that is over. Gives up a connection on
    /// which the server does not answer.
    pub(crate) fn dial(
        &mut self,
        at: Instant,
        registry: &Registry,
        poll: &PollRegistry,
    ) -> Result<(), Failure> {
        match self.presence {
            Presence::Lost(until) if until <= at => {}
            Presence::Dialling { until, .. } if until <= at => {
                self.lose(PAUSE);
                return Ok(());
            }
            Presence::Away
            | Presence::Lost(_)
            | Presence::Dialling { .. }
            | Presence::Draining(_)
            | Presence::Live(_) => return Ok(()),
        }
        self.last_request = self.last_request.plus_secs(1).max(now());
        let request = self.user.reconnect(self.last_request)?;
        let mut link = Link::new(registry.dial_nonblocking_from(self.source)?, poll, self.token)?;
        link.queue(&request);
        self.presence = Presence::Dialling { link, request, until: at + PATIENCE };
        Ok(())
    }

    /// Queues a packet. Without a session it is dropped; [`Arrival::Session`] asks for it again.
    pub(crate) fn queue(&mut self, packet: &[u8]) {
        match &mut self.presence {
            Presence::Draining(link) | Presence::Live(link) => link.queue(packet),
            Presence::Away | Presence::Lost(_) | Presence::Dialling { .. } => {}
        }
    }

    /// Acknowledges the receipts that have arrived.
    pub(crate) fn acknowledge(&mut self) -> Result<(), Failure> {
        let in_session = matches!(self.presence, Presence::Draining(_) | Presence::Live(_));
        if in_session && !self.owed.is_empty() {
            let items = mem::take(&mut self.owed);
            let part = self.user.sealed(ReceiptsTaken { items }.emit());
            let packet = self.user.packet(Op::DeliveryAck, None, now(), vec![part])?;
            self.queue(&packet);
        }
        Ok(())
    }

    /// A message has arrived from somebody whom the user did not expect to write.
    pub(crate) fn note_unsolicited(&mut self, from: UserId, MessageId(id): MessageId) {
        self.unsolicited.entry(from).or_default().push(id);
    }

    /// Receipts the messages of attackers: a client must, or its mailbox is never empty.
    pub(crate) fn receipt_unsolicited(&mut self) -> Result<(), Failure> {
        for (from, ids) in mem::take(&mut self.unsolicited) {
            self.unsolicited_receipts += 1;
            let number = FIRST_UNSOLICITED + self.unsolicited_receipts;
            let receipt = self.user.receipt(from, number, ids.into_iter())?;
            self.queue(&receipt);
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) {
        if self.link().is_some_and(|link| link.flush().is_err()) {
            self.lose(PAUSE);
        }
    }

    /// Reads what has arrived, with the times at which it was read. `is_closed` says that nothing
    /// will follow.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        is_closed: bool,
    ) -> Result<Vec<(Arrival, Instant)>, Failure> {
        let mut packets = Vec::new();
        let outcome = self.link().map_or(Ok(()), |link| {
            link.read(buffer, |frame, at| {
                packets.push((frame.packet()?, at));
                Ok(())
            })
        });
        let mut arrivals = Vec::with_capacity(packets.len());
        for (packet, at) in packets {
            let arrival = self.take(packet, at)?;
            arrivals.extend(arrival.map(|arrival| (arrival, at)));
        }
        if is_closed || outcome.is_err() {
            self.lose(PAUSE);
        }
        Ok(arrivals)
    }

    fn take(&mut self, packet: Packet, at: Instant) -> Result<Option<Arrival>, Failure> {
        let code = packet.op().code();
        match FromServer::parse(packet)? {
            FromServer::SessionResumed { packet, .. } => self.begin_session(packet).map(Some),
            FromServer::NoMoreMessages(packet) => {
                self.user.drained(packet)?;
                self.end_drain()?;
                Ok(Some(Arrival::Drained(at.saturating_duration_since(self.begun))))
            }
            FromServer::Message { packet, sender: from, message_id: id, .. } => {
                Ok(Some(Arrival::Message { from, id, packet }))
            }
            FromServer::Receipt { recipient, receipt, .. } => {
                self.owed.push((recipient, receipt.receipt_id));
                Ok(Some(Arrival::Receipt { from: recipient, receipt }))
            }
            FromServer::Stored(packet) => {
                let items = StoredAck::parse(self.user.opened(packet)?.expose())?.items;
                Ok(Some(Arrival::Stored(items)))
            }
            FromServer::Error { packet, .. } => {
                let error = self.user.error(packet);
                let error = error.ok_or_else(|| Failure::new("a 244 is not authentic"))?;
                if matches!(self.presence, Presence::Dialling { .. }) {
                    let pause = Duration::from_secs(error.retry_after_secs.into());
                    self.lose(pause.clamp(PAUSE, PATIENCE));
                    return Ok(None);
                }
                Ok(Some(Arrival::Error(error)))
            }
            FromServer::ServerKey { .. }
            | FromServer::OtpIssued(_)
            | FromServer::RegistrationRejected(_)
            | FromServer::SessionIssued { .. }
            | FromServer::PublicKey(_)
            | FromServer::Disconnect(_) => Err(Failure::new(format_args!(
                "an ordinary user got a {code} without having asked for one"
            ))),
        }
    }

    fn begin_session(&mut self, answer: Packet) -> Result<Arrival, Failure> {
        match mem::replace(&mut self.presence, Presence::Away) {
            Presence::Dialling { link, request, .. } => {
                self.user.resumed(&request, answer)?;
                self.presence = Presence::Draining(link);
                Ok(Arrival::Session)
            }
            Presence::Away | Presence::Lost(_) | Presence::Draining(_) | Presence::Live(_) => {
                Err(Failure::new("an ordinary user got a second 206"))
            }
        }
    }

    fn end_drain(&mut self) -> Result<(), Failure> {
        match mem::replace(&mut self.presence, Presence::Away) {
            Presence::Draining(link) => {
                self.presence = Presence::Live(link);
                Ok(())
            }
            Presence::Away | Presence::Lost(_) | Presence::Dialling { .. } | Presence::Live(_) => {
                Err(Failure::new("an ordinary user got a 255 out of turn"))
            }
        }
    }

    /// Counts the loss of the connection. The user dials again after the pause.
    fn lose(&mut self, pause: Duration) {
        let now = Instant::now();
        match self.presence {
            Presence::Away | Presence::Lost(_) => return,
            Presence::Dialling { .. } => self.failed_dials += 1,
            Presence::Draining(_) | Presence::Live(_) => {
                self.lost_sessions += 1;
                self.begun = now;
            }
        }
        self.owed.clear();
        self.unsolicited.clear();
        self.presence = Presence::Lost(now + pause);
    }

    const fn link(&mut self) -> Option<&mut Link> {
        match &mut self.presence {
            Presence::Dialling { link, .. } | Presence::Draining(link) | Presence::Live(link) => {
                Some(link)
            }
            Presence::Away | Presence::Lost(_) => None,
        }
    }
}

/// Numbers of receipts for messages of attackers begin here, far from those of the letters.
const FIRST_UNSOLICITED: u64 = 1 << 32;
/// How long a user waits for a session, and the longest pause before the next attempt.
const PATIENCE: Duration = Duration::from_secs(10);
/// Shortest pause before a user whose connection was lost dials again.
const PAUSE: Duration = Duration::from_secs(1);

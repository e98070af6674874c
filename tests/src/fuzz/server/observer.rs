//! The host of a fuzzed server: checks every action against what the machine promises.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use sealpost_core::crypto::Job;
use sealpost_core::frame::{Flow, Host};
use sealpost_core::ids::{ConnId, EndpointIndex, Phone, ReceiptId, Ticket, UserId};
use sealpost_core::keys::Plaintext;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::{Appended, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::server::{DeliveryId, Notice, OtpDelivery, Server};
use sealpost_core::wire::{
    FromServer, ItemId, ItemKind, Op, Otp, OtpIssued, Packet, Profile, Receipt, ReceiptsTaken,
    StoredAck,
};

use crate::fuzz::bed;
use crate::fuzz::null_crypto;

/// What the server has asked for and been told.
pub(in crate::fuzz) struct Observer {
    profile: Profile,
    limits: Limits,
    /// Established connections, as both ends see them.
    pub(super) connections: BTreeMap<ConnId, Connection>,
    pub(super) ops: VecDeque<(Ticket, StoreOp)>,
    pub(super) jobs: Vec<(Ticket, Job)>,
    /// Latest one-time password for each phone.
    pub(super) otps: BTreeMap<Phone, Otp>,
    /// Deliveries of one-time passwords not answered yet.
    pub(super) deliveries: VecDeque<DeliveryId>,
    pub(super) stopped: bool,
    /// Number of connections opened so far.
    pub(super) opened: u64,
    /// Actions since the last input.
    actions: usize,
    /// Connection whose bytes are the current input.
    reading: Option<ConnId>,
    /// Unanswered jobs that verify packets, with their connections.
    verifying: BTreeMap<Ticket, ConnId>,
    /// The input that is handled has begun a verification.
    begun: bool,
    /// Packets of clients whose signature a job found valid.
    verified: BTreeSet<Bytes>,
    /// Messages that were ever durable.
    durable: BTreeSet<ItemId>,
    /// Phone of each opened 100, by the hash of the request.
    registering: BTreeMap<[u8; 8], Phone>,
}

/// An established connection.
#[derive(Default)]
pub(super) struct Connection {
    /// User of the current session.
    pub(super) user: Option<UserId>,
    /// User of the current or ended session.
    ever: Option<UserId>,
    pub(super) paused: bool,
    pub(super) congested: bool,
    /// The client sent bytes that are not a packet.
    pub(super) garbled: bool,
    /// Bytes that the client sent and the server has not read.
    pub(super) unread: Vec<u8>,
    /// Items sent to the client.
    pub(super) received: BTreeSet<ItemId>,
    /// Items sent to the client and not acknowledged.
    pub(super) unacknowledged: BTreeSet<ItemId>,
    /// Items that the client ever acknowledged. They are exempt from the checks: between the
    /// verification of an acknowledgement and its effect, the server may send the item again.
    acknowledged: BTreeSet<ItemId>,
}

impl Observer {
    pub(super) const fn new(profile: Profile, limits: Limits) -> Self {
        Self {
            profile,
            limits,
            connections: BTreeMap::new(),
            ops: VecDeque::new(),
            jobs: Vec::new(),
            otps: BTreeMap::new(),
            deliveries: VecDeque::new(),
            stopped: false,
            opened: 0,
            actions: 0,
            reading: None,
            verifying: BTreeMap::new(),
            begun: false,
            verified: BTreeSet::new(),
            durable: BTreeSet::new(),
            registering: BTreeMap::new(),
        }
    }

    fn released(&mut self, recipient: UserId, keys: &[ItemId]) {
        for connection in
            self.connections.values_mut().filter(|connection| connection.user == Some(recipient))
        {
            connection.unacknowledged.retain(|key| !keys.contains(key));
            connection.acknowledged.extend(keys);
        }
    }

    fn connection(&mut self, conn: ConnId) -> &mut Connection {
        self.connections.get_mut(&conn).expect("an established connection")
    }

    /// Checks a client's packet that the server sends on, directly or from the store.
    fn forwarded(&mut self, conn: ConnId, packet: &Packet) {
        assert!(self.verified.contains(packet.bytes()), "forwarded unverified: {packet:?}");
        let most = self.limits.in_flight_items.max(self.limits.drain_items as usize);
        let connection = self.connection(conn);
        assert_eq!(packet.header().recipient, connection.user, "sent to another user");
        let key = ItemId::of(packet).expect("a message or receipt");
        connection.received.insert(key);
        if connection.acknowledged.contains(&key) {
            return;
        }
        assert!(connection.unacknowledged.insert(key), "sent twice: {key:?}");
        assert!(
            connection.unacknowledged.len() <= most,
            "{} in flight",
            connection.unacknowledged.len()
        );
    }

    fn stored(&mut self, conn: ConnId, packet: &Packet) {
        let sender = packet.header().recipient;
        assert_eq!(sender, self.connection(conn).user, "acknowledged to another user");
        let opened = null_crypto::open(packet.payload()).expect("sealed");
        for (_, id) in StoredAck::parse(opened.expose()).expect("a 203").items {
            let origin = sender.expect("a user");
            let key = ItemId { kind: ItemKind::Message, origin, id: id.0 };
            assert!(self.durable.contains(&key), "acknowledged but not stored: {key:?}");
        }
    }

    fn otp_issued(&mut self, packet: &Packet) {
        let opened = null_crypto::open(packet.payload()).expect("sealed");
        let issued = OtpIssued::parse(opened.expose()).expect("a 200");
        let phone = self.registering.get(&issued.in_reply_to.0);
        if let Some((phone, otp)) = phone.zip(issued.otp) {
            self.otps.insert(*phone, otp);
        }
    }
}

impl bed::Observer<Server> for Observer {
    fn ops(&mut self) -> &mut VecDeque<(Ticket, StoreOp)> {
        &mut self.ops
    }

    fn jobs(&mut self) -> &mut Vec<(Ticket, Job)> {
        &mut self.jobs
    }

    fn may_request(job: &Job) -> bool {
        !matches!(job, Job::OpenGrant { .. } | Job::OpenMessage { .. })
    }

    fn before_input(&mut self, reading: Option<ConnId>) {
        (self.actions, self.reading, self.begun) = (0, reading, false);
    }

    fn after_input(&self, server: &Server, bytes: usize) {
        let packets = bytes / SMALLEST_PACKET + 1;
        assert!(self.actions <= MAX_ACTIONS + 8 * packets, "{} actions", self.actions);
        // A session that has ended leaves its jobs behind, and begins no others.
        if let Some(conn) = self.reading.filter(|_| self.begun) {
            let verifying = self.verifying.values().filter(|of| **of == conn).count();
            let most = self.limits.checks_per_conn.max(1) + packets;
            assert!(verifying <= most, "{verifying} packets of one connection being verified");
        }
        let stats = server.stats();
        assert!(stats.connections <= self.limits.connections);
        assert_eq!(stats.connections, self.connections.len());
        let sessions = self.connections.values().filter(|conn| conn.user.is_some()).count();
        assert_eq!(stats.sessions, sessions);
    }

    fn committed(&mut self, op: &StoreOp, outcome: &StoreOutcome) {
        if let (StoreOp::Append { packets, .. }, Ok(StoreReply::Appended(each))) = (op, outcome) {
            for (packet, appended) in packets.iter().zip(each) {
                assert!(self.verified.contains(packet.bytes()), "stored unverified: {packet:?}");
                if matches!(appended, Appended::Stored | Appended::Duplicate) {
                    self.durable.extend(ItemId::of(packet));
                }
            }
        }
    }

    /// What was acknowledged on an earlier connection may have been sent again since, and leaves
    /// the store now.
    fn before_outcome(&mut self, op: &StoreOp) {
        if let StoreOp::Settle(settlement) = op {
            self.released(settlement.recipient, &settlement.delivered);
        } else if let StoreOp::DropReceipts { recipient, receipts } = op {
            self.released(*recipient, receipts);
        }
    }

    fn before_job_outcome(&mut self, ticket: Ticket) {
        self.verifying.remove(&ticket);
    }

    /// From here on the packet may be forwarded, and the items it acknowledges sent again.
    fn verified(&mut self, packet: &Packet) {
        self.verified.insert(packet.bytes().clone());
        let (Some(recipient), op) = (packet.header().sender, packet.op()) else { return };
        if op != Op::DeliveryAck {
            return;
        }
        let released: Vec<ItemId> = match packet.header().recipient {
            Some(origin) => Receipt::parse(packet.payload()).map_or(Vec::new(), |receipt| {
                let ids = receipt.message_ids.into_iter();
                ids.map(|id| ItemId { kind: ItemKind::Message, origin, id: id.0 }).collect()
            }),
            None => null_crypto::open(packet.payload()).map_or(Vec::new(), |opened| taken(&opened)),
        };
        self.released(recipient, &released);
    }

    fn opened(&mut self, packet: &Packet, plaintext: &Plaintext) {
        if let Some(recipient) = packet.header().sender {
            self.released(recipient, &taken(plaintext));
        }
    }

    fn registers(&mut self, request: &Packet, phone: Phone) {
        self.registering.insert(request.request_hash().in_reply_to().0, phone);
    }
}

impl Host<Server> for Observer {
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        self.actions += 1;
        let packet = Packet::parse(self.profile, bytes).expect("one whole packet");
        match FromServer::parse(packet).expect("a packet for a client") {
            FromServer::Message { packet, .. } | FromServer::Receipt { packet, .. } => {
                self.forwarded(conn, &packet);
            }
            FromServer::Stored(packet) => self.stored(conn, &packet),
            FromServer::OtpIssued(packet) => {
                self.connection(conn);
                self.otp_issued(&packet);
            }
            FromServer::PublicKey(packet) | FromServer::NoMoreMessages(packet) => {
                assert_eq!(
                    packet.header().recipient,
                    self.connection(conn).ever,
                    "sent to another user"
                );
            }
            FromServer::ServerKey { .. }
            | FromServer::RegistrationRejected(_)
            | FromServer::SessionIssued { .. }
            | FromServer::SessionResumed { .. }
            | FromServer::Disconnect(_)
            | FromServer::Error { .. } => {
                self.connection(conn);
            }
        }
    }

    fn store(&mut self, ticket: Ticket, op: StoreOp) {
        self.actions += 1;
        self.ops.push_back((ticket, op));
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.actions += 1;
        if let (Some(conn), Job::Verify { .. } | Job::OpenSealed { .. }) = (self.reading, &job) {
            self.verifying.insert(ticket, conn);
            self.begun = true;
        }
        self.jobs.push((ticket, job));
    }

    fn deliver(&mut self, delivery: OtpDelivery) {
        self.actions += 1;
        self.deliveries.push_back(delivery.id);
        self.otps.insert(delivery.phone, delivery.otp);
    }

    fn notify(&mut self, notice: Notice) {
        self.actions += 1;
        match notice {
            Notice::Misuse { misuse } => panic!("{misuse}"),
            Notice::SessionOpened { user, conn } => {
                let connection = self.connection(conn);
                assert_eq!(connection.ever, None, "two sessions on one connection");
                (connection.user, connection.ever) = (Some(user), Some(user));
                let sessions = self
                    .connections
                    .values()
                    .filter(|connection| connection.user == Some(user))
                    .count();
                assert_eq!(sessions, 1, "two sessions of one user");
            }
            Notice::SessionClosed { user, conn } => {
                if let Some(connection) = self.connections.get_mut(&conn) {
                    assert_eq!(connection.user.take(), Some(user));
                }
            }
            Notice::Stopped => {
                assert!(
                    !self.stopped && self.connections.is_empty(),
                    "stopped twice, or with connections"
                );
                self.stopped = true;
            }
            Notice::Registered { .. }
            | Notice::Reconfigured
            | Notice::ReconfigurationRefused { .. }
            | Notice::Refused { .. }
            | Notice::StrangersShed { .. }
            | Notice::ConnectionsShed { .. }
            | Notice::Unresponsive { .. }
            | Notice::StoreFull
            | Notice::StoreFailed { .. }
            | Notice::ClockImplausible { .. } => {}
        }
    }

    fn flow(&mut self, conn: ConnId, flow: Flow) {
        self.actions += 1;
        let pause = flow == Flow::Pause;
        let before = std::mem::replace(&mut self.connection(conn).paused, pause);
        assert_ne!(before, pause, "told twice to {flow:?}");
    }

    fn close(&mut self, conn: ConnId) {
        self.actions += 1;
        self.connections.remove(&conn).expect("an established connection");
    }

    fn dial(&mut self, _: ConnId, _: EndpointIndex) {
        panic!("a server does not dial");
    }
}

/// Receipts named in a 203 to the server.
fn taken(plaintext: &Plaintext) -> Vec<ItemId> {
    let taken = ReceiptsTaken::parse(plaintext.expose()).map(|taken| taken.items);
    let key =
        |(origin, id): (UserId, ReceiptId)| ItemId { kind: ItemKind::Receipt, origin, id: id.0 };
    taken.unwrap_or_default().into_iter().map(key).collect()
}

/// Length of a packet with a compact header and no payload.
const SMALLEST_PACKET: usize = 2 + 2 + 19 + 1 + 2 + 256;

/// Bound on the actions that follow from one event, under the limits of this target. The most follow
/// from a shutdown with every user in session, or from an append whose every message is refused.
const MAX_ACTIONS: usize = 120;

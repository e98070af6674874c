//! The host of a fuzzed client: checks every action against what the machine promises.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::fuzz::bed;
use bytes::Bytes;
use sealpost_core::client::store::{ClientOp, ClientOutcome, ClientReply, InboxId, InboxItem};
use sealpost_core::client::{Client, Limits, Notice, Token};
use sealpost_core::crypto::Job;
use sealpost_core::frame::{Flow, Host};
use sealpost_core::ids::{ConnId, EndpointIndex, MessageId, Phone, Ticket, UserId};
use sealpost_core::keys::{Fingerprint, Plaintext};
use sealpost_core::wire::{
    FromClient, MessageHead, Op, Packet, Profile, Receipt, RequestHash, StoredAck,
};

/// What the client has asked for and been told.
pub(in crate::fuzz) struct Observer {
    profile: Profile,
    limits: Limits,
    /// The connection, established or being dialled.
    pub(super) link: Option<Link>,
    pub(super) ops: VecDeque<(Ticket, ClientOp)>,
    pub(super) jobs: Vec<(Ticket, Job)>,
    /// Packets sent last, newest first, for the server to answer.
    pub(super) requests: VecDeque<Packet>,
    /// Changed keys that the client reported for contacts.
    pub(super) offered: Vec<(Phone, Fingerprint)>,
    /// Inbox position of the last message delivered since the client started.
    pub(super) shown: InboxId,
    pub(super) stopped: bool,
    /// Number of messages that the application sent so far.
    pub(super) tokens: u64,
    /// Actions since the last input.
    actions: usize,
    /// Unanswered jobs of the latest connection: the client limits their number.
    recent: BTreeSet<Ticket>,
    /// Messages whose signature a job found valid.
    verified: BTreeSet<(UserId, MessageId)>,
    /// Messages from peers that are durable.
    received: BTreeSet<(UserId, MessageId)>,
    /// Messages delivered since the client started.
    delivered: BTreeSet<(UserId, MessageId, RequestHash)>,
    /// The client's own durable messages, as they must be sent.
    enqueued: BTreeMap<MessageId, Bytes>,
    /// What the application's tokens name.
    named: BTreeMap<Token, MessageId>,
    /// Messages for which a verified receipt arrived.
    signed_for: BTreeSet<(UserId, MessageId)>,
    /// Messages for which a verified 203 *stored* arrived.
    said_stored: BTreeSet<MessageId>,
}

/// The client's connection.
pub(super) struct Link {
    pub(super) conn: ConnId,
    pub(super) state: LinkState,
    pub(super) paused: bool,
    pub(super) congested: bool,
    /// Bytes that the server sent and the client has not read.
    pub(super) unread: Vec<u8>,
}

/// State of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LinkState {
    Dialled,
    Open,
    Session,
}

impl Observer {
    pub(super) const fn new(profile: Profile, limits: Limits) -> Self {
        Self {
            profile,
            limits,
            link: None,
            ops: VecDeque::new(),
            jobs: Vec::new(),
            requests: VecDeque::new(),
            offered: Vec::new(),
            shown: InboxId::START,
            stopped: false,
            tokens: 0,
            actions: 0,
            recent: BTreeSet::new(),
            verified: BTreeSet::new(),
            received: BTreeSet::new(),
            delivered: BTreeSet::new(),
            enqueued: BTreeMap::new(),
            named: BTreeMap::new(),
            signed_for: BTreeSet::new(),
            said_stored: BTreeSet::new(),
        }
    }

    /// Notes that the process crashed: only what the store holds remains.
    pub(super) fn restarted(&mut self) {
        self.link = None;
        self.ops.clear();
        self.jobs.clear();
        self.requests.clear();
        self.recent.clear();
        self.delivered.clear();
        self.shown = InboxId::START;
    }

    pub(super) fn in_session(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.state == LinkState::Session)
    }

    fn link(&mut self, conn: ConnId) -> &mut Link {
        let link = self.link.as_mut().filter(|link| link.conn == conn);
        link.expect("the current connection")
    }
}

impl bed::Observer<Client> for Observer {
    fn ops(&mut self) -> &mut VecDeque<(Ticket, ClientOp)> {
        &mut self.ops
    }

    fn jobs(&mut self) -> &mut Vec<(Ticket, Job)> {
        &mut self.jobs
    }

    fn may_request(job: &Job) -> bool {
        !matches!(job, Job::OpenRequest { .. })
    }

    fn before_input(&mut self, _: Option<ConnId>) {
        self.actions = 0;
    }

    fn after_input(&self, _: &Client, bytes: usize) {
        let packets = bytes / SMALLEST_PACKET + 1;
        assert!(self.actions <= MAX_ACTIONS + 8 * packets, "{} actions", self.actions);
        let Limits { arriving, sealing, receipts_signing, lookups_at_once, .. } = self.limits;
        // A request, a look-up, a 203 to the server and a 222 may be in the making besides.
        let most = arriving + sealing + receipts_signing + lookups_at_once + 4;
        assert!(self.recent.len() <= most, "{} jobs at once", self.recent.len());
    }

    fn committed(&mut self, op: &ClientOp, outcome: &ClientOutcome) {
        if outcome.is_err() {
            return;
        }
        if let ClientOp::Enqueue(messages) = op {
            for message in messages {
                let bytes = message.packet.bytes().clone();
                let before = self.enqueued.insert(message.id, bytes.clone());
                assert!(before.is_none_or(|before| before == bytes), "message id used twice");
                let before = self.named.insert(message.token, message.id);
                assert!(before.is_none_or(|before| before == message.id), "sent twice");
            }
        }
        if let (ClientOp::Receive(messages), Ok(ClientReply::Received(_))) = (op, outcome) {
            for message in messages {
                let key = (message.sender, message.id);
                assert!(self.verified.contains(&key), "stored but not verified: {key:?}");
                self.received.insert(key);
            }
        }
    }

    fn before_job_outcome(&mut self, ticket: Ticket) {
        self.recent.remove(&ticket);
    }

    fn verified(&mut self, packet: &Packet) {
        let Some(peer) = packet.header().sender else { return };
        if packet.op() == Op::Message
            && let Ok((head, _)) = MessageHead::parse(packet.payload())
        {
            self.verified.insert((peer, head.message_id));
        }
        if packet.op() == Op::DeliveryAck
            && let Ok(receipt) = Receipt::parse(packet.payload())
        {
            self.signed_for.extend(receipt.message_ids.into_iter().map(|id| (peer, id)));
        }
    }

    fn opened(&mut self, _: &Packet, plaintext: &Plaintext) {
        if let Ok(ack) = StoredAck::parse(plaintext.expose()) {
            self.said_stored.extend(ack.items.into_iter().map(|(_, id)| id));
        }
    }
}

impl Host<Client> for Observer {
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        self.actions += 1;
        assert!(
            self.link(conn).state >= LinkState::Open,
            "sent before the connection was established"
        );
        let packet = Packet::parse(self.profile, bytes).expect("one whole packet");
        match FromClient::parse(packet.clone()).expect("a packet for a server") {
            FromClient::Message { packet, message_id, .. } => {
                let kept = self.enqueued.get(&message_id);
                assert_eq!(kept, Some(packet.bytes()), "sent but not stored: {message_id:?}");
            }
            FromClient::Receipt { sender, receipt, .. } => {
                for id in receipt.message_ids {
                    assert!(
                        self.received.contains(&(sender, id)),
                        "acknowledged but not durable: {id:?}"
                    );
                }
            }
            FromClient::Register(_)
            | FromClient::Confirm { .. }
            | FromClient::Reconnect(_)
            | FromClient::ServerKey { .. }
            | FromClient::Lookup(_)
            | FromClient::ReceiptsTaken(_)
            | FromClient::Disconnect(_) => {}
        }
        self.requests.push_front(packet);
        self.requests.truncate(MAX_REQUESTS);
    }

    fn store(&mut self, ticket: Ticket, op: ClientOp) {
        self.actions += 1;
        self.ops.push_back((ticket, op));
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.actions += 1;
        self.recent.insert(ticket);
        self.jobs.push((ticket, job));
    }

    fn deliver(&mut self, item: InboxItem) {
        self.actions += 1;
        let key = (item.message.sender, item.message.id);
        assert!(self.received.contains(&key), "delivered but not durable: {key:?}");
        // Another packet under the same id is another message.
        let packet = (item.message.sender, item.message.id, item.message.packet_hash);
        assert!(self.delivered.insert(packet), "delivered twice: {key:?}");
        assert!(item.place > self.shown, "out of order: {:?}", item.place);
        self.shown = item.place;
    }

    fn notify(&mut self, notice: Notice) {
        self.actions += 1;
        match notice {
            Notice::Queued { id, .. } => assert!(self.enqueued.contains_key(&id)),
            Notice::Delivered { recipient, ids } => {
                for id in ids {
                    assert!(
                        self.signed_for.contains(&(recipient, id)),
                        "shown as delivered without a receipt: {id:?}"
                    );
                }
            }
            Notice::Stored { ids } => {
                assert!(
                    ids.iter().all(|id| self.said_stored.contains(id)),
                    "shown as stored without a 203: {ids:?}"
                );
            }
            Notice::Online { .. } => {
                // The connection may have ended between the grant's arrival and its verification.
                if let Some(link) = &mut self.link {
                    link.state = LinkState::Session;
                }
            }
            Notice::KeyChanged { phone, offered, .. } => self.offered.push((phone, offered)),
            Notice::Misuse { misuse } => panic!("{misuse}"),
            Notice::Stopped => {
                assert!(
                    !self.stopped && self.link.is_none(),
                    "stopped twice, or with a connection"
                );
                self.stopped = true;
            }
            _ => {}
        }
    }

    fn flow(&mut self, conn: ConnId, flow: Flow) {
        self.actions += 1;
        let pause = flow == Flow::Pause;
        let before = std::mem::replace(&mut self.link(conn).paused, pause);
        assert_ne!(before, pause, "told twice to {flow:?}");
    }

    fn close(&mut self, conn: ConnId) {
        self.actions += 1;
        self.link(conn);
        self.link = None;
    }

    fn dial(&mut self, conn: ConnId, _: EndpointIndex) {
        self.actions += 1;
        assert!(self.link.is_none(), "one connection at a time");
        self.recent.clear();
        let unread = Vec::new();
        let state = LinkState::Dialled;
        self.link = Some(Link { conn, state, paused: false, congested: false, unread });
    }
}

/// Length of a packet with a compact header and no payload.
const SMALLEST_PACKET: usize = 2 + 2 + 19 + 1 + 2 + 256;

/// Bound on the actions that follow from one event, under the limits of this target.
const MAX_ACTIONS: usize = 120;

/// Number of requests that the server remembers.
const MAX_REQUESTS: usize = 6;
